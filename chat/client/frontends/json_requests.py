"""Read requests from JSON lines: one object per line. docs/json-lines.md explains the format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chat.client.connection.outgoing import is_unicode
from chat.client.conversation.requests import (
    AskServer,
    Cancel,
    DropLine,
    FetchEarlier,
    FetchFound,
    Get,
    ListFiles,
    ListTransfers,
    Quit,
    Request,
    RequestError,
    Say,
    SayAgain,
    SendFile,
    Who,
)
from chat.client.conversation.room_requests import (
    ChangeRoom,
    InviteUser,
    JoinRoom,
    ListRooms,
    PartRoom,
    RemoveUser,
    SetTopic,
)
from chat.client.conversation.ui_events import Asked, Tag
from chat.client.frontends.line_io import Line
from chat.protocol.commands import MAX_FOUND, MAX_REPLAY, Command, Has, RoomChange
from chat.protocol.descriptor import MessageType
from chat.protocol.json_fields import TIMESTAMP
from chat.protocol.strict_json import decode_json

# A text with each byte written as \u00XX takes six times its size. The rest of the object takes at most MAX_REST bytes.
LONGEST_ESCAPE = 6
MAX_REST = 16 * 1024
# Earlier messages in one answer.
DEFAULT_LIMIT = 50
# Names of users or rooms in one answer.
MAX_LISTED = 500
_KINDS = [has.value for has in Has]


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
        if isinstance(value, str) and not is_unicode(value):
            raise BadLine(
                f"The value of {key!r} is not valid Unicode: it contains half of a surrogate pair.",
                self.tag,
            )
        return value

    def natural(self, key: str) -> int | None:
        """Read a whole number from 0 on; return None if the key is missing. Raises BadLine."""
        value: int | None = self.optional(key, int)
        if value is not None and value < 0:
            raise BadLine(f"The value of {key!r} must be 0 or more.", self.tag)
        return value

    def room(self) -> str | None:
        """Read ``room``; return None if the key is missing. Raises BadLine.

        An empty name often comes from an unset shell variable. It must not mean the default room.
        """
        room: str | None = self.optional("room", str)
        if room is not None and not room.strip():
            raise BadLine("The value of 'room' is empty: expected the name of a room.", self.tag)
        return room

    def required_room(self) -> str:
        """Read ``room``. Raises BadLine if it is missing or empty."""
        room = self.room()
        if room is None:
            raise BadLine("The key 'room' is missing.", self.tag)
        return room

    def recipient(self) -> tuple[str | None, str | None]:
        """Read ``to`` and ``room``, of which at most one may be there. Raises BadLine."""
        to, room = self.optional("to", str), self.room()
        if to is not None and room is not None:
            raise BadLine("Expected 'to' or 'room', not both.", self.tag)
        return to, room

    def limit(self, most: int) -> int:
        """Read ``limit``, from 1 to ``most``; a usual number if it is missing. Raises BadLine."""
        value: int | None = self.optional("limit", int)
        if value is not None and not 1 <= value <= most:
            raise BadLine(f"The value of 'limit' must be 1 to {most}.", self.tag)
        return DEFAULT_LIMIT if value is None else value

    def timestamp(self, key: str) -> str | None:
        """Read a time of RFC 3339; return None if the key is missing. Raises BadLine."""
        value: str | None = self.optional(key, str)
        if value is not None and not TIMESTAMP.fullmatch(value):
            raise BadLine(
                f"The value of {key!r} must be a time such as 2026-11-20T00:00:00Z.", self.tag
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


def _read_text(fields: _Fields) -> Request:
    return Say(fields.required("text", str), *fields.recipient())


def _file_reader(kind: MessageType) -> Callable[[_Fields], Request]:
    def read(fields: _Fields) -> Request:
        to, room = fields.recipient()
        is_directory = fields.flag("directory")
        return SendFile(fields.path(), kind, to, allows_directory=is_directory, room=room)

    return read


def _read_command(fields: _Fields) -> Request:
    """Read a command. The verb is not checked here, since a newer server may know more verbs."""
    return AskServer(
        Command(
            fields.required("command", str),
            fields.optional("target", str),
            fields.natural("seconds"),
            fields.optional("reason", str),
            fields.optional("password", str),
            fields.optional("new_password", str),
            seq=fields.natural("seq"),
            private=fields.flag("private"),
            partner=fields.optional("with", str),
            room=fields.room(),
        )
    )


def _read_topic(fields: _Fields) -> Request:
    # A topic that is missing must not remove the present one.
    return SetTopic(fields.required("topic", str) or None, fields.required_room())


def _read_change(fields: _Fields) -> Request:
    kind, history = fields.optional("kind", str), fields.optional("history", str)
    change = RoomChange(kind, fields.natural("keep"), fields.optional("owner", str), history)
    if change == RoomChange():
        raise BadLine("Expected 'kind', 'history', 'keep' or 'owner'.", fields.tag)
    return ChangeRoom(change, fields.required_room())


def _read_names(fields: _Fields) -> Request:
    prefix, after = fields.optional("prefix", str) or "", fields.optional("after", str)
    return Who(fields.room(), prefix, after, fields.limit(MAX_LISTED))


def _read_rooms(fields: _Fields) -> Request:
    prefix, after = fields.optional("prefix", str) or "", fields.optional("after", str)
    return ListRooms(prefix, after, fields.limit(MAX_LISTED))


def _read_history(fields: _Fields) -> Request:
    places = {key: fields.natural(key) for key in ("before", "after", "around")}
    at = fields.timestamp("at")
    if sum(value is not None for value in (*places.values(), at)) > 1:
        raise BadLine("Expected at most one of 'before', 'after', 'around' and 'at'.", fields.tag)
    partner = fields.optional("with", str)
    return FetchEarlier(
        fields.flag("private") or partner is not None,
        partner,
        places["before"],
        places["after"],
        at,
        places["around"],
        fields.limit(MAX_REPLAY),
        fields.optional("epoch", str),
        fields.room(),
    )


def _read_search(fields: _Fields) -> Request:
    has = fields.optional("has", str)
    if has is not None and has not in _KINDS:
        raise BadLine(f"The value of 'has' must be one of {', '.join(_KINDS)}.", fields.tag)
    partner = fields.optional("with", str)
    return FetchFound(
        fields.optional("query", str) or "",
        fields.optional("from", str),
        fields.timestamp("since"),
        fields.timestamp("until"),
        has,
        fields.flag("private") or partner is not None,
        partner,
        fields.natural("before"),
        fields.limit(MAX_FOUND),
        fields.room(),
    )


_READERS: dict[str, Callable[[_Fields], Request]] = {
    "text": _read_text,
    "file": _file_reader(MessageType.FILE),
    "image": _file_reader(MessageType.IMAGE),
    "voice": _file_reader(MessageType.VOICE),
    "get": lambda fields: Get(fields.required("number", int)),
    "cancel": lambda fields: Cancel(fields.required("number", int)),
    "transfers": lambda fields: ListTransfers(),
    "who": lambda fields: Who(fields.room()),
    "names": _read_names,
    "rooms": _read_rooms,
    "join": lambda fields: JoinRoom(fields.required_room()),
    "part": lambda fields: PartRoom(fields.required_room()),
    "topic": _read_topic,
    "invite": lambda fields: InviteUser(fields.required("target", str), fields.required_room()),
    "remove": lambda fields: RemoveUser(fields.required("target", str), fields.required_room()),
    "room": _read_change,
    "command": _read_command,
    "history": _read_history,
    "search": _read_search,
    "files": lambda fields: ListFiles(
        fields.optional("query", str) or "", fields.limit(MAX_FOUND), fields.room()
    ),
    "again": lambda fields: SayAgain(fields.required("nonce", str)),
    "drop": lambda fields: DropLine(fields.required("nonce", str)),
    "quit": lambda fields: Quit(),
}


def longest_line(max_text: int) -> int:
    """Return the bytes of the longest line that can be a valid request."""
    return LONGEST_ESCAPE * max_text + MAX_REST
