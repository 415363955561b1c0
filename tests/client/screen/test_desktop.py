from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.screen import desktop
from chat.client.screen.desktop import DesktopError, notification, notify_send, open_file
from chat.client.screen.text.cells import cells

PLAIN: dict[str, str] = {}
IN_TMUX = {"TMUX": "socket,1,0"}
CONTROLS = set(map(chr, [*range(32), *range(127, 160)]))
OPENER = "open" if sys.platform == "darwin" else "xdg-open"


def written(path: Path) -> str:
    """Wait until the file at ``path`` is there and whole; return its text."""
    with gevent.Timeout(10):
        while True:
            with suppress(FileNotFoundError):
                text = path.read_text(encoding="utf-8")
                if text.endswith("."):
                    return text
            gevent.sleep(0.005)


class Programs:
    """Stand for those of a desktop: each tells in a file how it was called."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory / "programs"
        self.directory.mkdir()
        self.told = directory / "told"
        monkeypatch.setenv("PATH", str(self.directory))

    def install(self, name: str, then: str = "", *, executable: bool = True) -> None:
        program = self.directory / name
        program.write_text(
            f"#!/bin/sh\nprintf '%s|' \"$@\" >'{self.told}.part'; echo noise; echo noise >&2\n"
            f"printf . >>'{self.told}.part'; /bin/mv '{self.told}.part' '{self.told}'\n{then}\n",
            encoding="utf-8",
        )
        if executable:
            program.chmod(0o755)

    def called_with(self) -> list[str]:
        return written(self.told).split("|")[:-1]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "-cat of alice.png"
    path.write_bytes(b"\x89PNG")
    return path


@pytest.fixture(autouse=True)
def _no_notifier_left() -> Iterator[None]:
    yield
    # Only the module knows the processes, and no test may leave one.
    for process in desktop._notifiers:
        process.kill()
        process.wait(timeout=10)
    desktop._notifiers.clear()


class TestNotification:
    def test_as_osc_9(self) -> None:
        assert notification("osc9", "alice", "lunch?", PLAIN) == b"\x1b]9;alice: lunch?\x07"

    def test_as_osc_777(self) -> None:
        found = notification("osc777", "алиса", "обед?", PLAIN)
        assert found == "\x1b]777;notify;алиса;обед?\x07".encode()

    @pytest.mark.parametrize("how", ["off", "notify-send", ""])
    def test_another_way_is_no_sequence(self, how: str) -> None:
        assert notification(how, "alice", "lunch?", PLAIN) is None

    def test_tmux_is_asked_to_hand_it_on(self) -> None:
        found = notification("osc9", "alice", "lunch?", IN_TMUX)
        assert found == b"\x1bPtmux;\x1b\x1b]9;alice: lunch?\x07\x1b\\"

    def test_the_terminal_is_told_by_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TMUX", IN_TMUX["TMUX"])
        assert notification("osc9", "a", "b") == notification("osc9", "a", "b", IN_TMUX)
        monkeypatch.delenv("TMUX")
        assert notification("osc9", "a", "b") == notification("osc9", "a", "b", PLAIN)

    def test_no_picture_is_placed_in_it(self) -> None:
        found = notification("osc9", "a\U0010eeee", "b\U0010eeee\u0305", PLAIN)
        assert found == "\x1b]9;a�: b�\u0305\x07".encode()

    def test_a_text_of_several_lines_is_one(self) -> None:
        found = notification("osc777", "alice", " one\r\n\r\ntwo\tthree\n", PLAIN)
        assert found == b"\x1b]777;notify;alice;one two three\x07"

    def test_fields_stay_what_they_are(self) -> None:
        found = notification("osc777", "a;b", "c;d", PLAIN)
        assert found == b"\x1b]777;notify;a,b;c,d\x07"
        assert notification("osc9", "4;1;50", "x", PLAIN) == b"\x1b]9;4,1,50: x\x07"

    def test_a_long_text_is_cut(self) -> None:
        found = notification("osc777", "t" * 1000, "語" * 1000, PLAIN)
        assert found is not None
        _, _, title, body = found.decode()[2:-1].split(";")
        assert (title, cells(body)) == ("t" * 59 + "…", 199)

    @given(st.text(), st.text(), st.sampled_from(["osc9", "osc777"]))
    def test_nothing_in_a_text_is_interpreted(self, title: str, body: str, how: str) -> None:
        plain = notification(how, title, body, PLAIN)
        wrapped = notification(how, title, body, IN_TMUX)
        assert plain is not None
        assert wrapped is not None
        assert not CONTROLS & set(plain.decode()[2:-1])
        assert wrapped == b"\x1bPtmux;\x1b" + plain + b"\x1b\\"

    @pytest.mark.parametrize(
        "text", ["\x1b\\\x07" * 9, "\x9c\x9d", "\ud800", "\u202e", "e\u0301\u0301" * 5000]
    )
    def test_hostile_texts_are_short_and_sanitized(self, text: str) -> None:
        found = notification("osc777", text, text, PLAIN)
        assert found is not None
        assert len(found) < 2000
        assert found.count(b"\x1b") == found.count(b"\x07") == 1
        assert not set(found.decode()) & {"\x9c", "\x9d", "\u202e"}


class TestNotifySend:
    def test_title_and_body_arrive_as_they_are(self, programs: Programs) -> None:
        programs.install("notify-send")
        notify_send("-алиса; $(id)", "обед?\n'now'")
        assert programs.called_with() == [
            "--app-name=chat",
            "--",
            "-алиса; $(id)",
            "обед? 'now'",
        ]

    def test_a_body_has_no_markup_and_no_escapes(self, programs: Programs) -> None:
        programs.install("notify-send")
        notify_send("alice", r'<a href="x">\033 & \n')
        assert programs.called_with()[3] == r'&lt;a href="x"&gt;\\033 &amp; \\n'

    def test_nothing_it_prints_is_seen(
        self, programs: Programs, capfd: pytest.CaptureFixture[str]
    ) -> None:
        programs.install("notify-send")
        notify_send("alice", "lunch?")
        programs.called_with()
        assert capfd.readouterr() == ("", "")

    def test_it_is_missing(self, programs: Programs) -> None:
        with pytest.raises(DesktopError, match=r"^The program notify-send is not installed\.$"):
            notify_send("alice", "lunch?")

    def test_it_cannot_be_run(self, programs: Programs) -> None:
        (programs.directory / "notify-send").write_text("#!/nowhere/sh\n", encoding="utf-8")
        (programs.directory / "notify-send").chmod(0o755)
        with pytest.raises(DesktopError, match=r"^Can't start notify-send: No such file .*\.$"):
            notify_send("alice", "lunch?")

    def test_a_flood_does_not_fill_the_machine(self, programs: Programs) -> None:
        programs.install("notify-send", then="exec /bin/sleep 60")
        for _ in range(50):
            notify_send("alice", "lunch?")
        assert len(desktop._notifiers) == desktop._MAX_NOTIFIERS
        for process in desktop._notifiers:
            process.kill()
            process.wait(timeout=10)
        notify_send("alice", "still there?")
        assert len(desktop._notifiers) == 1


class TestOpenFile:
    def test_the_opener_gets_the_whole_path(self, programs: Programs, picture: Path) -> None:
        programs.install(OPENER)
        open_file(picture)
        assert programs.called_with() == [str(picture)]

    def test_a_path_is_no_option_and_no_address(
        self, programs: Programs, picture: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        programs.install(OPENER)
        monkeypatch.chdir(picture.parent)
        open_file(Path(picture.name))
        assert programs.called_with() == [str(picture)]

    def test_an_opener_that_stays_is_not_waited_for(
        self, programs: Programs, picture: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(desktop, "_PATIENCE", 0.01)
        programs.install(OPENER, then="exec /bin/sleep 1")
        open_file(picture)
        assert programs.called_with() == [str(picture)]

    def test_others_run_on_meanwhile(
        self, programs: Programs, picture: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        programs.install(OPENER, then=f"while [ ! -e '{picture}.seen' ]; do /bin/sleep 0.01; done")

        def let_it_end() -> None:
            programs.called_with()
            Path(f"{picture}.seen").touch()

        other = gevent.spawn(let_it_end)
        open_file(picture)
        assert other.ready()
        other.get()

    def test_an_opener_that_finds_nothing_says_so(self, programs: Programs, picture: Path) -> None:
        programs.install(OPENER, then="exit 3")
        with pytest.raises(
            DesktopError, match=r"^Can't open '-cat.*found no program that opens it\.$"
        ):
            open_file(picture)

    def test_there_is_no_opener(self, programs: Programs, picture: Path) -> None:
        with pytest.raises(DesktopError, match=f"^The program {OPENER} is not installed[.]$"):
            open_file(picture)

    def test_the_file_is_gone(self, programs: Programs, picture: Path) -> None:
        picture.unlink()
        with pytest.raises(
            DesktopError, match=r"^Can't open '-cat.*': No such file or directory\.$"
        ):
            open_file(picture)

    @pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
    def test_what_is_no_file(
        self, programs: Programs, tmp_path: Path, make: Callable[[Path], None]
    ) -> None:
        make(tmp_path / "it")
        with pytest.raises(DesktopError, match=r"^Can't open 'it': it is not a regular file\.$"):
            open_file(tmp_path / "it")

    @pytest.mark.parametrize("name", ["a\0b", "loop", "a\x1b[2J\u202e"])
    def test_a_strange_path_is_one_sanitized_sentence(
        self, programs: Programs, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(DesktopError, match=r"^Can't open .*\.$") as caught:
            open_file(tmp_path / name)
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize("permission", [stat.S_IXUSR, stat.S_IXGRP, stat.S_IXOTH])
    def test_a_program_is_not_run(self, programs: Programs, picture: Path, permission: int) -> None:
        programs.install(OPENER)
        picture.chmod(0o600 | permission)
        with pytest.raises(DesktopError, match="it is executable"):
            open_file(picture)
        assert not programs.told.exists()

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("cat.desktop", b""),
            ("cat.png.DESKTOP", b""),
            ("cat.exe", b""),
            ("cat\n.sh", b""),
            (".lnk", b""),
            ("cat", b"\x7fELF..."),
            ("cat.png", b"#!/bin/sh\nid\n"),
            ("cat", b"# a comment\n\n[Desktop Entry]\nExec=id\n"),
            ("cat", b"MZ\x90\0"),
        ],
    )
    def test_what_a_desktop_might_run_is_not_opened(
        self, programs: Programs, tmp_path: Path, name: str, content: bytes
    ) -> None:
        programs.install(OPENER)
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DesktopError, match="looks like a program"):
            open_file(tmp_path / name)
        assert not programs.told.exists()
