"""The desktop around the terminal: notifications, and files handed to the program that shows them.

The programs are started without a shell, with nothing of the terminal, and in a session of their own: what they print
is not seen here, and what ends the client does not end them.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

import gevent
import gevent.subprocess

from chat.client.display import harmless
from chat.client.errors import ChatError, explain
from chat.client.screen.cells import elide
from chat.offload import run_in

MAX_TITLE_CELLS = 60
MAX_BODY_CELLS = 200
# However narrow a text is: any number of marks fits on one letter.
_MAX_CHARACTERS = 400
# Of notify-send at once. It waits for a desktop that does not answer, while more and more is said.
_MAX_NOTIFIERS = 4
# Seconds until an opener that has not failed counts as one that works. Some end at once, some with what they opened.
_PATIENCE = 2.0

_ESC, _BEL = "\x1b", "\x07"

# What some desktop runs rather than shows, whether or not it is marked as a program.
_RUN_BY_NAME = re.compile(
    r".*\.(action|app|appimage|bash|bat|cmd|com|command|csh|deb|desktop|dmg|exe|fileloc|fish|flatpakref|hta|inetloc"
    r"|jar|jnlp|js|jse|kdesktop|lnk|msi|msix|pif|pkg|pl|ps1|pyw?|pyc|rb|reg|rpm|run|scpt|scr|service|sh|snap|terminal"
    r"|tool|url|vb[es]|webloc|workflow|ws[fh]|zsh)",
    re.IGNORECASE | re.DOTALL,
)
# A desktop that finds no suffix looks at how a file begins.
_RUN_BY_START = (b"#!", b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe")
_DESKTOP_ENTRY = b"[Desktop Entry]"
_LOOKED_AT = 4096  # bytes

_notifiers: list[gevent.subprocess.Popen[bytes]] = []


class DesktopError(ChatError):
    """The desktop was asked for something that it did not do."""


def notification(
    how: str, title: str, body: str, environment: Mapping[str, str] = os.environ
) -> bytes | None:
    """What makes a terminal raise a notification, by OSC 9 (iTerm2) or OSC 777 (rxvt); None if ``how`` is another way.

    Both texts may come from a peer: they are made harmless, and cut. Inside tmux the sequence is wrapped so that tmux
    hands it on, if its option ``allow-passthrough`` is on.
    """
    title, body = _field(title, MAX_TITLE_CELLS), _field(body, MAX_BODY_CELLS)
    if how == "osc9":
        sequence = f"{_ESC}]9;{title}: {body}{_BEL}"
    elif how == "osc777":
        sequence = f"{_ESC}]777;notify;{title};{body}{_BEL}"
    else:
        return None
    if environment.get("TMUX"):
        sequence = f"{_ESC}Ptmux;{sequence.replace(_ESC, _ESC * 2)}{_ESC}\\"
    return sequence.encode()


def notify_send(title: str, body: str) -> None:
    """Raise a notification by the program notify-send. Raises DesktopError if that is not there.

    Does nothing while too many of them have not come to an end.
    """
    _notifiers[:] = [process for process in _notifiers if process.poll() is None]
    if len(_notifiers) >= _MAX_NOTIFIERS:
        return
    title, body = _text(title, MAX_TITLE_CELLS), _text(body, MAX_BODY_CELLS)
    # It reads the body as markup, and before that backslashes in it as in C.
    body = escape(body, quote=False).replace("\\", "\\\\")
    _notifiers.append(_start("notify-send", "--app-name=chat", "--", title, body))


def open_file(path: Path) -> None:
    """Hand a saved file to the program that the desktop has for it; may take two seconds.

    Raises DesktopError if there is none or the file is gone, and for what a desktop might run: that came from a peer.
    """
    path = path.absolute()
    # Disks may be far away, and other greenlets wait for nobody's disk.
    problem = run_in(gevent.get_hub().threadpool, _problem, path)
    if problem is not None:
        raise DesktopError(f"Can't open {path.name!r}: {problem}")
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    process = _start(opener, os.fspath(path))
    try:
        failed = process.wait(_PATIENCE) != 0
    except gevent.subprocess.TimeoutExpired:
        return
    if failed:
        raise DesktopError(f"Can't open {path.name!r}: {opener} found no program for it.")


def _start(program: str, *arguments: str) -> gevent.subprocess.Popen[bytes]:
    import shutil  # takes a while, and few ever get here

    found = shutil.which(program)
    if found is None:
        raise DesktopError(f"The program {program} is not installed.")
    try:
        return gevent.subprocess.Popen(
            [found, *arguments],
            stdin=gevent.subprocess.DEVNULL,
            stdout=gevent.subprocess.DEVNULL,
            stderr=gevent.subprocess.DEVNULL,
            close_fds=True,
            start_new_session=True,
        )
    except OSError as error:
        raise DesktopError(f"Can't start {program}: {explain(error)}") from None


def _problem(path: Path) -> str | None:
    """Why it should not be opened: a sentence."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "it is no file."
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
    except (OSError, ValueError) as error:
        return explain(error)
    if status.st_mode & 0o111:
        return "it is marked as a program, and would be run."
    looks_run = start.startswith(_RUN_BY_START) or _DESKTOP_ENTRY in start
    if looks_run or _RUN_BY_NAME.fullmatch(path.name):
        return "it looks like a program, and might be run."
    return None


def _field(text: str, width: int) -> str:
    """Part of a sequence, where a semicolon ends a field, and ``9;4;`` moves a progress bar in the task bar."""
    return _text(text, width).replace(";", ",")


def _text(text: str, width: int) -> str:
    """One harmless line, cut to ``width`` cells."""
    return elide(harmless(" ".join(text[:_MAX_CHARACTERS].split())), width)
