"""Put text into the clipboard of the terminal by OSC 52, also through tmux and GNU screen.

The terminal decides whether programs may write its clipboard, and sends no answer.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping

from chat.sanitize import line_ends_removed, sanitize
from chat.sizes import byte_count, counted

# Bytes of a text. Terminals take sequences of up to 100,000 bytes, and base64 makes four of three.
MAX_COPY = 72 * 1024
# GNU screen takes at most 256 bytes of a string that it passes on, in some versions; the rest comes in further strings.
_SCREEN_PIECE = 240

_ESC, _BEL = "\x1b", "\x07"


class NotCopied(Exception):
    """The text can't be copied. The text of the error is one sentence for the user."""


def copyable(text: str) -> str:
    """Return ``text`` as it goes into the clipboard: sanitized, because it may be pasted into a shell.

    Line ends and tabs stay.
    """
    lines = line_ends_removed(text)
    return "\n".join("\t".join(map(sanitize, line.split("\t"))) for line in lines)


def clipboard_sequence(text: str, environment: Mapping[str, str] = os.environ) -> bytes:
    """Return the sequence that puts ``text`` into the clipboard. Raises NotCopied if the text is too long."""
    data = text.encode(errors="replace")
    if len(data) > MAX_COPY:
        raise NotCopied(f"The message has more than {byte_count(MAX_COPY)}; no more can be copied.")
    sequence = f"{_ESC}]52;c;{b64encode(data).decode()}{_BEL}"
    passed_on = through_multiplexer(sequence, environment)
    # tmux obeys the sequence with "set-clipboard on", and passes it on with "allow-passthrough on": send it both ways.
    if environment.get("TMUX"):
        passed_on = sequence + passed_on
    return passed_on.encode()


def through_multiplexer(sequence: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return ``sequence`` wrapped for tmux or GNU screen, if the program runs inside one of them.

    tmux passes it on if its option ``allow-passthrough`` is on.
    """
    if environment.get("TMUX"):
        return f"{_ESC}Ptmux;{sequence.replace(_ESC, _ESC * 2)}{_ESC}\\"
    if environment.get("STY"):
        pieces = range(0, len(sequence), _SCREEN_PIECE)
        return "".join(
            f"{_ESC}P{sequence[start : start + _SCREEN_PIECE]}{_ESC}\\" for start in pieces
        )
    return sequence


def copied_words(sender: str, text: str) -> str:
    """Return what the user is told about a text of ``sender`` that was sent to the clipboard."""
    characters = counted(len(text), "character")
    return f"copied {characters} of {sanitize(sender)}, if the terminal allows programs to copy"
