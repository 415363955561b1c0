"""How much is too much: rates of one user, connections of one address."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

Network = IPv4Network | IPv6Network


class Rate(NamedTuple):
    """``per_second`` on average, ``burst`` at once."""

    per_second: float
    burst: float


class TokenBucket:
    """Says how long to wait, never no: what is over the rate is delayed."""

    __slots__ = ("_clock", "_filled", "_rate", "_tokens")

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._filled = clock()

    def available(self) -> float:
        """How many tokens can be taken without a wait; under 0 while others wait for theirs."""
        now = self._clock()
        per_second, burst = self._rate
        self._tokens = min(burst, self._tokens + (now - self._filled) * per_second)
        self._filled = now
        return self._tokens

    def take(self, amount: float) -> float:
        """Take ``amount`` tokens; the seconds to wait until they are there."""
        self._tokens = self.available() - amount
        return max(0.0, -self._tokens / self._rate.per_second)


class AddressLimit:
    """Counts the connections of each address: of an IPv4 address, or of an IPv6 network of 64 bits."""

    def __init__(self, limit: int, exempt: Sequence[Network]) -> None:
        self._limit = limit
        self._exempt = tuple(exempt)
        self._counts: Counter[Network] = Counter()

    def enter(self, host: str | None) -> None:
        """Count one more connection of ``host``, None for a unix socket; ``leave`` must be called in the end."""
        key = address_key(host, self._exempt)
        if key is not None:
            self._counts[key] += 1

    def leave(self, host: str | None) -> None:
        """A counted connection of ``host`` has ended."""
        key = address_key(host, self._exempt)
        if key is None:
            return
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    def exceeded_by(self, host: str | None) -> int:
        """How many connections over the limit there are."""
        key = address_key(host, self._exempt)
        return 0 if key is None else max(0, self._counts[key] - self._limit)


def address_key(host: str | None, exempt: Sequence[Network]) -> Network | None:
    """Under which strangers are counted: an IPv4 address or an IPv6 network of 64 bits; None for who is not limited.

    ``host`` is as a socket reports it, None for a unix socket.
    """
    if host is None:
        return None
    address = parse_host(host)
    if any(address in network for network in exempt):
        return None
    if isinstance(address, IPv6Address):
        return IPv6Network((int(address) >> 64 << 64, 64))
    return IPv4Network((int(address), 32))


@lru_cache(maxsize=1024)  # each connection is looked at more than once
def parse_host(host: str) -> IPv4Address | IPv6Address:
    """The address that a socket reports; an IPv4 one that came over an IPv6 socket is an IPv4 one."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
