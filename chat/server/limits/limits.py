"""Limit the rate of one user's messages, and the number of connections of one address."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import gevent

from chat.server.settings import Network, Rate

# Seconds between two pings of a user that do not count towards the rate.
FREE_PING_EVERY = 5.0


def pause(seconds: float) -> None:
    """Sleep for ``seconds``, as a bucket or the rates of a user ask for."""
    # gevent.sleep(0) would still switch greenlets.
    if seconds:
        gevent.sleep(seconds)


class TokenBucket:
    """Limit a rate by delays: the bucket tells how long to wait, and never refuses.

    The number of tokens may fall below 0. Callers that wait are then served in the order of their calls.
    """

    __slots__ = ("_clock", "_filled", "_rate", "_tokens")

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._filled = clock()

    def change(self, rate: Rate) -> None:
        """Go on with another rate; callers that wait keep their waits."""
        self._tokens = min(self.available(), rate.burst)
        self._rate = rate

    def available(self) -> float:
        """Return how many tokens can be taken without a wait; negative while earlier callers still wait."""
        now = self._clock()
        per_second, burst = self._rate
        self._tokens = min(burst, self._tokens + (now - self._filled) * per_second)
        self._filled = now
        return self._tokens

    def consume(self, amount: float) -> float:
        """Take ``amount`` tokens, and return the seconds to wait until the bucket has them."""
        self._tokens = self.available() - amount
        return max(0.0, -self._tokens / self._rate.per_second)


class SenderRates:
    """Limit how fast one user sends: messages, and bytes of text. A rate of None is no limit.

    Rejected frames count too. Otherwise a client could send them without end.
    """

    __slots__ = ("_bytes", "_clock", "_max_text", "_messages", "_next_free_ping")

    def __init__(
        self,
        messages: Rate | None,
        text_bytes: Rate | None,
        max_text: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._messages: TokenBucket | None = None
        self._bytes: TokenBucket | None = None
        self._next_free_ping = 0.0
        self.adapt(messages, text_bytes, max_text)

    def adapt(self, messages: Rate | None, text_bytes: Rate | None, max_text: int) -> None:
        """Go on with other rates. The user gets no new burst."""
        self._messages = self._changed(self._messages, messages)
        self._bytes = self._changed(self._bytes, text_bytes)
        self._max_text = max_text

    def _changed(self, bucket: TokenBucket | None, rate: Rate | None) -> TokenBucket | None:
        if rate is None or bucket is None:
            return None if rate is None else TokenBucket(rate, self._clock)
        bucket.change(rate)
        return bucket

    def allowance(self, limit: int) -> int:
        """Return how many texts, at most ``limit``, need no wait. Return 1 if none does: that text then has to wait."""
        if self._messages is not None:
            limit = min(limit, int(self._messages.available()))
        if self._bytes is not None:
            # The sizes of the texts are not known yet, so each may be the largest.
            limit = min(limit, int(self._bytes.available() // self._max_text))
        return max(limit, 1)

    def consume(self, messages: int, text_bytes: int) -> float:
        """Count what the user sent, and return the seconds for which the user has to wait."""
        delay = 0.0
        if self._messages is not None:
            delay = self._messages.consume(messages)
        if self._bytes is not None and text_bytes:
            delay = max(delay, self._bytes.consume(text_bytes))
        return delay

    def consume_ping(self) -> float:
        """Count a ping, and return the seconds for which the answer has to wait.

        One ping in ``FREE_PING_EVERY`` seconds is free. Otherwise a client that has used up its rate would take the
        delayed answer for a dead connection.
        """
        now = self._clock()
        if now >= self._next_free_ping:
            self._next_free_ping = now + FREE_PING_EVERY
            return 0.0
        return self.consume(1, 0)


class ConnectionsPerAddress:
    """Count the connections of each IPv4 address and of each IPv6 network of 64 bits."""

    def __init__(self, limit: int, exempt: Sequence[Network]) -> None:
        self._counts: Counter[Network] = Counter()
        self.adapt(limit, exempt)

    def adapt(self, limit: int, exempt: Sequence[Network]) -> None:
        """Go on with another limit, and other networks without a limit."""
        self._limit = limit
        self._exempt = tuple(exempt)

    def enter(self, host: str | None) -> None:
        """Count one more connection of ``host`` (None: a unix socket). Call ``leave`` when the connection ends."""
        # Those of exempt networks are counted too: a reload may exempt other networks before they leave.
        key = address_key(host, ())
        if key is not None:
            self._counts[key] += 1

    def leave(self, host: str | None) -> None:
        """Count one connection of ``host`` less, which ``enter`` counted."""
        key = address_key(host, ())
        if key is None:
            return
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    def exceeded_by(self, host: str | None) -> int:
        """Return by how many connections ``host`` is over the limit."""
        key = address_key(host, self._exempt)
        return 0 if key is None else max(0, self._counts[key] - self._limit)


def address_key(host: str | None, exempt: Sequence[Network]) -> Network | None:
    """Return the network as which ``host`` is counted, or None if ``host`` is not limited.

    An IPv4 address counts alone. An IPv6 address counts as its network of 64 bits, since one machine can use all
    addresses of such a network. ``host`` is an address as a socket reports it, or None for a unix socket.
    """
    if host is None:
        return None
    address = parse_host(host)
    if any(address in network for network in exempt):
        return None
    if isinstance(address, IPv6Address):
        return IPv6Network((int(address) >> 64 << 64, 64))
    return IPv4Network((int(address), 32))


@lru_cache(maxsize=1024)  # several limits parse the address of each connection
def parse_host(host: str) -> IPv4Address | IPv6Address:
    """Parse an address as a socket reports it. Return IPv4 for an IPv4 address that came over an IPv6 socket."""
    address = ip_address(host.partition("%")[0])  # without the zone of a link-local address
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
