"""Connect to a host with several addresses, some of which may be silent: Happy Eyeballs (RFC 8305).

The addresses are tried in the order of the system's resolver (RFC 6724), with the families interleaved. An attempt
starts 250 ms after the attempt before it, or at once when an attempt fails. The first attempt that connects wins; the
others are closed. All attempts of a race are non-blocking sockets that one task waits for, so closing these sockets is
enough at any end of the race. Only the look-up of a name takes another task, because a look-up can't be interrupted.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any, NamedTuple, Protocol

ATTEMPT_DELAY = 0.25  # seconds between two attempts: RFC 8305, section 5
# Seconds for silent addresses once the host has refused at another address: the host is there, and four SYNs to each
# (at 0, 1, 3 and 7 seconds) went without an answer. A client that waits for a restarting server asks anew instead.
AFTER_REFUSAL = 8.0
MAX_ADDRESSES = 16  # addresses of one name that are tried; further addresses are ignored
_TICK = 0.1  # seconds after which a waiting race looks whether it was cancelled


class Target(NamedTuple):
    """An address to connect a socket to."""

    family: int
    address: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.address[0])


class _Event(Protocol):
    def set(self) -> None: ...

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None, /) -> bool: ...


class Means(NamedTuple):
    """The functions that a race takes from its runtime.

    ``resolve`` is as ``socket.getaddrinfo``, ``poll`` as ``select.poll``, ``spawn`` runs a function beside the caller.
    """

    resolve: Callable[..., Sequence[tuple[Any, ...]]]
    poll: Callable[[], Any]
    event: Callable[[], _Event]
    spawn: Callable[..., object]


class Lookup:
    """A look-up of a name in a separate task. ``targets`` and ``error`` are valid once ``done`` is set."""

    def __init__(self, means: Means, host: str, port: int) -> None:
        self.done = means.event()
        self.targets: list[Target] = []
        self.error: Exception | None = None
        means.spawn(self._run, means.resolve, host, port)

    def _run(self, resolve: Callable[..., Sequence[tuple[Any, ...]]], host: str, port: int) -> None:
        try:
            self.targets = _targets(resolve(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - raised by the races that wait for the look-up
            self.error = error
        finally:
            self.done.set()


class Route:
    """The address of one server that worked last, for all connections to that server.

    That address is tried first, without a look-up, and forgotten when it fails. Connections share a running look-up, so
    a silent resolver costs one task, however many connections wait for it.
    """

    def __init__(self) -> None:
        self.known: Target | None = None
        self._lookup: Lookup | None = None

    def forget(self) -> None:
        """Look the name up again for the next connection."""
        self.known = None

    def look_up(self, means: Means, host: str, port: int) -> Lookup:
        """Start a look-up, or return the one that is running."""
        lookup = self._lookup
        if lookup is None or lookup.done.is_set():
            self._lookup = lookup = Lookup(means, host, port)
        return lookup


class AllFailed(OSError):
    """All addresses failed. ``strerror`` names each address and its error."""


class Cancelled(OSError):
    """The race was cancelled."""


class _Failure(NamedTuple):
    target: Target
    error: OSError
    seconds: float | None  # without an answer until the race was over

    def __str__(self) -> str:
        if self.seconds is None:
            return f"{self.target}: {self.error.strerror or self.error}"
        return f"{self.target}: no answer in {_seconds(self.seconds)}"


class _Attempt(NamedTuple):
    target: Target
    sock: socket.socket
    begun: float


def connect(
    host: str,
    port: int,
    timeout: float,
    means: Means,
    route: Route | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> socket.socket:
    """Return a connected socket, which does not block. ``timeout`` (seconds) is for the look-up and all attempts.

    Raises TimeoutError (the only address is silent), AllFailed, Cancelled (within a tenth of a second after
    ``is_cancelled`` says so), ValueError (no host name) or another OSError.
    """
    race = _Race(host, port, timeout, means, route or Route(), is_cancelled)
    try:
        return race.run()
    finally:
        race.close()


class _Race:
    """One race of attempts to connect: the addresses that wait, the attempts that run, and the failures."""

    def __init__(
        self,
        host: str,
        port: int,
        timeout: float,
        means: Means,
        route: Route,
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._host = host
        self._port = port
        self._means = means
        self._route = route
        self._is_cancelled = is_cancelled
        self._begun = time.monotonic()
        self._end = self._begun + timeout
        self._next = self._begun  # when the next attempt may start, while others run
        self._waiting: deque[Target] = deque()
        self._running: dict[int, _Attempt] = {}  # by descriptor
        self._tried: set[Target] = set()
        self._failures: list[_Failure] = []
        self._is_refused = False
        self._lookup: Lookup | None = None
        self._is_looked_up = False

    def run(self) -> socket.socket:
        """Return the socket of the winner. Raises as ``connect`` does."""
        self._line_up()
        while True:
            if self._is_cancelled():
                raise Cancelled(errno.ECANCELED, os.strerror(errno.ECANCELED))
            self._add_found_addresses()
            if self._is_looked_up and not self._waiting and not self._running:
                raise self._all_failed()
            if time.monotonic() >= self._deadline:
                raise self._timed_out()
            winner = self._start_next() if self._may_start() else self._wait()
            if winner is not None:
                self._route.known = winner.target
                return winner.sock

    def close(self) -> None:
        """Close all attempts but the winner."""
        for attempt in self._running.values():
            attempt.sock.close()

    # The addresses to try.

    def _line_up(self) -> None:
        """Start with the address that needs the least waiting: numeric, known, or looked up."""
        numeric = _numeric(self._host, self._port)
        if numeric:
            self._waiting.extend(numeric)
            self._is_looked_up = True
        elif self._route.known is not None:
            self._waiting.append(self._route.known)
        else:
            self._look_up()

    def _look_up(self) -> None:
        self._lookup = self._route.look_up(self._means, self._host, self._port)

    def _add_found_addresses(self) -> None:
        """Add the addresses that the look-up has found, if it is done."""
        lookup = self._lookup
        if lookup is None or not lookup.done.is_set():
            return
        self._lookup = None
        self._is_looked_up = True
        # If the known address was tried, its failure says more than that of the look-up.
        if lookup.error is not None and not self._tried:
            raise lookup.error
        self._waiting.extend(target for target in lookup.targets if target not in self._tried)

    def _may_start(self) -> bool:
        """Return whether the next attempt may start. After the known address, start the look-up of the others."""
        if self._running and time.monotonic() < self._next:
            return False
        if not self._waiting and not self._is_looked_up and self._lookup is None:
            self._look_up()
        return bool(self._waiting)

    # Trying.

    @property
    def _deadline(self) -> float:
        """The time at which the race ends, even if attempts still run.

        A host that refuses at one address is up, so its silent addresses get only AFTER_REFUSAL seconds.
        """
        if not self._is_refused or self._waiting or not (self._running and self._is_looked_up):
            return self._end
        begun = max(attempt.begun for attempt in self._running.values())
        return min(self._end, begun + AFTER_REFUSAL)

    def _start_next(self) -> _Attempt | None:
        """Start the next attempt; return it if it has won already."""
        target = self._waiting.popleft()
        self._tried.add(target)
        now = time.monotonic()
        self._next = now + ATTEMPT_DELAY
        try:
            sock = socket.socket(target.family, socket.SOCK_STREAM)
        except OSError as error:  # a family that the system lacks
            self._fail(target, error)
            return None
        attempt = _Attempt(target, sock, now)
        self._running[sock.fileno()] = attempt
        sock.setblocking(False)
        return self._judge(attempt, sock.connect_ex(target.address))

    def _wait(self) -> _Attempt | None:
        """Wait until an attempt is decided, the look-up is done or an attempt is due; return a winner."""
        now = time.monotonic()
        patience = max(min(_TICK, self._deadline - now), 0.0)
        if not self._running:
            assert self._lookup is not None, "there is something to wait for"
            self._lookup.done.wait(patience)
            return None
        if now < self._next and (self._waiting or not self._is_looked_up):
            patience = min(patience, self._next - now)
        poll = self._means.poll()
        for descriptor in self._running:
            poll.register(descriptor, select.POLLOUT)
        # Rounded up: a wait of less than a millisecond would be no wait, and the loop would spin.
        for descriptor, _ in poll.poll(int(patience * 1000) + 1):
            attempt = self._running[descriptor]
            problem = attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            winner = self._judge(attempt, problem)
            if winner is not None:
                return winner
        return None

    def _judge(self, attempt: _Attempt, problem: int) -> _Attempt | None:
        """Decide about an attempt: return it if it is connected. ``problem`` is an errno; 0 means connected."""
        if problem == errno.EINPROGRESS:
            return None
        del self._running[attempt.sock.fileno()]
        if not problem:
            return attempt
        attempt.sock.close()
        self._fail(attempt.target, OSError(problem, os.strerror(problem)))
        return None

    def _fail(self, target: Target, error: OSError) -> None:
        self._failures.append(_Failure(target, error, None))
        self._is_refused = self._is_refused or error.errno == errno.ECONNREFUSED
        self._next = time.monotonic()  # the next attempt may start at once
        if self._route.known == target:
            self._route.forget()

    # The end without a connection.

    def _timed_out(self) -> OSError:
        """Make the error for a race that ran out of time, with the seconds that each attempt waited."""
        now = time.monotonic()
        for attempt in self._running.values():
            silent = TimeoutError("timed out")
            self._failures.append(_Failure(attempt.target, silent, now - attempt.begun))
            if self._route.known == attempt.target:
                self._route.forget()
        if not self._failures and self._lookup is not None:
            seconds = _seconds(now - self._begun)
            return AllFailed(errno.ETIMEDOUT, f"the look-up of the name got no answer in {seconds}")
        return self._all_failed() if self._failures else TimeoutError("timed out")

    def _all_failed(self) -> OSError:
        """Make the error for a race without a winner; a single failure is its own best description."""
        if not self._failures:
            return AllFailed(errno.EADDRNOTAVAIL, "the name has no address")
        if len(self._failures) == 1:
            return self._failures[0].error
        reasons = [str(failure) for failure in self._failures]
        left_out = f"; and {len(self._waiting)} more" if self._waiting else ""
        return AllFailed(self._failures[-1].error.errno, f"{'; '.join(reasons)}{left_out}")


def interleave(targets: Iterable[Target]) -> list[Target]:
    """Order ``targets`` so that the families take turns, beginning with the first one's (RFC 8305, section 4)."""
    families: dict[int, list[Target]] = {}
    for target in targets:
        families.setdefault(target.family, []).append(target)
    mixed = chain.from_iterable(zip_longest(*families.values()))
    return [target for target in mixed if target is not None]


def _targets(found: Sequence[tuple[Any, ...]]) -> list[Target]:
    # Resolvers may name an address twice; a dict drops the repetition and keeps the order.
    targets = dict.fromkeys(Target(family, address) for family, _, _, _, address in found)
    return interleave(targets)[:MAX_ADDRESSES]


def _numeric(host: str, port: int) -> list[Target]:
    """Return the targets of ``host`` if it is numeric and needs no look-up, else none. Raises UnicodeError."""
    # Python encodes a text by IDNA, whose tables take a while to load. In ASCII, IDNA changes nothing.
    name = host.encode() if host.isascii() else host
    try:
        return _targets(
            socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        )
    except socket.gaierror:
        return []


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
