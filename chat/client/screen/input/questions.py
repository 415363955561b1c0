"""Ask for something in the input area, in place of the draft: a search, yes or no, a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chat.client.frontends.pasting import MAX_PASTE
from chat.client.screen.input.editor import Editor
from chat.client.screen.input.keys import Action, KeyContext, action_of, is_character
from chat.client.screen.input.own_keys import OwnKeys
from chat.client.screen.model.excerpt import Excerpt
from chat.client.screen.model.model import Model, Question
from chat.client.screen.model.search import Search
from chat.client.screen.model.switcher import Destination, Switcher
from chat.client.screen.model.views import Draft, Page

# Shown for each character of a password.
DOT = "*"


class Asker(Protocol):
    """Take keys until the question is answered. ``press`` returns an action that concerns something else."""

    editor: Editor
    is_over: bool

    @property
    def prompt(self) -> str: ...

    def press(self, key: str) -> Action | None: ...


def line_count(text: str) -> int:
    """Count the lines of a paste, without blank lines at its end."""
    return text.rstrip("\n").count("\n") + 1


def shown(asker: Asker, keys: OwnKeys) -> Question:
    """Return the question as the model may hold it: with the ``keys`` that answer it, and dots for a password."""
    text, prompt = asker.editor.text, asker.prompt
    if isinstance(asker, YesOrNo):
        prompt += f" {keys.answers(lightly=asker.lightly)}: "
    if isinstance(asker, PasswordQuestion):
        text = DOT * len(text)
    return Question(prompt, Draft(text, asker.editor.cursor))


class YesOrNo:
    """Ask for yes or no, and call ``yes`` or ``no``. ``lightly``: Enter counts as yes, and the question shows it."""

    def __init__(
        self,
        question: str,
        yes: Callable[[], object],
        no: Callable[[], object] = lambda: None,
        *,
        lightly: bool = True,
    ) -> None:
        self.prompt = question
        self.editor = Editor(single_line=True)
        self.is_over = False
        self._yes = yes
        self._no = no
        self.lightly = lightly

    def press(self, key: str) -> Action | None:
        """Handle ``key``; no other key answers."""
        action = action_of(key, KeyContext.QUESTION)
        # Where the answer matters, such as an unknown server key, a stray Enter must not accept it.
        if key == "<enter>" and not self.lightly:
            return None
        if action in (Action.YES, Action.NO):
            self.is_over = True
            if action is Action.YES:
                self._yes()
            else:
                self._no()
        return None


class PasteQuestion(YesOrNo):
    """Ask whether a long paste is meant as one message; on yes, call ``paste`` with the whole text.

    Over a slow connection the paste may go on while the question is shown: see ``add``.
    """

    def __init__(self, text: str, paste: Callable[[str], object]) -> None:
        super().__init__("", lambda: paste(self.text))
        self.text = ""
        self.add(text)

    def add(self, text: str) -> None:
        """Add more of the paste. Text beyond 1 MiB is dropped; the question shows the size that is kept."""
        self.text = (self.text + text)[:MAX_PASTE]
        lines = line_count(self.text)
        size = f"{lines} lines" if lines > 1 else f"{len(self.text)} characters"
        self.prompt = f"Paste {size} as one message?"


class LineQuestion:
    """Ask for a line of text, and call ``answer`` with it, or with None if the user gives no answer."""

    def __init__(self, prompt: str, text: str, answer: Callable[[str | None], object]) -> None:
        self.prompt = prompt
        self.editor = Editor(text, single_line=True)
        self.is_over = False
        self._answer = answer

    def press(self, key: str) -> Action | None:
        """Handle ``key``; return an action that concerns something else."""
        action = None if is_character(key) else action_of(key)
        if action is Action.SUBMIT:
            self._submit()
        elif action is Action.CLEAR and self.editor.text:
            self.editor.clear()
        elif action is Action.CLEAR or (action is Action.DELETE_OR_LEAVE and not self.editor.text):
            self._end(None)
        elif not self.editor.press(key):
            return action
        return None

    def _submit(self) -> None:
        if self.editor.text.strip():
            self._end(self.editor.text.strip())

    def _end(self, answer: str | None) -> None:
        self.is_over = True
        self._answer(answer)


class PasswordQuestion(LineQuestion):
    """Ask for a password, and call ``answer`` with the text as typed, blanks included, or with None.

    The editor has a kill ring of its own, so that a password that was cut is gone with the question.
    """

    def __init__(self, prompt: str, answer: Callable[[str | None], object]) -> None:
        super().__init__(prompt, "", answer)

    def _submit(self) -> None:
        self._end(self.editor.text or None)


class SearchQuestion:
    """Search while the user types; call ``show`` to bring the match into sight.

    ``stay`` is called when the user stays at the match, and ``back`` when they return to where the search began.
    """

    def __init__(
        self,
        model: Model,
        show: Callable[[], object],
        stay: Callable[[], object] = lambda: None,
        back: Callable[[], object] = lambda: None,
    ) -> None:
        self.prompt = "search: "
        self.editor = Editor(single_line=True)
        self.is_over = False
        self._model = model
        self._show = show
        self._stay = stay
        self._back = back
        self._view = model.shown
        self._began_at = self._view.anchor
        self._before = model.search
        self._search = model.search = Search(model.shown, asks_server=_asks_server(model))

    def press(self, key: str) -> Action | None:
        """Handle ``key``; return an action that concerns something else."""
        action = None if is_character(key) else action_of(key, KeyContext.SEARCH)
        is_step = action in (Action.SEARCH_OLDER, Action.SEARCH_NEWER)
        if is_step and not self.editor.text:
            self._repeat()
        elif action is Action.SEARCH_OLDER:
            self._search.older()
        elif action is Action.SEARCH_NEWER:
            self._search.newer()
        elif action is Action.SEARCH_ACCEPT and self._search.is_waiting:
            return None  # the match is not here yet, so nobody can stay at it
        elif action is Action.SEARCH_ACCEPT:
            self.is_over = True
            if self._search.at is not self._search.view:
                # What is shown instead of the log is closed some time: then the user reads on where they were.
                self._view.scroll_to(self._began_at)
            self._stay()
        elif action is Action.SEARCH_CANCEL:
            self.is_over = True
            self._model.search = None
            # A cancelled search leaves the log where the user was reading.
            self._back()
            self._view.scroll_to(self._began_at)
            return None
        elif self.editor.press(key):
            self.look()
        else:
            return action
        self._show()
        return None

    def look(self) -> None:
        """Search again if the text has changed."""
        if self.editor.text != self._search.text:
            self._search.find(self.editor.text)
            self._show()

    def _repeat(self) -> None:
        """Search again for the text of the last search, as in a shell: from its match on, if that is on the screen."""
        before = self._before
        if before is None:
            return
        self.editor.set_text(before.text)
        if before.number is not None and before.at is self._model.shown is not before.view:
            self._search = self._model.search = before
            before.resume()
            before.older()
        else:
            self.look()


class SwitchQuestion:
    """Ask where to go, with the places that fit below; ``go`` is called with the chosen one."""

    def __init__(self, switcher: Switcher, go: Callable[[Destination], object]) -> None:
        self.prompt = "go to: "
        self.editor = Editor(single_line=True)
        self.is_over = False
        self.switcher = switcher
        self._go = go

    def press(self, key: str) -> Action | None:
        """Handle ``key``; return an action that concerns something else."""
        action = None if is_character(key) else action_of(key, KeyContext.SWITCHER)
        chosen = self.switcher.chosen
        if action is Action.SWITCH_UP:
            self.switcher.move(-1)
        elif action is Action.SWITCH_DOWN:
            self.switcher.move(1)
        elif action is Action.SWITCH_CANCEL:
            self.is_over = True
        elif action is Action.SWITCH_ACCEPT:
            if chosen is not None:
                self.is_over = True
                self._go(chosen)
        elif self.editor.press(key):
            self.look()
        else:
            return action
        return None

    def look(self) -> None:
        """Look for the text, if it has changed."""
        if self.editor.text != self.switcher.text:
            self.switcher.find(self.editor.text)


def _asks_server(model: Model) -> bool:
    is_help = isinstance(model.shown, Page) and not isinstance(model.shown, Excerpt)
    return model.can_search and not is_help
