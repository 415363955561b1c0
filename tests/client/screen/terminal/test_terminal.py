"""Programs that use a ``Terminal``, each on a real terminal."""

from __future__ import annotations

import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from pyte.screens import Char

from tests.client.screen.terminals import BEGIN, SCREEN_MODES, Onlooker, onlooker
from tests.tables import table

SHOW_KEYS = """
with Terminal() as terminal:
    keys = []
    while "q" not in keys:
        terminal.draw(screen(" ".join(map(repr, keys)) + "|"))
        keys += terminal.read()
"""
ENTER = """
try:
    with Terminal():
        print("never")
except TerminalUnusable as problem:
    print(problem)
"""


def shows(seen: Onlooker, text: str) -> bool:
    return seen.text == text


def colours_of(cell: Char) -> tuple[str, str]:
    """Return the colours that a user sees."""
    return (cell.bg, cell.fg) if cell.reverse else (cell.fg, cell.bg)


class TestAfterwards:
    """The terminal is as it was."""

    @pytest.mark.parametrize("ending", ["pass", "1 / 0", "raise SystemExit", "raise TerminalGone"])
    def test_however_it_ends(self, ending: str) -> None:
        script = f"""
try:
    with Terminal() as terminal:
        terminal.draw(screen("inside"))
        terminal.read()
        {ending}
except BaseException as problem:
    print("it was", type(problem).__name__)
print("afterwards", flush=True)
sys.stdin.readline()
"""
        with onlooker(script) as seen:
            seen.wait_for("inside")
            assert seen.modes == SCREEN_MODES
            assert seen.settings != seen.settings_before
            seen.type(b"x")
            seen.wait_for("afterwards")
            assert seen.modes == set()
            assert seen.settings == seen.settings_before
            seen.type(b"\n")
            assert seen.wait() == 0
            assert ("it was" in seen.text) == (ending != "pass")

    def test_if_it_cannot_be_set_up_whole(self) -> None:
        script = """
def fail(*arguments):
    raise OSError("no signals here")
gevent.signal_handler = fail
try:
    with Terminal():
        print("never")
except OSError as problem:
    print(problem, flush=True)
sys.stdin.readline()
"""
        with onlooker(script) as seen:
            seen.wait_for("no signals here")
            assert seen.modes == set()
            assert seen.settings == seen.settings_before
            assert b"never" not in seen.output

    @pytest.mark.skipif(shutil.which("bash") is None, reason="it takes a shell with jobs")
    def test_the_shell_has_it_meanwhile(self) -> None:
        """A job is stopped and continued by a shell, as by Ctrl-Z and fg."""
        script = """
with Terminal() as terminal:
    while True:
        terminal.draw(screen("inside"))
        if terminal.read() == ["q"]:
            break
        terminal.suspend()
"""
        shell = '"$1" -c "$2"; echo in the shell; read; fg >/dev/null; echo left $?'
        command = ("bash", "-mc", shell, "bash", sys.executable)
        with Onlooker(BEGIN + script, command=command) as seen:
            seen.wait_for("inside")
            seen.type(b"z")
            seen.wait_for("in the shell")
            assert seen.modes == set()
            assert seen.settings == seen.settings_before
            seen.output = b""
            seen.type(b"\n")
            seen.wait_until(lambda: seen.modes == SCREEN_MODES, "modes of a screen")
            seen.wait_for("inside")
            assert seen.settings != seen.settings_before
            seen.type(b"q")
            seen.wait_for("left 0")
            assert seen.modes == set()


class TestUnusable:
    def test_a_terminal_that_nobody_knows(self) -> None:
        with onlooker(ENTER, TERM="no-such-terminal") as seen:
            assert seen.wait() == 0
            assert seen.words == (
                "the database of terminals (terminfo) on this system has no entry for "
                "TERM=no-such-terminal; try TERM=xterm-256color"
            )

    def test_a_terminal_that_can_only_print(self) -> None:
        with onlooker(ENTER, TERM="dumb") as seen:
            assert seen.wait() == 0
            assert seen.words.startswith(
                "a terminal of the kind TERM=dumb can't move its cursor; try TERM=xterm-256color"
            )

    def test_a_system_without_descriptions(self) -> None:
        nowhere = "module._SIMILAR = ('no-such-one', 'nor-such')"
        with onlooker(nowhere + ENTER, TERM="no-such-terminal") as seen:
            assert seen.wait() == 0
            assert "install ncurses-base" in seen.words


class TestKeys:
    @table(
        ("typed", "keys"),
        [
            (b"a", "'a'"),
            ("ü日".encode(), "'ü' '日'"),
            (b"\r", "'<enter>'"),
            (b"\x03", "'<ctrl-c>'"),
            (b"\x1a", "'<ctrl-z>'"),
            (b"\x1b[A\x1b[A", "'<scroll-up>' '<scroll-up>'"),
            (b"\x1b[A\x1b[5~", "'<up>' '<pageup>'"),
            (b"\x1b", "'<esc>'"),
            (b"\x1bb", "'<alt-b>'"),
            (b"\x1b[I\x1b[O", "'<focus-in>' '<focus-out>'"),
            (b"\x1b[<64;3;2M", "'<wheel-up>'"),
            (b"\x1b[200~q\n\x1b[201~", "Paste(text='q\\n')"),
        ],
    )
    def test_have_names(self, typed: bytes, keys: str) -> None:
        with onlooker(SHOW_KEYS) as seen:
            seen.wait_for(r"^\|")
            seen.type(typed)
            seen.wait_until(lambda: seen.text.replace(" |", "|") == f"{keys}|", keys)

    def test_a_character_may_come_in_pieces(self) -> None:
        with onlooker(SHOW_KEYS) as seen:
            seen.wait_for(r"^\|")
            seen.type("x€".encode()[:-1])
            seen.wait_for("'x'")
            seen.type("€".encode()[-1:])
            seen.wait_for("'€'")

    def test_a_paste_may_lose_its_end(self) -> None:
        with onlooker("module._PASTE_PAUSE = 0.01" + SHOW_KEYS) as seen:
            seen.wait_for(r"^\|")
            seen.type(b"\x1b[200~lost")
            seen.wait_for(r"Paste\(text='lost'\)")


class TestDrawing:
    def test_all_of_the_screen_to_its_last_corner(self) -> None:
        script = """
with Terminal() as terminal:
    terminal.draw(screen(*(str(number) * 40 for number in range(6))))
    terminal.bell()
    terminal.read()
"""
        with onlooker(script) as seen:
            seen.wait_until(lambda: b"\a" in seen.output, "bell")
            assert seen.text.splitlines() == [str(number) * 40 for number in range(6)]
            assert (seen.screen.cursor.y, seen.screen.cursor.x) == (0, 0)

    def test_where_the_cursor_is(self) -> None:
        script = """
with Terminal() as terminal:
    terminal.draw(screen("one", "two")._replace(cursor=Cursor(1, 3)))
    terminal.draw(screen("one", "two")._replace(cursor=None))
    terminal.bell()
    terminal.read()
"""
        with onlooker(script) as seen:
            seen.wait_until(lambda: b"\a" in seen.output, "bell")
            assert (seen.screen.cursor.y, seen.screen.cursor.x) == (1, 3)

    def test_only_what_has_changed_is_sent(self) -> None:
        script = """
with Terminal() as terminal:
    terminal.draw(screen("first", "second"))
    terminal.bell()
    terminal.draw(screen("first", "second"))
    terminal.bell()
    terminal.draw(screen("first", "third"))
    terminal.bell()
    terminal.redraw()
    terminal.draw(screen("first", "third"))
    terminal.bell()
    terminal.read()
"""
        with onlooker(script) as seen:
            seen.wait_until(lambda: seen.output.count(b"\a") == 4, "four bells")
            _, nothing, one_row, everything, _ = seen.output.split(b"\a")
            assert nothing == b""
            assert b"th" in one_row
            assert b"first" not in one_row
            assert b"first" in everything
            assert b"third" in everything
            assert seen.text == "first\nthird"

    def test_the_last_rows_alone(self) -> None:
        script = """
with Terminal() as terminal:
    terminal.draw_last_rows([[Span("too early", "text")]], Cursor(0, 0))
    terminal.bell()
    terminal.draw(screen("first", "second"))
    terminal.bell()
    terminal.draw_last_rows([[Span("fifth", "text")], [Span("sixth", "text")]], Cursor(1, 3))
    terminal.bell()
    terminal.draw(screen("first", "third"))
    terminal.bell()
    terminal.redraw()
    terminal.draw_last_rows([[Span("too early", "text")]], Cursor(0, 0))
    terminal.bell()
    terminal.read()
"""
        with onlooker(script) as seen:
            seen.wait_until(lambda: seen.output.count(b"\a") == 5, "five bells")
            too_early, first, last_rows, frame, cleared, _ = seen.output.split(b"\a")
            assert b"fifth" in last_rows
            assert b"first" not in last_rows
            assert b"third" in frame
            assert too_early == cleared == b""
            assert seen.text == "first\nthird"
            seen.output = first + last_rows  # as it was then
            assert seen.text == "first\nsecond\n\n\nfifth\nsixth"
            assert (seen.screen.cursor.y, seen.screen.cursor.x) == (5, 3)

    def test_wide_characters_and_marks(self) -> None:
        script = r"""
with Terminal() as terminal:
    row = [Span("日本e", "text"), Span("\u0301", "text"), Span("|", "dim")]
    terminal.draw(Screen([row] + [[]] * 5, Cursor(0, 0)))
    terminal.read()
"""
        for locale in ("C.UTF-8", "C"):
            with onlooker(script, LC_ALL=locale) as seen:
                seen.wait_for(r"\|")
                assert "日本e\u0301".encode() in seen.output
                assert seen.screen.buffer[0][5].data == "|"

    def test_after_the_size_has_changed(self) -> None:
        script = """
with Terminal() as terminal:
    gevent.spawn(terminal.read)
    while True:
        size = terminal.size
        terminal.draw(screen(f"{size.columns}x{size.rows}", rows=size.rows))
        terminal.resized.wait()
        terminal.resized.clear()
"""
        with onlooker(script) as seen:
            seen.wait_for("40x6")
            for columns, rows in ((20, 10), (60, 3), (5, 1)):
                seen.resize(columns, rows)
                text = f"{columns}x{rows}"
                seen.wait_until(partial(shows, seen, text), text)

    def test_a_screen_for_another_size_does_no_harm(self) -> None:
        """The terminal may shrink between the layout and the drawing."""
        script = """
with Terminal() as terminal:
    terminal.draw(screen(*["x" * 50] * 9, rows=9))
    terminal.draw(Screen([[]] * 9, Cursor(8, 49)))
    terminal.draw(screen("it", "lives"))
    terminal.read()
"""
        with onlooker(script) as seen:
            seen.wait_until(lambda: seen.text == "it\nlives", "second screen alone")


class TestColours:
    SCRIPT = """
with Terminal() as terminal:
    row = [Span("e", "error"), Span("x", "text"), Span("▀", Colours(0xFF0000, 0x0000FF))]
    row.append(Span("▀", Colours(0x0000FF, 0xFF0000)))
    terminal.draw(Screen([row, [Span(f"colours: {terminal.colours}.", "title")]] + [[]] * 4, None))
    terminal.read()
"""

    def test_256_of_them(self) -> None:
        with onlooker(self.SCRIPT) as seen:
            seen.wait_for("colours: 256")
            error, text, picture, turned = (seen.screen.buffer[0][x] for x in range(4))
            assert error.fg not in ("default", "red")
            assert colours_of(text) == ("default", "default")
            assert colours_of(picture) == ("ff0000", "0000ff")
            assert colours_of(turned) == ("0000ff", "ff0000")

    def test_8_of_them(self) -> None:
        with onlooker(self.SCRIPT, TERM="xterm") as seen:
            seen.wait_for("colours: 8")
            error, text, picture, _ = (seen.screen.buffer[0][x] for x in range(4))
            assert (error.fg, text.fg) == ("red", "default")
            assert colours_of(picture) == ("red", "blue")

    @pytest.mark.parametrize(
        "environment", [{"NO_COLOR": "1"}, {"TERM": "vt100"}], ids=["NO_COLOR", "vt100"]
    )
    def test_none_of_them(self, environment: dict[str, str]) -> None:
        with onlooker(self.SCRIPT, **environment) as seen:
            seen.wait_for("colours: 0")
            row = [seen.screen.buffer[0][x] for x in range(4)]
            assert {cell.fg for cell in row} | {cell.bg for cell in row} == {"default"}
            assert seen.screen.buffer[1][0].reverse  # the title is told from the log all the same


class TestHangingUp:
    """The terminal hangs up. The program writes to a file, since nobody sees the terminal."""

    @pytest.mark.parametrize("what", ["terminal.read()", "terminal.write(b'x')"])
    def test_it_is_gone(self, what: str, tmp_path: Path) -> None:
        script = f"""
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with open({str(tmp_path / "told")!r}, "w") as told:
    try:
        with Terminal() as terminal:
            terminal.draw(screen("inside"))
            gevent.socket.wait_read(0)
            terminal.draw(screen("to nobody"))
            {what}
    except BaseException as problem:
        print(type(problem).__name__, file=told)
"""
        with onlooker(script) as seen:
            seen.wait_for("inside")
            seen.hang_up()
            assert seen.process.wait(20) == 0
        assert (tmp_path / "told").read_text(encoding="utf-8") == "TerminalGone\n"

    def test_its_signal_ends_a_program_that_does_not_mind(self) -> None:
        with onlooker(SHOW_KEYS) as seen:
            seen.wait_for(r"^\|")
            seen.hang_up()
            assert seen.process.wait(20) == -signal.SIGHUP
