"""Names of users and of files: refused, or made into what everyone may see and save under."""

from __future__ import annotations

import json
import unicodedata

from chat.protocol.errors import UserNameError
from chat.protocol.filenames import MAX_FILENAME_SIZE, clean_filename
from chat.protocol.names import (
    MAX_NAME_LENGTH,
    UserName,
    looks_like_server,
    name_key,
    parse_user_name,
)
from chat.sanitize import sanitize


def check_name(data: bytes) -> None:
    """Raises AssertionError, or what the parser raised against its word."""
    raw = _text(data)
    name = _parsed(raw)
    if name is None:
        assert name_key(raw) is None
        return
    shown = name.display
    assert 1 <= len(shown) <= MAX_NAME_LENGTH
    assert all(unicodedata.category(c)[0] in "LM" or c.isdecimal() or c in "_-." for c in shown)
    # As it is shown it is the same name, and no other can have its key.
    assert parse_user_name(shown) == name
    assert name_key(raw) == name_key(shown) == name_key(name.key) == name.key
    assert not looks_like_server(shown)
    assert sanitize(shown) == shown
    assert json.dumps(shown, ensure_ascii=False) == f'"{shown}"'
    assert len(shown.encode()) <= 4 * MAX_NAME_LENGTH


def _parsed(raw: str) -> UserName | None:
    """None if it is refused, in words that anyone may see."""
    try:
        return parse_user_name(raw)
    except UserNameError as error:
        sentence = str(error)
    assert sentence.endswith(".")
    assert sentence.isascii()
    return None


def check_filename(data: bytes) -> None:
    """Raises AssertionError for a name that is not safe to save under."""
    name = clean_filename(_text(data))
    assert 0 < len(name.encode()) <= MAX_FILENAME_SIZE
    assert clean_filename(name) == name
    assert not name.startswith(".")
    assert not set(name) & set('<>:"/\\|?*\0')
    assert name == name.strip()
    assert all(
        character.isprintable() or unicodedata.category(character) in ("Zs", "Cn", "Co")
        for character in name
    )
    assert json.dumps(name, ensure_ascii=False) == f'"{name}"'


def _text(data: bytes) -> str:
    """Any text that a header could hold, and halves of characters besides."""
    return data.decode(errors="surrogateescape")
