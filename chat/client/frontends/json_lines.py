"""The client as JSON: one object a line, in and out. docs/json-lines.md explains it, its schema is beside it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from chat.client.connection.events import Attachment, BadFrame, Joined, Left, Notice, Text, Welcome
from chat.client.conversation.news import (
    Announced,
    Asked,
    Disconnected,
    Done,
    Failed,
    Lag,
    News,
    People,
    Tag,
    TransferChanged,
    Transfers,
    Trouble,
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
from chat.client.conversation.transfer_list import State, Transfer
from chat.client.frontends.display import FIRST_PRIVATE_PLANE
from chat.client.frontends.line_io import Line
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType
from chat.protocol.strict_json import decode_json

# A text in which every byte is written as \u00XX takes six times its size, and some more for the rest of the object.
LONGEST_ESCAPE = 6
MAX_REST = 16 * 1024

_KINDS = {
    MessageType.FILE: "file",
    MessageType.IMAGE: "image",
    MessageType.VOICE: "voice",
}
# Nothing that a terminal would obey may come out unescaped: who runs this by hand reads it on one.
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class BadLine(RequestError):
    """A line of input that is no request. ``tag`` is its ``id``, if it has a proper one."""

    def __init__(self, sentence: str, tag: Tag = None) -> None:
        super().__init__(sentence)
        self.tag = tag


def read_line(line: Line) -> Asked | None:
    """What a line of input asks for; None for a blank one. Raises BadLine.

    A key that is not known is refused, not ignored: a misspelt ``to`` must not make a private message a public one.
    """
    if line.continued or not line.data.strip():
        return None
    if line.cut:
        raise BadLine("The line is longer than anything that can be asked for.")
    fields = _Fields(_parse(line.data))
    kind = fields.required("type", str)
    read = _READERS.get(kind)
    if read is None:
        raise BadLine(f"There is no type {kind!r}: expected {', '.join(_READERS)}.", fields.tag)
    request = read(fields)
    fields.require_all_read(kind)
    return Asked(request, fields.tag)


class JsonFace:
    """``tell`` takes lines for the output. Errors are objects like everything else.

    ``why_not_saved`` is told with attachments that are not saved; None: the program can ask for them by ``get``.
    """

    def __init__(
        self, tell: Callable[[list[str]], object], why_not_saved: str | None = None
    ) -> None:
        self._tell = tell
        self._why_not_saved = why_not_saved
        self.writers: dict[type, Callable[[Any], dict[str, Any]]] = {
            Welcome: _welcome,
            Joined: lambda news: {"type": "joined", **_who(news)},
            Left: lambda news: {"type": "left", **_who(news), "reason": news.reason},
            Text: _text,
            Notice: _notice,
            BadFrame: lambda news: {"type": "trouble", "message": news.problem},
            Announced: self._announced,
            TransferChanged: lambda news: {"type": "transfer", **_transfer(news.transfer)},
            Done: lambda news: {"type": "done", "id": news.tag, "message": news.answer},
            Failed: _failed,
            Trouble: lambda news: {"type": "trouble", "message": news.sentence},
            Disconnected: _disconnected,
            Lag: lambda news: {"type": "lag", "seconds": round(news.seconds, 3)},
            People: _people,
            Transfers: _transfers,
        }

    def show(self, news: News) -> None:
        writer = self.writers.get(type(news))
        if writer is not None:
            self._tell([encode(writer(news))])

    def _announced(self, news: Announced) -> dict[str, Any]:
        is_offered = news.transfer is not None and news.transfer.state is State.OFFERED
        return {**_announced(news), "message": self._why_not_saved if is_offered else None}


def encode(value: dict[str, Any]) -> str:
    """One line, without the keys that say nothing; characters that a terminal would obey are escaped."""
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
        raise BadLine("The line is no JSON object.") from None
    if not isinstance(value, dict):
        raise BadLine("The line is no JSON object.")
    return value


class _Fields:
    """The keys of a request, each read once by name and kind."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._unread = dict(values)
        self.tag: Tag = None
        tag = self._unread.pop("id", None)
        if tag is not None and (isinstance(tag, bool) or not isinstance(tag, (str, int))):
            raise BadLine("The value of 'id' must be a string or a whole number.")
        self.tag = tag

    def optional(self, key: str, kind: type) -> Any:
        value = self._unread.pop(key, None)
        # A bool is an int to Python, not to JSON.
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            expected = "a string" if kind is str else "a whole number"
            raise BadLine(f"The value of {key!r} must be {expected}.", self.tag)
        if isinstance(value, str) and not _is_unicode(value):
            raise BadLine(f"The value of {key!r} has half a character in it.", self.tag)
        return value

    def flag(self, key: str) -> bool:
        """Take a boolean, False if the key is missing."""
        value = self._unread.pop(key, None)
        if value is not None and not isinstance(value, bool):
            raise BadLine(f"The value of {key!r} must be true or false.", self.tag)
        return bool(value)

    def path(self) -> str:
        """Take the path of a file. An empty path comes from a script whose variable was not set."""
        path: str = self.required("path", str)
        if not path.strip():
            raise BadLine("The value of 'path' is empty: expected the path of a file.", self.tag)
        return path

    def required(self, key: str, kind: type) -> Any:
        value = self.optional(key, kind)
        if value is None:
            raise BadLine(f"The key {key!r} is missing.", self.tag)
        return value

    def require_all_read(self, kind: str) -> None:
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
    """The server judges the verb: it may know more than we do."""
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


def _who(news: Joined | Left) -> dict[str, Any]:
    return {"username": news.username, "timestamp": _timestamp(news.timestamp)}


def _welcome(news: Welcome) -> dict[str, Any]:
    limits = news.limits
    return {
        "type": "welcome",
        "username": news.username,
        "timestamp": _timestamp(news.timestamp),
        "users": list(news.users),
        "server": news.server,
        "motd": news.motd,
        "limits": {"max_text": limits.max_text, "max_file": limits.max_file},
    }


def _message(news: Text | Attachment) -> dict[str, Any]:
    return {
        "from": news.sender,
        "timestamp": _timestamp(news.timestamp),
        "to": news.to,
        "own": news.own,
    }


def _text(news: Text) -> dict[str, Any]:
    return {"type": "text", **_message(news), "text": news.text}


def _notice(news: Notice) -> dict[str, Any]:
    return {
        "type": "notice",
        "code": news.code,
        "message": news.sentence,
        "timestamp": _timestamp(news.timestamp),
    }


def _announced(news: Announced) -> dict[str, Any]:
    attachment, transfer = news.attachment, news.transfer
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
        "done": transfer.size if transfer.state is State.DONE else transfer.done,
        "state": transfer.state.value,
        "path": _path(transfer),
        "message": transfer.problem,
    }


def _path(transfer: Transfer) -> str | None:
    return None if transfer.path is None else str(transfer.path)


def _failed(news: Failed) -> dict[str, Any]:
    return {"type": "error", "id": news.tag, "code": news.code, "message": news.sentence}


def _disconnected(news: Disconnected) -> dict[str, Any]:
    return {
        "type": "disconnected",
        "message": news.reason,
        "retry_in": None if news.retry_in is None else round(news.retry_in, 3),
    }


def _people(news: People) -> dict[str, Any]:
    return {
        "type": "users",
        "id": news.tag,
        "users": list(news.users),
        "complete": news.complete,
    }


def _transfers(news: Transfers) -> dict[str, Any]:
    entries = [
        {key: value for key, value in _transfer(transfer).items() if value is not None}
        for transfer in news.transfers
    ]
    return {"type": "transfers", "id": news.tag, "transfers": entries}


def longest_line(max_text: int) -> int:
    """Bytes of the longest line of input that may make sense."""
    return LONGEST_ESCAPE * max_text + MAX_REST
