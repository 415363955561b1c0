"""Decode JSON from peers strictly by RFC 8259, without duplicate keys.

The standard library does this, not ujson, which writes our own JSON. ujson accepts ``01``, control characters and other
input that the RFC forbids. It also accepts a key twice, and of ``{"to": "bob", "to": null}`` any lenient reader makes a
public message.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn


def decode_json(text: str) -> Any:
    """Decode ``text``. Raises ValueError for invalid JSON, duplicate keys, and nesting beyond Python's stack.

    Lone surrogates pass.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("invalid JSON: nested too deeply") from None


def decode_whole_json(text: str) -> Any:
    """Decode ``text`` as ``decode_json`` does. Raises ValueError for a lone surrogate in any name or value, too."""
    value = decode_json(text)
    # Only an escape can be one. A text with one can be neither sent nor saved, so it must not get into the program.
    if _ESCAPED_SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # dict keeps the last value of a key, and would hide the others.
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("invalid JSON: a key occurs twice")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"invalid JSON: {name} is not allowed")


_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
