"""Who may try a password, and when: wrong ones cost time that grows, for the address they come from and no other.

The owner of a name, who comes from elsewhere, never waits for what strangers try with it.
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

# A shorter delay is waited out for the client, who hardly notices; of a longer one he is told.
_PATIENCE = 2.0  # seconds
_LONGEST_FOR_A_NAME = 10.0  # seconds; others may share the address


class TooManyAttempts(Exception):
    """The password was not looked at; the text is a sentence for who sent it."""


class PasswordGuard:
    """The one way to have a password compared, from wherever it comes. The ``exempt`` networks never wait."""

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
        # A success of one name at an address makes up for its failures, but not for those with other names.
        self._by_name = FailureDelays(clock, longest=_LONGEST_FOR_A_NAME)

    def verify(
        self,
        host: str | None,
        name_key: str,
        password: str,
        hash: str | None,
        or_is: str | None = None,
    ) -> bool:
        """Whether ``password`` is what ``hash`` was made of. None, of an unknown name, takes as long and is wrong.

        ``or_is``: or whether it is this one, of which there is no hash. ``host`` is where it comes from, as a socket
        reports it. Waits; raises TooManyAttempts.
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
            raise TooManyAttempts("Too many try passwords just now; try again later.") from None

    def forget_old(self) -> None:
        """Give back what quiet addresses take."""
        self._by_address.forget_old()
        self._by_name.forget_old()

    def _wait_for(self, address: Network | None, name_key: str) -> None:
        """Until it may try again."""
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
