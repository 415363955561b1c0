"""Answer users who search for earlier messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from chat.protocol.commands import MAX_FOUND, Command, SearchQuery, Verb
from chat.protocol.descriptor import MessageType
from chat.protocol.notices import NoticeCode
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.history.faults import HistoryFault
from chat.server.history.pages import PageSize
from chat.server.history.search.looking import SearchPage
from chat.server.history.search.message_search import MessageSearch, TooManySearches
from chat.server.history.search.wanted import BadSearch, Wanted, read_wanted
from chat.server.history.stored import DEFAULT_ROOM, GUEST, StoredRun
from chat.server.room.commands import CommandAnswer, CommandRefused, Commands, FoundMessages
from chat.server.room.reading import Readable, readable, require_still
from chat.server.room.recall import PATIENCE, PATIENT_BYTES, as_kept
from chat.server.room.replay import PAGE, Replay, Shown, Wishes
from chat.server.rooms.rooms import Rooms

DEFAULT_FOUND = 20  # messages of a page


class SearchCommand:
    """The command ``search``. ``search`` is None if no messages are kept, or if none can be found.

    ``offer_of`` and ``opaque_id`` are those of Recall.
    """

    def __init__(
        self,
        search: MessageSearch | None,
        rooms: Rooms,
        directory: ConnectedUsers,
        offer_of: Callable[[int], str | None],
        opaque_id: Callable[[bytes], str | None],
    ) -> None:
        self._search = search
        self._rooms = rooms
        self._directory = directory
        self._offer_of = offer_of
        self._opaque_id = opaque_id

    def serve(self, commands: Commands) -> None:
        """Add the command to the table of commands."""
        commands.add(Verb.SEARCH, self._find)

    def _find(self, member: Member, command: Command, nonce: str | None) -> CommandAnswer:
        search, query = self._search, command.search
        if search is None:
            raise CommandRefused(NoticeCode.NO_HISTORY, "This server has no search.")
        if nonce is None or query is None:
            _refuse("A search needs a nonce, by which its answer is known.")
        wanted, place = _wanted(query), self._place(query, member)
        if member.send_queue.waiting > PATIENT_BYTES:
            member.send_queue.wait_until_drained(PATIENCE)
        try:
            page = _page(search, place, wanted, query)
        except TooManySearches:
            sentence = "Too many users search now; try again later."
            raise CommandRefused(NoticeCode.NO_HISTORY, sentence) from None
        except HistoryFault:
            sentence = "The server cannot read its history now; try again later."
            raise CommandRefused(NoticeCode.NO_HISTORY, sentence) from None
        # Meanwhile the user may have left, and another user may have the name, or the account may be gone.
        if not self._directory.is_here(member) or (query.private and member.mailbox != place.log):
            raise CommandRefused(NoticeCode.GONE, "Your session has ended.")
        require_still(self._rooms, member, place)
        found = len(page.runs)
        facts = {"epoch": search.epoch, "found": found}
        if page.go_on is not None:
            facts.update(more=True, seq=page.go_on)
        shown = [Shown(run, self._offer(run)) for run in page.runs]
        wishes = Wishes(member.send_queue.inline)
        replay = Replay(shown, wishes, nonce, self._opaque_id, place.room)
        size = sum(run.bytes for run in page.runs)
        sentence = f"{found} message{'' if found == 1 else 's'}."
        return CommandAnswer(sentence, facts, FoundMessages(replay, size))

    def _place(self, query: SearchQuery, member: Member) -> Readable:
        """Return the log in which to search. Raises CommandRefused."""
        if not query.private:
            return readable(self._rooms, member, query.room)
        if query.room is not None:
            _refuse("A search is in a room, or in your private messages.")
        if member.mailbox.kind == GUEST:
            sentence = "Private messages are kept only for registered users."
            raise CommandRefused(NoticeCode.NO_HISTORY, sentence)
        return Readable(member.mailbox)

    def _offer(self, run: StoredRun) -> str | None:
        is_attachment = run.type is not MessageType.UTF8
        return self._offer_of(run.first) if is_attachment and run.log == DEFAULT_ROOM else None


def _page(search: MessageSearch, place: Readable, wanted: Wanted, query: SearchQuery) -> SearchPage:
    limit = DEFAULT_FOUND if query.limit is None else query.limit
    return search.find(
        place.log,
        wanted,
        PageSize(max(1, min(limit, MAX_FOUND)), PAGE.bytes),
        since=as_kept(query.since),
        until=as_kept(query.until),
        before=query.before,
        after=place.since,
    )


def _wanted(query: SearchQuery) -> Wanted:
    try:
        wanted = read_wanted(query.words, query.sender, query.has)
    except BadSearch as problem:
        _refuse(str(problem))
    if wanted == Wanted() and query.since is None and query.until is None:
        _refuse("A search needs words, a name, a time or a kind of message.")
    return wanted


def _refuse(sentence: str) -> NoReturn:
    raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
