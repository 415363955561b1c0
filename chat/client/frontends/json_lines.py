"""Write events as JSON lines: one object per line. docs/json-lines.md explains the format."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from chat.client.connection.events import (
    Attachment,
    BadFrame,
    Joined,
    Left,
    Notice,
    ReadElsewhere,
    StatusChanged,
    Text,
    Welcome,
)
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import (
    Announced,
    BlockListing,
    DeviceListing,
    Done,
    Doubted,
    DoubtSettled,
    EarlierListing,
    Failed,
    FileListing,
    FoundListing,
    Lag,
    OtherAccount,
    Problem,
    TransferChanged,
    TransferListing,
    UiEvent,
    Unconfirmed,
    UserList,
)
from chat.client.frontends.json_rooms import ROOM_WRITERS, json_timestamp, room_facts
from chat.client.frontends.wording import RENUMBERED, missing_line
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    CatchUpEvent,
    Disconnected,
    LineRestored,
    MissingMessages,
    Renumbered,
)
from chat.client.state.places import MAILBOX
from chat.client.state.unanswered_line import UnansweredLine
from chat.protocol.descriptor import MessageType
from chat.sanitize import FIRST_PRIVATE_PLANE

_KINDS = {
    MessageType.FILE: "file",
    MessageType.IMAGE: "image",
    MessageType.VOICE: "voice",
}
# Characters that a terminal would act on are escaped: a user who runs this by hand reads the lines on a terminal.
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class JsonFrontend:
    """The frontend for programs. ``tell`` writes lines to the output; errors are objects in the output too.

    ``why_not_saved`` is shown with attachments that are not saved. None: the program can request them with ``get``.
    """

    def __init__(
        self, tell: Callable[[list[str]], object], why_not_saved: str | None = None
    ) -> None:
        self._tell = tell
        self._why_not_saved = why_not_saved
        self.writers: dict[type, Callable[[Any], dict[str, Any]]] = {
            Welcome: _welcome,
            Joined: _joined,
            Left: lambda event: {
                "type": "left",
                **_who(event),
                "room": event.room,
                "reason": event.reason,
            },
            StatusChanged: lambda event: {
                "type": "status",
                **_who(event),
                "registered": event.registered,
                "moderator": event.moderator,
            },
            Text: _text,
            Notice: _notice,
            ReadElsewhere: lambda event: {
                "type": "read",
                "seq": event.seq,
                "with": event.partner,
                "room": event.room,
                "timestamp": json_timestamp(event.timestamp),
            },
            CatchUpBegan: _catch_up_began,
            CatchUpEnded: lambda event: {
                "type": "caught-up",
                **_log(event),
                "count": event.shown,
                "complete": event.complete,
            },
            MissingMessages: lambda event: {
                "type": "missing",
                **_log(event),
                "first": event.first,
                "last": event.last,
                "reason": event.reason,
                "message": missing_line(event),
            },
            Renumbered: lambda event: {
                "type": "renumbered",
                **_log(event),
                "message": RENUMBERED,
            },
            LineRestored: lambda event: {"type": "restored", **_line(event.line)},
            Doubted: lambda event: {
                "type": "perhaps-said",
                "number": event.number,
                **_line(event.line),
                "message": event.reason,
            },
            DoubtSettled: lambda event: {
                "type": "perhaps-said-settled",
                "number": event.number,
                **_line(event.line),
                "outcome": event.outcome,
            },
            OtherAccount: lambda event: {"type": "other-account", "username": event.username},
            BadFrame: lambda event: {"type": "trouble", "message": event.problem},
            Announced: self._announced,
            TransferChanged: lambda event: {"type": "transfer", **_transfer(event.transfer)},
            Done: lambda event: {"type": "done", "id": event.tag, "message": event.answer},
            Failed: _failed,
            Problem: lambda event: {"type": "trouble", "message": event.sentence},
            Disconnected: _disconnected,
            Unconfirmed: lambda event: {
                "type": "unconfirmed",
                "since": None if event.since is None else json_timestamp(event.since),
            },
            Lag: lambda event: {"type": "lag", "seconds": round(event.seconds, 3)},
            UserList: _people,
            DeviceListing: _devices,
            BlockListing: lambda event: {
                "type": "blocks",
                "id": event.tag,
                "users": list(event.users),
            },
            TransferListing: _transfers,
            **ROOM_WRITERS,
            FileListing: self._files,
            EarlierListing: self._earlier,
            FoundListing: lambda event: {
                "type": "search",
                "id": event.tag,
                "messages": self._messages(event.messages),
                "before": event.goes_on_before,
                "epoch": event.epoch,
            },
        }

    def show(self, event: UiEvent) -> None:
        """Write an event as one line. Events that only the screen shows are skipped."""
        writer = self.writers.get(type(event))
        if writer is not None:
            self._tell([encode(writer(event))])

    def _announced(self, event: Announced) -> dict[str, Any]:
        is_offered = event.transfer is not None and event.transfer.state is TransferState.OFFERED
        return {**_announced(event), "message": self._why_not_saved if is_offered else None}

    def _earlier(self, event: EarlierListing) -> dict[str, Any]:
        return {
            "type": "history",
            "id": event.tag,
            "messages": self._messages(event.messages),
            "older": event.has_older or None,
            "newer": event.has_newer or None,
            "lost": [list(pair) for pair in event.lost] or None,
            "epoch": event.epoch,
        }

    def _files(self, event: FileListing) -> dict[str, Any]:
        files = self._messages(event.files)
        return {"type": "files", "id": event.tag, "files": files, "more": event.has_more or None}

    def _messages(self, messages: Iterable[Text | Announced]) -> list[dict[str, Any]]:
        """Return messages as they would come by themselves, each an object without empty keys."""
        objects = (
            _text(message) if isinstance(message, Text) else self._announced(message)
            for message in messages
        )
        return [present(each) for each in objects]


def encode(value: dict[str, Any]) -> str:
    """Encode an object as one line, without keys whose value is None. Escapes characters a terminal would act on."""
    text = json.dumps(present(value), ensure_ascii=False, separators=(",", ":"))
    return text if text.isprintable() else "".join(map(_escaped, text))


def present(value: dict[str, Any]) -> dict[str, Any]:
    """Return ``value`` without the keys whose value is None."""
    return {key: item for key, item in value.items() if item is not None}


def _escaped(character: str) -> str:
    if unicodedata.category(character) in _ESCAPED_CATEGORIES or character >= FIRST_PRIVATE_PLANE:
        return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"
    return character


def _joined(event: Joined) -> dict[str, Any]:
    # Without the keys for a guest, as in the protocol.
    return {
        "type": "joined",
        **_who(event),
        "room": event.room,
        "registered": event.registered or None,
        "moderator": event.moderator or None,
    }


def _who(event: Joined | Left | StatusChanged) -> dict[str, Any]:
    return {"username": event.username, "timestamp": json_timestamp(event.timestamp)}


def _welcome(event: Welcome) -> dict[str, Any]:
    limits = event.limits
    return {
        "type": "welcome",
        "username": event.username,
        "timestamp": json_timestamp(event.timestamp),
        "users": list(event.users),
        "registered": list(event.registered),
        "moderators": list(event.moderators),
        "server": event.server,
        "node": event.node,
        "motd": event.motd,
        "search": event.search or None,
        "limits": {"max_text": limits.max_text, "max_file": limits.max_file},
        "default_room": event.default_room,
        "topic": event.topic,
        "here": event.here,
        "rooms": [present(room_facts(facts)) for facts in event.rooms] or None,
        "invited": list(event.invited) or None,
    }


def _message(event: Text | Attachment) -> dict[str, Any]:
    return {
        "from": event.sender,
        "timestamp": json_timestamp(event.timestamp),
        "to": event.to,
        "room": event.room,
        "own": event.own,
        "seq": event.seq,
        "replay": event.replay or None,
        "purged": event.purged or None,
        "elsewhere": event.elsewhere or None,
        "waiting": event.waiting or None,
        "account": event.account,
    }


def _log(event: CatchUpEvent) -> dict[str, Any]:
    return {"log": "private" if event.log == MAILBOX else "room", "room": event.room}


def _catch_up_began(event: CatchUpBegan) -> dict[str, Any]:
    return {
        "type": "catching-up",
        **_log(event),
        "expected": event.expected,
        "since": None if event.since is None else json_timestamp(event.since),
    }


def _line(line: UnansweredLine) -> dict[str, Any]:
    return {
        "nonce": line.nonce,
        "text": line.text,
        "to": line.to,
        "room": line.room,
        "timestamp": json_timestamp(line.sent_at),
    }


def _text(event: Text) -> dict[str, Any]:
    return {"type": "text", **_message(event), "text": event.text}


def _notice(event: Notice) -> dict[str, Any]:
    return {
        "type": "notice",
        "code": event.code,
        "message": event.sentence,
        "room": event.room,
        "timestamp": json_timestamp(event.timestamp),
    }


def _announced(event: Announced) -> dict[str, Any]:
    attachment, transfer = event.attachment, event.transfer
    return {
        "type": _KINDS[attachment.kind],
        **_message(attachment),
        "filename": attachment.filename,
        "size": attachment.size,
        "sha256": attachment.sha256,
        "number": None if transfer is None else transfer.number,
        "state": None if transfer is None else transfer.state.value,
    }


def _transfer(transfer: Transfer) -> dict[str, Any]:
    return {
        "id": transfer.tag,
        "number": transfer.number,
        "kind": _KINDS[transfer.kind],
        "direction": "out" if transfer.outgoing else "in",
        "peer": transfer.peer,
        "room": transfer.room,
        "filename": transfer.filename,
        "size": transfer.size,
        "done": transfer.size if transfer.state is TransferState.DONE else transfer.done,
        "state": transfer.state.value,
        "path": _path(transfer),
        "message": transfer.problem,
    }


def _path(transfer: Transfer) -> str | None:
    return None if transfer.path is None else str(transfer.path)


def _failed(event: Failed) -> dict[str, Any]:
    return {
        "type": "error",
        "id": event.tag,
        "code": event.code,
        "message": event.sentence,
        "room": event.room,
    }


def _disconnected(event: Disconnected) -> dict[str, Any]:
    return {
        "type": "disconnected",
        "message": event.reason,
        "retry_in": None if event.retry_in is None else round(event.retry_in, 3),
        "elsewhere": event.elsewhere or None,
    }


def _people(event: UserList) -> dict[str, Any]:
    return {
        "type": "users",
        "id": event.tag,
        "users": list(event.users),
        "complete": event.complete,
        "registered": [user for user in event.users if user in event.registered],
        "moderators": [user for user in event.users if user in event.moderators],
        "room": event.room,
        "here": event.here,
        "more": event.has_more or None,
    }


def _devices(event: DeviceListing) -> dict[str, Any]:
    devices = [
        {
            "name": device.name,
            "first": json_timestamp(device.first),
            "last": json_timestamp(device.last),
            "here": device.is_here,
            "current": device.is_this,
        }
        for device in event.devices
    ]
    return {"type": "devices", "id": event.tag, "devices": devices}


def _transfers(event: TransferListing) -> dict[str, Any]:
    entries = [present(_transfer(transfer)) for transfer in event.transfers]
    return {"type": "transfers", "id": event.tag, "transfers": entries}
