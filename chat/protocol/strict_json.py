"""JSON as RFC 8259 has it, and no key twice: for what strangers write.

By the standard library: ujson, which we write with, lets pass ``01``, control characters and what else the RFC
forbids, and of ``{"to": "bob", "to": null}`` any lenient reader makes a public message.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


def decode_json(text: str) -> Any:
    """The value. Raises ValueError; also for more depth than Python can follow. Lone surrogates pass."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
