"""When the screen is drawn: the input at once, the rest in frames. The clock moves only when the test moves it."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from chat.client.screen.draw.layout import Cursor, Renderer, Screen
from chat.client.screen.painter import FRAME, KEY_FRAME, LONGEST_REST, Pace, Painter, Part
from chat.client.screen.text.spans import Row
from tests.client.screen.desks import Desk
from tests.client.screen.fake_terminal import FakeTerminal


class Canvas(FakeTerminal):
    """Counts the drawings. While ``takes`` is not set, it takes nothing, like a terminal after Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        self.drawings = 0
        self.cursor: Cursor | None = None
        self.takes = Event()
        self.takes.set()
        self._is_busy = False

    def draw(self, screen: Screen) -> None:
        self._take()
        self.cursor = screen.cursor
        super().draw(screen)

    def draw_last_rows(self, rows: list[Row], cursor: Cursor) -> None:
        self._take()
        self.cursor = Cursor(len(self.rows) - len(rows) + cursor.row, cursor.column)
        super().draw_last_rows(rows, cursor)

    def _take(self) -> None:
        assert not self._is_busy, "two drawings at once"
        self.drawings += 1
        self._is_busy = True
        self.takes.wait()
        self._is_busy = False


class Stage:
    """Bob at a terminal, in a room where much is said."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.desk = Desk()
        self.canvas = Canvas()
        self.desk.controller.size = self.canvas.size
        self.painter = Painter(
            self.canvas,
            Renderer(),
            self.desk.model,
            self.desk.controller,
            lambda: (),
            clock=lambda: self.now,
        )
        self.painting = gevent.spawn(self.painter.run)
        self.settle()
        assert self.canvas.frames == 1

    def type(self, keys: str) -> None:
        """Press keys that came in one piece."""
        self.painter.show_keys(draft_only=self.desk.type(keys))
        self.settle()

    def hear(self, text: str) -> None:
        self.desk.hear(text)
        self.painter.repaint()
        self.settle()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        # The painter looks at the clock when it is woken, or when the time is over that it asked for.
        self.painter._woken.set()
        self.settle()

    def settle(self) -> None:
        """Run the painter until it waits."""
        for _ in range(5):
            gevent.sleep(0)

    def shows(self, text: str) -> bool:
        return any(text in row for row in self.canvas.rows)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.painting.kill()


def test_a_key_is_drawn_before_the_next_frame_while_a_flood_waits(stage: Stage) -> None:
    for number in range(100):
        stage.hear(f"flood {number}")
        stage.type("x")
        assert stage.canvas.rows[-1] == "x" * (number % 50 + 1)
        if number % 50 == 49:
            stage.type("<ctrl-u>")
    assert stage.canvas.frames == 1
    assert not stage.shows("flood")
    stage.wait(FRAME)
    assert stage.canvas.frames == 2
    assert stage.shows("flood 99")


@pytest.mark.parametrize(("keys", "row", "column"), [
    ("abc<left>", "abc", 2),
    ("abc<backspace>", "ab", 2),
    ("one two<ctrl-w>", "one", 4),
    ("ab<ctrl-a>x", "xab", 1),
    ("日本", "日本", 4),
])  # fmt: skip
def test_all_that_changes_the_draft_alone_is_drawn_at_once(
    stage: Stage, keys: str, row: str, column: int
) -> None:
    stage.hear("flood")
    stage.type(keys)
    assert stage.canvas.frames == 1
    assert stage.canvas.rows[-1] == row
    assert stage.canvas.cursor == Cursor(stage.canvas.size.rows - 1, column)


def test_keys_that_come_together_are_one_drawing(stage: Stage) -> None:
    stage.type("a burst of keys")
    assert stage.canvas.rows[-1] == "a burst of keys"
    assert stage.canvas.drawings == 2  # with the first frame


def test_typing_draws_no_frames(stage: Stage) -> None:
    for _ in range(5):
        stage.type("x")
        stage.wait(FRAME)
    assert stage.canvas.frames == 1


def test_a_draft_that_needs_another_row_moves_the_rest_at_once(stage: Stage) -> None:
    stage.hear("flood")
    stage.type("x" * stage.canvas.size.columns)
    assert stage.canvas.frames == 2
    assert stage.shows("flood")
    assert stage.canvas.rows[-2:] == ["x" * stage.canvas.size.columns, ""]


def test_a_terminal_of_another_size_gets_a_whole_frame(stage: Stage) -> None:
    stage.canvas.size = stage.canvas.size._replace(columns=30, rows=8)
    stage.type("x")
    assert stage.canvas.frames == 2
    assert len(stage.canvas.rows) == 8
    assert stage.canvas.rows[-1] == "x"


@pytest.mark.parametrize("key", ["<pageup>", "<ctrl-r>", "<alt-down>"])
def test_a_key_that_changes_more_waits_for_no_frame_but_for_that_of_other_keys(
    stage: Stage, key: str
) -> None:
    stage.hear("flood")
    stage.type("hi")
    assert stage.canvas.frames == 1
    stage.type(key)
    assert stage.canvas.frames == 2
    stage.type(key)
    assert stage.canvas.frames == 2
    stage.wait(KEY_FRAME)
    assert stage.canvas.frames == 3


def test_a_key_waits_while_the_terminal_takes_nothing_and_is_not_lost(stage: Stage) -> None:
    stage.hear("flood")
    stage.canvas.takes.clear()
    stage.wait(FRAME)
    stage.type("a")
    stage.type("b")
    assert not stage.shows("ab")
    stage.canvas.takes.set()
    stage.settle()
    assert stage.shows("flood")
    assert stage.canvas.rows[-1] == "ab"
    assert stage.canvas.drawings == 3


def drawn_frame(began: float = 5.0, ended: float = 5.001) -> Pace:
    """Return the pace after a first frame."""
    pace = Pace()
    assert pace.next_part(began) is Part.SCREEN
    pace.begin(Part.SCREEN, began)
    pace.end(Part.SCREEN, ended)
    return pace


def test_frames_come_so_long_after_the_terminal_has_taken_the_last() -> None:
    pace = drawn_frame(ended=5.001)
    assert pace.next_part(9.0) is None
    assert pace.patience(9.0) is None
    pace.screen_changed = True
    assert pace.patience(5.001) == pytest.approx(FRAME)
    assert pace.next_part(5.001 + FRAME / 2) is None
    pace.input_changed = True
    assert pace.next_part(5.001 + FRAME / 2) is Part.INPUT
    assert pace.next_part(5.001 + FRAME) is Part.SCREEN  # which has the input in it


@pytest.mark.parametrize(("took", "rest"), [(0.001, FRAME), (0.004, 0.08), (2.0, LONGEST_REST)])
def test_frames_that_take_long_come_more_rarely(took: float, rest: float) -> None:
    pace = drawn_frame(5.0, 5.0 + took)
    pace.screen_changed = True
    assert pace.patience(5.0 + took) == pytest.approx(rest)
    pace.hurry()  # but not for a user who waits
    assert pace.patience(5.0 + took) == 0.0
    pace.begin(Part.SCREEN, 5.0 + took)
    pace.end(Part.SCREEN, 6.0 + took)
    pace.hurry()
    assert pace.patience(6.0 + took) == pytest.approx(KEY_FRAME)


def test_what_changes_while_a_part_is_drawn_is_drawn_afterwards() -> None:
    pace = drawn_frame()
    pace.begin(Part.SCREEN, 6.0)
    pace.input_changed = True
    pace.screen_changed = True
    pace.end(Part.SCREEN, 6.0)
    assert pace.next_part(6.0) is Part.INPUT
    pace.begin(Part.INPUT, 6.0)
    pace.end(Part.INPUT, 6.0)
    assert pace.next_part(6.0) is None
    assert pace.next_part(6.0 + FRAME) is Part.SCREEN
