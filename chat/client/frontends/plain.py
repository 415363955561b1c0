"""The client as plain lines: one line of input is one message, one message is one line of output.

Each line of output begins in a way that no message can produce. The first line of a text begins with time and sender,
its other lines with blanks and a bar, and all other output with time and two dashes. So no user can fake a line of
another user or of the client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
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
    Explanation,
    Failed,
    Lag,
    MentionList,
    OtherAccount,
    Problem,
    Told,
    TransferChanged,
    TransferListing,
    UiEvent,
    UserFound,
    UserList,
)
from chat.client.frontends.clipboard import copied_words, copyable
from chat.client.frontends.clock import shown_time
from chat.client.frontends.wording import (
    ACTION,
    DISCONNECTED,
    ELSEWHERE,
    KINDS,
    REMOVED,
    RENUMBERED,
    UNCONFIRMED,
    block_line,
    device_lines,
    doubt_line,
    earlier_words,
    file_and_size,
    gets_it_later,
    kept_line,
    leave_reason,
    local_times,
    mention_lines,
    missing_line,
    other_account_line,
    people,
    settled_line,
    status_line,
    transfer_line,
    transfer_state,
    user_found,
    who_says,
)
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    Disconnected,
    LineRestored,
    MissingMessages,
    Renumbered,
)
from chat.client.state.places import MAILBOX, ROOM, LogKey
from chat.client.state.unanswered_line import UnansweredLine
from chat.local_time import local_date
from chat.protocol.notices import NoticeCode
from chat.sanitize import lines_of, lines_under, sanitize

FURTHER_LINE = "         | "
# Two notices that messages wait on the server are about the same wait if no more time lies between them.
_STILL_WAITING = timedelta(seconds=60)
# Messages that /copy can reach.
MAX_MESSAGES = 50


class PlainFrontend:
    """The frontend for plain lines. ``tell`` writes lines to the output, ``warn`` writes errors.

    ``greeting`` is a line below the first welcome, for a user at a terminal.
    ``why_not_saved`` is shown with attachments that are not saved. None: the user can request them with /get.
    ``attention`` is what the user wants to see.
    """

    def __init__(
        self,
        tell: Callable[[list[str]], object],
        warn: Callable[[list[str]], object],
        why_not_saved: str | None = None,
        attention: Attention | None = None,
        greeting: str | None = None,
    ) -> None:
        self._attention = attention or Attention()
        self._greeting = greeting
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
        self._unconfirmed_at: datetime | None = (
            None  # the last time the server said that it has not
        )
        self._told = ""  # the reason that the server gave for the end of the connection
        self.formats: dict[type, Callable[[Any], list[str]]] = {
            Welcome: self._welcome,
            Joined: self._joined,
            Left: self._left,
            StatusChanged: lambda event: [_line(event.timestamp, status_line(event))],
            Text: self._text,
            Notice: self._notice,
            CatchUpBegan: self._began,
            CatchUpEnded: self._ended,
            MissingMessages: lambda event: [_line(_now(), missing_line(event))],
            LineRestored: lambda event: [_line(_now(), f"not confirmed yet: {_said(event.line)}")],
            Doubted: lambda event: _told(Told((_said(event.line), doubt_line(event)))),
            DoubtSettled: lambda event: _told(
                Told((_said(event.line), settled_line(event.outcome)))
            ),
            OtherAccount: lambda event: [_line(_now(), other_account_line(event.username))],
            Renumbered: lambda event: [_line(_now(), RENUMBERED)],
            Announced: self._announced,
            Done: lambda event: [] if event.answer is None else _from_server(_now(), event.answer),
            UserList: _people,
            DeviceListing: lambda event: _told(Told(tuple(device_lines(event)))),
            BlockListing: lambda event: [_line(_now(), block_line(event))],
            UserFound: lambda event: [_line(_now(), user_found(event))],
            TransferListing: _transfers,
            Explanation: lambda event: list(event.lines),
            Told: _told,
            MentionList: lambda event: _told(Told(tuple(mention_lines(event.mentions)))),
        }
        self.warnings: dict[type, Callable[[Any], list[str]]] = {
            BadFrame: lambda event: [f"The server sent an invalid frame: {event.problem}"],
            Failed: lambda event: [event.sentence],
            Problem: lambda event: [event.sentence],
            Disconnected: self._disconnected,
            Lag: _lag,
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
            self._warn([sanitize(local_times(line)) for line in self.warnings[kind](event)])

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
        return text, _line(_now(), copied_words(sender, text))

    def _welcome(self, event: Welcome) -> list[str]:
        self._attention.rename(event.username)
        self._username = event.username
        self._trouble = ""
        others = [sanitize(user) for user in event.users if user != event.username]
        company = f", with {', '.join(others)}" if others else ""
        first = _line(
            event.timestamp, f"you are in the room as {sanitize(event.username)}{company}"
        )
        greeting, self._greeting = self._greeting, None
        kept: list[str] = []
        if event.history is not None and not self._has_told_keeping:
            self._has_told_keeping = True
            kept = [_line(event.timestamp, kept_line(event.history))]
        return [
            first,
            *kept,
            *(FURTHER_LINE + line for line in (lines_of(event.motd) if event.motd else [])),
            *([_line(event.timestamp, sanitize(greeting))] if greeting is not None else []),
        ]

    def _joined(self, event: Joined) -> list[str]:
        if not self._attention.presence.is_shown(event.username, event.timestamp):
            return []
        return [_line(event.timestamp, f"{sanitize(event.username)} joined")]

    def _left(self, event: Left) -> list[str]:
        if not self._attention.presence.is_shown(event.username, event.timestamp):
            return []
        line = f"{sanitize(event.username)} left{leave_reason(event.reason)}"
        return [_line(event.timestamp, line)]

    def _text(self, event: Text) -> list[str]:
        if not event.replay:
            self._attention.presence.spoke(event.sender, event.timestamp)
        # What the user has missed is listed as a mention once, and does not ring.
        log = ROOM if event.to is None else MAILBOX
        if not event.own and (not event.replay or self._since.get(log) is not None):
            self._attention.hear(event.timestamp, event.sender, event.text, event.to)
        self._note_read(event)
        text = REMOVED if event.purged else event.text
        self.messages.append((event.sender, text.removeprefix(ACTION)))
        sender, to = _sender(event), _receiver(event.to)
        if text.startswith(ACTION):
            head = f"* {sender}{to} "
            text = text.removeprefix(ACTION)
        else:
            head = f"[{sender}{to}]: "
        return [*_below(f"<{_when(event)}> {head}", text), *_waiting(event)]

    def _began(self, event: CatchUpBegan) -> list[str]:
        self._since[event.log] = event.since
        return [_line(_now(), f"{earlier_words(event.expected, event.since, _now())}:")]

    def _ended(self, event: CatchUpEnded) -> list[str]:
        words = earlier_words(event.shown, self._since.pop(event.log, None), _now())
        return [_line(_now(), f"end of the {words}")]

    def _notice(self, event: Notice) -> list[str]:
        if event.code == NoticeCode.WAITING.value:
            return self._unconfirmed(event)
        if event.code == NoticeCode.SHUTTING_DOWN.value:
            return []  # the line about the lost connection gives the same sentence
        if event.dismisses:
            self._told = event.sentence
        return _from_server(event.timestamp, event.sentence, who_says(event.code))

    def _note_read(self, message: Text | Attachment) -> None:
        if message.seq is not None:
            to = message.to
            partner = None if to is None else to if message.own else message.sender
            self._attention.read_marks.note(ReadUpTo(message.seq, partner))

    def _unconfirmed(self, event: Notice) -> list[str]:
        """Return a line only for the first of several notices in a minute: the server repeats them every 5 seconds."""
        last, self._unconfirmed_at = self._unconfirmed_at, event.timestamp
        if last is not None and event.timestamp - last < _STILL_WAITING:
            return []
        return [_line(event.timestamp, UNCONFIRMED)]

    def _announced(self, event: Announced) -> list[str]:
        attachment, transfer = event.attachment, event.transfer
        if not attachment.replay:
            self._attention.presence.spoke(attachment.sender, attachment.timestamp)
        self._note_read(attachment)
        self.messages.append((attachment.sender, attachment.filename))
        what = KINDS[attachment.kind]
        if attachment.to is not None:
            what += f" to {sanitize(attachment.to)}"
        line = f"{_sender(attachment)} sent {what}: {file_and_size(attachment)}"
        if transfer is not None:
            line += f", number {transfer.number}"
            if transfer.state is TransferState.OFFERED:
                line += f", {self._why_not_saved or transfer_state(transfer)}"
        return [f"<{_when(attachment)}> -- {line}", *_waiting(attachment)]

    def _show_transfer(self, transfer: Transfer) -> None:
        """Show the end of a transfer. Progress bars and /transfers show its progress."""
        what = f"number {transfer.number}, {sanitize(transfer.filename)},"
        if transfer.state is TransferState.DONE and not transfer.outgoing:
            self._tell([_line(_now(), f"{what} is saved as {sanitize(str(transfer.path))}")])
        elif transfer.state is TransferState.FAILED:
            self._warn([sanitize(f"{what} failed: {transfer.problem}")])
        elif transfer.state is TransferState.CANCELLED:
            self._tell([_line(_now(), f"{what} is cancelled")])

    def _disconnected(self, event: Disconnected) -> list[str]:
        """Return a line only for a new reason: an outage may last hours, with many reconnects."""
        if event.retry_in is None:
            told, self._told = self._told, ""
            why = [] if event.reason == told else lines_of(event.reason)
            return [*why, DISCONNECTED]
        if event.reason == self._trouble:
            return []
        self._trouble = event.reason
        # No pause: the user asked to reconnect.
        return [f"{event.reason} Trying again." if event.retry_in else event.reason]


def _sender(message: Text | Attachment) -> str:
    """Return the sender, marked if another device of this user sent the message. No name has a bracket in it."""
    mark = f" ({ELSEWHERE})" if message.elsewhere else ""
    return f"{sanitize(message.sender)}{mark}"


def _waiting(message: Text | Attachment) -> list[str]:
    if not message.waiting or message.to is None:
        return []
    return [_line(message.timestamp, gets_it_later(message.to))]


def _when(message: Text | Attachment) -> str:
    """Return the time of a message, with the date if it is an earlier one, of another day."""
    time = shown_time(message.timestamp)
    if not message.replay:
        return time
    day = local_date(message.timestamp)
    return time if day == local_date(_now()) else f"{day} {time}"


def _said(line: UnansweredLine) -> str:
    """Return an own line in one line."""
    first, *further = lines_of(line.text)
    to = f" to {sanitize(line.to)}" if line.to is not None else ""
    return f"you{to}, at {shown_time(line.sent_at)}: {first}{' …' if further else ''}"


def _line(moment: datetime, text: str) -> str:
    return f"<{shown_time(moment)}> -- {text}"


def _below(head: str, text: str) -> list[str]:
    """Return ``head`` with a text of one line, or a longer text below it."""
    first, *further = lines_under(text)
    return [head + first if first else head.rstrip(), *(FURTHER_LINE + line for line in further)]


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _receiver(to: str | None) -> str:
    return "" if to is None else f" -> {sanitize(to)}"


def _from_server(moment: datetime, text: str, says: str = "the server says") -> list[str]:
    first, *further = lines_of(local_times(text))
    return [
        _line(moment, f"{says}: {first}"),
        *(FURTHER_LINE + line for line in further),
    ]


def _lag(event: Lag) -> list[str]:
    """Return a line only for the beginning of a lag: new lines of the server show its end."""
    return [f"The server has not answered for {event.seconds:.0f} s."] if event.seconds else []


def _people(event: UserList) -> list[str]:
    return [_line(_now(), people(event))]


def _told(event: Told) -> list[str]:
    first, *further = map(sanitize, event.lines)
    return [_line(_now(), first), *(FURTHER_LINE + line for line in further)]


def _transfers(event: TransferListing) -> list[str]:
    if not event.transfers:
        return [_line(_now(), "no attachments yet")]
    return [
        _line(_now(), "attachments:"),
        *(FURTHER_LINE + transfer_line(t) for t in event.transfers),
    ]
