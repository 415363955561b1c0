"""Where a connection gets its sockets, locks, events and tasks from: an argument, so that one library serves all.

``PLAIN`` is for ordinary programs and their threads. ``chat.client.gevent_runtime.GEVENT`` is for programs on gevent:
there a lock of ``threading`` would stop every greenlet.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeVar

from chat.client.runtime import happy_eyeballs
from chat.client.runtime.happy_eyeballs import Means, Route
from chat.net.address import Address
from chat.net.dead_peer import is_dead

T = TypeVar("T")

KEEPALIVE_IDLE = 60  # seconds of silence before the first probe
KEEPALIVE_INTERVAL = 15  # seconds between probes
KEEPALIVE_PROBES = 4  # unanswered, and the peer has vanished: two minutes in all


class Pulse(NamedTuple):
    """Signs of life of the peer, below TLS. ``received``: bytes so far; ``is_unread``: more have come."""

    received: int
    is_unread: bool
    is_dead: bool


class Stream(Protocol):
    """A connection as bytes: one reader and one writer at a time, which may be different tasks.

    Their time limits are apart, which those of a plain socket object are not.
    """

    def recv_into(self, buffer: memoryview, /) -> int:
        """Wait for at least one byte; 0 at the end. Raises TimeoutError (see ``settimeout``) or OSError."""
        ...

    def settimeout(self, value: float | None, /) -> None:
        """How many seconds ``recv_into`` waits at most."""
        ...

    def send(self, data: memoryview, timeout: float, /) -> int:
        """Wait until some can be taken, at most ``timeout`` seconds, and send that. Raises TimeoutError or OSError."""
        ...

    def readable(self) -> bool:
        """Whether ``recv_into`` would return at once."""
        ...

    def pulse(self) -> Pulse:
        """Return what the network has brought so far, and whether the peer has vanished. For any task, at any time."""
        ...

    def finish(self) -> None:
        """Nothing more will be sent; reading goes on."""
        ...

    def shut(self) -> None:
        """No more in either direction: wakes whoever waits, in any task. May be called twice."""
        ...

    def close(self) -> None: ...


class Lock(Protocol):
    """As ``threading.Lock``."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...

    def release(self) -> None: ...

    def __enter__(self) -> Any: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Any: ...


class Event(Protocol):
    """As ``threading.Event``."""

    def set(self) -> None: ...

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None, /) -> bool: ...


class Task(Protocol):
    """Something that runs beside the caller."""

    def join(self, timeout: float | None = None, /) -> Any: ...


class Runtime(Protocol):
    """What a connection needs of its surroundings."""

    def connect(
        self,
        address: Address,
        timeout: float,
        route: Route | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Stream:
        """Connect within ``timeout`` seconds. Raises OSError, of which TimeoutError is one, or ValueError (no host).

        ``route`` remembers the address of the server that worked last. Once ``is_cancelled`` says so, the call
        ends with an OSError within a tenth of a second.
        """
        ...

    def lock(self) -> Lock: ...

    def event(self) -> Event: ...

    def spawn(self, function: Callable[..., object], *arguments: object) -> Task:
        """Run it beside the caller; it does not keep the program from ending."""
        ...

    def sleep(self, seconds: float) -> None: ...

    def pause(self) -> None:
        """Let others run who are ready to."""
        ...

    def offload(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call what may wait for a disk, without keeping others from running; returns and raises as it does."""
        ...


class PlainStream:
    """A Stream for threads.

    The descriptor never blocks and each wait is a poll of its own, because a time limit set on a socket object holds
    for both directions: a reader that may wait for hours would take the writer's away.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._timeout: float | None = None
        self._received = 0

    def settimeout(self, value: float | None, /) -> None:
        self._timeout = value

    def recv_into(self, buffer: memoryview, /) -> int:
        while True:
            try:
                size = self._socket.recv_into(buffer)
            except BlockingIOError:
                self._wait(select.POLLIN, self._timeout)
            else:
                self._received += size
                return size

    def send(self, data: memoryview, timeout: float, /) -> int:
        while True:
            try:
                return self._socket.send(data)
            except BlockingIOError:
                self._wait(select.POLLOUT, timeout)

    def readable(self) -> bool:
        return is_readable(self._socket)

    def pulse(self) -> Pulse:
        return pulse_of(self._socket, self._received)

    def finish(self) -> None:
        shut_down(self._socket, socket.SHUT_WR)

    def shut(self) -> None:
        shut_down(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()

    def _wait(self, event: int, timeout: float | None) -> None:
        poll = select.poll()
        poll.register(self._socket, event)
        if not poll.poll(None if timeout is None else timeout * 1000):
            raise TimeoutError("the peer took too long")


class _PlainRuntime:
    """Threads and plain sockets."""

    def connect(
        self,
        address: Address,
        timeout: float,
        route: Route | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> PlainStream:
        if address.path is not None:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.settimeout(timeout)
                sock.connect(address.path)
            except BaseException:
                sock.close()
                raise
        else:
            means = Means(socket.getaddrinfo, select.poll, self.event, self.spawn)
            host, port = host_and_port(address)
            sock = happy_eyeballs.connect(host, port, timeout, means, route, is_cancelled)
            set_socket_options(sock)
        return PlainStream(sock)

    def lock(self) -> Lock:
        return threading.Lock()

    def event(self) -> Event:
        return threading.Event()

    def spawn(self, function: Callable[..., object], *arguments: object) -> Task:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        return thread

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def pause(self) -> None:
        """The interpreter switches threads by itself."""

    def offload(self, function: Callable[..., T], *arguments: Any) -> T:
        return function(*arguments)


def host_and_port(address: Address) -> tuple[str, int]:
    """Of a TCP address; ``:PORT`` is on this machine."""
    return address.host or "localhost", address.port


def set_socket_options(sock: Any) -> None:
    """A line must not wait for the answer to the one before it, and a vanished peer must be noticed."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # The names that not every system has, or calls so.
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def is_readable(sock: Any) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def pulse_of(sock: Any, received: int) -> Pulse:
    """Return the pulse of a socket from which ``received`` bytes have been read."""
    try:
        return Pulse(received, is_readable(sock), is_dead(sock))
    except (OSError, ValueError):
        return Pulse(received, False, False)  # closed meanwhile


def shut_down(sock: Any, how: int) -> None:
    try:
        sock.shutdown(how)
    except OSError:
        return  # the peer, or another task, was faster: it is what we wanted


PLAIN: Runtime = _PlainRuntime()
