"""Handle keys and pastes: they change the draft, scroll the log, and send what is submitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from chat.client.conversation.commands import COMMANDS, Availability, shown_line
from chat.client.conversation.requests import DropLine, SayAgain
from chat.client.conversation.ui_events import UiEvent
from chat.client.frontends.pasting import PASTE_LINES
from chat.client.screen.draw.layout import Renderer, Size, input_width
from chat.client.screen.input.completion import Completer
from chat.client.screen.input.composer import Composer
from chat.client.screen.input.decoder import Click, Input, Paste
from chat.client.screen.input.keys import Action, KeyContext, action_of, help_lines, view_number
from chat.client.screen.input.kill_ring import KillRing
from chat.client.screen.input.own_keys import OwnKeys
from chat.client.screen.input.questions import (
    Asker,
    PasteQuestion,
    SearchQuestion,
    SwitchQuestion,
    YesOrNo,
    line_count,
    shown,
)
from chat.client.screen.input.slips import command_below
from chat.client.screen.model.entries import PageLine
from chat.client.screen.model.model import Candidates, Model
from chat.client.screen.model.switcher import Destination, Switcher
from chat.client.screen.model.views import Draft, Page, View
from chat.client.screen.reading.reading_back import ReadingBack
from chat.client.screen.reading.scrolling import Scroller
from chat.client.screen.reading.searching import Searcher
from chat.client.screen.room_facts import RoomQuestions
from chat.client.screen.submitting import RequestTaker, Submitter

PASTE_CHARACTERS = 2000
KEYS_PAGE = "keys"
# These stand over what is shown, and change as the user types.
_Over = SearchQuestion | SwitchQuestion
_LEAVE_VIEW = {
    *(Action.VIEW, Action.NEXT_UNREAD, Action.VIEW_ABOVE, Action.VIEW_BELOW),
    *(Action.SHOW_KEYS, Action.SWITCH),
}


class Desk(RequestTaker, Protocol):
    """List what the controller needs from the program around the screen."""

    # Calls a function after so many seconds.
    def later(self, seconds: float, function: Callable[[], object]) -> object: ...

    def suspend(self) -> None: ...

    def redraw(self) -> None: ...


class Controller:
    """Pass keys to a question if there is one, then to the draft, then to the log.

    ``size`` is the size of the screen; the code that draws keeps it up to date. ``now`` returns the current time with
    its zone. ``own_keys`` are the keys of the user.
    """

    def __init__(
        self,
        model: Model,
        renderer: Renderer,
        desk: Desk,
        now: Callable[[], datetime],
        own_keys: OwnKeys | None = None,
    ) -> None:
        self.own_keys = own_keys or OwnKeys()
        self.size = Size(80, 24)
        self._model = model
        self._renderer = renderer
        self._desk = desk
        self._now = now
        # The last one is shown. A question that comes meanwhile must not drop an unfinished one, such as a long paste.
        self._askers: list[Asker] = []
        # One for all views, so that text can be cut in one view and pasted in another.
        self._kills = KillRing()
        self._composers: dict[int, tuple[View, Composer]] = {}
        self._completer = Completer(
            [command for command in COMMANDS if command.where & Availability.SCREEN],
            model.speakers,
            rooms=model.known_rooms,
            missed=self._find_users,
        )
        self._submitter = Submitter(model, desk, now, lambda: renderer.scroll_to_bottom(model))
        self.reading_back = ReadingBack(model, renderer, desk.ask, lambda: self.size, now)
        self.searcher = Searcher(
            model, renderer, desk.ask, desk.later, lambda: self.size, now, self.reading_back
        )
        self._rooms = RoomQuestions(model, desk.ask)
        self._scroller = Scroller(model, renderer, lambda: self.size, self.reading_back.look)
        self._actions: dict[Action, Callable[[], object]] = {
            Action.SUBMIT: self._submit,
            Action.LEAVE: desk.leave,
            **self._scroller.actions,
            Action.BACK: self._scroller.go_back,
            Action.SEARCH: self.search,
            Action.NEXT_UNREAD: model.next_unread,
            Action.VIEW_ABOVE: lambda: model.step(-1),
            Action.VIEW_BELOW: lambda: model.step(1),
            Action.SWITCH: self._open_switcher,
            Action.REDRAW: desk.redraw,
            Action.SUSPEND: desk.suspend,
            Action.BARE: self.show_bare_view,
            Action.SHOW_KEYS: self._toggle_keys,
            Action.SAY_AGAIN: lambda: self._submitter.decide(SayAgain),
            Action.DROP_LINE: lambda: self._submitter.decide(DropLine),
        }

    def press(self, key: Input) -> bool:
        """Handle a key or a paste from the terminal; return whether it changed nothing on the screen but the draft."""
        draft_only = False
        if key in ("<focus-in>", "<focus-out>"):
            self._model.focus(key == "<focus-in>")
        elif self._model.bare is not None and self._press_in_bare_view(key):
            pass
        elif isinstance(key, Paste):
            self._model.leaves_if_cleared = False
            self._paste(key)
        elif isinstance(key, Click):
            self._click(key)
        elif (meant := self.own_keys.meant(key, self._key_context)) is not None:
            draft_only = self._press(meant)
        self.show_draft()
        return draft_only

    def _press(self, key: str) -> bool:
        """Handle a usual key; return whether it changed nothing on the screen but the draft."""
        if self._asker is not None:
            self._press_in(self._asker, key)
            return False
        composer = self.composer
        # The list of candidates, and the warning that Ctrl-C leaves, end with this key.
        had_more = composer.choice is not None or self._model.leaves_if_cleared
        action = self._in_log(key) or composer.press(key)
        self._act(action, key)
        return action is None and not had_more and composer.choice is None

    def _in_log(self, key: str) -> Action | None:
        """Return what a key does to a log that is scrolled, or to a page, while no draft needs the key."""
        is_reading = self._model.page is not None or self._model.shown.anchor is not None
        if not is_reading or self.composer.editor.text:
            return None
        # As in ``less``: hands type it, and it would otherwise begin a message.
        if key == "q" and self._model.page is not None:
            return Action.BACK
        action = action_of(key)
        if action is None:
            return None
        return {Action.LINE_START: Action.TOP, Action.LINE_END: Action.BOTTOM}.get(action)

    def ask(self, asker: Asker) -> None:
        """Show a question in place of the draft, or of another question, which returns after the answer.

        The log may explain the question, so a page that hides the log is closed, except for a search in the page, and
        for the switcher.
        """
        if not isinstance(asker, _Over):
            self._model.close_page()
        self._model.show_bare(None)
        self._model.leaves_if_cleared = False
        self._askers.append(asker)
        self.show_draft()

    def take(self, event: UiEvent) -> bool:
        """Take the answer to a question of this screen; return False if ``event`` is none."""
        return self.reading_back.take(event) or self.searcher.take(event) or self._rooms.take(event)

    @property
    def _asker(self) -> Asker | None:
        return self._askers[-1] if self._askers else None

    @property
    def is_asking(self) -> bool:
        """Return whether a single key would answer the question."""
        return isinstance(self._asker, YesOrNo)

    @property
    def _key_context(self) -> KeyContext:
        if self.is_asking:
            return KeyContext.QUESTION
        if isinstance(self._asker, SwitchQuestion):
            return KeyContext.SWITCHER
        return KeyContext.SEARCH if isinstance(self._asker, SearchQuestion) else KeyContext.TYPING

    def show_draft(self) -> None:
        """Copy the draft, the candidates of Tab and the question into the model."""
        asker, choice = self._asker, self.composer.choice
        self._model.question = None if asker is None else shown(asker, self.own_keys)
        self._model.candidates = None
        self._model.switcher = asker.switcher if isinstance(asker, SwitchQuestion) else None
        if asker is None and choice is not None:
            self._model.candidates = Candidates(choice.labels, choice.chosen)
        editor = self.composer.editor
        self._model.current.draft = Draft(editor.text, editor.cursor)
        self.composer.width = input_width(self._model, self.size)

    @property
    def composer(self) -> Composer:
        """Return the composer of the current view."""
        return self._composer_of(self._model.current)

    def draft_of(self, view: View) -> str:
        """Return what is typed in ``view``, and not sent."""
        known = self._composers.get(id(view))
        return "" if known is None else known[1].editor.text

    def restore_draft(self, view: View, text: str) -> None:
        """Put a draft of an earlier run into ``view``, unless something is typed there."""
        editor = self._composer_of(view).editor
        if not editor.text:
            editor.set_text(text)

    def _composer_of(self, view: View) -> Composer:
        # The view is stored beside its composer: the id of an object that is gone may be used again.
        if id(view) not in self._composers:
            self._composers[id(view)] = view, Composer(self._completer, self._kills)
        return self._composers[id(view)][1]

    def _find_users(self, begun: str) -> None:
        """Let the server find users for a name that Tab could not complete; complete it once they are known."""
        view, composer = self._model.current, self.composer
        draft = composer.editor.text, composer.editor.cursor

        def found() -> None:
            if view is self._model.current and draft == (
                composer.editor.text,
                composer.editor.cursor,
            ):
                composer.complete()
                self.show_draft()

        self._rooms.find_users(begun, found)

    def look_around(self) -> None:
        """Ask for what is missing of what is shown. Call it a few times a second."""
        self._rooms.look()

    def forget(self, view: View) -> None:
        """Drop the draft and the history of ``view``, which was closed."""
        self._composers.pop(id(view), None)

    def search(self, text: str | None = None) -> None:
        """Open a search, for ``text`` if it is given."""
        self.ask(self.searcher.question(text))

    def show_keys(self) -> None:
        """Open the page with all keys."""
        self.show_page(KEYS_PAGE, help_lines(self.own_keys.bindings()))

    def show_page(self, title: str, lines: Iterable[str]) -> None:
        """Open a page from its first line on."""
        now = self._now()
        self._model.open_page(Page(title, (PageLine(now, line) for line in lines)))
        # A page that fits on the screen has nothing below.
        self._scroller.scroll(0)

    def show_bare_view(self) -> None:
        """Show the log alone, as far as it is on the screen now."""
        self._model.show_bare(self._renderer.bare_lines(self._model, self.size))

    def _press_in_bare_view(self, key: Input) -> bool:
        """Scroll the bare view, or end it. Return False for a key that has an effect on the whole screen, too."""
        action = None
        if isinstance(key, str):
            meant = self.own_keys.meant(key, KeyContext.TYPING)
            if meant is None:
                return True  # the user has bound the key to nothing
            action = action_of(meant)
        if action is not None and action in self._scroller.actions:
            self._scroller.actions[action]()
            self.show_bare_view()
            return True
        self._model.show_bare(None)
        return action in (Action.BARE, Action.BACK, Action.CLEAR)

    def _press_in(self, asker: Asker, key: str) -> None:
        action = asker.press(key)
        leaves_view = action in _LEAVE_VIEW
        # A search belongs to the view that the user leaves.
        if asker.is_over or (leaves_view and isinstance(asker, _Over)):
            self._askers.remove(asker)
        if action is not None and action is not Action.SEARCH:
            self._act(action, key)

    def _paste(self, paste: Paste) -> None:
        asker, text = self._asker, paste.text
        if asker is not None:
            # Over a slow line, the rest of a long paste arrives after the question was asked.
            if isinstance(asker, PasteQuestion):
                asker.add(text)
            # Pasted text never answers yes or no.
            elif not isinstance(asker, YesOrNo):
                asker.editor.insert(text.rstrip("\n"))
            if isinstance(asker, _Over):
                asker.look()
            return
        composer = self.composer
        # The beginning of the paste went into the draft as typed keys, before it was recognized. It moves into the
        # paste.
        if paste.typed and composer.remove_typed(paste.typed):
            text = paste.typed + text
        lines = line_count(text)
        # A longer paste could flood the room by mistake, so the user is asked first.
        if lines <= PASTE_LINES and len(text) <= PASTE_CHARACTERS:
            composer.paste(text.rstrip("\n") if lines == 1 else text)
        else:
            self.ask(PasteQuestion(text, composer.paste))

    def _click(self, click: Click) -> None:
        """Show the view whose row in the sidebar was clicked, unless a question waits for its answer."""
        if isinstance(self._asker, YesOrNo):
            return
        view = self._renderer.clicked_view(self._model, click.column, click.row, self.size)
        if view is None:
            return
        if isinstance(self._asker, _Over):
            self._askers.pop()
        self._model.show(view)

    def _act(self, action: Action | None, key: str) -> None:
        if action is Action.CLEAR and self._model.leaves_if_cleared:
            self._desk.leave()
        self._model.leaves_if_cleared = action is Action.CLEAR
        if action is Action.VIEW:
            self._model.switch(view_number(key))
        elif action is not None and action in self._actions:
            self._actions[action]()

    def _submit(self) -> None:
        if not self.composer.editor.text.strip():
            return
        command = command_below(self.composer.editor.text)
        if command is None:
            self._send()
        else:
            # The draft stays unless the user agrees: they may have taken the line for one of its own.
            self.ask(YesOrNo(f"Send {command} as text?", self._send, lightly=False))

    def _send(self) -> None:
        # The line leaves the input in any case, so it can't merge with what is typed next.
        self._submitter.carry_out(self.composer.commit(shown_line))

    def _open_switcher(self) -> None:
        question = SwitchQuestion(Switcher(self._model.destinations()), self._go)
        self._rooms.find_rooms(lambda: question.switcher.renew(self._model.destinations()))
        self.ask(question)

    def _go(self, destination: Destination) -> None:
        if destination.is_room:
            self._submitter.join(destination.name)
        else:
            self._model.go(destination)

    def _toggle_keys(self) -> None:
        page = self._model.page
        if page is None or page.title != KEYS_PAGE:
            self.show_keys()
        else:
            self._model.close_page()
