"""The lines that plain mode writes: how each begins, so that no message can produce it."""

from __future__ import annotations

from datetime import datetime, timezone

from chat.client.connection.events import Attachment, Text
from chat.client.conversation.transfer_list import TransferState
from chat.client.conversation.ui_events import (
    Announced,
    EarlierListing,
    Lag,
    Told,
    TransferListing,
)
from chat.client.frontends.clock import shown_time
from chat.client.frontends.room_lines import room_sign
from chat.client.frontends.wording import (
    ACTION,
    ELSEWHERE,
    KINDS,
    REMOVED,
    file_and_size,
    gets_it_later,
    local_times,
    transfer_line,
    transfer_state,
)
from chat.client.state.unanswered_line import UnansweredLine
from chat.local_time import clock_time, local_date
from chat.sanitize import lines_of, lines_under, sanitize

FURTHER_LINE = "         | "


def sender_of(message: Text | Attachment) -> str:
    """Return the sender, marked if another device of this user sent the message. No name has a bracket in it."""
    mark = f" ({ELSEWHERE})" if message.elsewhere else ""
    return f"{sanitize(message.sender)}{mark}"


def text_lines(event: Text, mark: str = "", place: str = "") -> list[str]:
    """Return the lines of a text: with its sender, its recipient, and its time with a ``mark`` behind it.

    ``place`` stands before the rest: the sign of a room and a blank, if there are several rooms.
    """
    text, sender, to = shown_text(event), sender_of(event), receiver(event.to)
    if text.startswith(ACTION):
        head = f"* {sender}{to} "
        text = text.removeprefix(ACTION)
    else:
        head = f"[{sender}{to}]: "
    return [*below(f"<{when(event)}{mark}> {place}{head}", text), *waiting_lines(event)]


def shown_text(event: Text) -> str:
    """Return the text, or words in its place if it was removed."""
    return REMOVED if event.purged else event.text


def announced_lines(
    event: Announced, why_not_saved: str | None, mark: str = "", place: str = ""
) -> list[str]:
    """Return the lines of an attachment.

    ``why_not_saved``: see ``PlainFrontend``; ``mark``, ``place``: see ``text_lines``.
    """
    attachment, transfer = event.attachment, event.transfer
    what = KINDS[attachment.kind]
    if attachment.to is not None:
        what += f" to {sanitize(attachment.to)}"
    line = f"{sender_of(attachment)} sent {what}: {file_and_size(attachment)}"
    if transfer is not None:
        line += f", number {transfer.number}"
        if transfer.state is TransferState.OFFERED:
            line += f", {why_not_saved or transfer_state(transfer)}"
    return [f"<{when(attachment)}{mark}> {place}-- {line}", *waiting_lines(attachment)]


def copied_text(message: Text | Announced) -> str:
    """Return what /copy takes of a message."""
    if isinstance(message, Text):
        return shown_text(message).removeprefix(ACTION)
    return message.attachment.filename


def end_of_listing(listing: EarlierListing) -> str:
    """Return what stands behind earlier messages: whether there are more, and how to see them."""
    if listing.request.around is not None:
        return "end of the messages around the match"
    if listing.has_newer and listing.messages:
        last = listing.messages[-1]
        moment = (last if isinstance(last, Text) else last.attachment).timestamp
        return f"/history {local_date(moment)} {clock_time(moment)[:5]} goes on"
    if listing.request.at is not None or listing.request.after is not None:
        return "no later messages"
    return "/history shows older messages" if listing.has_older else "no older messages"


def waiting_lines(message: Text | Attachment) -> list[str]:
    if not message.waiting or message.to is None:
        return []
    return [line_at(message.timestamp, gets_it_later(message.to))]


def when(message: Text | Attachment) -> str:
    """Return the time of a message, with the date if it is an earlier one, of another day."""
    time = shown_time(message.timestamp)
    if not message.replay:
        return time
    day = local_date(message.timestamp)
    return time if day == local_date(now()) else f"{day} {time}"


def said(line: UnansweredLine) -> str:
    """Return an own line in one line."""
    first, *further = lines_of(line.text)
    to = f" to {sanitize(line.to)}" if line.to is not None else ""
    if line.room is not None:
        to = f" in {room_sign(line.room)}"
    return f"you{to}, at {shown_time(line.sent_at)}: {first}{' …' if further else ''}"


def line_at(moment: datetime, text: str, place: str = "") -> str:
    return f"<{shown_time(moment)}> {place}-- {text}"


def below(head: str, text: str) -> list[str]:
    """Return ``head`` with a text of one line, or a longer text below it."""
    first, *further = lines_under(text)
    return [head + first if first else head.rstrip(), *(FURTHER_LINE + line for line in further)]


def now() -> datetime:
    return datetime.now(timezone.utc)


def receiver(to: str | None) -> str:
    return "" if to is None else f" -> {sanitize(to)}"


def from_server(
    moment: datetime, text: str, says: str = "the server says", place: str = ""
) -> list[str]:
    first, *further = lines_of(local_times(text))
    return [
        line_at(moment, f"{says}: {first}", place),
        *(FURTHER_LINE + line for line in further),
    ]


def lag_lines(event: Lag) -> list[str]:
    """Return a line only for the beginning of a lag: new lines of the server show its end."""
    return [f"The server has not answered for {event.seconds:.0f} s."] if event.seconds else []


def told_lines(event: Told, place: str = "") -> list[str]:
    first, *further = map(sanitize, event.lines)
    return [line_at(now(), first, place), *(FURTHER_LINE + line for line in further)]


def transfer_lines(event: TransferListing) -> list[str]:
    if not event.transfers:
        return [line_at(now(), "no attachments yet")]
    return [
        line_at(now(), "attachments:"),
        *(FURTHER_LINE + transfer_line(t) for t in event.transfers),
    ]
