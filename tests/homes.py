"""Homes for tests and for the programs they start, so that no test reads or writes a developer's files.

The process of the tests gets an empty home, which must still be empty when the tests end: a program that a test starts
without a home of its own, and that writes there, is found by that.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

# The directories that the XDG Base Directory Specification takes from the environment.
_ELSEWHERE = ("XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "STATE_DIRECTORY")
_NOWHERE = ("XDG_CONFIG_HOME", "XDG_DATA_HOME")
# A test that needs certificate authorities makes its own. To read the system's takes a client 20 ms.
_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@cache
def _place() -> Path:
    """Make the directory for all homes of this process; it is removed when the process ends."""
    place = Path(tempfile.mkdtemp(prefix="chat-homes-"))
    atexit.register(clear)
    return place


def move_in() -> None:
    """Give this process an empty home, no settings and data of any user, and no certificate authorities."""
    home = _place() / "home"
    home.mkdir(exist_ok=True)
    os.environ["HOME"] = str(home)
    for name in _ELSEWHERE:
        os.environ.pop(name, None)
    for name in (*_NOWHERE, *_AUTHORITIES):
        os.environ[name] = os.devnull  # nothing can be in this directory, because it is none


def left_at_home() -> list[str]:
    """List the files that were written into the home of this process; there should be none."""
    home = _place() / "home"
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


def environment(**changes: str) -> dict[str, str]:
    """Return the environment for one program: this process's, with a new home and a new TMPDIR, and ``changes``.

    No directory of a user is in it, also where nobody has called ``move_in``: attacks and soaks are started by hand.
    """
    own = Path(tempfile.mkdtemp(prefix="program-", dir=_place()))
    for name in ("home", "tmp"):
        (own / name).mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    nowhere = dict.fromkeys(_NOWHERE, os.devnull)
    own_places = {"HOME": str(own / "home"), "TMPDIR": str(own / "tmp")}
    return {**kept, **nowhere, **own_places, **changes}


def clear() -> None:
    """Remove all homes. A process that ends by ``os._exit``, as a worker of the tests does, has to call it."""
    shutil.rmtree(_place(), ignore_errors=True)
