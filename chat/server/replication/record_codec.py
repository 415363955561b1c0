"""Turn records into bytes for the log, and back.

    version (1 byte), kind (1 byte), size of the head (4 bytes, big-endian), head (JSON), contents

A run's head has its sender, destination, nonces and sizes; the contents follow each other. A change has no contents.
All servers of a cluster read the same bytes. So a server that meets a version or a kind that it does not know must
stop: ``decode`` raises ValueError.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import ujson

from chat.protocol.descriptor import MessageType
from chat.protocol.runs import Run
from chat.server.directory.member import Member
from chat.server.log.log import Change, Record

VERSION = 1
RUN, CHANGE = 1, 2
_HEAD = struct.Struct(">BBI")

# A session: the run of the server that has it (empty: of the server that writes the record), and its number there.
SessionId = tuple[str, int]


class EncodedRun(NamedTuple):
    """A run of the session ``sender``. ``large``: its content is larger than what travels through the log."""

    sender: SessionId
    run: Run
    large: bool = False


class EncodedChange(NamedTuple):
    """A change that the session ``actor`` wants; None: a server or an operator."""

    actor: SessionId | None
    name: str
    fields: dict[str, Any]


def encode(record: Record | Change, own: str) -> bytes:
    """Return ``record`` as bytes. ``own`` is the name of this server's run."""
    if isinstance(record, Change):
        actor = _id_of(record.actor, own) if record.actor is not None else None
        head = ujson.dumps([actor, record.name, record.fields], escape_forward_slashes=False)
        encoded = head.encode()
        return _HEAD.pack(VERSION, CHANGE, len(encoded)) + encoded
    run = record.run
    values: list[Any] = [
        _id_of(record.sender, own),
        int(run.type),
        run.to,
        run.room,
        run.filename,
        [nonce.decode() if nonce is not None else None for nonce in run.nonces],
    ]
    if run.large is None:
        values.append([len(content) for content in run.contents])
    else:
        values += [[], run.size, run.digest.hex() if run.digest is not None else None, run.is_kept]
    encoded = ujson.dumps(values, ensure_ascii=False, escape_forward_slashes=False).encode()
    return b"".join((_HEAD.pack(VERSION, RUN, len(encoded)), encoded, *run.contents))


def decode(data: bytes, writer: str) -> EncodedRun | EncodedChange:
    """Return the record in ``data``, which the server run ``writer`` has written. Raises ValueError."""
    try:
        version, kind, size = _HEAD.unpack_from(data)
        if version != VERSION or kind not in (RUN, CHANGE):
            raise ValueError(f"version {version}, kind {kind}")
        place = _HEAD.size + size
        head = ujson.loads(data[_HEAD.size : place])
        if kind == CHANGE:
            actor, name, fields = head
            return EncodedChange(_session(actor, writer) if actor else None, name, fields)
        return _decode_run(head, data, place, writer)
    except (struct.error, ValueError, TypeError, LookupError) as problem:
        raise ValueError(f"a record of the log cannot be read: {problem}") from None


def _decode_run(head: list[Any], data: bytes, place: int, writer: str) -> EncodedRun:
    sender, type, to, room, filename, nonces, sizes, *large = head
    contents = []
    for size in sizes:
        contents.append(data[place : place + size])
        place += size
    if place != len(data):
        raise ValueError("the contents of a run have another size")
    run = Run(
        MessageType(type),
        contents,
        [nonce.encode() if nonce is not None else None for nonce in nonces],
        len(data) - (place - sum(sizes)),
        to,
        filename,
        room=room,
    )
    if large:
        size, digest, is_kept = large
        known = bytes.fromhex(digest) if digest is not None else None
        run = run._replace(contents=[b""], size=size, digest=known, is_kept=is_kept)
    return EncodedRun(_session(sender, writer), run, bool(large))


def _id_of(member: Member, own: str) -> SessionId:
    return ("" if member.home == own else member.home), member.number


def _session(encoded: list[Any], writer: str) -> SessionId:
    home, number = encoded
    return home or writer, number
