"""Make the ids by which users know each other's accounts."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import blake2b

_SIZE = 12  # bytes


class AccountIds:
    """Make opaque ids: the same for an account over restarts, another for a later account of the same name.

    An id says nothing but that: it is a hash under a secret key of this server. ``secret`` returns the key; it is empty
    as long as there are no accounts.
    """

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret
        self._known: dict[bytes, str] = {}

    def of(self, account: bytes | None) -> str | None:
        """Return the opaque id of an account; None for a guest."""
        if not account:
            return None
        id = self._known.get(account)
        if id is None:
            secret = self._secret()
            if not secret:
                return None
            digest = blake2b(account, key=secret, digest_size=_SIZE).digest()
            id = self._known[account] = urlsafe_b64encode(digest).decode()
        return id
