"""Answer users who ask for earlier messages, and let moderators remove messages from history."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn

from chat.local_time import exact_timestamp
from chat.protocol.commands import Command, HistoryQuery, Verb
from chat.protocol.descriptor import MessageType
from chat.protocol.names import name_key
from chat.protocol.notices import NoticeCode
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.history.faults import HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.stored import (
    DEFAULT_ROOM,
    GUEST,
    HistoryPage,
    StoredRun,
)
from chat.server.room.commands import CommandAnswer, CommandRefused, Commands, FoundMessages
from chat.server.room.reading import Readable, page_since, readable, require_still
from chat.server.room.replay import PAGE, SharedReplays, Shown, Wishes
from chat.server.rooms.rooms import Rooms

DEFAULT_LIMIT = 50  # messages of a page
MAX_NONCES = 64  # of a query
# Bytes that may wait for a user who asks for a further page, and seconds to wait until fewer do. A client that asks for
# many pages and reads none would otherwise be closed as a slow consumer.
PATIENT_BYTES = 1024 * 1024
PATIENCE = 60.0
_FRACTION = re.compile(r"\.(\d+)")


class Recall:
    """The command ``history``. ``archive`` is None if no messages are kept.

    ``offer_of`` returns the id of the offer of a message of the default room, by its number; None if there is none.
    ``opaque_id`` returns the id by which users know an account.
    """

    def __init__(
        self,
        archive: HistoryStore | None,
        rooms: Rooms,
        directory: ConnectedUsers,
        offer_of: Callable[[int], str | None],
        opaque_id: Callable[[bytes], str | None],
    ) -> None:
        self._archive = archive
        self._rooms = rooms
        self._directory = directory
        self._offer_of = offer_of
        self._replays = SharedReplays(opaque_id)

    def serve(self, commands: Commands) -> None:
        """Add the command to the table of commands."""
        commands.add(Verb.HISTORY, self._history)

    def _history(self, member: Member, command: Command, nonce: str | None) -> CommandAnswer:
        archive, query = self._archive, command.query
        if archive is None:
            raise CommandRefused(NoticeCode.NO_HISTORY, "This server keeps no messages.")
        if nonce is None or query is None:
            _refuse("A query needs a nonce, by which its answer is known.")
        if query.private and command.room is not None:
            _refuse("A page of history is of a room, or of your private messages.")
        try:
            place, page = self._find(archive, command, query, member)
        except HistoryFault:
            sentence = "The server cannot read its history now; try again later."
            raise CommandRefused(NoticeCode.NO_HISTORY, sentence) from None
        # The user may have left meanwhile, and another user may have the name now.
        if not self._directory.is_here(member):
            raise CommandRefused(NoticeCode.GONE, "Your session has ended.")
        if not query.nonces:
            require_still(self._rooms, member, place)
        replay = self._replays.replay(
            page,
            lambda: [Shown(run, self._offer(run)) for run in page.runs],
            Wishes(member.send_queue.inline),
            nonce,
            place.room,
        )
        found = sum(len(run.contents) for run in page.runs)
        facts = {
            "epoch": archive.epoch,
            "found": found,
            "more": page.more or None,
            "lost": tuple(page.lost),
        }
        size = sum(run.bytes for run in page.runs)
        return CommandAnswer(f"{found} messages.", facts, FoundMessages(replay, size))

    def _find(
        self, archive: HistoryStore, command: Command, query: HistoryQuery, member: Member
    ) -> tuple[Readable, HistoryPage]:
        """Return a page, and which log it is of. Raises CommandRefused and HistoryFault."""
        if query.private:
            if member.mailbox.kind == GUEST:
                sentence = "Private messages are kept only for registered users."
                raise CommandRefused(NoticeCode.NO_HISTORY, sentence)
            place = Readable(member.mailbox)
            return place, self._page(archive, place, query, member)
        try:
            place = readable(self._rooms, member, command.room)
        except CommandRefused:
            room = self._rooms.find(command.room)
            if room is None or not query.nonces:
                raise
            # A user who has left a room may still ask which of their own last messages were said there.
            place = Readable(room.log, room=room.header_name)
            page = self._by_nonces(archive, place, query, member.authors)
            if not page.runs:
                raise
            return place, page._replace(lost=[])
        return place, self._page(archive, place, query, member)

    def _page(
        self, archive: HistoryStore, place: Readable, query: HistoryQuery, member: Member
    ) -> HistoryPage:
        name, since = place.log, place.since
        if member.send_queue.waiting > PATIENT_BYTES:
            member.send_queue.wait_until_drained(PATIENCE)
        self._require_place(archive, place, query)
        if query.nonces:
            return self._by_nonces(archive, place, query, member.authors)
        limit = DEFAULT_LIMIT if query.limit is None else query.limit
        size = PageSize(max(1, min(limit, PAGE.messages)), PAGE.bytes)
        only = _between(member.name.key, query.partner) if query.private else None
        after = query.after
        at = as_kept(query.at)
        if at is not None:
            after = archive.number_at(name, at) - 1
        if after is None:
            # The last messages before ``before``, or the last of all.
            return page_since(archive.before(name, query.before, size, only), since)
        return archive.after(name, max(after, since), query.before, size, only)

    def _by_nonces(
        self, archive: HistoryStore, place: Readable, query: HistoryQuery, authors: Sequence[bytes]
    ) -> HistoryPage:
        name = place.log
        if len(query.nonces) > MAX_NONCES:
            _refuse(f"A query has at most {MAX_NONCES} nonces.")
        nonces, after = frozenset(nonce.encode() for nonce in query.nonces), query.after or 0
        # A guest without a device has nothing that proves which messages were theirs, and gets none.
        runs = [
            run for author in authors for run in archive.find_nonces(name, after, nonces, author)
        ]
        runs.sort(key=lambda run: run.first)
        # A message that is not found may have been in one of these.
        lost = [hole for hole in archive.state(name).lost if hole.last > max(after, place.since)]
        return HistoryPage(runs[:MAX_NONCES], len(runs) > MAX_NONCES, lost)

    def _require_place(self, archive: HistoryStore, place: Readable, query: HistoryQuery) -> None:
        """Refuse a query that goes on from a message that this log does not have."""
        name = place.log
        state = archive.state(name)
        is_known = query.epoch is None or query.epoch == archive.epoch
        if query.after is not None and query.after > state.head:
            is_known = False
        if is_known and query.time is not None and query.after and query.after > place.since:
            page = archive.after(name, query.after - 1, query.after + 1, PageSize(1, 0))
            # A message that is too old, or was lost, cannot be compared.
            is_known = not page.runs or page.runs[0].timestamp == query.time
        if not is_known:
            sentence = "The server does not know this place; begin with the last messages."
            raise CommandRefused(NoticeCode.BAD_PLACE, sentence)

    def _offer(self, run: StoredRun) -> str | None:
        is_attachment = run.type is not MessageType.UTF8
        return self._offer_of(run.first) if is_attachment and run.log == DEFAULT_ROOM else None


def as_kept(timestamp: str | None) -> str | None:
    """Return a timestamp (RFC 3339) in the form of those in the history, which are compared as texts.

    Raises CommandRefused.
    """
    if timestamp is None:
        return None
    try:
        # Python reads six digits.
        text = _FRACTION.sub(lambda found: f".{found[1][:6]:0<6}", timestamp).replace("Z", "+00:00")
        return exact_timestamp(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        _refuse("The calendar does not have this time.")


def _between(own: str, partner: str | None) -> Callable[[StoredRun], bool] | None:
    """Return a filter for the private messages between the user with the key ``own`` and ``partner``."""
    if partner is None:
        return None
    key = name_key(partner)
    pair = {own, key}
    return lambda run: {name_key(run.sender), name_key(run.to or "")} == pair


def _refuse(sentence: str) -> NoReturn:
    raise CommandRefused(NoticeCode.BAD_COMMAND, sentence)
