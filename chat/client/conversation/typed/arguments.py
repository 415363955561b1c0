"""Parse arguments of commands: a path and its recipient; earlier messages; the commands of moderators.

Only the server checks permissions.
"""

from __future__ import annotations

import re

from chat.client.conversation.recall.dates import EXPECTED_DATE, parse_date
from chat.client.conversation.requests import (
    AskServer,
    Copy,
    RequestError,
    SaveLog,
    SendFile,
    ShowEarlier,
)
from chat.files.dropped_paths import shell_word
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import MessageType

# A name never has a quote, but a quoted path may contain "--to".
_TO_FIRST = re.compile(r"--to(?:=|\s+)(?P<to>[^\s'\"]+)\s+(?P<path>.+)", re.DOTALL)
_TO_LAST = re.compile(r"(?P<path>.+)\s+--to(?:=|\s+)(?P<to>[^\s'\"]+)", re.DOTALL)
_ONLY_TO = re.compile(r"(--to(=\S*)?(\s+\S+)?)?", re.DOTALL)
# Messages that one /history shows.
MOST_EARLIER = 1000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}  # in seconds
_TIME = re.compile(r"([1-9][0-9]{0,5})([smhdw])", re.ASCII)
_EXAMPLES = "a time such as 30m, 2h or 7d"


def parse_file(rest: str, *, kind: MessageType, name: str) -> SendFile:
    """Parse the arguments of the command ``name``, which sends a file as ``kind``. Raises RequestError."""
    match = _TO_FIRST.fullmatch(rest) or _TO_LAST.fullmatch(rest)
    path, to = (match["path"], match["to"]) if match else (rest, None)
    path = path.strip()
    unquoted = shell_word(path)
    if not (path if unquoted is None else unquoted).strip() or _ONLY_TO.fullmatch(path):
        raise RequestError(f"Expected /{name} PATH [--to NAME].")
    return SendFile(path, kind, to, unquoted=unquoted)


def parse_kick(rest: str) -> AskServer:
    """Parse the arguments of /kick. Raises RequestError."""
    target, reason = _split(rest, "/kick NAME [REASON]")
    return AskServer(Command(Verb.KICK, target, reason=reason))


def parse_ban(rest: str) -> AskServer:
    """Parse the arguments of /ban. Raises RequestError.

    A word that begins with a digit must be a time: a mistyped time must not become the reason of a ban for ever.
    """
    target, further = _split(rest, "/ban NAME [FOR] [REASON], or an address for NAME")
    seconds, reason = None, further
    if further is not None and further[0].isdigit():
        time, _, after = further.partition(" ")
        seconds, reason = _seconds(time), after.strip() or None
    return AskServer(Command(Verb.BAN, target, seconds, reason))


def parse_mute(rest: str) -> AskServer:
    """Parse the arguments of /mute. Raises RequestError."""
    target, time = _split(rest, "/mute NAME [FOR]")
    return AskServer(Command(Verb.MUTE, target, None if time is None else _seconds(time)))


def parse_target(rest: str, verb: Verb, what: str) -> AskServer:
    """Parse the single argument of a command. Raises RequestError."""
    if len(rest.split()) != 1:
        raise RequestError(f"Expected /{verb.value} {what}.")
    return AskServer(Command(verb, rest))


def parse_copy(rest: str) -> Copy:
    """Parse the number of /copy. Raises RequestError."""
    if not re.fullmatch(r"([1-9][0-9]{0,8})?", rest, re.ASCII):
        raise RequestError("Expected /copy or /copy N: 1 is the last message, 2 the one before.")
    return Copy(int(rest or 1))


def parse_save(rest: str) -> SaveLog:
    """Parse the path of /save. Raises RequestError."""
    # A new file: nobody means a name with quotes.
    path = shell_word(rest)
    path = rest if path is None else path
    if not path.strip():
        raise RequestError("Expected /save FILE.")
    return SaveLog(path)


def parse_history(rest: str) -> ShowEarlier:
    """Parse /history: nothing, a number of messages, a date, or the number of a match. Raises RequestError."""
    if not rest:
        return ShowEarlier()
    if re.fullmatch(r"#[1-9][0-9]{0,8}", rest, re.ASCII):
        return ShowEarlier(found=int(rest[1:]))
    if not re.fullmatch(r"[0-9]+", rest, re.ASCII):
        return ShowEarlier(at=parse_date(rest))
    # Compared by its length first: Python refuses to read a number of thousands of digits.
    count = int(rest) if len(rest) <= len(str(MOST_EARLIER)) else 0
    if not 1 <= count <= MOST_EARLIER:
        raise RequestError(f"Expected /history N, 1 to {MOST_EARLIER}, or {EXPECTED_DATE}.")
    return ShowEarlier(count)


def _split(rest: str, usage: str) -> tuple[str, str | None]:
    """Split ``rest`` into its first word and the rest, or None. Raises RequestError with ``usage``."""
    words = rest.split(maxsplit=1)
    if not words:
        raise RequestError(f"Expected {usage}.")
    return words[0], words[1] if len(words) > 1 else None


def _seconds(time: str) -> int:
    return parse_span(time, f"{_EXAMPLES}, or no time: for ever")


def parse_span(time: str, expected: str) -> int:
    """Return the seconds of a time such as 30m. Raises RequestError, which says what is ``expected``."""
    match = _TIME.fullmatch(time.lower())
    if match is None:
        raise RequestError(f"Invalid time {time!r}: expected {expected}.")
    return int(match[1]) * _UNITS[match[2]]
