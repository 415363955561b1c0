"""Check for ``--check`` what the options refer to: addresses, the database and certificates. Nothing is changed."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from chat.net.address import Address
from chat.net.fingerprint import fingerprint_of_certificate
from chat.protocol.names import UserName
from chat.server.net.certificates import CERTIFICATE_NAME, KEY_NAME, make_context
from chat.server.net.pem_files import UnusablePem, load_chain
from chat.server.rooms.rooms import name_in_the_way, why_taken
from chat.server.storage.database import FILE_NAME


def unusable_addresses(addresses: Mapping[str, Address]) -> list[str]:
    """Return one line for each address on which this machine cannot listen.

    The keys of ``addresses`` tell where each address was given. An address in use is no mistake, because the server
    with these settings may be running.
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
    """Return one line for each file in the data directory that a server cannot use."""
    problems = []
    database = directory / FILE_NAME
    if database.exists():
        try:
            with closing(_read_only(database)) as kept:
                kept.execute("PRAGMA schema_version").fetchone()
        except sqlite3.Error as problem:
            problems.append(f"{database}: cannot be used ({problem})")
    certificate, key = directory / CERTIFICATE_NAME, directory / KEY_NAME
    if certificate.exists() and key.exists():
        reason = unusable_certificate(certificate, key)
        if reason is not None:
            problems.append(reason)
    return problems


def taken_room(directory: Path, name: UserName) -> list[str]:
    """Return one line if the default room cannot have ``name``, since another room in the data directory has it."""
    database = directory / FILE_NAME
    try:
        with closing(_read_only(database)) as kept:
            rooms = [UserName(*row) for row in kept.execute("SELECT name, key FROM rooms")]
    except sqlite3.Error:
        return []  # there are no rooms yet, or ``unusable_data`` says why the database cannot be used
    other = name_in_the_way(name, rooms)
    return [why_taken(name, other)] if other is not None else []


def _read_only(database: Path) -> sqlite3.Connection:
    # Otherwise the check could create tables, or files that belong to the user who runs it.
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)


def unusable_certificate(certificate: Path, key: Path) -> str | None:
    """Return why a server cannot use these files for TLS, with the file at fault; None if it can."""
    try:
        fingerprint_of_certificate(load_chain(make_context(), certificate, key))
    except UnusablePem as problem:
        return str(problem)
    except ValueError as problem:
        return f"{certificate}: {problem}"
    return None


def _try(address: Address) -> None:
    """Bind a socket to the host of ``address``, or look at the directory of a unix socket. Raises OSError."""
    if address.path is not None:
        parent = Path(address.path).parent
        if not parent.is_dir():
            raise OSError(f"no such directory: {parent}")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise OSError(f"no permission to write in {parent}")
        return
    if not address.host:
        return  # all interfaces, which every machine has
    for family, _, _, _, where in socket.getaddrinfo(
        address.host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.bind(where)  # to a free port, since the server may be running on its own
