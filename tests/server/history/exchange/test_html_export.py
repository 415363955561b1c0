"""An export is whole, safe to open, and bounded in memory; one that fails leaves nothing."""

from __future__ import annotations

import errno
import re
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path
from urllib.parse import unquote

import pytest

from chat.server.history.exchange import html_export
from chat.server.history.exchange.html_export import Exported, export_html, one_page
from chat.server.history.exchange.kept_contents import kept_contents
from chat.server.history.faults import HistoryFault
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.stored import Hole, StoredRun
from tests.server.history.exchange.stories import HOSTILE, PNG, attached, said


@pytest.fixture(autouse=True)
def be_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set the local time zone: that of the test, or UTC."""

    def be_in(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    be_in("UTC")
    yield be_in
    monkeypatch.undo()
    time.tzset()


def ids(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<article id="m(\d+)"', page)]


def test_a_short_history_is_one_page_with_its_days(tmp_path: Path) -> None:
    items: list[StoredRun | Hole] = [said(1, "one"), Hole(2, 4), said(5, "next day", seconds=86400)]
    assert export_html(items, "A & B", tmp_path / "out") == Exported(2, 1, 0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["index.html"]
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "<title>A &amp; B</title>" in page
    assert "2 messages, 24 November 2026 to 25 November 2026. Times are in UTC." in page
    assert "<h2>Tuesday, 24 November 2026</h2>" in page
    assert "numbers 2 to 4 were given up" in page
    assert page.count("<section>") == page.count("</section>") == 2
    assert ids(page) == [1, 5]


def test_the_time_zones_of_a_page_are_named(tmp_path: Path, be_in: Callable[[str], None]) -> None:
    be_in("Europe/Berlin")
    # Before and after the clocks go forward in March 2027.
    items = [said(1, "winter", seconds=123 * 86400), said(2, "summer", seconds=124 * 86400)]
    export_html(items, "room", tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Times are in CET (UTC+01:00), CEST (UTC+02:00)." in page
    assert re.findall(r">(\d\d:\d\d):00</time>", page) == ["10:30", "11:30"]


def test_an_export_is_for_its_owner_only(tmp_path: Path) -> None:
    export_html([attached(1, "a.txt", b"x")], "room", tmp_path / "out")
    paths = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert [path.stat().st_mode & 0o077 for path in paths] == [0] * 4


@pytest.mark.parametrize(
    ("name", "content", "stored"),
    [
        ("plan.pdf", b"%PDF", "1-plan.pdf"),
        ("../../etc/cron.d/x", b"x", "1-x"),
        (".htaccess", b"x", "1-htaccess"),
        ("page.HTML", b"hi", "1-page.HTML.txt"),
        ("picture.svg", b"<svg onload=x>", "1-picture.svg.txt"),
        ("picture.svg.gz", b"\x1f\x8b", "1-picture.svg.gz.txt"),
        ("shell.php", b"<?php", "1-shell_php.txt"),
        ("shell.PHP.cgi.jpg", b"<?php", "1-shell_PHP_cgi.jpg"),
        ("plan.player.plx", b"x", "1-plan.player.plx"),
        ("noname", b"<!doctype html><script>", "1-noname.txt"),
        ("settings.toml", b"a = 1", "1-settings.toml"),
        ("a b%20#?&\"'.bin", b"x", "1-a b%20#_&_'.bin"),
        ("", b"x", "1-file"),
        ("x" * 300 + ".bin", b"x", f"1-{'x' * 196}.bin"),
    ],
)
def test_a_file_has_a_safe_name_and_the_page_finds_it(
    tmp_path: Path, name: str, content: bytes, stored: str
) -> None:
    export_html([attached(1, name, content)], "room", tmp_path)
    assert [path.name for path in (tmp_path / "files").iterdir()] == [stored]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    [url] = re.findall(r'<a href="(files/[^"]*)"', page)
    assert (tmp_path / unquote(url)).read_bytes() == content


def test_only_the_bytes_of_a_picture_make_a_picture(tmp_path: Path) -> None:
    items = [
        attached(1, "a.png", PNG),
        attached(2, "b.png", b"<script>"),
        attached(3, "c", b"OggS"),
    ]
    export_html(items, "room", tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<(?:img|audio) src="([^"]*)', page) == ["files/1-a.png", "files/3-c"]


def test_contents_may_come_from_elsewhere_in_pieces(tmp_path: Path) -> None:
    def contents(message: StoredRun) -> Iterable[bytes] | None:
        return None if message.filename == "gone" else (b"part %d," % number for number in range(3))

    items = [attached(1, "big", b"", size=21), attached(2, "gone", b"", size=1 << 20)]
    assert export_html(items, "room", tmp_path, contents).files == 1
    assert (tmp_path / "files" / "1-big").read_bytes() == b"part 0,part 1,part 2,"
    assert "1 MiB, not in this export" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_large_contents_are_copied_from_their_files(tmp_path: Path) -> None:
    directory = FileDirectory(tmp_path / "data")
    directory.prepare()
    large = b"x" * (3 << 20)

    def kept(number: int, content: bytes) -> StoredRun:
        digest = sha256(content).digest()
        arrived = directory.new_path()
        arrived.write_bytes(content)
        directory.place(arrived, digest)
        return attached(number, f"{number}.bin", b"", size=len(content))._replace(contents=[digest])

    items = [kept(1, large), kept(2, large), kept(3, large[1:]), kept(4, large[2:])]
    directory.path_of(items[2].contents[0]).unlink()
    with directory.path_of(items[3].contents[0]).open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"damage")
    exported = export_html(items, "room", tmp_path / "out", kept_contents(tmp_path / "data"))
    assert exported.files == 1
    assert [path.name for path in (tmp_path / "out" / "files").iterdir()] == ["1-1.bin"]
    assert (tmp_path / "out" / "files" / "1-1.bin").read_bytes() == large
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<a href="(files[^"]*)" download="([^"]*)"', page) == [
        ("files/1-1.bin", "1.bin"),
        ("files/1-1.bin", "2.bin"),
    ]
    assert page.count("not in this export") == 2


def test_a_long_history_is_several_pages_that_lead_to_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_export, "PAGE_MESSAGES", 10)
    # Two days: seven messages, which are over half a page, and thirteen.
    items = [said(number, "x", seconds=number + 86400 * (number > 7)) for number in range(1, 21)]
    assert export_html(items, "room", tmp_path) == Exported(20, 3, 0)
    pages = [(tmp_path / f"page-{number:04}.html").read_text() for number in (1, 2, 3)]
    assert [ids(page) for page in pages] == [
        [*range(1, 8)],
        [*range(8, 18)],
        [*range(18, 21)],
    ]
    navigations = [re.findall(r"<nav>(.*?)</nav>", page) for page in pages]
    assert all(above == below for above, below in navigations)
    assert [re.findall(r'href="([^"]+)"', above) for above, _ in navigations] == [
        ["index.html", "page-0002.html"],
        ["page-0001.html", "index.html", "page-0003.html"],
        ["page-0002.html", "index.html"],
    ]
    index = (tmp_path / "index.html").read_text()
    assert re.findall(r'<li><a href="([^"]+)">([^<]+)', index) == [
        ("page-0001.html", "24 November 2026"),
        ("page-0002.html", "25 November 2026"),
        ("page-0003.html", "25 November 2026"),
    ]


def test_a_page_is_bounded_in_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_export, "PAGE_CHARACTERS", 10_000)
    exported = export_html([said(number, "x" * 3000) for number in range(1, 9)], "room", tmp_path)
    assert exported.pages == 2


def test_memory_does_not_grow_with_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_export, "PAGE_MESSAGES", 100)

    def peak(messages: int) -> int:
        tracemalloc.start()
        items = (said(number, "x" * 500) for number in range(messages))
        export_html(items, "room", tmp_path / str(messages))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)  # what is loaded once
    assert peak(2000) < 1.5 * peak(400)


def failing(after: int) -> Iterator[StoredRun]:
    for number in count(1):
        if number > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        yield attached(number, "a.bin", b"x")


@pytest.mark.parametrize("is_there", [True, False])
def test_an_export_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    monkeypatch.setattr(html_export, "PAGE_MESSAGES", 2)
    target = tmp_path / "out"
    if is_there:
        target.mkdir()
    with pytest.raises(HistoryFault, match=r"out: No space left"):
        export_html(failing(5), "room", target)
    assert list(tmp_path.rglob("*")) == ([target] if is_there else [])


@pytest.mark.parametrize("is_file", [True, False])
def test_nothing_is_overwritten(tmp_path: Path, is_file: bool) -> None:
    (tmp_path / "mine").write_text("mine")
    target = tmp_path / "mine" if is_file else tmp_path
    with pytest.raises(HistoryFault, match="exists already"):
        export_html([said(1, "x")], "room", target)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_page_that_is_printed_needs_no_file() -> None:
    items: list[StoredRun | Hole] = [said(1, HOSTILE[0]), attached(2, "a.png", PNG), Hole(3, 4)]
    page = "\n".join(one_page(items, "room"))
    assert ids(page) == [1, 2]
    assert "a.png <small>" in page
    assert "<img" not in page
    assert HOSTILE[0] not in page
    assert page.endswith("</html>\n")
