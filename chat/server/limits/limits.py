"""How much is too much: rates of one user, connections of one address."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from chat.server.settings import Network, Rate

# Seconds between two pings of a user that do not count for their rate.
FREE_PING_EVERY = 5.0


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

    def consume(self, amount: float) -> float:
        """Take ``amount`` tokens; the seconds to wait until they are there."""
        self._tokens = self.available() - amount
        return max(0.0, -self._tokens / self._rate.per_second)


class SenderRates:
    """How fast one user may send: messages, and bytes of text. A rate of None is no limit.

    Refused frames count too, or a client could send them without end.
    """

    __slots__ = ("_bytes", "_clock", "_max_text", "_messages", "_next_free_ping")

    def __init__(
        self,
        messages: Rate | None,
        text_bytes: Rate | None,
        max_text: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._messages = TokenBucket(messages, clock) if messages is not None else None
        self._bytes = TokenBucket(text_bytes, clock) if text_bytes is not None else None
        self._max_text = max_text
        self._clock = clock
        self._next_free_ping = 0.0

    def allowance(self, limit: int) -> int:
        """Return how many texts, at most ``limit``, need no wait; 1 if none, and that text has to wait."""
        if self._messages is not None:
            limit = min(limit, int(self._messages.available()))
        if self._bytes is not None:
            limit = min(limit, int(self._bytes.available() // self._max_text))
        return max(limit, 1)

    def consume(self, messages: int, text_bytes: int) -> float:
        """Count what the user sent; return the seconds that the user has to wait for it."""
        delay = 0.0
        if self._messages is not None:
            delay = self._messages.consume(messages)
        if self._bytes is not None and text_bytes:
            delay = max(delay, self._bytes.consume(text_bytes))
        return delay

    def consume_ping(self) -> float:
        """Count a ping; return the seconds that the user has to wait for the answer.

        One ping in ``FREE_PING_EVERY`` seconds is free. Otherwise a client that has used up its rate would take the
        delayed answer for a dead connection.
        """
        now = self._clock()
        if now >= self._next_free_ping:
            self._next_free_ping = now + FREE_PING_EVERY
            return 0.0
        return self.consume(1, 0)


class ConnectionsPerAddress:
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
