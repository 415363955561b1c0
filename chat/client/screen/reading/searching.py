"""Lead a search on the screen: show its match, ask the server for more, and stay there or go back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count

from chat.client.conversation.recall.search_terms import found_by
from chat.client.conversation.ui_events import Asked, Failed, FoundListing, Tag, UiEvent
from chat.client.screen.draw.layout import Renderer, Size
from chat.client.screen.input.questions import SearchQuestion
from chat.client.screen.model.model import Model
from chat.client.screen.model.search import Search, ServerState
from chat.client.screen.model.views import Page, View
from chat.client.screen.reading.earlier_entries import found_entries
from chat.client.screen.reading.reading_back import ReadingBack
from chat.protocol.commands import MAX_FOUND
from chat.structs import replace

# Seconds without a key before the server is asked for what has been typed.
TYPING_PAUSE = 0.3
# Failures that end when there is a connection again.
_FOR_NOW = ("lost", "bad-request")
NO_SEARCH = "this server has no search: only what is on the screen is searched"


class Searcher:
    """Search in ``model``. The server is asked by ``ask``; ``later`` calls a function after so many seconds."""

    def __init__(
        self,
        model: Model,
        renderer: Renderer,
        ask: Callable[[Asked], object],
        later: Callable[[float, Callable[[], object]], object],
        size: Callable[[], Size],
        now: Callable[[], datetime],
        reading_back: ReadingBack,
    ) -> None:
        self._model = model
        self._renderer = renderer
        self._ask = ask
        self._later = later
        self._size = size
        self._now = now
        self._reading_back = reading_back
        self._tags = count(1)
        self._asked: dict[Tag, tuple[Search, Page]] = {}
        self._began_in: Page | None = None
        self._typed = 0  # changes of the text
        self._has_told = False

    def question(self, text: str | None = None) -> SearchQuestion:
        """Begin a search, for ``text`` if it is given."""
        last = self._model.search
        if last is not None and self._model.page is last.results:
            self._model.close_page()
        self._began_in = self._model.page
        if self._model.epoch is not None and not self._model.can_search and not self._has_told:
            self._has_told = True
            self._model.remark(self._now(), NO_SEARCH)
        question = SearchQuestion(self._model, self.show, self._stay, self._go_back)
        if text is not None:
            question.editor.set_text(text)
            question.look()
            self._ask_server()
        return question

    def show(self) -> None:
        """Bring the current match into sight, and ask the server for what is missing."""
        search = self._model.search
        if search is None:
            return
        self._open(search.at)
        self._renderer.scroll_to_match(self._model, self._size())
        if search.waits:
            self._ask_server()
        elif search.server is ServerState.UNASKED and search.matcher is not None:
            self._ask_soon(search)

    def take(self, event: UiEvent) -> bool:
        """Take the answer to a search of this screen; return False if ``event`` is none."""
        if not isinstance(event, FoundListing | Failed) or event.tag not in self._asked:
            return False
        search, results = self._asked.pop(event.tag)
        if search is not self._model.search or search.results is not results:
            return True  # the user looks for something else by now
        before = search.at, search.number
        if isinstance(event, Failed):
            search.fail(event.sentence, for_now=event.code in _FOR_NOW)
        else:
            entries = found_entries(event, self._model.attention.ignored)
            search.put(entries, event.goes_on_before)
        if (search.at, search.number) != before:
            self.show()
        elif search.waits:
            self._ask_server()
        return True

    # --- The server

    def _ask_soon(self, search: Search) -> None:
        # A single letter is no word yet, and nearly everything has it.
        if search.matcher is None or _is_one_letter(search.matcher.terms.words):
            return
        self._typed = typed = self._typed + 1
        self._later(TYPING_PAUSE, lambda: self._ask_server() if typed == self._typed else None)

    def _ask_server(self) -> None:
        search = self._model.search
        if search is None or search.matcher is None or not search.may_have_more:
            return
        if search.server is ServerState.ASKED:
            return
        before = search.goes_on_before
        peer = search.view.peer
        request = found_by(
            search.matcher.terms,
            private=peer is not None,
            partner=peer,
            before=search.view.oldest() if before is None else before,
            limit=MAX_FOUND,
        )
        request = replace(request, room=search.view.room_name)
        search.server = ServerState.ASKED
        tag = f"search {next(self._tags)}"
        self._asked[tag] = search, search.results
        self._ask(Asked(request, tag))

    # --- The end

    def _stay(self) -> None:
        """Show the log around a match that the server has found."""
        search = self._model.search
        if search is None or search.number is None or search.at is not search.results:
            return
        seq = search.at[search.number].seq
        if seq is not None:
            self._reading_back.show_around(search.view, seq, search)

    def _go_back(self) -> None:
        self._open(self._model.current if self._began_in is None else self._began_in)

    def _open(self, view: View) -> None:
        """Show ``view``: a page, or the log below it."""
        if isinstance(view, Page):
            if self._model.page is not view:
                self._model.open_page(view)
        else:
            self._model.close_page()


def _is_one_letter(words: tuple[str, ...]) -> bool:
    return len(words) == 1 and len(words[0]) == 1 and words[0].isascii()
