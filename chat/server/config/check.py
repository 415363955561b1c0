"""What ``--check`` looks at beyond the words of the options, and changes nothing: addresses, and what is kept."""

from __future__ import annotations

import os
import socket
import sqlite3
import ssl
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from chat.net.address import Address
from chat.server.net.certificates import CERTIFICATE_NAME, KEY_NAME
from chat.server.storage.database import FILE_NAME


def unusable_addresses(addresses: Mapping[str, Address]) -> list[str]:
    """One line for each address, by where it was given, that this machine could not listen on.

    That it is in use is no mistake: the server that these settings are for may be running.
    """
    problems = []
    for where, address in addresses.items():
        try:
            _try(address)
        except OSError as problem:
            reason = problem.strerror or problem
            problems.append(f"{where}={address}: cannot listen there ({reason})")
    return problems


def unusable_data(directory: Path) -> list[str]:
    """One line for each file in the data directory that a server could not start with."""
    problems = []
    database = directory / FILE_NAME
    if database.exists():
        try:
            # Read-only: not even a look may make tables, or a file that belongs to whoever looks.
            with closing(
                sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
            ) as kept:
                kept.execute("PRAGMA schema_version").fetchone()
        except sqlite3.Error as problem:
            problems.append(f"{database}: cannot be used ({problem})")
    certificate, key = directory / CERTIFICATE_NAME, directory / KEY_NAME
    if certificate.exists() and key.exists():
        reason = unusable_certificate(certificate, key)
        if reason is not None:
            problems.append(f"{certificate}: cannot be used with {key} ({reason})")
    return problems


def unusable_certificate(certificate: Path, key: Path) -> str | None:
    """Why a server could not speak TLS with these, as a phrase."""

    def no_passphrase() -> bytes:
        raise ValueError("the key has a passphrase, which nobody is there to type")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, no_passphrase)
    except ValueError as problem:
        return str(problem)
    except OSError as problem:  # of which SSLError is one
        return getattr(problem, "reason", None) or problem.strerror or str(problem)
    return None


def _try(address: Address) -> None:
    """Raises OSError."""
    if address.path is not None:
        parent = Path(address.path).parent
        if not parent.is_dir():
            raise OSError(f"there is no directory {parent}")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise OSError(f"may not write in {parent}")
        return
    if not address.host:
        return
    for family, _, _, _, where in socket.getaddrinfo(
        address.host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.bind(where)  # on a port that the system chooses
