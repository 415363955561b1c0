"""Hand saved files to the programs that open them."""

from __future__ import annotations

import mimetypes
import os
import re
import stat
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath

import gevent
import gevent.subprocess

from chat.client.desktop.open_rules import OpenRule
from chat.client.desktop.programs import DesktopError, find_program, start_program
from chat.client.errors import explain
from chat.process.offload import run_in
from chat.protocol.descriptor import MessageType

# Seconds until an opener that has not failed counts as working. Some openers exit at once, others with the program that
# they started.
_PATIENCE = 2.0


# Programs that ask the desktop which program opens a file. The first one is named where none is installed.
_DESKTOP_OPENERS = (
    (("open",),)
    if sys.platform == "darwin"
    else (("xdg-open",), ("gio", "open"), ("kde-open",), ("exo-open",), ("wslview",))
)
_NAMES_OF_OPENERS = {words[0] for words in _DESKTOP_OPENERS} | {"open", "run-mailcap", "see"}
# MIME types of files whose name tells none, by the way in which they were sent.
_UNKNOWN_TYPES = {MessageType.IMAGE: "image/unknown", MessageType.VOICE: "audio/unknown"}

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


def open_file(path: Path, kind: MessageType, rules: Sequence[OpenRule] = ()) -> None:
    """Open a saved file that was sent as ``kind``; may take two seconds.

    The first of ``rules`` that fits names the program; without one, the desktop chooses. Raises DesktopError if there
    is no such program, if the file is gone, and for a file that a desktop might run: a peer sent that file.
    """
    # Absolute, so that the program does not take a name such as -cat for an option.
    path = path.absolute()
    command = _command_for(path, kind, rules)
    asks_desktop = PurePath(command[0]).name in _NAMES_OF_OPENERS
    # A network disk may take long to answer; in a thread, the other greenlets go on meanwhile.
    problem = run_in(gevent.get_hub().threadpool, lambda: _problem(path, may_run=asks_desktop))
    if problem is not None:
        raise DesktopError(f"Can't open {path.name!r}: {problem}")
    process = start_program(*command)
    try:
        failed = process.wait(_PATIENCE) != 0
    except gevent.subprocess.TimeoutExpired:
        return
    if failed:
        what = "found no program that opens it" if asks_desktop else "failed"
        raise DesktopError(f"Can't open {path.name!r}: {command[0]} {what}.")


def _command_for(path: Path, kind: MessageType, rules: Sequence[OpenRule]) -> list[str]:
    mime_type = mimetypes.guess_type(path.name)[0] or _UNKNOWN_TYPES.get(
        kind, "application/octet-stream"
    )
    for rule in rules:
        if rule.fits(path.name, mime_type):
            program, *rest = rule.words_for(os.fspath(path))
            return [os.path.expanduser(program), *rest]  # noqa: PTH111 - most programs are no paths
    installed = (words for words in _DESKTOP_OPENERS if find_program(words[0]) is not None)
    return [*next(installed, _DESKTOP_OPENERS[0]), os.fspath(path)]


def _problem(path: Path, *, may_run: bool) -> str | None:
    """Return why ``path`` should not be opened, as a sentence; None if nothing speaks against it.

    ``may_run``: the program that opens it may run it instead of showing it.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "it is not a regular file."
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
    except (OSError, ValueError) as error:
        return explain(error)
    if not may_run:
        return None
    if status.st_mode & 0o111:
        return "it is executable, so the desktop would run it."
    looks_run = start.startswith(_RUN_BY_START) or _DESKTOP_ENTRY in start
    if looks_run or _RUN_BY_NAME.fullmatch(path.name):
        return "it looks like a program, so the desktop might run it."
    return None
