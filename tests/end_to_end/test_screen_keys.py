"""Every key of the full-screen client, typed as an xterm sends it into the real program.

``SCENARIOS`` has one for each binding, and runs once for each of its keys; a binding without one is a failure.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeAlias

import pytest

from chat.client.frontends.pasting import PASTE_LINES
from chat.client.screen.input.keys import (
    BINDINGS,
    Action,
    KeyContext,
    help_lines,
    split_keys,
    view_number,
)
from chat.client.screen.reading.scrolling import WHEEL_ROWS
from tests.end_to_end.screen_stage import Stage, shows_a_neighbour, staged
from tests.end_to_end.screens import PyteScreen, client

LOG_ROWS = 24 - 3  # of a terminal: all but title, status and input
INSIDE = "you are in the room as bob"


NUMBERS = count(1)


def fill(stage: Stage, amount: int = 3 * LOG_ROWS, needles: tuple[int, ...] = ()) -> range:
    """Alice says numbered lines; those at the places ``needles`` have the word in them. The numbers."""
    numbers = [next(NUMBERS) for _ in range(amount)]
    for place, number in enumerate(numbers):
        stage.alice.send_text(f"{'needle' if place in needles else 'line'} {number}")
    stage.bob.wait_for(rf" {numbers[-1]}$")
    return range(numbers[0], numbers[-1] + 1)


def wait_for_bottom(stage: Stage, bottom: int) -> None:
    """Wait until this is the last of alice's lines in sight."""
    stage.bob.wait_until(lambda rows: in_sight(rows)[-1:] == [bottom])


def in_sight(rows: list[str]) -> list[int]:
    """The numbers of alice's lines in the log on the screen."""
    return [int(found[1]) for row in rows[:-1] if (found := re.search(r"\]: \w+ (\d+)$", row))]


Scenario: TypeAlias = Callable[[Stage, str], None]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("home")) as stage:
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Iterator[Stage]:
    assert shared.bob.process.poll() is None
    yield shared
    shared.tidy()


# Scenarios.


def writes(before: str, after: str) -> Scenario:
    """``before`` is typed (keys by their names), then the key, then a bar: ``after`` is what is being written now."""

    def scenario(stage: Stage, key: str) -> None:
        stage.bob.press(*split_keys(before), key, "|")
        lines = after.split("\n")
        stage.bob.wait_until(lambda rows: rows[-len(lines) :] == lines, f"not {after!r}")

    return scenario


def scrolls(before: tuple[str, ...], rows: int) -> Scenario:
    """Make a scenario: after the keys ``before``, the key moves the log by ``rows``, down if positive."""

    def scenario(stage: Stage, key: str) -> None:
        end = fill(stage)[-1]
        stage.bob.press(*before)
        at = end + sum(MOVES[each] for each in before)
        wait_for_bottom(stage, at)
        stage.bob.press(key)
        wait_for_bottom(stage, at + rows)

    return scenario


PAGE = LOG_ROWS - 1  # one row is on both pages
MOVES = {"<pageup>": -PAGE, "<shift-up>": -1}


def submits(stage: Stage, key: str) -> None:
    stage.bob.press("said by bob", key)
    stage.bob.wait_until(
        lambda rows: rows[-1] == "" and any(row.endswith("[bob]: said by bob") for row in rows)
    )


def goes_back_in_history(stage: Stage, key: str) -> None:
    stage.bob.command("said before")
    # Only Ctrl-P replaces a draft by what was said before.
    writes("" if key == "<up>" else "a draft", "said before|")(stage, key)


def comes_back_from_history(stage: Stage, key: str) -> None:
    stage.bob.command("said before")
    writes("a draft<ctrl-p>", "a draft|")(stage, key)


def clears_and_twice_leaves(stage: Stage, key: str) -> None:
    writes("a draft", "|")(stage, key)
    stage.bob.press(key, key)
    assert stage.bob.wait() == 0


def deletes_and_leaves(stage: Stage, key: str) -> None:
    writes("abc<ctrl-a>", "|bc")(stage, key)
    stage.bob.press("<ctrl-k>", "<ctrl-u>", key)
    assert stage.bob.wait() == 0


def shows_the_oldest(stage: Stage, key: str) -> None:
    fill(stage)
    stage.bob.press(key)
    stage.bob.wait_for(INSIDE, "scrolled up")


def shows_the_newest(stage: Stage, key: str) -> None:
    end = fill(stage)[-1]
    stage.bob.press("<ctrl-home>")
    stage.bob.wait_for(INSIDE)
    stage.bob.press(key)
    wait_for_bottom(stage, end)


def asks_what_to_search(stage: Stage, key: str) -> None:
    fill(stage, 1, (0,))
    stage.bob.press(key, "needle")
    stage.bob.wait_for("^search: needle$", r"search: 1 of 1\b")


def searching(stage: Stage) -> list[int]:
    """The draft waits behind a search, at the newest of three matches; never are two in sight. Their numbers."""
    places = (5, 5 + 2 * LOG_ROWS, 5 + 4 * LOG_ROWS)
    numbers = fill(stage, 6 * LOG_ROWS, places)
    stage.bob.press("a draft", "<ctrl-r>", "needle")
    wait_for_match(stage, numbers[places[2]])
    return [numbers[place] for place in places]


def wait_for_match(stage: Stage, number: int) -> None:
    stage.bob.wait_for(rf"\[alice\]: needle {number}$")


def finds_the_match_before(stage: Stage, key: str) -> None:
    _, second, _ = searching(stage)
    stage.bob.press(key)
    wait_for_match(stage, second)


def finds_the_match_after(stage: Stage, key: str) -> None:
    first, second, _ = searching(stage)
    stage.bob.press("<ctrl-r>", "<ctrl-r>")
    wait_for_match(stage, first)
    stage.bob.press(key)
    wait_for_match(stage, second)


def stays_at_the_match(stage: Stage, key: str) -> None:
    _, _, third = searching(stage)
    stage.bob.press(key)
    rows = stage.bob.wait_for("^a draft$")
    assert third in in_sight(rows)


def ends_the_search_where_it_began(stage: Stage, key: str) -> None:
    searching(stage)
    stage.bob.press("<ctrl-r>", key)
    stage.bob.wait_until(lambda rows: rows[-1] == "a draft" and "│" not in rows[-2])


def pasting(stage: Stage) -> list[str]:
    """A paste that a question is asked about; its lines."""
    lines = [f"pasted {number}" for number in range(PASTE_LINES + 1)]
    stage.bob.send("\x1b[200~" + "\r".join(lines) + "\x1b[201~")
    stage.bob.wait_for(rf"^Paste {len(lines)} lines as one message\? \[Y/n\]:$")
    return lines


def says_yes(stage: Stage, key: str) -> None:
    lines = pasting(stage)
    stage.bob.press(key)
    stage.bob.wait_until(lambda rows: rows[-len(lines) :] == lines)


def says_no(stage: Stage, key: str) -> None:
    pasting(stage)
    stage.bob.press(key)
    stage.bob.wait_until(lambda rows: rows[-1] == "")
    stage.bob.press("|")
    stage.bob.wait_until(lambda rows: rows[-1] == "|")


def shows_a_view(stage: Stage, key: str) -> None:
    number = view_number(key)
    peers = [f"peer{each}" for each in range(2, 10)]
    for peer in peers:
        stage.bob.command(f"/query {peer}")
    # From another one than the one that is wanted.
    stage.bob.press("<alt-9>" if number != 9 else "<alt-2>")
    stage.bob.wait_for(rf"^ {'peer9' if number != 9 else 'peer2'} alone, at ")
    stage.bob.press(key)
    stage.bob.wait_for("^ 127" if number == 1 else rf"^ peer{number} alone, at ")


def shows_what_is_new(stage: Stage, key: str) -> None:
    stage.bob.command("/query alice")
    stage.bob.wait_for("^ alice alone, at ")
    stage.bob.press("<alt-1>")
    stage.bob.wait_for("^ 127")
    stage.alice.send_text("for you", to="bob")
    stage.bob.wait_for(r"\[\d+ alice 1\]")
    stage.bob.press(key)
    stage.bob.wait_for("^ alice alone, at ", r"\[alice -> bob\]: for you$")


def draws_again(stage: Stage, key: str) -> None:
    fill(stage, 1)  # what was said before is drawn, too
    stage.bob.press("a draft")
    before = stage.bob.wait_until(lambda rows: rows[-1] == "a draft")
    os.write(stage.bob.far, b"\x1b7\x1b[4;1Hwritten by somebody else\x1b8")
    stage.bob.wait_for("^written by somebody else")
    stage.bob.press(key)
    stage.bob.wait_until(lambda rows: rows == before)


def goes_to_the_shell(stage: Stage, key: str) -> None:
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with PyteScreen(shell, stage.directory, environment={"PS1": "shell> "}) as screen:
        screen.wait_for("^shell>")
        screen.press(" ".join(client(stage.address, "carol")), "<enter>")
        screen.wait_for("you are in the room as carol")
        screen.press("a draft", key)
        screen.wait_for("Stopped", "^shell>")
        screen.press("fg", "<enter>")
        screen.wait_for("you are in the room as carol", "^a draft$")


def shows_the_keys(stage: Stage, key: str) -> None:
    stage.bob.press(key)
    lines = [re.escape(line.strip()) for line in help_lines()]
    stage.bob.wait_for("^ keys │ Esc closes", *lines[:3])
    stage.bob.press("<ctrl-end>")
    stage.bob.wait_for(*lines[-3:])
    stage.bob.press(key)
    stage.bob.wait_for("^ 127")


def shows_the_log_alone(stage: Stage, key: str) -> None:
    fill(stage, 1)
    stage.bob.press("a draft")
    before = stage.bob.wait_for("^a draft$")
    stage.bob.press(key)
    stage.bob.wait_until(lambda rows: not any("a draft" in row or "│" in row for row in rows))
    stage.bob.press(key)
    stage.bob.wait_until(lambda rows: rows == before)


def finds_no_line_to_decide_about(stage: Stage, key: str) -> None:
    stage.bob.press("a draft", key)
    stage.bob.wait_for("-- no line here is marked as perhaps said$", "^a draft$")


def goes_back(stage: Stage, key: str) -> None:
    shows_the_newest(stage, key)
    stage.bob.press("<f1>")
    stage.bob.wait_for("^ keys │ Esc closes")
    stage.bob.press(key)
    stage.bob.wait_for("^ 127")


def opens_the_switcher(stage: Stage, key: str) -> None:
    stage.bob.press("<alt-1>", "a draft", key, "alice")
    stage.bob.wait_for("^> .*alice", "^go to: alice$")


def chooses_in_the_switcher(stage: Stage, key: str) -> None:
    # There are two places: down and up both lead to the other one.
    for name in ("qq-one", "qq-two"):
        stage.bob.command(f"/query {name}")
        stage.bob.wait_for(f"^ {name} alone, at ")
    stage.bob.press("<alt-1>", "<alt-k>", "qq")
    stage.bob.wait_for("^> .*qq-two$", "^ .*qq-one$")
    stage.bob.press(key)
    stage.bob.wait_for("^> .*qq-one$", "^ .*qq-two$")


def goes_where_the_switcher_says(stage: Stage, key: str) -> None:
    stage.bob.press("<alt-1>", "<alt-k>", "alice")
    stage.bob.wait_for("^> .*alice")
    stage.bob.press(key)
    stage.bob.wait_for("^ alice alone, at ")


def stays_without_the_switcher(stage: Stage, key: str) -> None:
    stage.bob.press("<alt-1>", "a draft", "<alt-k>")
    stage.bob.wait_for("^go to:")
    stage.bob.press(key)
    stage.bob.wait_for("^ 127", "^a draft$")


SCENARIOS: dict[tuple[KeyContext, Action], Scenario] = {
    (KeyContext.TYPING, Action.SUBMIT): submits,
    (KeyContext.TYPING, Action.NEW_LINE): writes("one", "one\n|"),
    (KeyContext.TYPING, Action.COMPLETE): writes("/qu", "/query |"),
    (KeyContext.TYPING, Action.COMPLETE_BACK): writes("/qu", "/quit|"),
    (KeyContext.TYPING, Action.UP): goes_back_in_history,
    (KeyContext.TYPING, Action.DOWN): comes_back_from_history,
    (KeyContext.TYPING, Action.HISTORY_OLDER): goes_back_in_history,
    (KeyContext.TYPING, Action.HISTORY_NEWER): comes_back_from_history,
    (KeyContext.TYPING, Action.LINE_START): writes("one two", "|one two"),
    (KeyContext.TYPING, Action.LINE_END): writes("one two<ctrl-a>", "one two|"),
    (KeyContext.TYPING, Action.LEFT): writes("ab", "a|b"),
    (KeyContext.TYPING, Action.RIGHT): writes("ab<ctrl-a>", "a|b"),
    (KeyContext.TYPING, Action.WORD_LEFT): writes("one two", "one |two"),
    (KeyContext.TYPING, Action.WORD_RIGHT): writes("one two<ctrl-a>", "one| two"),
    (KeyContext.TYPING, Action.DELETE_LEFT): writes("abc", "ab|"),
    (KeyContext.TYPING, Action.DELETE_RIGHT): writes("abc<ctrl-a>", "|bc"),
    (KeyContext.TYPING, Action.DELETE_OR_LEAVE): deletes_and_leaves,
    (KeyContext.TYPING, Action.KILL_BLANK_WORD_LEFT): writes("see a/b.c", "see |"),
    (KeyContext.TYPING, Action.KILL_WORD_LEFT): writes("see a/b.c", "see a/b.|"),
    (KeyContext.TYPING, Action.KILL_WORD_RIGHT): writes("one two<ctrl-a>", "| two"),
    (KeyContext.TYPING, Action.KILL_TO_START): writes("one two<left>", "|o"),
    (KeyContext.TYPING, Action.KILL_TO_END): writes("one two<ctrl-a><right>", "o|"),
    (KeyContext.TYPING, Action.YANK): writes("one two<ctrl-w>", "one two|"),
    (KeyContext.TYPING, Action.YANK_OLDER): writes("one<ctrl-u>two<ctrl-u><ctrl-y>", "one|"),
    (KeyContext.TYPING, Action.TRANSPOSE): writes("ab", "ba|"),
    (KeyContext.TYPING, Action.UNDO): writes("one<ctrl-u>", "one|"),
    (KeyContext.TYPING, Action.REDO): writes("one<ctrl-u><ctrl-_>", "|"),
    (KeyContext.TYPING, Action.CLEAR): clears_and_twice_leaves,
    (KeyContext.LOG, Action.PAGE_UP): scrolls((), -PAGE),
    (KeyContext.LOG, Action.PAGE_DOWN): scrolls(("<pageup>", "<pageup>"), PAGE),
    (KeyContext.LOG, Action.SCROLL_UP): scrolls((), -1),
    (KeyContext.LOG, Action.SCROLL_DOWN): scrolls(("<pageup>",), 1),
    (KeyContext.LOG, Action.WHEEL_UP): scrolls((), -WHEEL_ROWS),
    (KeyContext.LOG, Action.WHEEL_DOWN): scrolls(("<pageup>",), WHEEL_ROWS),
    (KeyContext.LOG, Action.TOP): shows_the_oldest,
    (KeyContext.LOG, Action.BOTTOM): shows_the_newest,
    (KeyContext.LOG, Action.BACK): goes_back,
    (KeyContext.LOG, Action.SEARCH): asks_what_to_search,
    (KeyContext.VIEWS, Action.VIEW): shows_a_view,
    (KeyContext.VIEWS, Action.NEXT_UNREAD): shows_what_is_new,
    (KeyContext.VIEWS, Action.VIEW_ABOVE): shows_a_neighbour,
    (KeyContext.VIEWS, Action.VIEW_BELOW): shows_a_neighbour,
    (KeyContext.VIEWS, Action.SWITCH): opens_the_switcher,
    (KeyContext.VIEWS, Action.BARE): shows_the_log_alone,
    (KeyContext.VIEWS, Action.SAY_AGAIN): finds_no_line_to_decide_about,
    (KeyContext.VIEWS, Action.DROP_LINE): finds_no_line_to_decide_about,
    (KeyContext.VIEWS, Action.REDRAW): draws_again,
    (KeyContext.VIEWS, Action.SUSPEND): goes_to_the_shell,
    (KeyContext.VIEWS, Action.SHOW_KEYS): shows_the_keys,
    (KeyContext.SEARCH, Action.SEARCH_OLDER): finds_the_match_before,
    (KeyContext.SEARCH, Action.SEARCH_NEWER): finds_the_match_after,
    (KeyContext.SEARCH, Action.SEARCH_ACCEPT): stays_at_the_match,
    (KeyContext.SEARCH, Action.SEARCH_CANCEL): ends_the_search_where_it_began,
    (KeyContext.SWITCHER, Action.SWITCH_UP): chooses_in_the_switcher,
    (KeyContext.SWITCHER, Action.SWITCH_DOWN): chooses_in_the_switcher,
    (KeyContext.SWITCHER, Action.SWITCH_ACCEPT): goes_where_the_switcher_says,
    (KeyContext.SWITCHER, Action.SWITCH_CANCEL): stays_without_the_switcher,
    (KeyContext.QUESTION, Action.YES): says_yes,
    (KeyContext.QUESTION, Action.NO): says_no,
}


def test_every_binding_has_a_scenario() -> None:
    assert set(SCENARIOS) == {(binding.where, binding.action) for binding in BINDINGS}


@pytest.mark.parametrize(
    ("where", "action", "key"),
    [(binding.where, binding.action, key) for binding in BINDINGS for key in binding.keys],
    ids=lambda value: value if isinstance(value, str) else value.name.lower(),
)
def test_key(stage: Stage, where: KeyContext, action: Action, key: str) -> None:
    SCENARIOS[where, action](stage, key)
