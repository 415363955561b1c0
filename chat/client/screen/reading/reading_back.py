"""Fetch the parts of a log that are further back than what the screen has, while its reader moves there.

Older messages are fetched before the reader reaches the top, and are put above what is shown, which does not move. A
date far back opens an excerpt in place of the log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

from chat.client.attention.ignored import Ignored
from chat.client.connection.session.timestamps import read_timestamp
from chat.client.conversation.requests import FetchEarlier, RequestError, ShowEarlier
from chat.client.conversation.ui_events import Asked, EarlierListing, Failed, Tag, UiEvent
from chat.client.frontends.clock import time_of_day
from chat.client.screen.draw.layout import Renderer, Size
from chat.client.screen.model.excerpt import Excerpt
from chat.client.screen.model.model import Model
from chat.client.screen.model.search import Search
from chat.client.screen.model.views import Page, View
from chat.client.screen.reading.earlier_entries import earlier_entries
from chat.client.screen.text.styles import ERROR
from chat.local_time import exact_timestamp, local_date
from chat.structs import replace

PAGE = 100  # messages
FETCHING = "fetching older messages"
NO_OLDER = "no older messages"
# The server removes the oldest, so the first one that it has may not be the first of all.
NO_OLDER_KEPT = "no older messages: the server keeps no more"
FULL = "the screen keeps no more: /history 2026-11-20 shows a day further back"
ANEW = "no older messages: the server's history began anew"


class _Fetch(NamedTuple):
    """Hold what a request under way is for: ``view`` grows, or an excerpt of its log opens.

    ``goes_there``: the user asked to see it. ``search``: it is about its current match.
    """

    view: View
    request: FetchEarlier
    goes_there: bool = False
    search: Search | None = None


class ReadingBack:
    """Ask for older messages by ``ask``, and put them into ``model``.

    ``size`` returns the size of the screen, ``now`` the time with its zone.
    """

    def __init__(
        self,
        model: Model,
        renderer: Renderer,
        ask: Callable[[Asked], object],
        size: Callable[[], Size],
        now: Callable[[], datetime],
    ) -> None:
        self._model = model
        self._renderer = renderer
        self._ask = ask
        self._size = size
        self._now = now
        self._tags = count(1)
        self._asked: dict[Tag, _Fetch] = {}

    def look(self, *, stays: bool = False) -> None:
        """Fetch further messages if the reader is near an end of what is shown.

        ``stays``: the reader has just been brought there, and sees nothing but that.
        """
        view, size = self._model.shown, self._size()
        # Without an epoch, the server keeps nothing.
        if self._model.epoch is None or (isinstance(view, Page) and not isinstance(view, Excerpt)):
            return
        if self._renderer.is_near_top(self._model, size):
            self._fetch_older(view, PAGE, stays=stays)
        if (
            isinstance(view, Excerpt)
            and view.has_newer
            and view.ends_with is not None
            and self._renderer.is_near_bottom(self._model, size)
        ):
            self._fetch(view, after=view.ends_with)

    def show(self, request: ShowEarlier) -> None:
        """Show more of the current log, or the log from a date on, because the user typed so.

        Raises RequestError.
        """
        view = self._model.current
        if request.found is not None:
            raise RequestError(
                "Only plain lines number matches: search, and stay at the one that you mean."
            )
        if request.at is None:
            self._fetch_older(view, request.count or PAGE, goes_there=True)
        else:
            self._fetch(view, goes_there=True, at=exact_timestamp(request.at))

    def show_around(self, view: View, seq: int, search: Search) -> None:
        """Show the log of ``view`` around the message ``seq``, the current match of ``search``."""
        self._fetch(view, goes_there=True, search=search, around=seq)

    def take(self, event: UiEvent) -> bool:
        """Take the answer to a request of this screen; return False if ``event`` is none."""
        if not isinstance(event, EarlierListing | Failed) or event.tag not in self._asked:
            return False
        fetch = self._asked.pop(event.tag)
        view = fetch.view
        if view is self._model.shown:
            # On a screen that was made larger, the row that counts as the last one may be further up.
            self._renderer.scroll(self._model, 0, self._size())
        if isinstance(event, Failed):
            if view.above == FETCHING:
                view.above = f"no older messages now: {event.sentence}"
            if fetch.goes_there:
                self._model.close_page()
                self._model.remark(self._now(), event.sentence, style=ERROR)
        elif event.epoch != self._model.epoch:
            view.above = ANEW
        elif fetch.request.at is not None:
            self._open_day(view, event)
        elif fetch.request.around is not None:
            self._open_around(fetch, event)
        elif isinstance(view, Excerpt) and fetch.request.after is not None:
            if view.ends_with == fetch.request.after:
                self._put_below(view, event)
        # Meanwhile the log may have been cleared, or a flood may have pushed its oldest messages out.
        elif fetch.request.before in (None, view.oldest()):
            self._put_above(fetch, event)
        else:
            view.above = None
        return True

    # --- Asking

    def _fetch_older(
        self, view: View, number: int, *, goes_there: bool = False, stays: bool = False
    ) -> None:
        if view.has_old_numbers:
            self._say_above(view, ANEW, stays=stays)
            view.has_start = True
        if not view.has_start:
            self._say_above(view, FETCHING, stays=stays)
            self._fetch(view, goes_there=goes_there, before=view.oldest(), limit=number)
        elif goes_there:
            self._renderer.scroll_to_top(self._model, self._size())

    def _say_above(self, view: View, words: str, *, stays: bool) -> None:
        """Show words above all entries. A reader who is there sees them at once: a key has just been pressed."""
        if view.above == words:
            return
        is_there = view is self._model.shown and self._renderer.is_near_top(
            self._model, self._size(), screens=0
        )
        view.above = words
        if is_there and not stays:
            self._renderer.scroll_to_top(self._model, self._size())

    def _fetch(
        self, view: View, *, goes_there: bool = False, search: Search | None = None, **place: Any
    ) -> None:
        """Ask for messages of the log of ``view``, unless some are on their way that the user did not ask for."""
        if search is None and any(fetch.view is view for fetch in self._asked.values()):
            return
        request = replace(
            FetchEarlier(
                view.peer is not None,
                view.peer,
                limit=PAGE,
                epoch=self._model.epoch,
                room=view.room_name,
            ),
            **place,
        )
        tag = f"earlier {next(self._tags)}"
        self._asked[tag] = _Fetch(view, request, goes_there, search)
        self._ask(Asked(request, tag))

    # --- What comes

    def _put_above(self, fetch: _Fetch, listing: EarlierListing) -> None:
        view, former = fetch.view, fetch.view.first
        entries = earlier_entries(listing, self._ignored, below=view.oldest())
        numbers = listing.numbers
        if numbers:
            view.reached = numbers[0]
        added = view.prepend(entries)
        has_older = listing.has_older and bool(numbers)
        view.has_start = not has_older or added < len(entries)
        if added < len(entries):
            view.above = FULL
        elif has_older:
            view.above = None
        else:
            is_first = view.peer is not None or view.oldest() in (None, 1)
            view.above = NO_OLDER if is_first else NO_OLDER_KEPT
        if fetch.goes_there and view is self._model.shown:
            self._renderer.scroll_above(self._model, former, self._size())

    def _put_below(self, excerpt: Excerpt, listing: EarlierListing) -> None:
        if self._model.page is not excerpt:
            return
        self._renderer.hold(self._model, self._size())
        for entry in earlier_entries(listing, self._ignored, above=excerpt.ends_with):
            excerpt.append(entry, is_new=False)
        excerpt.has_newer = listing.has_newer and bool(listing.numbers)
        if listing.numbers:
            excerpt.ends_with = listing.numbers[-1]
        self._join(excerpt)

    def _open_day(self, view: View, listing: EarlierListing) -> None:
        """Show the log of ``view`` from the first message of ``listing`` on."""
        if view is not self._model.current:
            return
        numbers, at = listing.numbers, listing.request.at
        moment = None if at is None else read_timestamp(at)
        day = "" if moment is None else f" since {local_date(moment)} {time_of_day(moment)}"
        if not numbers:
            self._model.remark(self._now(), f"no messages{day}")
            return
        self._model.close_page()
        oldest = view.oldest()
        if oldest is not None and numbers[0] >= oldest:
            self._renderer.scroll_from(self._model, view.number_of(numbers[0]), self._size())
            return
        excerpt = self._excerpt(f"messages{day}", view, listing)
        self._model.open_page(excerpt)
        self._renderer.scroll_from(self._model, excerpt.first, self._size())
        self._join(excerpt)
        self.look(stays=True)

    def _open_around(self, fetch: _Fetch, listing: EarlierListing) -> None:
        """Show the log around a match, unless the user looks for something else by now."""
        view, search, seq = fetch.view, fetch.search, fetch.request.around
        if search is None or seq is None or search is not self._model.search:
            return
        if view is not self._model.current or seq not in listing.numbers:
            return  # the message was removed meanwhile
        oldest = view.oldest()
        if oldest is not None and oldest <= seq:
            search.stay_at(view, view.number_of(seq))
            self._model.close_page()
        else:
            excerpt = self._excerpt("messages around a match", view, listing)
            search.stay_at(excerpt, excerpt.number_of(seq))
            self._model.open_page(excerpt)
            self._renderer.scroll_to_match(self._model, self._size())
            self._join(excerpt)
        self._renderer.scroll_to_match(self._model, self._size())
        self.look(stays=True)

    def _excerpt(self, title: str, view: View, listing: EarlierListing) -> Excerpt:
        excerpt = Excerpt(title, view, earlier_entries(listing, self._ignored))
        excerpt.reached, excerpt.ends_with = listing.numbers[0], listing.numbers[-1]
        excerpt.has_newer = listing.has_newer
        return excerpt

    def _join(self, excerpt: Excerpt) -> None:
        """Go on in the log, if the excerpt has come to it."""
        if not excerpt.meets_log():
            return
        self._renderer.hold(self._model, self._size())
        search, log = self._model.search, excerpt.log
        match = None
        if search is not None and search.at is excerpt and search.number is not None:
            match = excerpt[search.number].seq
        if excerpt.join_log():
            if search is not None and match is not None:
                search.stay_at(log, log.number_of(match))
            self._model.close_page()
            self._renderer.scroll(self._model, 0, self._size())
        excerpt.has_newer = False

    @property
    def _ignored(self) -> Ignored:
        return self._model.attention.ignored
