"""Read the values of a JSON object from a peer, each by its name and kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from chat.protocol.errors import HeaderError
from chat.protocol.strict_json import decode_json

_SURROGATE = re.compile("[\ud800-\udfff]")
# A timestamp (RFC 3339).
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
TIMESTAMP = re.compile(TIME, re.ASCII)
# The limit of every integer in the protocol; a signed 64-bit number holds it in other languages too.
_MAX_INTEGER = 2**63 - 1


class JsonFields:
    """Read the values of a peer's JSON object by name and kind; null counts as absent. Raises HeaderError."""

    def __init__(self, text: str, decode: Callable[[str], Any] = decode_json) -> None:
        try:
            values = decode(text)
        except ValueError:
            raise HeaderError("A header that starts with '{' must be a JSON object.") from None
        if not isinstance(values, dict):
            raise HeaderError("A header must be a JSON object.")
        self.values: dict[str, Any] = values

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> JsonFields:
        """Return a reader of ``values``, which were decoded before."""
        return cls("", lambda text: dict(values))

    def string(self, key: str) -> str | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise HeaderError(f"The value of {key!r} must be a string.")
        if _SURROGATE.search(value):
            raise HeaderError(
                f"The value of {key!r} has half a character (a lone surrogate) in it."
            )
        return value

    def integer(self, key: str) -> int | None:
        """Return a whole number, 0 or more."""
        value = self.values.get(key)
        if value is None:
            return None
        if not is_number(value):
            raise HeaderError(f"The value of {key!r} must be a whole number, 0 or more.")
        return int(value)

    def boolean(self, key: str) -> bool | None:
        """Return true or false."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise HeaderError(f"The value of {key!r} must be true or false.")
        return value

    def timestamp(self, key: str) -> str | None:
        """Return a timestamp as it was written (RFC 3339)."""
        value = self.string(key)
        if value is not None and not TIMESTAMP.fullmatch(value):
            raise HeaderError(f"The value of {key!r} must be a timestamp in RFC 3339.")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """Return an array of strings; an empty one if it is absent."""
        values = self.values.get(key)
        if values is None:
            return ()
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise HeaderError(f"The value of {key!r} must be an array of strings.")
        return tuple(values)

    def ranges(self, key: str) -> tuple[tuple[int, int], ...] | None:
        """Return an array of pairs of numbers, each the first and the last of a range."""
        values = self.values.get(key)
        if values is None:
            return None
        if not isinstance(values, list) or not all(map(_is_range, values)):
            raise HeaderError(f"The value of {key!r} must be an array of pairs of numbers.")
        return tuple((first, last) for first, last in values)


def is_number(value: object) -> TypeGuard[int]:
    """Return whether a value of a JSON object is a whole number, from 0 to the limit of the protocol."""
    # A bool is an int to Python, not to JSON.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_INTEGER


def _is_range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))


def decode_utf8(data: bytes) -> str:
    """Return ``data`` as text. Raises HeaderError."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise HeaderError("A header must be UTF-8.") from None
