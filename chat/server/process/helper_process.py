"""Start a program of this package as a helper of the server, and let it come behind those who talk."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import chat

# Those who talk come before what helpers do.
_NICENESS = 10
# Meant for the server, which ends its helpers: a signal such as Ctrl-C goes to the whole group.
_MEANT_FOR_THE_SERVER = (
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def helper_command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs ``module`` by this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def helper_environment() -> dict[str, str]:
    """Return the environment in which the helper finds this package, wherever the server was started."""
    package = str(Path(chat.__file__).parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def become_helper() -> None:
    """Ignore the signals that are meant for the server, and lower the priority of this process."""
    for number in _MEANT_FOR_THE_SERVER:
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):  # where a sandbox forbids it
        os.nice(_NICENESS)
