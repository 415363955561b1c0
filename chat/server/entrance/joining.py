"""Describe a session that wants to come in, in values that travel through the log."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from chat.protocol.names import UserName


class Joining(NamedTuple):
    """Hold what decides about a login, and what other servers need to know of its session.

    ``number`` counts the sessions of the server that has it. ``account`` is the id of the account that the login has
    proved to be its own, None for a guest; ``proof`` is the digest of that account's password as it was then. Either
    ``by_password``, which tells that the password was shown, or ``by_device``, that a remembered device stood for it,
    or an open session did. ``device`` is the hash of the device; None if there is none that counts. ``shown`` is the
    digest of the token of an earlier session, ``token`` that of the session's own. ``host`` is the address that
    limits count by; None for a unix socket. ``rooms`` are names of rooms to be in; None: the client may know no
    rooms.
    """

    number: int
    name: UserName
    account: bytes | None = None
    proof: bytes | None = None
    by_password: bool = False
    device: bytes | None = None
    shown: bytes | None = None
    token: bytes | None = None
    host: str | None = None
    rooms: tuple[str, ...] | None = None
    by_device: bool = False

    def fields(self) -> dict[str, Any]:
        """Return the values as JSON can hold them."""
        values = self._asdict()
        values["name"] = list(self.name)
        values["rooms"] = list(self.rooms) if self.rooms is not None else None
        for key in _BYTES:
            value = values[key]
            values[key] = value.hex() if value is not None else None
        return {key: value for key, value in values.items() if value is not None}


_BYTES = ("account", "proof", "device", "shown", "token")


def read_joining(fields: Mapping[str, Any]) -> Joining:
    """Return what ``Joining.fields`` has made values of."""
    values = dict(fields)
    values["name"] = UserName(*fields["name"])
    if "rooms" in values:
        values["rooms"] = tuple(values["rooms"])
    for key in _BYTES:
        if key in values:
            values[key] = bytes.fromhex(values[key])
    return Joining(**values)


def digest_of(secret: str | None) -> bytes | None:
    """Return what stands for a token or for the hash of a password in the log, which others may read."""
    return hashlib.sha256(secret.encode()).digest() if secret is not None else None
