"""Combine the editor, the history and completion: all that keys do to a draft.

Each view has a composer, so every conversation has its own draft, undo and history. All composers share the kill ring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chat.client.screen.input.completion import Completer
from chat.client.screen.input.editor import NO_WIDTH, Editor
from chat.client.screen.input.history import History
from chat.client.screen.input.keys import Action, action_of, is_character
from chat.client.screen.input.kill_ring import KillRing

# Typed right after a completed name, these characters take the place of its blank, as in zsh.
_AFTER_A_NAME = frozenset(")]}\"'»”’›.,:;!?）」』，。：；！？")  # noqa: RUF001


class Choice(NamedTuple):
    """Hold the candidates that Tab goes through.

    ``labels`` are how a list shows them. ``chosen`` is None while the text stands as it was typed, or with what all
    candidates begin with.
    """

    candidates: tuple[str, ...]
    labels: tuple[str, ...]
    chosen: int | None
    start: int
    typed: str

    @property
    def text(self) -> str:
        """Return the text that stands in the input from ``start`` on."""
        return self.typed if self.chosen is None else self.candidates[self.chosen]

    def moved(self, direction: int) -> Choice:
        """Return the choice one candidate further; the text as typed comes after the last candidate."""
        places = len(self.candidates) + 1
        at = len(self.candidates) if self.chosen is None else self.chosen
        at = (at + direction) % places
        chosen = None if at == len(self.candidates) else at
        return self._replace(chosen=chosen)


class Composer:
    """Hold the draft of one view. ``width`` is the width of the input rows in cells, by which Up and Down move."""

    def __init__(self, completer: Completer, kills: KillRing | None = None) -> None:
        self.editor = Editor(kills=kills)
        self.history = History()
        self.width = NO_WIDTH
        self._completer = completer
        self._choice: Choice | None = None
        self._blank_end: int | None = None  # behind the blank of a name that was just completed

    @property
    def choice(self) -> Choice | None:
        """Return the candidates that Tab is going through; None if there are none."""
        return self._choice

    def press(self, key: str) -> Action | None:
        """Do what ``key`` does to the draft; return an action that concerns something else, for the caller to do.

        ``CLEAR`` is done and returned as well, because two in a row leave the client. ``DELETE_OR_LEAVE`` in an empty
        draft is returned as ``LEAVE``. After ``SUBMIT`` the caller calls ``take``.
        """
        blank_end, self._blank_end = self._blank_end, None
        if is_character(key):
            if key in _AFTER_A_NAME and blank_end == self.editor.cursor:
                self.editor.replace(blank_end - 1, blank_end, "")
            self._type(key)
            return None
        action = action_of(key)
        return None if action is None else self.do(action)

    def do(self, action: Action) -> Action | None:
        """Do ``action`` to the draft; return an action that concerns something else, as ``press`` does."""
        if action is Action.COMPLETE or action is Action.COMPLETE_BACK:
            self._complete(1 if action is Action.COMPLETE else -1)
            return None
        # As in a shell, Ctrl-D leaves only if the input is empty.
        if action is Action.DELETE_OR_LEAVE and not self.editor.text:
            return Action.LEAVE
        # The candidates stay while an action concerns something else, such as scrolling.
        left = self._go(action)
        if left is not None and not self.editor.do(left):
            return left
        self._choice = None
        return action if action is Action.CLEAR else None

    def complete(self) -> None:
        """Complete what stands before the cursor, as Tab does."""
        self._complete(1)

    def paste(self, text: str) -> None:
        """Insert ``text``, as one step of undo."""
        self._choice = None
        self._insert(text)

    def remove_typed(self, typed: str) -> bool:
        """Remove ``typed``, the text typed last; return False if it is not right before the cursor."""
        editor = self.editor
        if not editor.text[: editor.cursor].endswith(typed):
            return False
        self._choice = None
        editor.replace(editor.cursor - len(typed), editor.cursor, "")
        return True

    def commit(self, shown: Callable[[str], str] = str) -> str:
        """Empty the draft, and return its text. The history gets the text as ``shown`` returns it."""
        self._choice = None
        text = self.editor.pop_text()
        self.history.add(shown(text))
        return text

    def _type(self, character: str) -> None:
        is_accepted = (
            character == "/" and self._choice is not None and self._choice.text[-1:] == "/"
        )
        self._choice = None
        if not is_accepted:  # a completed directory ends in "/" already
            self._insert(character)

    def _insert(self, text: str) -> None:
        if not self.editor.text:
            self.history.begin_draft()
        self.editor.insert(text)

    def _go(self, action: Action) -> Action | None:
        """Move up or down, at the first or last row into the history; return what is left to do.

        Up and Down never replace a draft by an earlier message: a touchpad can send single arrows for its wheel, which
        no program can tell from keys. They scroll instead. Ctrl-P fetches an earlier message in any case.
        """
        editor, history = self.editor, self.history
        has_draft = bool(editor.text) and history.is_at_draft
        if action is Action.UP:
            if editor.up(self.width):
                return None
            if has_draft:
                return Action.SCROLL_UP
        elif action is Action.DOWN:
            if editor.down(self.width):
                return None
            if has_draft:
                return Action.SCROLL_DOWN
        if action is Action.UP or action is Action.HISTORY_OLDER:
            self._show(history.older(editor.text))
        elif action is Action.DOWN or action is Action.HISTORY_NEWER:
            self._show(history.newer(editor.text))
        else:
            return action
        return None

    def _show(self, text: str | None) -> None:
        if text is not None:
            self.editor.set_text(text)

    def _complete(self, direction: int) -> None:
        choice = self._choice
        if choice is None:
            found = self._completer.complete(self.editor.text, self.editor.cursor)
            if found is None:
                return
            typed = self.editor.text[found.start : found.end]
            choice = Choice(found.candidates, found.labels, None, found.start, typed)
            # As in a shell: first what all candidates begin with, then one after the other.
            several = len(found.candidates) > 1
            if several and direction > 0 and _goes_further(found.common, typed):
                self._choice = choice._replace(typed=found.common)
                self.editor.replace(found.start, found.end, found.common)
                return
        following = choice.moved(direction)
        end = choice.start + len(choice.text)
        self.editor.replace(choice.start, end, following.text)
        # With one candidate there is nothing to go through: the next Tab completes what follows.
        self._choice = following if len(choice.candidates) > 1 else None
        if following.text.endswith(" ") and not following.text.endswith(": "):
            self._blank_end = self.editor.cursor


def _goes_further(common: str, typed: str) -> bool:
    """Return whether ``common`` has more than ``typed``, in which a dropped path may have backslashes."""
    return len(common) > len(typed.replace("\\", ""))
