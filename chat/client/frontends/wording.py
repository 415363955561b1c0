"""How things are called and told to people: the words that every face of the client shares.

Everything returned is harmless for a terminal, whatever a peer put into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chat.client.connection.events import Attachment
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.frontends.sanitize import byte_count, sanitize
from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason

# What somebody does travels as a text with this before it (as in XEP-0245).
ACTION = "/me "

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
    LeaveReason.KICKED.value: "was told to leave",
    LeaveReason.BANNED.value: "was banned",
    LeaveReason.REPLACED.value: "came in from elsewhere",
    LeaveReason.SERVER_STOPPING.value: "the server stops",
}


def leave_reason(reason: str | None) -> str:
    """Why somebody left, in brackets after a blank; nothing for the usual reason and for none."""
    if reason is None:
        return ""
    words = _REASONS.get(reason, sanitize(reason))
    return f" ({words})" if words else ""


def file_and_size(attachment: Attachment) -> str:
    return f"{sanitize(attachment.filename)} ({byte_count(attachment.size)})"


def people(users: Iterable[str], count: int | None) -> str:
    """Who is in the room. ``count`` is None if these are only those who were seen."""
    names = ", ".join(sorted((sanitize(user) for user in users), key=str.casefold))
    whose = "seen in the room so far" if count is None else f"{count} in the room"
    return f"{whose}: {names}"


def some_names(names: Sequence[str], most: int = 8) -> str:
    """``alice, bob and 12 others``: in full if they are at most ``most``."""
    shown = [sanitize(name) for name in (names if len(names) <= most else names[: most - 1])]
    left_out = len(names) - len(shown)
    if left_out:
        return f"{', '.join(shown)} and {left_out} others"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else ""


def transfer_line(transfer: Transfer) -> str:
    """A transfer as an entry of a list: what, from or to whom, how far."""
    way = "to" if transfer.outgoing else "from"
    peer = sanitize(transfer.peer) if transfer.peer is not None else "everyone"
    what = f"{transfer.number}. {sanitize(transfer.filename)} {way} {peer}"
    return f"{what}, {byte_count(transfer.size)}: {transfer_state(transfer)}"


def transfer_state(transfer: Transfer) -> str:
    """How far a transfer is, or what became of it."""
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
    return min(100, 100 * transfer.done // transfer.size) if transfer.size > 0 else 0
