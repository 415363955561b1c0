from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.subprocess
import pytest
from PIL import Image

from chat.client.screen.pictures import picture_process, pictures
from chat.client.screen.pictures.pictures import MAX_WAITING, PictureError, draw
from chat.client.screen.text.spans import Row, Span, row_width
from chat.client.screen.text.styles import Colours
from tests.client.screen import made_pictures
from tests.client.screen.made_pictures import ESCAPES, colourful, png, quarters, saved
from tests.tiers import quick_first

# One of each kind; test_picture_process has more.
HOSTILE = (
    *("huge.png", "huge.webp", "text.png", "pixels.png"),
    *("frame.gif", "cut.png", "cut.jpg"),
)


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


class Started:
    """The processes that were started, all of which are to end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.processes: list[gevent.subprocess.Popen[bytes]] = []
        really_start: Any = gevent.subprocess.Popen

        def start(*arguments: object, **options: object) -> gevent.subprocess.Popen[bytes]:
            process: gevent.subprocess.Popen[bytes] = really_start(*arguments, **options)
            self.processes.append(process)
            return process

        monkeypatch.setattr(gevent.subprocess, "Popen", start)

    def check(self) -> None:
        for process in self.processes:
            with pytest.raises(ProcessLookupError):
                os.kill(process.pid, 0)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    found = Started(monkeypatch)
    gevent.sleep(0)  # the event loop has its files from now on
    gc.collect()  # garbage of earlier tests may hold files, which would be closed meanwhile
    files = open_files()
    yield found
    found.check()
    assert open_files() == files
    # A place that is never given back would show only after many more drawings.
    assert not pictures._waiting
    assert pictures._turn.counter == 1


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(saved(quarters(2, 2), "PNG"))
    return path


Program = Callable[[str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Replace the code that draws, as a picture that takes over the decoder could do."""

    def install(code: str) -> None:
        path = tmp_path / "program.py"
        path.write_text(f"import os, sys, time, signal\n{code}\n", encoding="utf-8")
        monkeypatch.setattr(picture_process, "__file__", str(path))

    return install


def answers(width: int, height: int, pixels: bytes) -> str:
    return f"sys.stdout.buffer.write({picture_process.HEADER.pack(width, height) + pixels!r})"


def refusal(path: Path) -> str:
    with pytest.raises(PictureError) as caught:
        draw(path, 40, 12, 256)
    sentence = str(caught.value)
    assert sentence.isprintable()
    return sentence


class TestDrawing:
    def test_two_pixels_are_a_cell(self, started: Started, picture: Path) -> None:
        red_on_blue, green_on_white = Colours(0xFF0000, 0x0000FF), Colours(0x00FF00, 0xFFFFFF)
        assert draw(picture, 40, 12, 256) == ([Span("▀", red_on_blue), Span("▀", green_on_white)],)

    def test_cells_alike_are_one_span(self, started: Started, picture: Path) -> None:
        picture.write_bytes(saved(quarters(8, 8), "PNG"))
        rows = draw(picture, 40, 12, 256)
        assert [[(span.text, span.style) for span in row] for row in rows] == [
            [("▀▀▀▀", (0xFF0000, 0xFF0000)), ("▀▀▀▀", (0x00FF00, 0x00FF00))],
            [("▀▀▀▀", (0xFF0000, 0xFF0000)), ("▀▀▀▀", (0x00FF00, 0x00FF00))],
            [("▀▀▀▀", (0x0000FF, 0x0000FF)), ("▀▀▀▀", (0xFFFFFF, 0xFFFFFF))],
            [("▀▀▀▀", (0x0000FF, 0x0000FF)), ("▀▀▀▀", (0xFFFFFF, 0xFFFFFF))],
        ]

    def test_a_terminal_of_few_colours_gets_its_own(self, started: Started, picture: Path) -> None:
        picture.write_bytes(saved(colourful(200, 100), "PNG"))
        basic = {0, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD, 0x00CDCD, 0xE5E5E5}
        assert (
            4
            < len(colours_of(draw(picture, 40, 12, 8)) & basic)
            == len(colours_of(draw(picture, 40, 12, 8)))
        )

    def test_all_pairs_fit_into_curses(self, started: Started, picture: Path) -> None:
        picture.write_bytes(saved(colourful(800, 800), "PNG"))
        rows = draw(picture, 160, 80, 256)
        assert {(len(rows), row_width(row)) for row in rows} == {(80, 160)}
        assert len({tuple(sorted(span.style)) for row in rows for span in row}) <= 16 * 17 // 2

    def test_the_largest_picture_is_large_enough(self, started: Started, picture: Path) -> None:
        picture.write_bytes(png(3000, 3000))
        rows = draw(picture, 10_000, 10_000, 256)
        assert (row_width(rows[0]), len(rows)) == (pictures.MAX_COLUMNS, pictures.MAX_ROWS)

    def test_a_relative_path_with_anything_in_it(
        self, started: Started, picture: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(picture.parent)
        for name in ("-c", "$(id)\n", os.fsdecode(b"\xff\xfe")):
            copy = picture.rename(picture.with_name(name))
            assert len(draw(Path(name), 40, 12, 256)) == 1
            copy.rename(picture)


class TestHostile:
    @pytest.mark.parametrize("name", quick_first(HOSTILE, "each hostile picture", quick=2))
    def test_it_is_one_sentence(
        self, started: Started, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        pictures = made_pictures.huge() | made_pictures.bombs() | made_pictures.truncated()
        (tmp_path / name).write_bytes(pictures[name])
        assert refusal(tmp_path / name).startswith(f"Can't draw '{name}': it ")
        assert capfd.readouterr() == ("", "")

    def test_the_sentence_says_why(self, started: Started, tmp_path: Path, picture: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "loop").symlink_to("loop")
        assert refusal(tmp_path / "fifo") == "Can't draw 'fifo': it is not a regular file."
        assert refusal(Path("/dev/zero")) == "Can't draw 'zero': it is not a regular file."
        assert refusal(Path("/")) == "Can't draw '/': it is not a regular file."
        gone = "the file is gone or can't be read."
        assert refusal(tmp_path / "loop") == f"Can't draw 'loop': {gone}"
        assert refusal(tmp_path / "nothing") == f"Can't draw 'nothing': {gone}"
        os.truncate(picture, 1 << 36)
        assert refusal(picture) == "Can't draw 'cat.png': the file is larger than 64 MiB."
        picture.write_bytes(made_pictures.huge()["huge.png"])
        assert refusal(picture) == "Can't draw 'cat.png': it has more than 40 million pixels."
        picture.write_bytes(b"GIF89a")
        assert refusal(picture) == "Can't draw 'cat.png': it is damaged."
        picture.write_bytes(b"meow")
        assert refusal(picture) == "Can't draw 'cat.png': it is not a PNG, JPEG, GIF, WebP or BMP."

    def test_what_is_written_in_a_picture_is_not_shown(
        self, started: Started, picture: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        for form in ("PNG", "JPEG"):
            exif = Image.Exif()
            exif[0x010E] = ESCAPES
            whole = saved(quarters(64, 64), form, exif=exif, comment=ESCAPES)
            picture.write_bytes(whole)
            assert {span.text.strip("▀") for row in draw(picture, 9, 9, 256) for span in row} == {
                ""
            }
            picture.write_bytes(whole[:-40])
            refusal(picture)
        assert capfd.readouterr() == ("", "")

    def test_a_name_is_not_interpreted(self, started: Started, tmp_path: Path) -> None:
        path = tmp_path / ESCAPES
        path.write_bytes(b"meow")
        assert refusal(path).startswith(r"Can't draw '\x1b]0;owned\x07\x1b[2J\x9b31m\u202e': ")


class TestProcess:
    """The process that draws may do anything: an attacker's picture could control the decoder."""

    @pytest.mark.parametrize(
        "code",
        quick_first(
            [
                "time.sleep(60)",
                "while True: pass",
                "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
                "os.kill(os.getpid(), signal.SIGSTOP)",
                f"{answers(1, 1, bytes(2))}; sys.stdout.flush(); time.sleep(60)",
                "os.close(1); time.sleep(60)",
                *(f"os.kill(os.getpid(), signal.SIG{name})" for name in ("KILL", "SEGV", "XCPU")),
            ],
            "each way to hang",
            quick=3,
        ),
    )
    def test_it_hangs_or_is_killed(
        self,
        started: Started,
        picture: Path,
        program: Program,
        code: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(pictures, "DEADLINE", 0.3)
        program(code)
        assert refusal(picture) == "Can't draw 'cat.png': it takes too long to decode."

    @pytest.mark.parametrize(
        "code",
        quick_first(
            [
                "while True: os.write(1, bytes(65536))",
                answers(41, 1, bytes(82)),
                "raise ValueError('\\x1b[2J')",
                "",
                "sys.exit(1)",
                "sys.exit(99)",
                "os.close(0); sys.exit(1)",
                "print('\\x1b[2J' * 9)",
                *(answers(0, rows, b"") for rows in (0, 12)),
                *(answers(1, 1, bytes(size)) for size in (0, 1, 3)),
                answers(1, 13, bytes(26)),
                answers(1, 1, b"\0\xf0"),
                answers(17, 1, bytes(range(34))),
            ],
            "each kind of nonsense",
            quick=4,
        ),
    )
    def test_it_answers_nonsense(
        self,
        started: Started,
        picture: Path,
        program: Program,
        code: str,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        program(code)
        refusal(picture)
        assert capfd.readouterr() == ("", "")

    def test_it_gets_nothing_of_ours(
        self,
        started: Started,
        picture: Path,
        program: Program,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SECRET", "swordfish")
        monkeypatch.setenv("PYTHONPATH", "/nowhere")
        program(
            "import json\n"
            "files = []\n"
            "for number in range(3, 64):\n"
            "    try: os.fstat(number)\n"
            "    except OSError: continue\n"
            "    files.append(number)\n"
            "told = dict(files=files, environment=sorted(os.environ), directory=os.getcwd(),\n"
            "            session=os.getsid(0), process=os.getpid(), path=sys.path,\n"
            "            terminal=[os.isatty(n) for n in (0, 1, 2)], flags=sys.flags.isolated)\n"
            f"json.dump(told, open({str(tmp_path / 'told')!r}, 'w'))\n{answers(1, 1, bytes(2))}"
        )
        secret = os.open(os.devnull, os.O_RDONLY)
        os.set_inheritable(secret, True)
        try:
            draw(picture, 1, 1, 256)
        finally:
            os.close(secret)
        told = json.loads((tmp_path / "told").read_text(encoding="utf-8"))
        assert told["files"] == []
        assert set(told["environment"]) <= {"LC_CTYPE", *pictures._ENVIRONMENT}
        assert told["directory"] == "/"
        assert told["session"] == told["process"] != os.getsid(0)
        assert not any("site-packages" in place for place in told["path"])
        assert told["terminal"] == [False] * 3
        assert told["flags"]

    def test_python_itself_is_gone(
        self, started: Started, picture: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        assert refusal(picture) == (
            "Can't draw 'cat.png': can't start a process: No such file or directory."
        )

    def test_pillow_is_not_installed(
        self, started: Started, picture: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pictures, "find_spec", lambda name: None)
        assert refusal(picture) == (
            "Can't draw 'cat.png': Pillow is not installed; install the extra 'pictures'."
        )
        assert not started.processes

    @pytest.mark.parametrize(
        ("columns", "rows", "colours"), [(0, 12, 256), (40, 0, 256), (-1, -1, 256), (40, 12, 2)]
    )
    def test_there_is_nothing_to_draw_on(
        self, started: Started, picture: Path, columns: int, rows: int, colours: int
    ) -> None:
        with pytest.raises(PictureError, match="too small or has no colours"):
            draw(picture, columns, rows, colours)
        assert not started.processes


class TestGreenlets:
    def test_others_run_on_meanwhile(
        self, started: Started, picture: Path, program: Program, tmp_path: Path
    ) -> None:
        go = tmp_path / "go"
        program(
            f"while not os.path.exists({str(go)!r}): time.sleep(0.005)\n{answers(1, 1, bytes(2))}"
        )
        drawing = gevent.spawn(draw, picture, 40, 12, 256)
        turns = 0
        while not started.processes or turns < 100:
            gevent.sleep(0.001)
            turns += bool(started.processes)
        assert not drawing.ready()
        go.touch()
        assert drawing.get(timeout=30) == ([Span("▀", Colours(0, 0))],)

    def test_a_cancelled_drawing_leaves_nothing(
        self, started: Started, picture: Path, program: Program
    ) -> None:
        program("time.sleep(60)")
        drawing = gevent.spawn(draw, picture, 40, 12, 256)
        while not started.processes:
            gevent.sleep(0.001)
        drawing.kill(timeout=30)
        assert drawing.dead

    def test_a_deadline_of_the_caller_is_raised_unchanged(
        self, started: Started, picture: Path, program: Program
    ) -> None:
        program("time.sleep(60)")
        deadline = gevent.Timeout(0.1)
        with pytest.raises(gevent.Timeout) as caught, deadline:
            draw(picture, 40, 12, 256)
        assert caught.value is deadline

    def test_one_is_drawn_at_a_time(self, started: Started, picture: Path, tmp_path: Path) -> None:
        running = 0

        def count(*arguments: object) -> tuple[Row, ...]:
            nonlocal running
            running += 1
            assert running == 1
            gevent.sleep(0.001)
            running -= 1
            return ()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pictures, "_draw", count)
            drawings = [gevent.spawn(draw, picture, 40, 12, 256) for _ in range(20)]
            assert [one.get(timeout=30) for one in drawings] == [()] * 20

    def test_a_flood_of_pictures_is_refused(
        self, started: Started, picture: Path, program: Program
    ) -> None:
        program("time.sleep(60)")
        drawings = [gevent.spawn(draw, picture, 40, 12, 256) for _ in range(MAX_WAITING)]
        while not started.processes or len(pictures._waiting) < MAX_WAITING:
            gevent.sleep(0.001)
        assert (
            refusal(picture) == "Can't draw 'cat.png': too many pictures are waiting to be drawn."
        )
        gevent.killall(drawings, timeout=30)
        assert len(started.processes) == 1


def colours_of(rows: tuple[Row, ...]) -> set[int]:
    found: set[int] = set()
    for row in rows:
        for span in row:
            assert isinstance(span.style, Colours)
            found.update(span.style)
    return found
