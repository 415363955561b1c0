"""Talk to the desktop around the terminal: show notifications, and hand files to the program that opens them.

Programs are started without a shell, without the terminal's streams, and in a session of their own. So their output
does not reach the screen, and a signal that ends the client does not end them.
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

from chat.client.errors import ChatError, explain
from chat.client.frontends.sanitize import sanitize
from chat.client.screen.text.cells import elide
from chat.process.offload import run_in

MAX_TITLE_CELLS = 60
MAX_BODY_CELLS = 200
# Characters of a text, however few cells it takes: any number of marks fits on one letter.
_MAX_CHARACTERS = 400
# Running notify-send processes. Each waits for a desktop that does not answer, while more messages come in.
_MAX_NOTIFIERS = 4
# Seconds until an opener that has not failed counts as working. Some openers exit at once, others with the program that
# they started.
_PATIENCE = 2.0

_ESC, _BEL = "\x1b", "\x07"

# Suffixes that some desktop runs instead of showing the file, whether or not the file is executable.
_RUN_BY_NAME = re.compile(
    r".*\.(action|app|appimage|bash|bat|cmd|com|command|csh|deb|desktop|dmg|exe|fileloc|fish|flatpakref|hta|inetloc"
    r"|jar|jnlp|js|jse|kdesktop|lnk|msi|msix|pif|pkg|pl|ps1|pyw?|pyc|rb|reg|rpm|run|scpt|scr|service|sh|snap|terminal"
    r"|tool|url|vb[es]|webloc|workflow|ws[fh]|zsh)",
    re.IGNORECASE | re.DOTALL,
)
# Desktops judge a file without a known suffix by its first bytes.
_RUN_BY_START = (b"#!", b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe")
_DESKTOP_ENTRY = b"[Desktop Entry]"
_LOOKED_AT = 4096  # bytes

_notifiers: list[gevent.subprocess.Popen[bytes]] = []


class DesktopError(ChatError):
    """Report that the desktop did not do what it was asked for."""


def notification(
    how: str, title: str, body: str, environment: Mapping[str, str] = os.environ
) -> bytes | None:
    """Return the sequence that makes a terminal raise a notification; None if ``how`` needs no sequence.

    ``how`` is ``osc9`` (OSC 9 of iTerm2) or ``osc777`` (OSC 777 of rxvt). Both texts may come from a peer, so they are
    sanitized and cut. Inside tmux the sequence is wrapped, and tmux passes it on if its option ``allow-passthrough`` is
    on.
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
    """Raise a notification with the program notify-send. Raises DesktopError if the program is missing.

    Does nothing while four earlier ones are still running.
    """
    _notifiers[:] = [process for process in _notifiers if process.poll() is None]
    if len(_notifiers) >= _MAX_NOTIFIERS:
        return
    title, body = _text(title, MAX_TITLE_CELLS), _text(body, MAX_BODY_CELLS)
    # notify-send interprets backslash escapes in the body, as in C, and then reads the result as markup.
    body = escape(body, quote=False).replace("\\", "\\\\")
    _notifiers.append(_start("notify-send", "--app-name=chat", "--", title, body))


def open_file(path: Path) -> None:
    """Open a saved file with the program that the desktop has for it; may take two seconds.

    Raises DesktopError if there is no such program, if the file is gone, and for a file that a desktop might run: a
    peer sent that file.
    """
    # Absolute, so that the opener does not take a name such as -cat for an option.
    path = path.absolute()
    # A network disk may take long to answer; in a thread, the other greenlets go on meanwhile.
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
        raise DesktopError(f"Can't open {path.name!r}: {opener} found no program that opens it.")


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
    """Return why ``path`` should not be opened, as a sentence; None if nothing speaks against it."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "it is not a regular file."
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
    except (OSError, ValueError) as error:
        return explain(error)
    if status.st_mode & 0o111:
        return "it is executable, so the desktop would run it."
    looks_run = start.startswith(_RUN_BY_START) or _DESKTOP_ENTRY in start
    if looks_run or _RUN_BY_NAME.fullmatch(path.name):
        return "it looks like a program, so the desktop might run it."
    return None


def _field(text: str, width: int) -> str:
    """Return one field of a sequence: a semicolon would end it, and ``9;4;`` moves a progress bar in the task bar."""
    return _text(text, width).replace(";", ",")


def _text(text: str, width: int) -> str:
    """Return one sanitized line, cut to ``width`` cells."""
    # split and join turn line ends and tabs into single blanks.
    return elide(sanitize(" ".join(text[:_MAX_CHARACTERS].split())), width)
