"""Edit a text and move the cursor in it, with the keys of readline."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from enum import Enum, auto
from itertools import accumulate

from chat.client.screen.input.keys import Action, action_of, is_character, split_keys
from chat.client.screen.input.kill_ring import KillRing
from chat.client.screen.input.undo import Snapshot, Undo
from chat.client.screen.text.cells import clusters
from chat.client.screen.text.input_rows import Layout, lay_out, rows_away

# So wide that each line of text is one row: for Up and Down without a screen.
NO_WIDTH = 1 << 30

_LINE_ENDS = re.compile(r"\r\n?")
# Lone surrogates have no UTF-8, so they can't be sent.
_SURROGATES = re.compile("[\ud800-\udfff]")


class _Run(Enum):
    """Name what the last change was, because it decides what the next one does.

    Typed letters are undone together, cuts in a row are one piece, and Up and Down keep their column.
    """

    NONE = auto()
    TYPING = auto()
    DELETING = auto()
    CUTTING = auto()
    YANKING = auto()
    REPLACING = auto()
    GOING_UP_OR_DOWN = auto()


class Editor:
    """Hold a text and a cursor.

    ``cursor`` is an index of code points in ``text``, always between two characters that a reader sees (clusters). A
    line in ``text`` ends with ``\\n``. With ``single_line``, for a question or a search, there is only one line.
    """

    def __init__(
        self, text: str = "", kills: KillRing | None = None, *, single_line: bool = False
    ) -> None:
        self._single_line = single_line
        self._text = self._cleaned(text)
        self._cursor = len(self._text)
        self._kills = kills or KillRing()
        self._undo = Undo()
        self._run = _Run.NONE
        self._yanked = (0, 0)  # start and end of the text that the last yank inserted
        self._column = 0  # the cell that Up and Down aim for
        self._measured = ""
        self._boundaries: Sequence[int] = range(1)

    @property
    def text(self) -> str:
        return self._text

    @property
    def cursor(self) -> int:
        return self._cursor

    def layout(self, width: int) -> Layout:
        """Return the text in rows of ``width`` cells, and the cell of the cursor."""
        return lay_out(self._text, self._cursor, width)

    def type(self, keys: str) -> None:
        """Press ``keys``, written as in ``hi<home>x``; tests use it to type like a user."""
        for key in split_keys(keys):
            self.press(key)

    def press(self, key: str) -> bool:
        """Do what ``key`` does to a text; return False if it does nothing here."""
        if is_character(key):
            self.insert(key)
            return True
        action = action_of(key)
        return action is not None and self.do(action)

    def do(self, action: Action) -> bool:
        """Do ``action``; return False if it is not an action on a text."""
        method = _METHODS.get(action)
        if method is None:
            return False
        method(self)
        return True

    # --- Inserting

    def insert(self, text: str) -> None:
        """Insert ``text`` at the cursor. Text that is typed letter by letter is undone word by word."""
        text = self._cleaned(text)
        before = self._text[self._cursor - 1 : self._cursor]
        # A new word begins a new step of undo, so that undo takes back word by word.
        begins_word = before.isspace() and not text.isspace()
        is_typed = len(text) == 1
        joins = is_typed and self._run is _Run.TYPING and not begins_word
        self._put(text, _Run.TYPING if is_typed else _Run.NONE, joins=joins)

    def new_line(self) -> None:
        self.insert("\n")

    def replace(self, start: int, end: int, text: str) -> None:
        """Replace the text from ``start`` to ``end`` by ``text``, and put the cursor after it.

        Several replacements in a row, as by completion, are undone at once.
        """
        text = self._cleaned(text)
        self._change(
            self._text[:start] + text + self._text[end:],
            start + len(text),
            _Run.REPLACING,
            joins=self._run is _Run.REPLACING,
        )

    def set_text(self, text: str, cursor: int | None = None) -> None:
        """Replace the whole text, and put the cursor at its end or at ``cursor``. Undo brings the old text back."""
        text = self._cleaned(text)
        self._change(text, len(text) if cursor is None else max(0, min(cursor, len(text))))

    def pop_text(self) -> str:
        """Empty the editor, which forgets its undo steps, and return the text."""
        text = self._text
        self._change("", 0)
        # The text was sent: undo must not bring it back into the next draft.
        self._undo.forget()
        return text

    # --- Moving

    def left(self) -> None:
        self._move(self._previous(self._cursor))

    def right(self) -> None:
        self._move(self._next(self._cursor))

    def word_left(self) -> None:
        self._move(self._word_start())

    def word_right(self) -> None:
        self._move(self._word_end())

    def line_start(self) -> None:
        self._move(self._line_start())

    def line_end(self) -> None:
        self._move(self._line_end())

    def up(self, width: int = NO_WIDTH) -> bool:
        """Move to the row above, where rows have ``width`` cells; return False if there is none."""
        return self._go(-1, width)

    def down(self, width: int = NO_WIDTH) -> bool:
        """Move to the row below, where rows have ``width`` cells; return False if there is none."""
        return self._go(1, width)

    # --- Deleting

    def delete_left(self) -> None:
        self._delete(self._previous(self._cursor), self._cursor)

    def delete_right(self) -> None:
        self._delete(self._cursor, self._next(self._cursor))

    def kill_to_start(self) -> None:
        """Cut the line up to the cursor; at the start of a line, cut the line end before it."""
        start = self._line_start()
        self._cut(start if start < self._cursor else self._previous(start), self._cursor)

    def kill_to_end(self) -> None:
        """Cut the rest of the line; at the end of a line, cut the line end."""
        end = self._line_end()
        self._cut(self._cursor, end if end > self._cursor else self._next(end))

    def kill_blank_word_left(self) -> None:
        """Cut back to the blank before, whatever characters are in between."""
        before = self._text[: self._cursor].rstrip()
        words = before.split()
        self._cut(len(before) - len(words[-1]) if words else 0, self._cursor)

    def kill_word_left(self) -> None:
        self._cut(self._word_start(), self._cursor)

    def kill_word_right(self) -> None:
        self._cut(self._cursor, self._word_end())

    def clear(self) -> None:
        """Cut the whole text: a yank or an undo brings it back."""
        self._cut(0, len(self._text))

    def yank(self) -> None:
        """Insert what was cut last."""
        text = self._kills.newest
        self._yanked = (self._cursor, self._cursor + len(text))
        self._put(text, _Run.YANKING)

    def yank_older(self) -> None:
        """Replace the text of a yank by the piece that was cut before it."""
        if self._run is _Run.YANKING:
            self._kills.rotate()
            text = self._kills.newest
            start, end = self._yanked
            self._yanked = (start, start + len(text))
            changed = self._text[:start] + text + self._text[end:]
            self._change(changed, start + len(text), _Run.YANKING, joins=True)
            self._run = _Run.YANKING  # _change resets it if both pieces are equal

    # --- Changing

    def transpose(self) -> None:
        """Swap the characters around the cursor, or the last two of a line at its end; the cursor moves on."""
        middle = self._cursor
        if middle == self._line_end():
            middle = self._previous(middle)
        start, end = self._previous(middle), self._next(middle)
        if self._line_start() <= start < middle < end:
            swapped = self._text[middle:end] + self._text[start:middle]
            self._change(self._text[:start] + swapped + self._text[end:], end)

    def undo(self) -> None:
        self._restore(self._undo.undo(Snapshot(self._text, self._cursor)))

    def redo(self) -> None:
        self._restore(self._undo.redo(Snapshot(self._text, self._cursor)))

    # --- Internals

    def _put(self, text: str, run: _Run, *, joins: bool = False) -> None:
        before, after = self._text[: self._cursor], self._text[self._cursor :]
        self._change(before + text + after, self._cursor + len(text), run, joins=joins)

    def _delete(self, start: int, end: int) -> None:
        joins = self._run is _Run.DELETING
        self._change(self._text[:start] + self._text[end:], start, _Run.DELETING, joins=joins)

    def _cut(self, start: int, end: int) -> None:
        if start == end:
            return
        in_a_row = self._run is _Run.CUTTING
        self._kills.cut(self._text[start:end], in_a_row=in_a_row, backward=end == self._cursor)
        self._change(self._text[:start] + self._text[end:], start, _Run.CUTTING)

    def _change(
        self, text: str, cursor: int, run: _Run = _Run.NONE, *, joins: bool = False
    ) -> None:
        """Set the text to ``text``; with ``joins``, one undo takes back this change and the one before."""
        if text != self._text:
            if not joins:
                self._undo.record(Snapshot(self._text, self._cursor))
            self._text = text
            self._run = run
        else:
            self._run = _Run.NONE
        # Characters that are neighbours now may form one cluster, and the cursor must not stand inside it.
        boundaries = self._all_boundaries()
        self._cursor = boundaries[bisect_left(boundaries, cursor)]

    def _restore(self, state: Snapshot | None) -> None:
        if state is not None:
            self._text, self._cursor = state
        self._run = _Run.NONE

    def _move(self, cursor: int) -> None:
        self._cursor = cursor
        self._run = _Run.NONE

    def _go(self, rows: int, width: int) -> bool:
        # Across short rows, the cursor aims for the column where the first Up or Down began, as in other editors.
        if self._run is not _Run.GOING_UP_OR_DOWN:
            self._column = self.layout(width).column
        cursor = rows_away(self._text, self._cursor, width, rows, self._column)
        if cursor is None:
            return False
        self._cursor = cursor
        self._run = _Run.GOING_UP_OR_DOWN
        return True

    def _cleaned(self, text: str) -> str:
        text = _SURROGATES.sub("\ufffd", _LINE_ENDS.sub("\n", text))
        return text.replace("\n", " ") if self._single_line else text

    # --- Places in the text

    def _all_boundaries(self) -> Sequence[int]:
        """Return the indices where the cursor may be, in order."""
        if self._text != self._measured:
            self._measured = self._text
            # A fast path: in ASCII text every index is a boundary. (CR, which would join with LF, was replaced.)
            if self._text.isascii():
                self._boundaries = range(len(self._text) + 1)
            else:
                self._boundaries = [0, *accumulate(map(len, clusters(self._text)))]
        return self._boundaries

    def _previous(self, position: int) -> int:
        boundaries = self._all_boundaries()
        return boundaries[max(0, bisect_left(boundaries, position) - 1)]

    def _next(self, position: int) -> int:
        boundaries = self._all_boundaries()
        return boundaries[min(len(boundaries) - 1, bisect_right(boundaries, position))]

    def _line_start(self) -> int:
        return self._text.rfind("\n", 0, self._cursor) + 1

    def _line_end(self) -> int:
        end = self._text.find("\n", self._cursor)
        return len(self._text) if end < 0 else end

    def _word_start(self) -> int:
        position = self._cursor
        while position and not self._is_word(self._previous(position)):
            position = self._previous(position)
        while position and self._is_word(self._previous(position)):
            position = self._previous(position)
        return position

    def _word_end(self) -> int:
        position, end = self._cursor, len(self._text)
        while position < end and not self._is_word(position):
            position = self._next(position)
        while position < end and self._is_word(position):
            position = self._next(position)
        return position

    def _is_word(self, position: int) -> bool:
        character = self._text[position]
        return character.isalnum() or character == "_"


_METHODS: dict[Action, Callable[[Editor], None]] = {
    Action.NEW_LINE: Editor.new_line,
    Action.LEFT: Editor.left,
    Action.RIGHT: Editor.right,
    Action.WORD_LEFT: Editor.word_left,
    Action.WORD_RIGHT: Editor.word_right,
    Action.LINE_START: Editor.line_start,
    Action.LINE_END: Editor.line_end,
    Action.DELETE_LEFT: Editor.delete_left,
    Action.DELETE_RIGHT: Editor.delete_right,
    Action.DELETE_OR_LEAVE: Editor.delete_right,
    Action.KILL_TO_END: Editor.kill_to_end,
    Action.KILL_TO_START: Editor.kill_to_start,
    Action.KILL_BLANK_WORD_LEFT: Editor.kill_blank_word_left,
    Action.KILL_WORD_LEFT: Editor.kill_word_left,
    Action.KILL_WORD_RIGHT: Editor.kill_word_right,
    Action.YANK: Editor.yank,
    Action.YANK_OLDER: Editor.yank_older,
    Action.TRANSPOSE: Editor.transpose,
    Action.UNDO: Editor.undo,
    Action.REDO: Editor.redo,
    Action.CLEAR: Editor.clear,
}
