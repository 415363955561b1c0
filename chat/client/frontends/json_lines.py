"""The client as JSON lines: one object per line, in and out. docs/json-lines.md explains the format."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

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
from chat.client.conversation.requests import (
    AskServer,
    Cancel,
    Get,
    ListTransfers,
    Quit,
    Request,
    RequestError,
    Say,
    SendFile,
    Who,
)
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import (
    Announced,
    Asked,
    Disconnected,
    Done,
    Failed,
    Lag,
    Problem,
    Tag,
    TransferChanged,
    TransferListing,
    UiEvent,
    UserList,
)
from chat.client.frontends.line_io import Line
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType
from chat.protocol.strict_json import decode_json
from chat.sanitize import FIRST_PRIVATE_PLANE

# A text with each byte written as \u00XX takes six times its size. The rest of the object takes at most MAX_REST bytes.
LONGEST_ESCAPE = 6
MAX_REST = 16 * 1024

_KINDS = {
    MessageType.FILE: "file",
    MessageType.IMAGE: "image",
    MessageType.VOICE: "voice",
}
# Characters that a terminal would act on are escaped: a user who runs this by hand reads the lines on a terminal.
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class BadLine(RequestError):
    """A line of input is not a valid request. ``tag`` is its ``id``, if it has a valid one."""

    def __init__(self, sentence: str, tag: Tag = None) -> None:
        super().__init__(sentence)
        self.tag = tag


def read_line(line: Line) -> Asked | None:
    """Return the request in a line of input; None for a blank line. Raises BadLine.

    An unknown key is refused, not ignored: a misspelt ``to`` must not make a private message public.
    """
    if line.continued or not line.data.strip():
        return None
    if line.cut:
        raise BadLine("The line is too long for any request.")
    fields = _Fields(_parse(line.data))
    kind = fields.required("type", str)
    read = _READERS.get(kind)
    if read is None:
        raise BadLine(f"Unknown type {kind!r}: expected {', '.join(_READERS)}.", fields.tag)
    request = read(fields)
    fields.require_all_read(kind)
    return Asked(request, fields.tag)


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
            Left: lambda event: {"type": "left", **_who(event), "reason": event.reason},
            StatusChanged: lambda event: {
                "type": "status",
                **_who(event),
                "registered": event.registered,
                "moderator": event.moderator,
            },
            Text: _text,
            Notice: _notice,
            BadFrame: lambda event: {"type": "trouble", "message": event.problem},
            Announced: self._announced,
            TransferChanged: lambda event: {"type": "transfer", **_transfer(event.transfer)},
            Done: lambda event: {"type": "done", "id": event.tag, "message": event.answer},
            Failed: _failed,
            Problem: lambda event: {"type": "trouble", "message": event.sentence},
            Disconnected: _disconnected,
            Lag: lambda event: {"type": "lag", "seconds": round(event.seconds, 3)},
            UserList: _people,
            TransferListing: _transfers,
        }

    def show(self, event: UiEvent) -> None:
        """Write an event as one line. Events that only the screen shows are skipped."""
        writer = self.writers.get(type(event))
        if writer is not None:
            self._tell([encode(writer(event))])

    def _announced(self, event: Announced) -> dict[str, Any]:
        is_offered = event.transfer is not None and event.transfer.state is TransferState.OFFERED
        return {**_announced(event), "message": self._why_not_saved if is_offered else None}


def encode(value: dict[str, Any]) -> str:
    """Encode an object as one line, without keys whose value is None. Escapes characters a terminal would act on."""
    present = {key: item for key, item in value.items() if item is not None}
    text = json.dumps(present, ensure_ascii=False, separators=(",", ":"))
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if unicodedata.category(character) in _ESCAPED_CATEGORIES or character >= FIRST_PRIVATE_PLANE:
        return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"
    return character


def _parse(data: bytes) -> dict[str, Any]:
    try:
        value = decode_json(data.decode())
    except ValueError:
        raise BadLine("The line is not a JSON object.") from None
    if not isinstance(value, dict):
        raise BadLine("The line is not a JSON object.")
    return value


class _Fields:
    """The keys of a request. Each is read once, by name and type."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._unread = dict(values)
        self.tag: Tag = None
        tag = self._unread.pop("id", None)
        if tag is not None and (isinstance(tag, bool) or not isinstance(tag, (str, int))):
            raise BadLine("The value of 'id' must be a string or a whole number.")
        self.tag = tag

    def optional(self, key: str, kind: type) -> Any:
        """Read a key of the type ``kind``; return None if it is missing. Raises BadLine."""
        value = self._unread.pop(key, None)
        # In Python a bool is an int; in JSON true is not a number.
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            expected = "a string" if kind is str else "a whole number"
            raise BadLine(f"The value of {key!r} must be {expected}.", self.tag)
        if isinstance(value, str) and not _is_unicode(value):
            raise BadLine(
                f"The value of {key!r} is not valid Unicode: it contains half of a surrogate pair.",
                self.tag,
            )
        return value

    def flag(self, key: str) -> bool:
        """Read a boolean, False if the key is missing. Raises BadLine."""
        value = self._unread.pop(key, None)
        if value is not None and not isinstance(value, bool):
            raise BadLine(f"The value of {key!r} must be true or false.", self.tag)
        return bool(value)

    def path(self) -> str:
        """Read the path of a file. Raises BadLine for an empty path, which often comes from an unset shell variable."""
        path: str = self.required("path", str)
        if not path.strip():
            raise BadLine("The value of 'path' is empty: expected the path of a file.", self.tag)
        return path

    def required(self, key: str, kind: type) -> Any:
        """Read a key of the type ``kind``. Raises BadLine if it is missing."""
        value = self.optional(key, kind)
        if value is None:
            raise BadLine(f"The key {key!r} is missing.", self.tag)
        return value

    def require_all_read(self, kind: str) -> None:
        """Raise BadLine if a key was not read, so is unknown."""
        for key in self._unread:
            raise BadLine(f"A request of type {kind!r} has no key {key!r}.", self.tag)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _read_text(fields: _Fields) -> Request:
    return Say(fields.required("text", str), fields.optional("to", str))


def _file_reader(kind: MessageType) -> Callable[[_Fields], Request]:
    return lambda fields: SendFile(
        fields.path(), kind, fields.optional("to", str), allows_directory=fields.flag("directory")
    )


def _read_command(fields: _Fields) -> Request:
    """Read a command. The verb is not checked here, since a newer server may know more verbs."""
    seconds = fields.optional("seconds", int)
    if seconds is not None and seconds < 0:
        raise BadLine("The value of 'seconds' must be 0 or more.", fields.tag)
    return AskServer(
        Command(
            fields.required("command", str),
            fields.optional("target", str),
            seconds,
            fields.optional("reason", str),
            fields.optional("password", str),
            fields.optional("new_password", str),
        )
    )


_READERS: dict[str, Callable[[_Fields], Request]] = {
    "text": _read_text,
    "file": _file_reader(MessageType.FILE),
    "image": _file_reader(MessageType.IMAGE),
    "voice": _file_reader(MessageType.VOICE),
    "get": lambda fields: Get(fields.required("number", int)),
    "cancel": lambda fields: Cancel(fields.required("number", int)),
    "transfers": lambda fields: ListTransfers(),
    "who": lambda fields: Who(),
    "command": _read_command,
    "quit": lambda fields: Quit(),
}


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _joined(event: Joined) -> dict[str, Any]:
    # Without the keys for a guest, as in the protocol.
    return {
        "type": "joined",
        **_who(event),
        "registered": event.registered or None,
        "moderator": event.moderator or None,
    }


def _who(event: Joined | Left | StatusChanged) -> dict[str, Any]:
    return {"username": event.username, "timestamp": _timestamp(event.timestamp)}


def _welcome(event: Welcome) -> dict[str, Any]:
    limits = event.limits
    return {
        "type": "welcome",
        "username": event.username,
        "timestamp": _timestamp(event.timestamp),
        "users": list(event.users),
        "registered": list(event.registered),
        "moderators": list(event.moderators),
        "server": event.server,
        "motd": event.motd,
        "limits": {"max_text": limits.max_text, "max_file": limits.max_file},
    }


def _message(event: Text | Attachment) -> dict[str, Any]:
    return {
        "from": event.sender,
        "timestamp": _timestamp(event.timestamp),
        "to": event.to,
        "own": event.own,
        "seq": event.seq,
        "replay": event.replay or None,
        "purged": event.purged or None,
    }


def _text(event: Text) -> dict[str, Any]:
    return {"type": "text", **_message(event), "text": event.text}


def _notice(event: Notice) -> dict[str, Any]:
    return {
        "type": "notice",
        "code": event.code,
        "message": event.sentence,
        "timestamp": _timestamp(event.timestamp),
    }


def _announced(event: Announced) -> dict[str, Any]:
    attachment, transfer = event.attachment, event.transfer
    return {
        "type": _KINDS[attachment.kind],
        **_message(attachment),
        "filename": attachment.filename,
        "size": attachment.size,
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
    return {"type": "error", "id": event.tag, "code": event.code, "message": event.sentence}


def _disconnected(event: Disconnected) -> dict[str, Any]:
    return {
        "type": "disconnected",
        "message": event.reason,
        "retry_in": None if event.retry_in is None else round(event.retry_in, 3),
    }


def _people(event: UserList) -> dict[str, Any]:
    return {
        "type": "users",
        "id": event.tag,
        "users": list(event.users),
        "complete": event.complete,
        "registered": [user for user in event.users if user in event.registered],
        "moderators": [user for user in event.users if user in event.moderators],
    }


def _transfers(event: TransferListing) -> dict[str, Any]:
    entries = [
        {key: value for key, value in _transfer(transfer).items() if value is not None}
        for transfer in event.transfers
    ]
    return {"type": "transfers", "id": event.tag, "transfers": entries}


def longest_line(max_text: int) -> int:
    """Return the bytes of the longest line that can be a valid request."""
    return LONGEST_ESCAPE * max_text + MAX_REST
