"""Start programs beside the client.

They are started without a shell, without the terminal's streams, and in a session of their own. So their output does
not reach the screen, and a signal that ends the client does not end them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat.client.errors import ChatError, explain

if TYPE_CHECKING:
    import gevent.subprocess


class DesktopError(ChatError):
    """Report that the desktop did not do what it was asked for."""


def find_program(program: str) -> str | None:
    """Return the path of ``program``; None if it is not installed."""
    import shutil  # takes a while, and few ever get here

    return shutil.which(program)


def start_program(program: str, *arguments: str) -> gevent.subprocess.Popen[bytes]:
    """Start ``program``. Raises DesktopError if it is missing or can't be run."""
    import gevent.subprocess  # takes a while, with subprocess and pickle, and few ever get here

    found = find_program(program)
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
