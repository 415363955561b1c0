"""Ask the running server of a data directory to do something, for the commands of the operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chat.server.control.messages import (
    MAX_ANSWER,
    BadMessage,
    CommandFailed,
    encode_request,
    parse_answer,
)
from chat.server.control.socket_file import connect_to

APPLY_CHANGES = "apply-changes"
PURGE = "purge"
CLUSTER_STATUS = "cluster-status"
DRAIN = "drain"
RELOAD = "reload"
TIMEOUT = 15.0  # seconds for each step; the server may have to wait for a disk


class NoServer(Exception):
    """No server runs on the data directory. The text is one line for the operator."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"no server runs on {directory}; start it, or name its directory by --data-directory or --config"
        )


class ControlFault(Exception):
    """The running server could not be asked, or refused. The text is one line for the operator."""


def ask(directory: Path, command: str, **fields: Any) -> dict[str, Any]:
    """Send a command to the server of ``directory``, and return its result. Raises NoServer, ControlFault."""
    try:
        with connect_to(directory, TIMEOUT) as sock:
            sock.sendall(encode_request(command, fields))
            data = b""
            while not data.endswith(b"\n") and len(data) <= MAX_ANSWER:
                received = sock.recv(64 * 1024)
                if not received:
                    break
                data += received
        return parse_answer(data)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise NoServer(directory) from None
    except PermissionError:
        raise ControlFault(
            f"cannot talk to the server of {directory}: Permission denied; run this command as the user that"
            " the server runs as, or as root"
        ) from None
    except TimeoutError:
        raise ControlFault(
            f"the server of {directory} does not answer within {TIMEOUT:g} s; its log may say why"
        ) from None
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise ControlFault(f"cannot talk to the server of {directory}: {reason}") from None
    except (BadMessage, CommandFailed) as problem:
        raise ControlFault(str(problem)) from None


def ask_cluster(directory: Path, command: str, **fields: Any) -> dict[str, Any]:
    """Have the server of ``directory`` change something on all servers of its cluster. Raises ControlFault."""
    try:
        return ask(directory, command, **fields)
    except NoServer:
        raise ControlFault(
            f"{directory} belongs to a cluster, whose log decides this, and no server runs on it; start it, or use the"
            " data directory of a server that runs"
        ) from None


def apply_changes(directory: Path) -> str:
    """Have the running server apply what was changed in the database; return a sentence about it.

    A server that cannot be asked notices the change by itself. If no server runs on ``directory``, the operator may
    have meant the server of another directory, so the sentence names ``directory``.
    """
    try:
        ask(directory, APPLY_CHANGES)
    except NoServer:
        return (
            f"No server runs on {directory} now; to change a running one, name its directory by --data-directory"
            " or --config."
        )
    except ControlFault as fault:
        return f"The running server applies this within seconds, but not at once: {fault}."
    return "The running server has applied this."
