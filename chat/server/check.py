"""What ``--check`` looks at beyond the words of the options: whether the addresses could be had, without listening."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from chat.address import Address


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
