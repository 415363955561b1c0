"""Read the secret that all servers of a cluster share."""

from __future__ import annotations

from pathlib import Path

from chat.files.opening import read_beginning

# Bytes. Nobody types the secret, so it can be long. A program that a server takes for its peer can try guesses at it.
SHORTEST, LONGEST = 32, 1024


class SecretFault(Exception):
    """Report that there is no usable secret. The text is one line for the operator."""


def read_secret(path: Path) -> bytes:
    """Return the first line of a file without the spaces around it: 32 to 1024 bytes. Raises SecretFault."""
    try:
        data, _ = read_beginning(path, 2 * LONGEST, until=b"\n")
    except OSError as problem:
        raise SecretFault(f"cannot read {path}: {problem.strerror or problem}") from None
    secret = data.partition(b"\n")[0].strip()
    if not SHORTEST <= len(secret) <= LONGEST:
        raise SecretFault(
            f"{path}: expected a secret of {SHORTEST} to {LONGEST} bytes in the first line,"
            " as from: openssl rand -hex 32"
        )
    return secret
