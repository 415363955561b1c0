"""The words that all frontends of the client share.

All returned text is sanitized for a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

from chat.client.answers.listings import KnownDevice
from chat.client.attention.highlights import Mention
from chat.client.connection.events import Attachment, RoomHistory, StatusChanged
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import (
    BlockListing,
    DeviceListing,
    Doubted,
    FileListing,
    ServerInfo,
    UserFound,
    UserList,
)
from chat.client.frontends.clock import time_of_day
from chat.client.resuming.events import MissingMessages
from chat.client.state.places import MAILBOX
from chat.local_time import clock_time, local_date
from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.sanitize import lines_of, sanitize
from chat.sizes import byte_count, counted, time_span

# An action is sent as a text that starts with this (as in XEP-0245).
ACTION = "/me "
# What a user can do once the client no longer connects by itself.
DISCONNECTED = (
    "Disconnected; /reconnect connects again, /reconnect NAME as another user, /quit leaves."
)

# Beside the own name, at a message that another device of the user sent.
ELSEWHERE = "elsewhere"
# While messages wait until the server has stored them.
UNCONFIRMED = "the server cannot confirm messages now"
# In place of a content that was removed from the server's history.
REMOVED = "(removed)"
RENUMBERED = (
    "The server's history began anew. Some messages may be missing, and some may be shown twice. Nothing is said again "
    "by itself."
)
_MISSING = {
    "lost": "lost here: the server crashed before they were stored",
    "expired": "missing here: they are older than what the server keeps",
    "skipped": "not shown here: only the newest of what you missed are fetched",
    "unavailable": "missing here: the server cannot read its history now",
}
_OUTCOMES = {
    "found": "it was said after all",
    "said-again": "you said it again",
    "dropped": "you dropped it",
}

KINDS = {
    MessageType.FILE: "a file",
    MessageType.IMAGE: "an image",
    MessageType.VOICE: "a voice message",
}
_REASONS = {
    LeaveReason.QUIT.value: "",
    LeaveReason.DISCONNECTED.value: "connection lost",
    LeaveReason.TIMED_OUT.value: "timed out",
    LeaveReason.TOO_SLOW.value: "too slow",
    LeaveReason.KICKED.value: "kicked",
    LeaveReason.BANNED.value: "banned",
    LeaveReason.REPLACED.value: "logged in from another place",
    LeaveReason.SERVER_STOPPING.value: "server is stopping",
    LeaveReason.PARTED.value: "left the room",
    LeaveReason.REMOVED.value: "removed by an owner",
}

_TIME = "%Y-%m-%d %H:%M:%S"
_UTC = re.compile(r"\b([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}) UTC\b")


def who_says(code: str) -> str:
    """Return whose words a notice with ``code`` gives."""
    is_operators = code == NoticeCode.ANNOUNCEMENT.value
    return "the operator announces" if is_operators else "the server says"


def local_times(sentence: str) -> str:
    """Turn each time in UTC in a sentence of the server, such as the end of a ban, into the time of the user."""
    return _UTC.sub(_in_local_time, sentence)


def _in_local_time(match: re.Match[str]) -> str:
    try:
        moment = datetime.strptime(match[1], _TIME).replace(tzinfo=timezone.utc)
        return moment.astimezone().strftime(_TIME)
    # No such day or hour, or a year that the system can't convert.
    except (ValueError, OverflowError, OSError):
        return match[0]


def leave_reason(reason: str | None) -> str:
    """Return the reason why a user left, in brackets after a blank. Empty for the usual reason, and for None."""
    if reason is None:
        return ""
    words = _REASONS.get(reason, sanitize(reason))
    return f" ({words})" if words else ""


def file_and_size(attachment: Attachment) -> str:
    """Return the file name, and the size in brackets, or that the file was removed."""
    if attachment.purged:
        return f"{sanitize(attachment.filename)} {REMOVED}"
    return f"{sanitize(attachment.filename)} ({byte_count(attachment.size)})"


def changed_server_line(reason: str, node: str | None) -> str:
    """Return the line about a server that was lost, for a user who is at another one after a moment."""
    return f"{' '.join(lines_of(local_times(reason)))} Now at {sanitize(node or 'another server')}."


def server_lines(event: ServerInfo) -> list[str]:
    """Return what is known of the server that the user is at."""
    at = f" ({event.address})" if event.address is not None else ""
    parts = [f"{event.node or 'the server'}{at}", event.version or "version unknown"]
    first = sanitize(", ".join([*parts, "encrypted" if event.encrypted else "not encrypted"]))
    if not event.others:
        return [first]
    return [first, f"other servers: {', '.join(map(sanitize, map(str, event.others)))}"]


def kept_line(history: RoomHistory) -> str:
    """Return a line that says how long the server keeps messages."""
    if history.keep is None:
        return "messages are kept on this server"
    return f"messages are kept for {time_span(history.keep)} on this server"


def earlier_words(number: int, since: datetime | None, now: datetime) -> str:
    """Return how many earlier messages there are, such as ``12 earlier messages`` or ``12 messages since 12:04``."""
    if since is None:
        return counted(number, "earlier message")
    return f"{counted(number, 'message')} since {time_of_day(since, now)}"


def missing_line(missing: MissingMessages) -> str:
    """Return a line about messages that can't be shown, and why."""
    number = missing.last - missing.first + 1
    what = "private message" if missing.log == MAILBOX else "message"
    reason = _MISSING[missing.reason]
    if number == 1:
        return f"1 {what} is {reason.replace('they are', 'it is').replace('they were', 'it was')}"
    # After a crash the server gives up all numbers that it may have given.
    most = "up to " if missing.reason == "lost" else ""
    return f"{most}{counted(number, what)} are {reason}"


def doubt_line(doubted: Doubted) -> str:
    """Return a line about a message that was perhaps said, and what the user can do."""
    number = doubted.number
    reason = sanitize(doubted.reason)
    return f"perhaps said: {reason} /again {number} says it again, /drop {number} drops it"


def settled_line(outcome: str) -> str:
    """Return what became of a message that was perhaps said."""
    return f"perhaps said: {_OUTCOMES[outcome]}"


def other_account_line(name: str) -> str:
    """Return a line about a name that belongs to another account than before."""
    shown = sanitize(name)
    return f"{shown} is another account than the {shown} of before"


def new_words(number: int, since: datetime | None, first: datetime, called: int = 0) -> str:
    """Return a rule's words such as ``37 new since 12:04, 2 for you``. ``first`` is the time of the first message.

    ``since`` is the time of the last message before them; None if nobody knows it.
    """
    words = f"{number} new"
    if since is not None:
        words += f" since {time_of_day(since, first)}"
    return f"{words}, {called} for you" if called else words


def gets_it_later(name: str) -> str:
    """Return a line about a private message whose recipient ``name`` is away."""
    return f"{sanitize(name)} gets it when they come back"


def device_lines(listing: DeviceListing) -> list[str]:
    """Return a table of the user's devices."""
    if not listing.devices:
        return ["no device of yours is remembered: each login asks for your password"]
    width = max(len(sanitize(device.name)) for device in listing.devices)
    return [
        "devices that need no password:",
        *(
            f"{sanitize(device.name):<{width}}  first {_minute(device.first)}, last "
            f"{_minute(device.last)}{_device_marks(device)}"
            for device in listing.devices
        ),
        "/forget NAME has a device ask for your password again",
    ]


def _minute(moment: datetime) -> str:
    return f"{local_date(moment)} {clock_time(moment)[:5]}"


def _device_marks(device: KnownDevice) -> str:
    marks = [
        *(["here"] if device.is_here else []),
        *(["this one"] if device.is_this else []),
    ]
    return f" ({', '.join(marks)})" if marks else ""


def block_line(listing: BlockListing) -> str:
    """Return a line about the users who are blocked."""
    names = ", ".join(map(sanitize, listing.users))
    return f"blocked: {names}" if names else "you block nobody"


def people(listed: UserList) -> str:
    """Return a line about the users in the room, or about the users seen so far."""
    if listed.prefix and not listed.users:
        return f"nobody in the room has a name that begins with {sanitize(listed.prefix)}"
    ordered = sorted(listed.users, key=str.casefold)
    names = ", ".join(
        f"{sanitize(user)}{_in_brackets(user in listed.registered, user in listed.moderators)}"
        for user in ordered
    )
    whose = f"{len(ordered)} in the room" if listed.complete else "seen in the room so far"
    if listed.prefix:
        whose = f"in the room, with {sanitize(listed.prefix)}"
    if not listed.has_more:
        return f"{whose}: {names}"
    if not listed.prefix and listed.here is not None:
        whose = f"{listed.here} in the room, the first ones are"
    return f"{whose}: {names} (/who al lists the names that begin with al)"


def user_found(found: UserFound) -> str:
    """Return a line about one user."""
    name = sanitize(found.username)
    if not found.is_here:
        return f"nobody named {name} is in the room"
    return f"{name} is in the room{_in_brackets(found.registered, found.moderator)}"


def status_line(changed: StatusChanged) -> str:
    """Return a line about what a user has become."""
    name = sanitize(changed.username)
    if changed.moderator:
        return f"{name} is a moderator now"
    return f"{name} is registered now" if changed.registered else f"{name} is no longer registered"


def _in_brackets(registered: bool, moderator: bool) -> str:
    """Return what a user is, in brackets after a blank; empty for a guest. Only registered users moderate."""
    if moderator:
        return " (moderator)"
    return " (registered)" if registered else ""


def mention_lines(mentions: Sequence[Mention]) -> list[str]:
    """Return a heading, and one line for each mention: when, who, and the text."""
    if not mentions:
        return ["nobody has mentioned you yet"]
    return ["mentions:", *map(_mention_line, mentions)]


def _mention_line(mention: Mention) -> str:
    to = "" if mention.to is None else f" -> {sanitize(mention.to)}"
    if mention.room is not None:
        to = f" in {sanitize(mention.room)}"
    first, *further = lines_of(mention.text)
    more = " …" if further else ""
    when = f"{local_date(mention.moment)} {clock_time(mention.moment)}"
    return f"{when} [{sanitize(mention.sender)}{to}]: {first}{more}"


def some_names(names: Sequence[str], most: int = 8) -> str:
    """Return names as ``alice, bob and 12 others``; all of them if there are at most ``most``."""
    shown = [sanitize(name) for name in (names if len(names) <= most else names[: most - 1])]
    left_out = len(names) - len(shown)
    if left_out:
        return f"{', '.join(shown)} and {left_out} others"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else ""


def file_lines(listing: FileListing) -> list[str]:
    """Return a list of attachments that can be fetched, the newest first."""
    if not listing.files:
        return ["no files" if not listing.request.words else "no file has this in its name"]
    lines = [
        "files:",
        *(_file_line(each.attachment, each.transfer) for each in listing.files),
    ]
    if listing.has_more:
        lines.append("there are older ones: /files WORDS finds a part of a name")
    return lines


def _file_line(attachment: Attachment, transfer: Transfer | None) -> str:
    number = f"{transfer.number}. " if transfer is not None else ""
    sender = "you" if attachment.own else sanitize(attachment.sender)
    to = f" to {sanitize(attachment.to)}" if attachment.own and attachment.to else ""
    state = f": {transfer_state(transfer)}" if transfer is not None else ""
    when = _minute(attachment.timestamp)
    return f"{number}{file_and_size(attachment)} from {sender}{to}, {when}{state}"


def transfer_line(transfer: Transfer) -> str:
    """Return a transfer as an entry of a list: number, name, peer, size, progress."""
    way = "to" if transfer.outgoing else "from"
    peer = sanitize(transfer.peer) if transfer.peer is not None else "everyone"
    if transfer.outgoing and transfer.peer is None and transfer.room is not None:
        peer = f"everyone in {sanitize(transfer.room)}"
    what = f"{transfer.number}. {sanitize(transfer.filename)} {way} {peer}"
    return f"{what}, {byte_count(transfer.size)}: {transfer_state(transfer)}"


def transfer_state(transfer: Transfer) -> str:
    """Return the progress of a transfer, or its outcome."""
    if transfer.state is TransferState.RUNNING:
        return f"{percent(transfer)} %"
    if transfer.state is TransferState.OFFERED:
        return f"/get {transfer.number} saves it"
    if transfer.state is TransferState.FAILED:
        return f"failed, {sanitize(transfer.problem or 'it could not be saved')}"
    if transfer.state is TransferState.DONE and transfer.path is not None:
        return f"saved as {sanitize(str(transfer.path))}"
    return {
        TransferState.WAITING: "waiting",
        TransferState.DONE: "sent",
        TransferState.CANCELLED: "cancelled",
    }[transfer.state]


def percent(transfer: Transfer) -> int:
    """Return the progress of a transfer, 0 to 100."""
    return min(100, 100 * transfer.done // transfer.size) if transfer.size > 0 else 0
