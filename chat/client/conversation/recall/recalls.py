"""Carry out requests for earlier messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from chat.client.attention.names import folded
from chat.client.connection.connection import Connection
from chat.client.connection.events import Attachment, MessagePage, Notice, Text, Welcome
from chat.client.conversation.asking import Asking
from chat.client.conversation.downloads import Downloads
from chat.client.conversation.recall.search_terms import found_by, parse_terms
from chat.client.conversation.requests import (
    FetchEarlier,
    FetchFound,
    ListFiles,
    RequestError,
    SearchLog,
    ShowEarlier,
)
from chat.client.conversation.ui_events import (
    Announced,
    EarlierListing,
    FileListing,
    FoundListing,
    Tag,
)
from chat.client.state.places import room_log
from chat.local_time import exact_timestamp
from chat.protocol.commands import MAX_FOUND, MAX_REPLAY, SearchQuery
from chat.protocol.notices import NoticeCode
from chat.structs import replace

# Characters of the texts of one answer: a thousand texts of 64 KiB would be too much for any reader.
MOST_CHARACTERS = 4 * 1024 * 1024
DEFAULT_COUNT = 50
AROUND = 20  # messages around a match

Listing = EarlierListing | FoundListing | FileListing

NO_SEARCH = "This server has no search."


class _Match(NamedTuple):
    """A message that a search has found: its number under an epoch, and its room."""

    seq: int | None
    epoch: str | None
    room: str | None


class Recalls:
    """The requests for earlier messages. ``oldest`` is the lowest number that was shown, of each room."""

    def __init__(self, asking: Asking, downloads: Downloads) -> None:
        self.doing: dict[type, Callable[[Any, Tag], object]] = {
            ShowEarlier: self._show_earlier,
            FetchEarlier: self._fetch,
            SearchLog: self._search,
            FetchFound: self._fetch,
            ListFiles: self._fetch,
        }
        self._readers: dict[type, Callable[[Any, Tag, Connection], Listing]] = {
            FetchEarlier: self._read_earlier,
            FetchFound: self._read_found,
            ListFiles: self._read_files,
        }
        self._asking = asking
        self._downloads = downloads
        self._next_search: FetchFound | None = None  # goes on with the last one
        # What the last search has found: the numbers of messages, and their epochs.
        self._matches: list[_Match] = []
        self.oldest: dict[str | None, int] = {}
        self._epoch: str | None = None  # of the numbers

    def note(self, event: object) -> None:
        """Note a message that is shown, or what the server says of the numbers of messages."""
        if isinstance(event, Text | Attachment):
            if event.to is None and event.seq is not None:
                self._note_number(event.room, event.seq)
        elif isinstance(event, Welcome) and event.history is not None:
            self._count_under(event.history.epoch)
        elif isinstance(event, Notice) and event.code == NoticeCode.EPOCH.value:
            self._count_under(event.epoch)

    def _note_number(self, room: str | None, seq: int) -> None:
        if seq < self.oldest.get(room, seq + 1):
            self.oldest[room] = seq

    def _oldest_of(self, room: str | None) -> int | None:
        """Return the lowest number that was shown of a room, by its name in any spelling."""
        log = room_log(room)
        return next((seq for name, seq in self.oldest.items() if room_log(name) == log), None)

    def _count_under(self, epoch: str | None) -> None:
        if self._epoch not in (None, epoch):
            self.oldest.clear()
            if self._next_search is not None:
                # The place to go on is gone, so the search begins anew.
                self._next_search = replace(self._next_search, before=None)
        self._epoch = epoch

    def _show_earlier(self, request: ShowEarlier, tag: Tag) -> None:
        """Answer what a user typed: one request after the other, since each begins where the one before has ended."""
        self._asking.ask_in_order(partial(self._read_shown, request, tag), tag)

    def _search(self, request: SearchLog, tag: Tag) -> None:
        if request.text is not None:
            parse_terms(request.text)  # a mistake is told at once
        if not self._asking.connection().can_search:
            raise RequestError(NO_SEARCH)
        self._asking.ask_in_order(partial(self._read_searched, request, tag), tag)

    def _fetch(self, request: FetchEarlier | FetchFound | ListFiles, tag: Tag) -> None:
        self._asking.ask(partial(self._readers[type(request)], request, tag), tag)

    def _read_shown(self, request: ShowEarlier, tag: Tag, connection: Connection) -> EarlierListing:
        fetch = FetchEarlier(limit=request.count or DEFAULT_COUNT, room=request.room)
        if request.found is not None:
            fetch = self._around(request.found)
        elif request.at is not None:
            fetch = replace(fetch, at=exact_timestamp(request.at))
        else:
            fetch = replace(fetch, before=self._oldest_of(request.room), epoch=self._epoch)
        return self._read_earlier(fetch, tag, connection)

    def _around(self, match: int) -> FetchEarlier:
        if not 1 <= match <= len(self._matches):
            raise RequestError(f"There is no match {match}; /search finds some, and numbers them.")
        seq, epoch, room = self._matches[match - 1]
        return FetchEarlier(around=seq, limit=AROUND, epoch=epoch, room=room)

    def _read_searched(self, request: SearchLog, tag: Tag, connection: Connection) -> FoundListing:
        fetch = self._next_search
        if request.text is not None:
            fetch = found_by(parse_terms(request.text), room=request.room)
        if fetch is None:
            raise RequestError("Expected /search and words, or from:NAME, before:DATE, has:file.")
        if request.text is not None:
            self._matches.clear()
        listing = self._read_found(fetch, tag, connection)
        listing = replace(listing, first=len(self._matches) + 1)
        self._matches += (
            _Match(
                (each if isinstance(each, Text) else each.attachment).seq, listing.epoch, fetch.room
            )
            for each in listing.messages
        )
        self._next_search = None
        if listing.goes_on_before is not None:
            self._next_search = replace(fetch, before=listing.goes_on_before)
        return listing

    def _read_found(self, request: FetchFound, tag: Tag, connection: Connection) -> FoundListing:
        query = SearchQuery(
            request.words,
            request.sender,
            request.since,
            request.until,
            request.has,
            request.room,
            request.private,
            request.before,
            min(request.limit, MAX_FOUND),
        )
        page = MessagePage(())
        found: list[Text | Attachment] = []
        for page in connection.found_pages(query):
            found += (message for message in page.messages if _is_with(request.partner, message))
            # The server ends a page that takes it long, perhaps without a message.
            if found:
                break
        found.reverse()
        return FoundListing(
            request, self._shown(found, connection), page.goes_on_before, page.epoch, tag
        )

    def _read_files(self, request: ListFiles, tag: Tag, connection: Connection) -> FileListing:
        found: list[Attachment] = []
        # The server keeps the private messages of registered users alone.
        is_kept = request.room is None and connection.username in connection.registered
        for private in (False, True) if is_kept else (False,):
            # One more than wanted tells whether there are others.
            files = connection.files(request.words, private=private, room=request.room)
            found += islice(files, request.limit + 1)
        found.sort(key=lambda attachment: attachment.timestamp, reverse=True)
        shown = [
            self._downloads.announce_again(each, connection) for each in found[: request.limit]
        ]
        return FileListing(request, tuple(shown), len(found) > request.limit, tag)

    def _read_earlier(
        self, request: FetchEarlier, tag: Tag, connection: Connection
    ) -> EarlierListing:
        if request.around is not None:
            half, around = max(1, request.limit // 2), request.around
            before = _pages(connection, request, half, before=around + 1)
            after = _pages(connection, request, half, after=around)
            page = MessagePage((*before.messages, *after.messages), False, (), after.epoch)
            has_older, has_newer, lost = before.more, after.more, (*before.lost, *after.lost)
        else:
            is_forward = request.after is not None or request.at is not None
            page = _pages(
                connection,
                request,
                request.limit,
                before=request.before,
                after=request.after,
                at=request.at,
            )
            has_older, has_newer = (False, page.more) if is_forward else (page.more, False)
            lost = page.lost
        for message in page.messages:
            self.note(message)
        return EarlierListing(
            request,
            self._shown(page.messages, connection),
            has_older,
            has_newer,
            lost,
            page.epoch,
            tag,
        )

    def _shown(
        self, messages: Iterable[Text | Attachment], connection: Connection
    ) -> tuple[Text | Announced, ...]:
        shown: list[Text | Announced] = []
        for message in messages:
            shown.append(
                message
                if isinstance(message, Text)
                else self._downloads.announce_again(message, connection)
            )
        return tuple(shown)


def _pages(
    connection: Connection,
    request: FetchEarlier,
    limit: int,
    *,
    before: int | None = None,
    after: int | None = None,
    at: str | None = None,
) -> MessagePage:
    """Return up to ``limit`` messages, of as many pages as that takes, as one page."""
    is_forward = after is not None or at is not None
    messages: tuple[Text | Attachment, ...] = ()
    lost: set[tuple[int, int]] = set()
    characters = 0
    pages = connection.pages(
        after=after,
        before=before,
        at=at,
        limit=min(limit, MAX_REPLAY),
        private=request.private,
        partner=request.partner,
        room=request.room,
        epoch=request.epoch,
    )
    page, has_more = MessagePage(()), False
    for page in pages:
        rest = limit - len(messages)
        cut = page.messages[:rest] if is_forward else page.messages[-rest:]
        messages = (*messages, *cut) if is_forward else (*cut, *messages)
        lost.update(page.lost)
        characters += sum(len(message.text) for message in cut if isinstance(message, Text))
        has_more = page.more or len(cut) < len(page.messages)
        if len(messages) >= limit or characters > MOST_CHARACTERS:
            break
    return MessagePage(messages, has_more, tuple(sorted(lost)), page.epoch)


def _is_with(partner: str | None, message: Text | Attachment) -> bool:
    if partner is None:
        return True
    other = message.to if message.own else message.sender
    return other is not None and folded(other) == folded(partner)
