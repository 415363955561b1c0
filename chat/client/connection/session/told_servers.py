"""Read the addresses of other servers that a server tells, and its own name. The server may be hostile."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from chat.net.address import Address, parse_address

# Addresses that are kept of one list, and those of it that are looked at.
MAX_SERVERS = 16
_MAX_READ = 64
_MAX_LENGTH = 261  # characters: a host name has at most 253, and the port six more; brackets two
_MAX_NODE = 64  # characters of a server's name


def read_servers(values: Iterable[object]) -> tuple[Address, ...]:
    """Return the addresses of TCP in ``values``, each once: the first 16 that are valid. Others are left out.

    No path of this machine is among them, and no host that only this machine can complete (``:PORT``, ``PORT``).
    """
    found = (_read_address(value) for value in islice(values, _MAX_READ))
    return tuple(islice(dict.fromkeys(each for each in found if each is not None), MAX_SERVERS))


def read_node(value: object) -> str | None:
    """Return the name of a server in its cluster; None if ``value`` is no name. A long one is cut off."""
    return value[:_MAX_NODE] if isinstance(value, str) and value else None


def _read_address(value: object) -> Address | None:
    if not isinstance(value, str) or len(value) > _MAX_LENGTH or value.isdecimal():
        return None
    try:
        address = parse_address(value)
    except ValueError:
        return None
    # A zone, as in fe80::1%eth0, names a network of the machine that wrote it.
    if address.path is not None or not address.host or not address.port or "%" in address.host:
        return None
    return address
