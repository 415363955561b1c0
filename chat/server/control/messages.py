"""Requests and answers on the control socket: one line of JSON each, of a bounded size.

A connection has one request and one answer::

    {"version": 1, "command": "say", "text": "hello"}
    {"version": 1, "result": {"users": 3}}
    {"version": 1, "error": "The text is empty."}

No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

VERSION = 1
MAX_REQUEST = 256 * 1024  # bytes with the end of the line; the same for an answer
MAX_ANSWER = 256 * 1024


class BadMessage(Exception):
    """A line is no request, or no answer. The text is a sentence for the operator."""


class CommandFailed(Exception):
    """The server did not execute a command. The text is a sentence for the operator."""


class ControlRequest(NamedTuple):
    """A command and its arguments."""

    command: str
    fields: Mapping[str, Any]


def encode_request(command: str, fields: Mapping[str, Any]) -> bytes:
    """Return the line of a request."""
    return _line({"version": VERSION, "command": command, **fields})


def parse_request(line: bytes) -> ControlRequest:
    """Parse the line of a request. Raises BadMessage."""
    fields = _parse(line)
    command = fields.pop("command", None)
    if not isinstance(command, str):
        raise BadMessage("The request has no command.")
    return ControlRequest(command, fields)


def encode_result(result: Mapping[str, Any]) -> bytes:
    """Return the line of an answer to a command that was executed."""
    return _line({"version": VERSION, "result": result})


def encode_error(sentence: str) -> bytes:
    """Return the line of an answer to a command that was not executed."""
    return _line({"version": VERSION, "error": sentence})


def parse_answer(line: bytes) -> dict[str, Any]:
    """Return the result in the line of an answer. Raises CommandFailed for an error, and BadMessage."""
    fields = _parse(line)
    if isinstance(fields.get("error"), str):
        raise CommandFailed(fields["error"])
    result = fields.get("result")
    if not isinstance(result, dict):
        raise BadMessage("The answer has no result.")
    return result


def _line(fields: Mapping[str, Any]) -> bytes:
    # In ASCII: a lone surrogate, as from an argument in another encoding, is escaped and breaks nothing.
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def _parse(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise BadMessage("The line is not JSON.") from None
    if not isinstance(fields, dict):
        raise BadMessage("The line is not a JSON object.")
    if fields.pop("version", None) != VERSION:
        raise BadMessage(
            f"The command and the server are of different versions; version {VERSION} was expected. "
            "Restart the server after an upgrade."
        )
    return fields
