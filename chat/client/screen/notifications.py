"""Raise notifications: by the terminal, or by the program notify-send."""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape

import gevent.subprocess

from chat.client.desktop.programs import start_program
from chat.client.frontends.clipboard import through_multiplexer
from chat.client.screen.text.cells import elide
from chat.sanitize import sanitize

MAX_TITLE_CELLS = 60
MAX_BODY_CELLS = 200
# Characters of a text, however few cells it takes: any number of marks fits on one letter.
_MAX_CHARACTERS = 400
# Running notify-send processes. Each waits for a desktop that does not answer, while more messages come in.
_MAX_NOTIFIERS = 4
_ESC, _BEL = "\x1b", "\x07"

_notifiers: list[gevent.subprocess.Popen[bytes]] = []


def notification(
    how: str, title: str, body: str, environment: Mapping[str, str] = os.environ
) -> bytes | None:
    """Return the sequence that makes a terminal raise a notification; None if ``how`` needs no sequence.

    ``how`` is ``osc9`` (OSC 9 of iTerm2) or ``osc777`` (OSC 777 of rxvt). Both texts may come from a peer, so they are
    sanitized and cut. Inside tmux and GNU screen the sequence is wrapped: see ``through_multiplexer``.
    """
    title, body = _field(title, MAX_TITLE_CELLS), _field(body, MAX_BODY_CELLS)
    if how == "osc9":
        sequence = f"{_ESC}]9;{title}: {body}{_BEL}"
    elif how == "osc777":
        sequence = f"{_ESC}]777;notify;{title};{body}{_BEL}"
    else:
        return None
    return through_multiplexer(sequence, environment).encode()


def notify_send(title: str, body: str) -> None:
    """Raise a notification with the program notify-send. Raises DesktopError if the program is missing.

    Does nothing while four earlier ones are still running.
    """
    _notifiers[:] = [process for process in _notifiers if process.poll() is None]
    if len(_notifiers) >= _MAX_NOTIFIERS:
        return
    title, body = _text(title, MAX_TITLE_CELLS), _text(body, MAX_BODY_CELLS)
    # notify-send interprets backslash escapes in the body, as in C, and then reads the result as markup.
    body = escape(body, quote=False).replace("\\", "\\\\")
    _notifiers.append(start_program("notify-send", "--app-name=chat", "--", title, body))


def _field(text: str, width: int) -> str:
    """Return one field of a sequence: a semicolon would end it, and ``9;4;`` moves a progress bar in the task bar."""
    return _text(text, width).replace(";", ",")


def _text(text: str, width: int) -> str:
    """Return one sanitized line, cut to ``width`` cells."""
    # split and join turn line ends and tabs into single blanks.
    return elide(sanitize(" ".join(text[:_MAX_CHARACTERS].split())), width)
