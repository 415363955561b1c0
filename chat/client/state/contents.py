"""The contents of a state file, and the records that change it. No I/O.

The first line of the file says whose state it is. Each further line is a record: one JSON object, applied as a whole or
not at all. So the places and the lines never disagree, whenever the client is killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import ujson

from chat.client.connection.session.told_servers import read_servers
from chat.client.state.kept_rooms import MAX_ROOM_NAME, MAX_ROOMS, KeptRooms, read_place
from chat.client.state.pending_upload import PendingUpload
from chat.client.state.places import MAILBOX, ROOM, ROOM_PREFIX, LogKey, LogPlace
from chat.client.state.unanswered_line import AUTHORS, FirstSending, UnansweredLine
from chat.protocol.descriptor import ATTACHMENTS
from chat.protocol.headers import DEVICE

VERSION = 2
# Before rooms: lines and uploads lack the last of their values, and only two logs have places.
_BEFORE_ROOMS = 1
_KIND = "chat-client-state"
_MAX_ACCOUNTS = 1000
_MAX_PLACES = MAX_ROOMS + 2


class DamagedState(Exception):
    """The contents of a state file are not what a client writes."""


class StateOwner(NamedTuple):
    """Tell whose state a file is: the server, in one spelling, and the user's name, folded."""

    server: str
    user: str


class Contents:
    """The state itself: the device, the places, the unanswered lines and uploads, the rooms, and accounts behind names.

    ``accounts`` has the users whom this one has exchanged private messages with, by folded name, newest last.
    ``servers`` are the addresses of other servers of the cluster, as the server has told them.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.places: dict[LogKey, LogPlace] = {}
        self.lines: dict[str, UnansweredLine] = {}
        self.accounts: dict[str, str] = {}
        self.uploads: dict[str, PendingUpload] = {}
        self.rooms = KeptRooms()
        self.servers: tuple[str, ...] = ()

    def move(self, log: LogKey, place: LogPlace | None) -> None:
        """Note how far the user has seen ``log``; None: forget it. Of too many, the oldest room is forgotten."""
        if place is None:
            self.places.pop(log, None)
            return
        if log not in self.places and len(self.places) >= _MAX_PLACES:
            del self.places[next(each for each in self.places if each not in (ROOM, MAILBOX))]
        self.places[log] = place

    def know(self, name: str, account: str | None) -> None:
        """Note the account behind ``name``; None: forget it. Of too many, the oldest is forgotten."""
        self.accounts.pop(name, None)
        if account is not None:
            self.accounts[name] = account
            if len(self.accounts) > _MAX_ACCOUNTS:
                del self.accounts[next(iter(self.accounts))]

    def change(self, record: dict[str, Any]) -> None:
        """Change the state by one record. Raises DamagedState."""
        try:
            self._change(record)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise DamagedState("a record is invalid") from None

    def _change(self, record: dict[str, Any]) -> None:
        for nonce, text, to, sent_at, room in record.get("add", ()):
            _require(isinstance(nonce, str) and isinstance(text, str))
            _require_recipient(to, room)
            said = datetime.fromisoformat(sent_at)
            self.lines[nonce] = UnansweredLine(nonce, text, to, said, room=room)
        for author, place, nonces in record.get("sent", ()):
            _require(author in AUTHORS)
            first = FirstSending(None if place is None else read_place(place), author)
            for nonce in nonces:
                self.lines[nonce] = self.lines[nonce]._replace(first=first)
        for nonce in record.get("perhaps", ()):
            self.lines[nonce] = self.lines[nonce]._replace(is_perhaps=True)
        for nonce in record.get("drop", ()):
            del self.lines[nonce]
        for values in record.get("uploads", ()):
            upload = _read_upload(values)
            self.uploads[upload.nonce] = upload
        for nonce in record.get("ended", ()):
            del self.uploads[nonce]
        for log, place in record.get("places", {}).items():
            _require(log in (ROOM, MAILBOX) or log.startswith(ROOM_PREFIX))
            self.move(log, None if place is None else read_place(place))
        self.rooms.change(record)
        for name, account in record.get("accounts", {}).items():
            _require(account is None or isinstance(account, str))
            self.know(name, account)
        if "servers" in record:
            _require(isinstance(record["servers"], list))
            self.servers = tuple(map(str, read_servers(record["servers"])))

    def snapshot(self) -> dict[str, Any]:
        """Return one record that makes the whole state from nothing."""
        lines = self.lines.values()
        return {
            "places": self.places,
            "add": [added(line) for line in lines],
            "sent": [
                [line.first.author, line.first.place, [line.nonce]]
                for line in lines
                if line.first is not None
            ],
            "perhaps": [line.nonce for line in lines if line.is_perhaps],
            "accounts": self.accounts,
            "uploads": list(self.uploads.values()),
            **({"servers": self.servers} if self.servers else {}),
            **self.rooms.snapshot(),
        }


def added(line: UnansweredLine) -> list[object]:
    """Return how a record adds ``line``."""
    return [line.nonce, line.text, line.to, line.sent_at.isoformat(), line.room]


def encode_record(record: dict[str, Any]) -> bytes:
    """Return ``record`` as a line of the file."""
    text: str = ujson.dumps(record, ensure_ascii=False, escape_forward_slashes=False)
    return text.encode() + b"\n"


def encode_whole(owner: StateOwner, contents: Contents) -> bytes:
    """Return a whole file with this state."""
    first = {_KIND: VERSION, **owner._asdict(), "device": contents.device}
    return encode_record(first) + encode_record(contents.snapshot())


def parse_whole(data: bytes) -> tuple[StateOwner, Contents]:
    """Read a whole file. A last line without its end is ignored: the client was killed while it wrote that line.

    Raises DamagedState.
    """
    records = _records(data)
    try:
        first = next(records)
        version = first[_KIND]
        if version not in (_BEFORE_ROOMS, VERSION):
            raise DamagedState(f"its version is {version}, and this client reads {VERSION}")
        owner = StateOwner(first["server"], first["user"])
        _require(all(isinstance(value, str) for value in owner))
        _require(DEVICE.fullmatch(first["device"]) is not None)
        contents = Contents(first["device"])
    except (StopIteration, KeyError, TypeError, ValueError):
        raise DamagedState("its first line is not that of a state file") from None
    for record in records:
        contents.change(_with_rooms(record) if version == _BEFORE_ROOMS else record)
    return owner, contents


def is_of_this_version(data: bytes) -> bool:
    """Return whether a whole file that could be read needs no conversion."""
    return bool(ujson.loads(data[: data.index(b"\n")])[_KIND] == VERSION)


def _with_rooms(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of the version before as one of this version: everything was in the default room."""
    try:
        longer: dict[str, Any] = {
            kind: [[*each, None] for each in record[kind]]
            for kind in ("add", "uploads")
            if kind in record
        }
    except TypeError:
        raise DamagedState("a record is invalid") from None
    return {**record, **longer}


def _records(data: bytes) -> Iterator[Any]:
    for line in data.split(b"\n")[:-1]:
        try:
            record = ujson.loads(line.decode())
        except (ValueError, RecursionError):
            raise DamagedState("a line is not JSON") from None
        if not isinstance(record, dict):
            raise DamagedState("a line is not a JSON object")
        yield record


def _read_upload(values: Any) -> PendingUpload:
    nonce, path, kind, to, size, modified, room = values
    _require(isinstance(nonce, str) and isinstance(path, str))
    _require_recipient(to, room)
    _require(kind in ATTACHMENTS and type(size) is int and type(modified) is int)
    return PendingUpload(nonce, path, kind, to, size, modified, room)


def _require_recipient(to: Any, room: Any) -> None:
    _require(to is None or isinstance(to, str))
    _require(room is None or (to is None and isinstance(room, str) and len(room) <= MAX_ROOM_NAME))


def _require(is_valid: bool) -> None:
    if not is_valid:
        raise ValueError
