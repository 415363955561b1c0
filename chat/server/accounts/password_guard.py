"""Decide which address may try a password, and when.

Each wrong password makes the next try from the same address wait longer. Other addresses don't wait: the owner of a
name can log in from elsewhere while somebody guesses the password of that name.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import gevent

from chat.server.accounts.passwords import Passwords, TooManyWaiting, is_same
from chat.server.limits.limits import address_key
from chat.server.limits.throttle import FailureDelays
from chat.server.settings import Network

# The server waits out a shorter delay, which the user hardly notices. A longer delay is refused, with its length.
_PATIENCE = 2.0  # seconds
_LONGEST_FOR_A_NAME = 10.0  # seconds; kept short, since several users may share the address


class TooManyAttempts(Exception):
    """The password was not checked; the text is a sentence for the user."""


class PasswordGuard:
    """The only way to check a password that a peer sent. Addresses in ``exempt`` networks never wait."""

    def __init__(
        self,
        passwords: Passwords,
        exempt: Sequence[Network],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = gevent.sleep,
    ) -> None:
        self._passwords = passwords
        self._exempt = tuple(exempt)
        self._sleep = sleep
        self._by_address = FailureDelays(clock)
        # Counted for a name at an address. A success clears the count of the address and of its own name there. The
        # counts of other names stay: nobody clears their failures with a victim's name by logging in with their own.
        self._by_name = FailureDelays(clock, longest=_LONGEST_FOR_A_NAME)

    def adapt(self, exempt: Sequence[Network]) -> None:
        """Go on with other networks whose addresses never wait."""
        self._exempt = tuple(exempt)

    def verify(
        self,
        host: str | None,
        name_key: str,
        password: str,
        hash: str | None,
        or_is: str | None = None,
    ) -> bool:
        """Return whether ``password`` matches ``hash``, or equals ``or_is``, a password that is not hashed.

        ``hash`` is None for an unknown name: the check takes as long as any other, and fails. ``host`` is the peer's
        address as the socket reports it. Waits; raises TooManyAttempts.
        """
        address = address_key(host, self._exempt)
        try:
            with self._passwords.turn(address):
                self._wait_for(address, name_key)
                is_right = or_is is not None and is_same(password, or_is)
                is_right = is_right or self._passwords.matches(password, hash)
                self._remember(address, name_key, is_right)
                return is_right
        except TooManyWaiting:
            raise TooManyAttempts(
                "Too many passwords are being checked; try again later."
            ) from None

    def forget_old(self) -> None:
        """Free the memory of addresses that have been quiet for long enough."""
        self._by_address.forget_old()
        self._by_name.forget_old()

    def _wait_for(self, address: Network | None, name_key: str) -> None:
        """Wait until the address may try this name again. Raises TooManyAttempts for a long delay."""
        both = _both(address, name_key)
        delay = max(self._by_address.wait(address), self._by_name.wait(both))
        if delay > _PATIENCE:
            seconds = math.ceil(delay)
            raise TooManyAttempts(f"Too many wrong passwords; try again in {seconds} seconds.")
        if delay:
            self._sleep(delay)

    def _remember(self, address: Network | None, name_key: str, is_right: bool) -> None:
        both = _both(address, name_key)
        if is_right:
            self._by_address.succeeded(address)
            self._by_name.succeeded(both)
        else:
            self._by_address.failed(address)
            self._by_name.failed(both)


def _both(address: Network | None, name_key: str) -> tuple[Network, str] | None:
    return (address, name_key) if address is not None else None
