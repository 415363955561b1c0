"""Read the secret that all servers of a cluster share."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from chat.files.opening import read_beginning

log = logging.getLogger("chat.server")

# Nobody types the secret, so it can be long. A program that a server takes for its peer can try guesses at it.
SHORTEST = 32
_LONGEST = 1024
HOW_TO_MAKE = "make one: openssl rand -hex 32"


class SecretFault(Exception):
    """Report that there is no usable secret. The text is one line for the operator."""


def read_secret(path: Path) -> bytes:
    """Return the first line of a file without the spaces around it: 32 to 1024 bytes. Raises SecretFault."""
    try:
        data, mode = read_beginning(path, _LONGEST + 2, until=b"\n")
    except OSError as problem:
        raise SecretFault(f"cannot read {path}: {problem.strerror or problem}") from None
    secret = data.partition(b"\n")[0].strip()
    if not SHORTEST <= len(secret) <= _LONGEST:
        raise SecretFault(
            f"{path}: expected a secret of {SHORTEST} to {_LONGEST} bytes in the first line; {HOW_TO_MAKE}"
        )
    if stat.S_ISREG(mode) and mode & stat.S_IRWXO and not os.fspath(path).startswith("/run/"):
        # A container gets its secrets in a directory that only the container sees.
        log.warning(
            "everyone on this machine can read %s; a user who knows the secret can copy all data: chmod 600",
            path,
        )
    return secret
