"""The client as plain lines: one line of input is one message, one message is one line of output.

Each line of output begins in a way that no message can produce. The first line of a text begins with time and sender,
its other lines with blanks and a bar, and all other output with time and two dashes. So no user can fake a line of
another user or of the client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from chat.client.attention.attention import Attention
from chat.client.attention.read_marks import ReadUpTo
from chat.client.connection.events import (
    Attachment,
    BadFrame,
    Joined,
    Left,
    Notice,
    StatusChanged,
    Text,
    Welcome,
)
from chat.client.conversation.requests import RequestError
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import (
    Announced,
    BlockListing,
    DeviceListing,
    Done,
    Doubted,
    DoubtSettled,
    EarlierListing,
    Explanation,
    Failed,
    FileListing,
    FoundListing,
    Lag,
    MentionList,
    OtherAccount,
    Problem,
    ServerInfo,
    Told,
    TransferChanged,
    TransferListing,
    UiEvent,
    Unconfirmed,
    UserFound,
    holes_of,
)
from chat.client.frontends.clipboard import copied_words, copyable
from chat.client.frontends.plain_lines import (
    FURTHER_LINE,
    announced_lines,
    copied_text,
    end_of_listing,
    from_server,
    lag_lines,
    line_at,
    now,
    said,
    shown_text,
    text_lines,
    told_lines,
    transfer_lines,
)
from chat.client.frontends.plain_rooms import PlainRooms, failed_in
from chat.client.frontends.room_lines import crowd_words
from chat.client.frontends.wording import (
    ACTION,
    DISCONNECTED,
    RENUMBERED,
    UNCONFIRMED,
    block_line,
    changed_server_line,
    device_lines,
    doubt_line,
    earlier_words,
    file_lines,
    kept_line,
    leave_reason,
    local_times,
    mention_lines,
    missing_line,
    other_account_line,
    server_lines,
    settled_line,
    status_line,
    user_found,
    who_says,
)
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    CatchUpEvent,
    Disconnected,
    LineRestored,
    MissingMessages,
    Renumbered,
)
from chat.client.state.places import MAILBOX, LogKey, log_of
from chat.protocol.notices import NoticeCode
from chat.sanitize import lines_of, sanitize
from chat.sizes import counted

# The line about the lost connection, and that about the wait, say the same.
_TOLD_OTHERWISE = (NoticeCode.SHUTTING_DOWN.value, NoticeCode.WAITING.value)
# Messages that wait on the server wait for the same reason if no more time lies between two of them.
_STILL_WAITING = timedelta(seconds=60)
# Messages that /copy can reach.
MAX_MESSAGES = 50
AROUND = "/history #N shows what was said around number N"


class PlainFrontend:
    """The frontend for plain lines. ``tell`` writes lines to the output, ``warn`` writes errors.

    ``greeting`` is a line below the first welcome, for a user at a terminal.
    ``why_not_saved`` is shown with attachments that are not saved. None: the user can request them with /get.
    ``attention`` is what the user wants to see. ``has_rooms``: each line has the sign of its room.
    """

    def __init__(
        self,
        tell: Callable[[list[str]], object],
        warn: Callable[[list[str]], object],
        why_not_saved: str | None = None,
        attention: Attention | None = None,
        greeting: str | None = None,
        *,
        has_rooms: bool = False,
    ) -> None:
        self._attention = attention or Attention()
        self._greeting = greeting
        self._rooms = PlainRooms(always=has_rooms)
        self._tell = tell
        self._warn = warn
        self._why_not_saved = why_not_saved
        # (sender, text) of the newest messages, for /copy.
        self.messages: deque[tuple[str, str]] = deque(maxlen=MAX_MESSAGES)
        self._username = ""
        # The catch-ups that are on: the time of the last message that the user has seen before.
        self._since: dict[LogKey, datetime | None] = {}
        self._trouble = ""  # the last reason shown for a lost connection
        self._has_told_keeping = False  # that the server keeps messages
        self._unconfirmed_at: datetime | None = None  # when messages waited at the server last
        self._is_inside = False
        self._changed = ""  # why the client has gone to another server, a moment ago
        self._told = ""  # the reason that the server gave for the end of the connection
        self.formats: dict[type, Callable[[Any], list[str]]] = {
            Welcome: self._welcome,
            Joined: self._joined,
            Left: self._left,
            StatusChanged: lambda event: [line_at(event.timestamp, status_line(event))],
            Text: self._text,
            Notice: self._notice,
            CatchUpBegan: self._began,
            CatchUpEnded: self._ended,
            MissingMessages: lambda event: [
                line_at(now(), missing_line(event), self._sign_of(event))
            ],
            LineRestored: lambda event: [line_at(now(), f"not confirmed yet: {said(event.line)}")],
            Doubted: lambda event: told_lines(Told((said(event.line), doubt_line(event)))),
            DoubtSettled: lambda event: told_lines(
                Told((said(event.line), settled_line(event.outcome)))
            ),
            OtherAccount: lambda event: [line_at(now(), other_account_line(event.username))],
            Renumbered: lambda event: [line_at(now(), RENUMBERED, self._sign_of(event))],
            Announced: self._announced,
            Done: lambda event: [] if event.answer is None else from_server(now(), event.answer),
            **self._rooms.formats,
            DeviceListing: lambda event: told_lines(Told(tuple(device_lines(event)))),
            BlockListing: lambda event: [line_at(now(), block_line(event))],
            UserFound: lambda event: [line_at(now(), user_found(event))],
            ServerInfo: lambda event: told_lines(Told(tuple(server_lines(event)))),
            Unconfirmed: self._unconfirmed,
            TransferListing: transfer_lines,
            FileListing: lambda event: told_lines(Told(tuple(file_lines(event)))),
            Explanation: lambda event: list(event.lines),
            Told: told_lines,
            EarlierListing: self._earlier,
            FoundListing: self._found,
            MentionList: lambda event: told_lines(Told(tuple(mention_lines(event.mentions)))),
        }
        self.warnings: dict[type, Callable[[Any], list[str]]] = {
            BadFrame: lambda event: [f"The server sent an invalid frame: {event.problem}"],
            Failed: lambda event: [f"{failed_in(event.room)}{event.sentence}"],
            Problem: lambda event: [event.sentence],
            Disconnected: self._disconnected,
            Lag: lag_lines,
        }

    def show(self, event: UiEvent) -> None:
        """Write the lines of an event. Events that only the screen shows are skipped."""
        kind = type(event)
        if self._is_ignored(event):
            return
        if isinstance(event, TransferChanged):
            self._show_transfer(event.transfer)
        elif kind in self.formats:
            lines = self.formats[kind](event)
            if lines:
                self._tell(lines)
        elif kind in self.warnings:
            lines = [sanitize(local_times(line)) for line in self.warnings[kind](event)]
            if lines:
                self._warn(lines)

    def _is_ignored(self, event: UiEvent) -> bool:
        """Return whether ``event`` is about another user whom this user ignores."""
        ignored = self._attention.ignored
        if isinstance(event, Text):
            return not event.own and event.sender in ignored
        if isinstance(event, Announced):
            return not event.attachment.own and event.attachment.sender in ignored
        if isinstance(event, OtherAccount):
            return event.username in ignored
        if isinstance(event, Joined | Left | StatusChanged):
            return event.username != self._username and event.username in ignored
        return False

    def copied(self, number: int) -> tuple[str, str]:
        """Return the text of the ``number``-th message from the end for the clipboard, and what to tell the user.

        Raises RequestError.
        """
        if number > len(self.messages):
            raise RequestError(f"There is no such message; /copy reaches the last {MAX_MESSAGES}.")
        sender, text = self.messages[-number]
        text = copyable(text)
        return text, line_at(now(), copied_words(sender, text))

    def _welcome(self, event: Welcome) -> list[str]:
        self._attention.rename(event.username)
        self._username = event.username
        self._trouble = ""
        was_inside, self._is_inside = self._is_inside, True
        if was_inside:
            return self._welcome_elsewhere(event)
        others = [sanitize(user) for user in event.users if user != event.username]
        company = f", with {', '.join(others)}" if others else crowd_words(event.here)
        first = line_at(
            event.timestamp, f"you are in the room as {sanitize(event.username)}{company}"
        )
        greeting, self._greeting = self._greeting, None
        kept: list[str] = []
        if event.history is not None and not self._has_told_keeping:
            self._has_told_keeping = True
            kept = [line_at(event.timestamp, kept_line(event.history))]
        rooms = self._rooms.welcome(event)
        return [
            first,
            *kept,
            *rooms,
            *(FURTHER_LINE + line for line in (lines_of(event.motd) if event.motd else [])),
            *([line_at(event.timestamp, sanitize(greeting))] if greeting is not None else []),
        ]

    def _welcome_elsewhere(self, event: Welcome) -> list[str]:
        """Return one line at most: the user was away for a moment only, if at all."""
        reason, self._changed = self._changed, ""
        self._rooms.welcome(event)
        return [line_at(now(), changed_server_line(reason, event.node))] if reason else []

    def _joined(self, event: Joined) -> list[str]:
        if not self._attention.presence.is_shown(event.username, event.timestamp):
            return []
        sign = self._rooms.sign(event.room)
        return [line_at(event.timestamp, f"{sanitize(event.username)} joined", sign)]

    def _left(self, event: Left) -> list[str]:
        if not self._attention.presence.is_shown(event.username, event.timestamp):
            return []
        line = f"{sanitize(event.username)} left{leave_reason(event.reason)}"
        return [line_at(event.timestamp, line, self._rooms.sign(event.room))]

    def _text(self, event: Text) -> list[str]:
        if not event.replay:
            self._attention.presence.spoke(event.sender, event.timestamp)
        # What the user has missed is listed as a mention once, and does not ring.
        log = log_of(event.to, event.room)
        if not event.own and (not event.replay or self._since.get(log) is not None):
            self._attention.hear(event.timestamp, event.sender, event.text, event.to, event.room)
        self._note_read(event)
        self.messages.append((event.sender, shown_text(event).removeprefix(ACTION)))
        return text_lines(event, place=self._rooms.sign(event.room, event.to))

    def _began(self, event: CatchUpBegan) -> list[str]:
        self._since[event.log] = event.since
        words = earlier_words(event.expected, event.since, now())
        return [line_at(now(), f"{words}:", self._sign_of(event))]

    def _ended(self, event: CatchUpEnded) -> list[str]:
        words = earlier_words(event.shown, self._since.pop(event.log, None), now())
        return [line_at(now(), f"end of the {words}", self._sign_of(event))]

    def _sign_of(self, event: CatchUpEvent) -> str:
        return "" if event.log == MAILBOX else self._rooms.sign(event.room)

    def _notice(self, event: Notice) -> list[str]:
        if event.code in _TOLD_OTHERWISE:
            return []
        if event.dismisses:
            self._told = event.sentence
        sign = "" if event.room is None else self._rooms.sign(event.room)
        return from_server(event.timestamp, event.sentence, who_says(event.code), sign)

    def _note_read(self, message: Text | Attachment) -> None:
        if message.seq is not None:
            to = message.to
            partner = None if to is None else to if message.own else message.sender
            self._attention.read_marks.note(ReadUpTo(message.seq, partner, message.room))

    def _unconfirmed(self, event: Unconfirmed) -> list[str]:
        """Return a line for the first of several waits in a minute: the lines that wait are answered one by one."""
        last, self._unconfirmed_at = self._unconfirmed_at, now()
        is_told = last is not None and self._unconfirmed_at - last < _STILL_WAITING
        return [] if is_told or event.since is None else [line_at(now(), UNCONFIRMED)]

    def _announced(self, event: Announced) -> list[str]:
        attachment = event.attachment
        if not attachment.replay:
            self._attention.presence.spoke(attachment.sender, attachment.timestamp)
        self._note_read(attachment)
        self.messages.append((attachment.sender, attachment.filename))
        sign = self._rooms.sign(attachment.room, attachment.to)
        return announced_lines(event, self._why_not_saved, place=sign)

    def _earlier(self, event: EarlierListing) -> list[str]:
        """Return the lines of earlier messages that the user asked for. They change nothing that the user has read."""
        lines = [line_at(now(), f"{counted(len(event.messages), 'earlier message')}:")]
        holes = deque(holes_of(event))
        for message in event.messages:
            seq = (message if isinstance(message, Text) else message.attachment).seq
            while holes and seq is not None and holes[0].first < seq:
                lines.append(line_at(now(), missing_line(holes.popleft())))
            lines += self._listed(message)
        lines += (line_at(now(), missing_line(hole)) for hole in holes)
        return [*lines, line_at(now(), end_of_listing(event))]

    def _found(self, event: FoundListing) -> list[str]:
        count = len(event.messages)
        numbered = enumerate(event.messages, event.first)
        return [
            line_at(now(), f"{counted(count, 'message')} found:" if count else "nothing found"),
            *(line for number, each in numbered for line in self._listed(each, f" #{number}")),
            *([line_at(now(), AROUND)] if count else []),
            *([line_at(now(), "/search finds older ones")] if event.goes_on_before else []),
        ]

    def _listed(self, message: Text | Announced, mark: str = "") -> list[str]:
        """Return the lines of an earlier message; none if its sender is ignored."""
        said = message if isinstance(message, Text) else message.attachment
        if not said.own and said.sender in self._attention.ignored:
            return []
        self.messages.append((said.sender, copied_text(message)))
        sign = self._rooms.sign(said.room, said.to)
        if isinstance(message, Text):
            return text_lines(message, mark, sign)
        return announced_lines(message, self._why_not_saved, mark, sign)

    def _show_transfer(self, transfer: Transfer) -> None:
        """Show the end of a transfer. Progress bars and /transfers show its progress."""
        what = f"number {transfer.number}, {sanitize(transfer.filename)},"
        if transfer.state is TransferState.DONE and not transfer.outgoing:
            self._tell([line_at(now(), f"{what} is saved as {sanitize(str(transfer.path))}")])
        elif transfer.state is TransferState.FAILED:
            self._warn([sanitize(f"{what} failed: {transfer.problem}")])
        elif transfer.state is TransferState.CANCELLED:
            self._tell([line_at(now(), f"{what} is cancelled")])

    def _disconnected(self, event: Disconnected) -> list[str]:
        """Return a line only for a new reason: an outage may last hours, with many reconnects."""
        if event.elsewhere:
            self._changed = event.reason
            return []
        self._is_inside, self._changed = False, ""
        if event.retry_in is None:
            told, self._told = self._told, ""
            why = [] if event.reason == told else lines_of(event.reason)
            return [*why, DISCONNECTED]
        if event.reason == self._trouble:
            return []
        self._trouble = event.reason
        # No pause: the user asked to reconnect.
        return [f"{event.reason} Trying again." if event.retry_in else event.reason]
