"""Search a log and what the server has further back, as one list, and step from match to match, newest first.

A match is an entry that fits. The matches of the log are counted as they are found, and entries that arrive later are
looked at when the next frame asks for the count. Those of the server come page by page, and stand in ``results``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from itertools import compress, islice
from typing import NamedTuple

from chat.client.attention.names import folded
from chat.client.attention.names_in_texts import FoundName
from chat.client.conversation.recall.search_terms import (
    SearchTerms,
    WordFinder,
    has_link,
    parse_terms,
)
from chat.client.conversation.requests import RequestError
from chat.client.screen.model.entries import Entry, Said, Shared
from chat.client.screen.model.excerpt import Excerpt
from chat.client.screen.model.views import Page, View
from chat.protocol.commands import Has

ELSEWHERE = "A search is in the room that you see: go to the other room first."


class MatchPlace(NamedTuple):
    """Say that the current match is ``number`` of ``total``, counted from the newest, which is 1.

    ``has_more``: the server may have others.
    """

    number: int
    total: int
    has_more: bool = False


class ServerState(Enum):
    """Say what the server has to do with a search."""

    ABSENT = auto()  # it finds nothing here, such as in the list of keys
    UNASKED = auto()
    ASKED = auto()  # a page is on its way
    MORE = auto()  # it has further pages
    ENDED = auto()
    FAILED = auto()


class EntryMatcher:
    """Find entries that fit ``terms``, and in their texts what to mark."""

    def __init__(self, terms: SearchTerms) -> None:
        self.terms = terms
        self._finder = WordFinder(terms.words)
        self._sender = None if terms.sender is None else folded(terms.sender)
        self._is_plain = terms == SearchTerms(terms.words)  # as nearly always

    def matches(self, entry: Entry) -> bool:
        """Return whether ``entry`` fits."""
        if not self._is_plain and not self._fits(entry):
            return False
        return self._finder.are_in(entry.search_text())

    def finditer(self, text: str) -> Iterator[FoundName]:
        """Return the places of the words in ``text``, as ``re.Pattern.finditer`` does."""
        return self._finder.finditer(text)

    def _fits(self, entry: Entry) -> bool:
        terms = self.terms
        if not isinstance(entry, Said | Shared):
            return False
        if self._sender is not None and folded(entry.sender) != self._sender:
            return False
        if terms.since is not None and entry.moment < terms.since:
            return False
        if terms.until is not None and entry.moment >= terms.until:
            return False
        if terms.has is None:
            return True
        if isinstance(entry, Said):
            return terms.has == Has.LINK.value and has_link(entry.text)
        return terms.has == entry.kind.name.lower()


class Search:
    """Search the log of ``view``, and with ``asks_server`` what the server has before it.

    The current match is the entry ``number`` in the view ``at``; None if nothing was found. ``failed``: there is no
    further match in the last direction, which is towards newer ones if ``goes_newer``. ``matcher`` finds what to mark.
    ``problem`` says why the text makes no sense, ``refusal`` why the server finds nothing. ``waits``: an older match is
    wanted, and the server was or will be asked.
    """

    def __init__(self, view: View, *, asks_server: bool = False) -> None:
        self.view = view.log if isinstance(view, Excerpt) else view
        self.at: View = self.view
        self.text = ""
        self.number: int | None = None
        self.failed = self.goes_newer = self.waits = False
        self.matcher: EntryMatcher | None = None
        self.problem: str | None = None
        self.refusal: str | None = None
        self.results = Page("found on the server")
        self.goes_on_before: int | None = None
        self._asks_server = asks_server
        self.server = ServerState.UNASKED if asks_server else ServerState.ABSENT
        anchor = None if view is not self.view else self.view.anchor
        # Matches are looked for from the bottom of the screen upward. None: the user follows new entries.
        self._start = None if anchor is None else anchor.number + 1
        self._matches: list[int] = []  # numbers in ``view``, oldest first
        self._entries: list[
            Entry
        ] = []  # those of the matches, so that a longer text looks only at them
        # The entries that were looked at: from the first number, up to the second.
        self._looked_from = self._looked_at = self.view.first

    def find(self, text: str) -> int | None:
        """Go to the nearest match from the bottom of the screen upward, or else to the first one below.

        Return its number, or None if there is no match.
        """
        former, matcher = self.matcher, self._read(text)
        narrows = (
            former is not None
            and matcher is not None
            and text.startswith(self.text)
            and all(each.terms == SearchTerms(each.terms.words) for each in (former, matcher))
        )
        self.text, self.matcher = text, matcher
        self.results = Page(self.results.title)
        self.goes_on_before = self.refusal = None
        self.server = ServerState.UNASKED if self._asks_server else ServerState.ABSENT
        self.at, self.number, self.goes_newer, self.waits = self.view, None, False, False
        if narrows:
            self._narrow()
        else:
            self._look_at_all()
        found = self._older_here(self.view.end if self._start is None else self._start)
        return self._go(
            self.view, found if found is not None else self._newer_here(self.view.first)
        )

    def older(self) -> int | None:
        """Go to the match before. Without one, stay; the server may have one: then wait for it."""
        self._look_at_new()
        self.goes_newer = False
        if self.at is self.results and self.number is not None:
            older = self.number - 1
            found = older if older >= self.results.first else None
        else:
            found = self._older_here(self.view.end if self.number is None else self.number)
            if found is None and self.results.entries:
                return self._go(self.results, self.results.end - 1)
        self.waits = found is None and self.may_have_more
        return self._go(self.results if self.at is self.results else self.view, found)

    def newer(self) -> int | None:
        """Go to the match after; without one, stay."""
        self._look_at_new()
        self.goes_newer, self.waits = True, False
        if self.at is not self.results or self.number is None:
            return self._go(
                self.view, None if self.number is None else self._newer_here(self.number + 1)
            )
        if self.number + 1 < self.results.end:
            return self._go(self.results, self.number + 1)
        return self._go(self.view, self._matches[0] if self._matches else None)

    def resume(self) -> None:
        """Go on at the match where the user stayed, in the list of what the server has found."""
        if self.number is None or self.at in (self.view, self.results):
            return
        seq = self.at[self.number].seq if self.number <= self.at.last else None
        same = (
            number
            for number, entry in enumerate(self.results.entries, self.results.first)
            if entry.seq == seq
        )
        self._go(self.results, next(same, self.results.end - 1))

    def stay_at(self, excerpt: View, number: int) -> None:
        """Show the current match, which the server has found, as the entry ``number`` of ``excerpt``."""
        self.at, self.number = excerpt, number

    @property
    def place(self) -> MatchPlace | None:
        """Return which of all matches the current one is; None without a match."""
        self._look_at_new()
        total = len(self._matches) + len(self.results.entries)
        if self.number is None or not total:
            return None
        if self.at is self.view:
            # The entry of the current match may have been dropped: then the oldest one that is left is the nearest.
            rank = len(self._matches) + 1 - max(1, bisect_right(self._matches, self.number))
        elif self.at is self.results:
            rank = len(self._matches) + self.results.end - self.number
        else:
            rank = self._rank_of(self.at[self.number]) if self.number <= self.at.last else total
        return MatchPlace(rank, total, self.may_have_more)

    def _rank_of(self, entry: Entry) -> int:
        newest_first = enumerate(reversed(self.results.entries), len(self._matches) + 1)
        return next((rank for rank, each in newest_first if each.seq == entry.seq), 1)

    def is_in(self, view: View) -> bool:
        """Return whether ``view`` shows a part of this search."""
        return view in (self.view, self.at, self.results)

    # --- The server

    @property
    def may_have_more(self) -> bool:
        """Return whether the server may have matches that are not here yet."""
        return self.matcher is not None and self.server not in (
            ServerState.ABSENT,
            ServerState.ENDED,
        )

    @property
    def is_waiting(self) -> bool:
        """Return whether the match that is wanted may come with an answer that is on its way."""
        is_wanted = self.waits or self.number is None
        return is_wanted and self.server is ServerState.ASKED

    def put(self, entries: Sequence[Entry], goes_on_before: int | None) -> None:
        """Add a page that the server has found, newest first. Go to the first of them if an older match is wanted."""
        oldest = self.view.oldest()
        new = [
            entry for entry in entries if oldest is None or entry.seq is None or entry.seq < oldest
        ]
        has_room = self.results.prepend(new[::-1]) == len(new)
        self.goes_on_before, self.refusal = goes_on_before, None
        is_over = goes_on_before is None or not has_room
        self.server = ServerState.ENDED if is_over else ServerState.MORE
        if not new:
            is_wanted = self.waits or self.number is None
            self.failed = self.failed or (is_wanted and is_over)
            self.waits = is_wanted and not is_over
        elif self.number is None or self.waits:
            self.waits = False
            self.older()

    def fail(self, why: str, *, for_now: bool) -> None:
        """Note why the server finds nothing: ``for_now``, and it is asked again when an older match is wanted."""
        self.server = ServerState.FAILED if for_now else ServerState.ABSENT
        self.refusal = why
        self.failed = self.failed or self.waits or self.number is None
        self.waits = False

    # --- Inside

    def _read(self, text: str) -> EntryMatcher | None:
        self.problem = None
        try:
            terms = parse_terms(text)
        except RequestError as problem:
            self.problem = str(problem)
            return None
        if terms.room is not None:
            self.problem = ELSEWHERE
            return None
        return None if terms == SearchTerms() else EntryMatcher(terms)

    def _go(self, view: View, found: int | None) -> int | None:
        self.failed = found is None and not self.waits and bool(self.text)
        if found is not None:
            self.at, self.number = view, found
        return self.number

    def _older_here(self, end: int) -> int | None:
        """Return the nearest match before the entry ``end`` of the log."""
        index = bisect_left(self._matches, end)
        return self._matches[index - 1] if index else None

    def _newer_here(self, start: int) -> int | None:
        """Return the nearest match from the entry ``start`` of the log on."""
        index = bisect_left(self._matches, start)
        return self._matches[index] if index < len(self._matches) else None

    def _look_at_all(self) -> None:
        self._matches, self._entries = [], []
        self._looked_from = self._looked_at = self.view.first
        self._look_at_new()

    def _narrow(self) -> None:
        """Drop the matches that the longer text does not match: they are all that it can match, and new entries."""
        still = [self._matched(entry) for entry in self._entries]
        self._matches = list(compress(self._matches, still))
        self._entries = list(compress(self._entries, still))
        self._look_at_new()

    def _look_at_new(self) -> None:
        """Look at the entries that have arrived, or were fetched, and forget those that were dropped."""
        view, matches = self.view, self._matches
        self._look_at_older()
        dropped = bisect_left(matches, view.first)
        del matches[:dropped], self._entries[:dropped]
        # The last entry too: joins and leaves may have been added to it since.
        start = max(self._looked_at - 1, view.first)
        if matches and matches[-1] == start:
            start += 1
        # Iterating over a deque is cheap; indexing in its middle is not.
        new = list(islice(reversed(view.entries), max(0, view.end - start)))
        for number, entry in enumerate(reversed(new), start):
            if self._matched(entry):
                matches.append(number)
                self._entries.append(entry)
        self._looked_at = view.end

    def _look_at_older(self) -> None:
        view = self.view
        if view.first >= self._looked_from:
            self._looked_from = view.first
            return
        older = islice(view.entries, self._looked_from - view.first)
        found = [
            (number, entry)
            for number, entry in enumerate(older, view.first)
            if self._matched(entry)
        ]
        self._matches[:0] = [number for number, _ in found]
        self._entries[:0] = [entry for _, entry in found]
        self._looked_from = view.first
        self._drop_known()

    def _drop_known(self) -> None:
        """Drop what the server has found and the log has by now."""
        oldest, results = self.view.oldest(), self.results
        current = None
        if self.at is results and self.number is not None:
            current = results[self.number].seq
        while results.entries and oldest is not None and (results.entries[-1].seq or 0) >= oldest:
            results.drop_newest()
        if current is not None and oldest is not None and current >= oldest:
            self.at, self.number = self.view, self.view.number_of(current)

    def _matched(self, entry: Entry) -> bool:
        return self.matcher is not None and self.matcher.matches(entry)
