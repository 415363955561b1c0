"""Provide a connection with sockets, locks, events and tasks, so that one library serves threads and greenlets.

``PLAIN`` is for programs with threads. ``chat.client.gevent_runtime.GEVENT`` is for programs on gevent, where waiting
for a lock of ``threading`` would stop all greenlets.
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
KEEPALIVE_PROBES = 4  # without an answer to these, the peer has vanished: after two minutes in all


class Pulse(NamedTuple):
    """Signs of life of the peer, below TLS.

    ``received``: bytes read so far. ``is_unread``: more bytes have arrived. ``is_dead``: the kernel reports that the
    peer has vanished.
    """

    received: int
    is_unread: bool
    is_dead: bool


class Stream(Protocol):
    """A connection as bytes: one reader and one writer at a time, which may be different tasks.

    Reader and writer have separate time limits. A socket object has only one for both.
    """

    def recv_into(self, buffer: memoryview, /) -> int:
        """Wait for at least one byte; return 0 at the end. Raises TimeoutError (see ``settimeout``) or OSError."""
        ...

    def settimeout(self, value: float | None, /) -> None:
        """Set the seconds that ``recv_into`` waits at most; None: without a limit."""
        ...

    def send(self, data: memoryview, timeout: float, /) -> int:
        """Send some bytes, and return how many; wait at most ``timeout`` seconds. Raises TimeoutError or OSError."""
        ...

    def readable(self) -> bool:
        """Return whether ``recv_into`` would return at once."""
        ...

    def pulse(self) -> Pulse:
        """Return the signs of life of the peer. Any task may call this at any time."""
        ...

    def finish(self) -> None:
        """Announce that nothing more is sent; reading goes on."""
        ...

    def shut(self) -> None:
        """End both directions, and wake all tasks that wait. May be called twice."""
        ...

    def close(self) -> None: ...


class Lock(Protocol):
    """A lock with the interface of ``threading.Lock``."""

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
    """An event with the interface of ``threading.Event``."""

    def set(self) -> None: ...

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None, /) -> bool: ...


class Task(Protocol):
    """A function that runs beside the caller, in a thread or a greenlet."""

    def join(self, timeout: float | None = None, /) -> Any: ...


class Runtime(Protocol):
    """The operations that a connection takes from threads or from gevent."""

    def connect(
        self,
        address: Address,
        timeout: float,
        route: Route | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Stream:
        """Connect within ``timeout`` seconds. Raises OSError, of which TimeoutError is one, or ValueError (no host).

        ``route`` remembers the address of the server that worked last. Once ``is_cancelled`` returns True, the call
        ends with an OSError within 0.1 s.
        """
        ...

    def lock(self) -> Lock: ...

    def event(self) -> Event: ...

    def spawn(self, function: Callable[..., object], *arguments: object) -> Task:
        """Run ``function`` beside the caller. The program may end while it runs."""
        ...

    def sleep(self, seconds: float) -> None: ...

    def pause(self) -> None:
        """Let other tasks run that are ready, unless the caller has worked for a moment only."""
        ...

    def offload(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that may wait for a disk, while other tasks run. Returns and raises as the function does."""
        ...


class PlainStream:
    """A Stream for threads.

    The descriptor never blocks, and each wait is a separate poll. The time limit of a socket object would hold for both
    directions: a reader that may wait for hours would change the limit of the writer.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._timeout: float | None = None
        self._received = 0

    def settimeout(self, value: float | None, /) -> None:
        self._timeout = value

    def recv_into(self, buffer: memoryview, /) -> int:
        # Read first, and poll only if nothing is there: while bytes keep coming, this saves a system call.
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
        """Do nothing: the interpreter switches threads by itself."""

    def offload(self, function: Callable[..., T], *arguments: Any) -> T:
        return function(*arguments)


def host_and_port(address: Address) -> tuple[str, int]:
    """Return the host and the port of a TCP address. An address without a host is on this machine."""
    return address.host or "localhost", address.port


def set_socket_options(sock: Any) -> None:
    """Turn off Nagle's algorithm, and turn on keepalive.

    A message must not wait for the acknowledgement of the message before it. A vanished peer must be noticed.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Not every system has these options: macOS calls the first one TCP_KEEPALIVE.
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def is_readable(sock: Any) -> bool:
    """Return whether bytes, or the end of the stream, have arrived."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def pulse_of(sock: Any, received: int) -> Pulse:
    """Return the pulse of a socket from which ``received`` bytes have been read."""
    try:
        return Pulse(received, is_readable(sock), is_dead(sock))
    except (OSError, ValueError):
        return Pulse(received, False, False)  # another task has closed the socket


def shut_down(sock: Any, how: int) -> None:
    """Shut a socket down, whether or not it is connected."""
    try:
        sock.shutdown(how)
    except OSError:
        return  # the peer, or another task, has ended the connection already


PLAIN: Runtime = _PlainRuntime()
