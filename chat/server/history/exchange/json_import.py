"""Read the JSON lines that ``chat-server history export --format=json`` writes."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chat.protocol.descriptor import MessageType
from chat.protocol.filenames import clean_filename
from chat.protocol.headers import NONCE
from chat.protocol.strict_json import decode_json
from chat.server.history.exchange.imported import (
    ImportedMessage,
    UnreadableLine,
    checked_text,
    importable_name,
    timestamp_of,
)
from chat.server.history.stored import DIGEST_SIZE, Hole

_TYPES = {
    type.name.lower(): type
    for type in (MessageType.UTF8, MessageType.FILE, MessageType.IMAGE, MessageType.VOICE)
}
# JSON of others has no larger integers (RFC 8259, section 6). No log has that many messages, and an index may give
# their numbers 40 bits.
_MAX_SIZE, _MAX_NUMBER = 2**53 - 1, 2**40 - 1
# Larger contents are not kept in the history file.
MAX_CONTENT = 64 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?Z")


def read_json_line(line: str) -> ImportedMessage | Hole | None:
    """Return the message or the hole in a line; None for a blank line. Raises UnreadableLine."""
    if not line.strip():
        return None
    try:
        fields = decode_json(line)
    except ValueError as problem:
        raise UnreadableLine(str(problem)) from None
    if not isinstance(fields, dict):
        raise UnreadableLine("no JSON object")
    if "lost" in fields:
        return _hole(fields["lost"])
    try:
        return _message(fields)
    except UnicodeEncodeError:
        raise UnreadableLine("half a character (a lone surrogate) in a text") from None


def _hole(value: object) -> Hole:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 2 or not all(map(_is_number, numbers)) or numbers[0] > numbers[1]:
        raise UnreadableLine("'lost' is not two numbers")
    return Hole(*numbers)


def _message(fields: Mapping[str, Any]) -> ImportedMessage:
    number, nonce = fields.get("seq"), _text(fields, "nonce", "")
    if number is not None and not _is_number(number):
        raise UnreadableLine("'seq' is not a number from 1")
    if nonce and not NONCE.fullmatch(nonce):
        raise UnreadableLine("'nonce' is not 1 to 64 of the characters A-Z, a-z, 0-9, '_' and '-'")
    type = _TYPES.get(_text(fields, "type"))
    if type is None:
        raise UnreadableLine(f"'type' is none of {', '.join(_TYPES)}")
    message = ImportedMessage(
        _timestamp(_text(fields, "timestamp")),
        importable_name(_text(fields, "from")),
        type,
        b"",
        nonce=nonce.encode() or None,
        number=number,
    )
    if fields.get("purged") is True:
        return message._replace(is_purged=True)
    if type is MessageType.UTF8:
        content = checked_text(_text(fields, "text"))
        if not content:
            raise UnreadableLine("'text' is empty")
        return message._replace(content=content, size=len(content))
    return _with_content(message, fields)


def _with_content(message: ImportedMessage, fields: Mapping[str, Any]) -> ImportedMessage:
    size, encoded = fields.get("size"), _text(fields, "content", "")
    if type(size) is not int or not 0 <= size <= _MAX_SIZE:
        raise UnreadableLine("'size' is not a number of bytes")
    try:
        content = b64decode(encoded, validate=True)
    except ValueError:
        raise UnreadableLine("'content' is not base64") from None
    if len(content) > MAX_CONTENT:
        raise UnreadableLine("'content' has over 64 KiB")
    if content and len(content) != size:
        raise UnreadableLine("'content' has another size than 'size' says")
    sha256 = _text(fields, "sha256", "")
    if sha256:
        # The file itself is beside the history, or is put there.
        if content or size <= DIGEST_SIZE or not _SHA256.fullmatch(sha256):
            raise UnreadableLine("'sha256' is not that of a content which is a file")
        content = bytes.fromhex(sha256)
    name = _text(fields, "filename")
    name.encode()
    return message._replace(content=content, size=size, filename=clean_filename(name))


def _text(fields: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = fields.get(key, default)
    if not isinstance(value, str):
        raise UnreadableLine(f"'{key}' is not a text")
    return value


def _is_number(value: object) -> bool:
    return type(value) is int and 1 <= value <= _MAX_NUMBER


def _timestamp(text: str) -> str:
    try:
        if not _TIMESTAMP.fullmatch(text):
            raise ValueError
        return timestamp_of(datetime.fromisoformat(f"{text[:-1]}+00:00"))
    except ValueError:
        raise UnreadableLine("'timestamp' is no time such as 2026-11-24T09:30:00.000000Z") from None
