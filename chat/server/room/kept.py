"""Have the messages of all rooms kept, and show the last ones of the default room again to users who join."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from chat.protocol.descriptor import MessageType
from chat.protocol.runs import Run
from chat.server.directory.member import Member
from chat.server.history.stored import (
    DEFAULT_ROOM,
    GUEST,
    LogName,
    LogState,
    Recorder,
    StoredRun,
)
from chat.server.log.sharing import ALONE, Sharing
from chat.server.room.replay import LastMessages, Recent, Shown, Wishes
from chat.server.rooms.latest_authors import LatestAuthors
from chat.server.rooms.room import ChatRoom

Action = Callable[[], object]


class InTurn(Protocol):
    """Call ``action`` when users hear what the room says now, or ``refused`` if that is a message and they never do."""

    def __call__(self, action: Action, refused: Action = ...) -> object: ...


class PrivateCopy(NamedTuple):
    """Say what only a private message has: the recipient's name, the account of the other user, and whether it waits.

    ``partner`` is the id of the account; empty for a guest.
    """

    to: str
    partner: bytes
    is_waiting: bool


class ReadingProgress(Protocol):
    """List what the welcome needs to know about how far the user of an account has read."""

    def room_mark(self, account: bytes, head: int, key: str = ...) -> int:
        """Return how far the user has read the room with ``key``, whose last number is ``head``."""

    def facts(self, account: bytes, head: int, oldest: int) -> dict[str, object]:
        """Return what the welcome says about unread private messages, kept from ``oldest`` to ``head``."""


class FileNotes(Protocol):
    """List what is told to the part that keeps the contents of attachments."""

    def note(self, run: StoredRun) -> None:
        """Note an attachment that is in the history, or will be."""


class KeptMessages:
    """Hand the messages to ``recorder``, and hold the last ones of the default room in memory.

    ``seconds`` is how long messages are kept; None: without a limit. ``in_turn`` is None if users hear at once what
    the room says. ``files`` is told of attachments; None: no files are kept. ``has_search``: users can search for the
    messages.
    """

    def __init__(
        self,
        recorder: Recorder,
        progress: ReadingProgress,
        seconds: float | None,
        in_turn: InTurn | None = None,
        files: FileNotes | None = None,
        *,
        has_search: bool = False,
        sharing: Sharing = ALONE,
    ) -> None:
        self._sharing = sharing
        self._files = files
        self._has_search = has_search
        self.recent = Recent()
        self._authors = LatestAuthors()
        self._in_turn = in_turn
        self._recorder = recorder
        self._progress = progress
        self._seconds = seconds

    def keep(
        self,
        name: LogName,
        first: int,
        sender: Member,
        run: Run,
        timestamp: str,
        private: PrivateCopy | None = None,
        filename: str | None = None,
        offer_id: str | None = None,
    ) -> None:
        """Keep a run that has its numbers in the log ``name``. ``private`` is None for a run to everyone.

        Guests' private messages are not kept. Of a large content that is kept as a file, the message has the SHA-256.
        """
        if name.kind == GUEST:
            return
        to, partner, is_waiting = private or (None, b"", False)
        stored = StoredRun(
            name,
            first,
            timestamp,
            sender.name.display,
            to,
            sender.author,
            run.type,
            run.nonces,
            [run.digest] if run.is_kept and run.digest is not None else run.contents,
            filename,
            run.size,
            partner=partner,
            waiting=is_waiting,
        )
        self._recorder.keep(stored)
        files = self._files
        if files is not None and run.type is not MessageType.UTF8 and self.keeps_now():
            self.when_heard(lambda: files.note(stored), _do_nothing)
        if private is not None:
            return
        if name != DEFAULT_ROOM:
            # A user who logs in is shown only the default room, so the others need no messages in memory.
            self.when_heard(lambda: self._authors.note(stored), _do_nothing)
            return
        shown, size = Shown(stored, offer_id), run.size if run.large is None else 0
        if self._in_turn is None:
            self.recent.append(shown, size)
        else:
            self._in_turn(lambda: self.recent.append(shown, size))

    def when_heard(self, action: Action, refused: Action) -> None:
        """Call ``action`` when users hear the message that is being said, or ``refused`` if they never do."""
        if self._in_turn is None:
            action()
        else:
            self._in_turn(action, refused)

    def keeps_now(self) -> bool:
        """Return whether messages reach the disk now. Servers that share a log answer alike: they do."""
        return self._sharing.is_shared or not self._recorder.is_suspended

    def last_number(self, name: LogName) -> int:
        """Return the last number that users know in the log ``name``; 0 for none, or for one that is not kept."""
        return self._recorder.state(name).head if name.kind != GUEST else 0

    def last_messages(self, member: Member, count: int) -> LastMessages:
        """Return the frames of the last ``count`` messages of the default room for ``member``, at most one page."""
        # A client that logged in without JSON knows no replay, and would save each file again.
        return self.recent.last(count, Wishes(member.send_queue.inline, member.token is None))

    def facts(self, member: Member) -> dict[str, object]:
        """Return what the welcome tells ``member`` about history, without the rooms."""
        facts: dict[str, object] = {
            "history": True,
            "search": self._has_search,
            "epoch": self._recorder.epoch,
            "keep": self._seconds,
            "account": member.registered,
        }
        account = member.account_id
        if account is not None:
            state = self._recorder.state(member.mailbox)
            about = _facts_about(state)
            facts["private"] = {**about, **self._progress.facts(account, state.head, state.oldest)}
        return facts

    def facts_of_room(self, member: Member, room: ChatRoom) -> dict[str, object]:
        """Return what ``member``, who is in ``room``, may know of its messages."""
        state, since = self._recorder.state(room.log), room.since(member)
        facts = _facts_about(_state_since(state, since) if since else state)
        account = member.account_id
        if account is not None:
            mark = max(since, self._progress.room_mark(account, state.head, room.log.key))
            facts.update(read=mark, unread=self._unread(room, state, mark, account))
        return facts

    def _unread(self, room: ChatRoom, state: LogState, mark: int, account: bytes) -> int:
        """Count the messages of ``room`` after ``mark`` that are not of ``account``.

        Own messages that are older than what is in memory count, too: to look for them would take long.
        """
        mark = max(mark, state.oldest - 1)
        if mark >= state.head:
            return 0
        if room.is_default:
            others, known = self.recent.count_others(mark, account)
        else:
            others, known = -self._authors.count(room.log, mark, account), state.head
        lost = sum(
            min(hole.last, known) - max(hole.first, mark + 1) + 1
            for hole in state.lost
            if hole.last > mark and hole.first <= known
        )
        return max(0, others + max(0, known - mark - lost))


def _facts_about(state: LogState) -> dict[str, object]:
    return {
        "seq": state.head,
        "time": state.time,
        "oldest": state.oldest,
        "lost": [list(hole) for hole in state.lost],
    }


def _state_since(state: LogState, since: int) -> LogState:
    """Return what a user may know of a log who may not read its messages up to the number ``since``."""
    return LogState(
        state.head,
        state.time if state.head > since else None,
        max(state.oldest, since + 1),
        tuple(hole for hole in state.lost if hole.last > since),
    )


def _do_nothing() -> None:
    """Take the place of an action where there is nothing to take back."""
