"""Programs that ask a real terminal for its background."""

from __future__ import annotations

from tests.client.screen.terminals import Onlooker, onlooker

DRAWS = """
import time
from chat.client.screen.text.styles import Layered
from chat.client.screen.text.themes import Theme
with Terminal(Theme(THEME)) as terminal:
    keys = []
    def watch():
        while terminal.resized.wait():
            terminal.resized.clear()
            drawn()
    gevent.spawn(watch)
    def drawn():
        row = [
            Span("e", "error"), Span("n", "name-6"),
            Span("i", Layered("private", ("emphasis", "strong"))), Span("c", Layered("private", ("code",))),
        ]
        terminal.draw(Screen([row, [Span(" ".join(keys) + "|", "text")]] + [[]] * 4, None))
    drawn()
    while "q" not in keys:
        keys += terminal.read()
        drawn()
print("afterwards", flush=True)
read = sys.stdin.readline()
"""
ASKED = b"\x1b]11;?\x1b\\\x1b[c"
DARK, LIGHT = b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\", b"\x1b]11;rgb:ffff/ffff/ffff\x07"
KIND = b"\x1b[?62;22c"


def drawing(theme: str, **environment: str) -> Onlooker:
    return onlooker(f"THEME = {theme!r}{DRAWS}", **environment)


def error_colour(seen: Onlooker) -> str:
    return str(seen.screen.buffer[0][0].fg)


def test_the_first_screen_waits_for_no_answer_and_follows_it() -> None:
    with drawing("auto") as seen:
        seen.wait_for("^e")
        assert ASKED in seen.output
        neutral = error_colour(seen)
        seen.type(b"a" + LIGHT[:7])
        seen.wait_for(r"a\|")
        assert error_colour(seen) == neutral
        seen.type(LIGHT[7:] + KIND + b"b")
        seen.wait_for(r"a b\|")
        seen.wait_until(lambda: error_colour(seen) == "af0000", "errors in the red for light")
        seen.type(DARK)  # the user has changed it
        seen.wait_until(lambda: error_colour(seen) == "ff5f5f", "errors in the red for dark")


def test_more_than_colours_may_depend_on_the_background() -> None:
    with drawing("colour-blind") as seen:
        seen.wait_for("^e")
        assert seen.screen.buffer[0][1].bold  # one of six colours, in the second round
        seen.type(DARK)
        seen.wait_until(lambda: not seen.screen.buffer[0][1].bold, "the seventh of eight colours")


def test_a_theme_that_is_chosen_asks_nothing() -> None:
    with drawing("light") as seen:
        seen.wait_for("^e")
        assert ASKED not in seen.output
        assert error_colour(seen) == "af0000"
        seen.type(DARK + b"a")
        seen.wait_for(r"a\|")
        assert error_colour(seen) == "af0000"


def test_a_terminal_that_would_print_the_question_is_not_asked() -> None:
    for environment in ({"TERM": "linux"}, {"NO_COLOR": "1"}):
        with drawing("auto", **environment) as seen:
            seen.wait_for("^e")
            assert b"]11;?" not in seen.output
            assert b"\x1b[c" not in seen.output


def test_an_answer_that_is_late_does_not_become_input_of_the_shell() -> None:
    patient = "module._FAREWELL = module._ANSWER_TAKES = 15.0"
    script = f"{patient}\nTHEME = 'auto'{DRAWS}print(repr(read), flush=True)"
    with onlooker(script) as seen:
        seen.wait_for("^e")
        seen.type(b"q")
        seen.wait_until(lambda: b"\x1b[?1049l" in seen.output, "end of the screen")
        seen.type(DARK + KIND)
        seen.wait_for("afterwards")
        seen.type(b"typed\n")
        seen.wait()
        assert "'typed\\n'" in seen.text


def test_styles_one_over_the_other() -> None:
    with drawing("dark") as seen:
        seen.wait_for("^enic")
        emphasis, code = (seen.screen.buffer[0][column] for column in (2, 3))
        assert (emphasis.bold, emphasis.italics, emphasis.underscore) == (True, True, False)
        assert emphasis.fg == "d787ff"  # that of a private message
        assert code.fg == "5fd7d7"
        assert not code.bold


def test_a_terminal_without_italics_underlines() -> None:
    # With colours, the console can't underline (terminfo: ncv).
    with drawing("dark", TERM="linux", NO_COLOR="1") as seen:
        seen.wait_for("^enic")
        assert seen.screen.buffer[0][2].underscore
