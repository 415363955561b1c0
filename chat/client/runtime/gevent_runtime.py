"""The runtime for programs on gevent: sockets, locks and greenlets. They must stay in one thread."""

from __future__ import annotations

import socket as plain_socket
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

import gevent
import gevent.event
import gevent.lock
import gevent.select
import gevent.socket

from chat.client.runtime import happy_eyeballs
from chat.client.runtime.happy_eyeballs import Means, Route
from chat.client.runtime.runtime import (
    Event,
    Lock,
    Pulse,
    Runtime,
    Stream,
    Task,
    host_and_port,
    is_readable,
    pulse_of,
    set_socket_options,
    shut_down,
)
from chat.net.address import Address
from chat.process.offload import run_in

T = TypeVar("T")

# Seconds that readers may work before the event loop looks at all descriptors, such as the keyboard. A look costs as
# much as reading a message, so there is none after every few messages.
SLICE = 0.001


class GeventStream:
    """A Stream for greenlets.

    gevent's sockets never block, but the time limit of a socket object holds for both directions, and
    ``send(timeout=…)`` does not bound the wait. So the writer has a duplicate of the socket.
    """

    def __init__(self, sock: gevent.socket.socket) -> None:
        sock.settimeout(None)
        self._socket = sock
        self._writer = sock.dup()
        self._received = 0

    def settimeout(self, value: float | None, /) -> None:
        self._socket.settimeout(value)

    def recv_into(self, buffer: memoryview, /) -> int:
        size = int(self._socket.recv_into(buffer))
        self._received += size
        return size

    def readable(self) -> bool:
        return is_readable(self._socket)

    def pulse(self) -> Pulse:
        return pulse_of(self._socket, self._received)

    def send(self, data: memoryview, timeout: float, /) -> int:
        self._writer.settimeout(timeout)
        return int(self._writer.send(data))

    # Shut down by the duplicate. gevent makes every task fail that waits on the object itself, but the reader should
    # get the data that has arrived, and then the end of the stream. Both objects are one connection for the kernel.
    def finish(self) -> None:
        shut_down(self._writer, plain_socket.SHUT_WR)

    def shut(self) -> None:
        shut_down(self._writer, plain_socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()
        self._writer.close()


class GeventRuntime:
    """A Runtime for greenlets. ``clock`` is in seconds; a test brings its own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at = clock()

    def connect(
        self,
        address: Address,
        timeout: float,
        route: Route | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Stream:
        if address.path is not None:
            sock = gevent.socket.socket(plain_socket.AF_UNIX)
            try:
                sock.settimeout(timeout)
                sock.connect(address.path)
            except BaseException:
                sock.close()
                raise
        else:
            means = Means(gevent.socket.getaddrinfo, gevent.select.poll, self.event, self.spawn)
            host, port = host_and_port(address)
            found = happy_eyeballs.connect(host, port, timeout, means, route, is_cancelled)
            set_socket_options(found)
            family = found.family
            sock = gevent.socket.socket(family, found.type, found.proto, fileno=found.detach())
        return GeventStream(sock)

    def lock(self) -> Lock:
        return cast(Lock, gevent.lock.BoundedSemaphore(1))

    def event(self) -> Event:
        return cast(Event, gevent.event.Event())

    def spawn(self, function: Callable[..., object], *arguments: object) -> Task:
        return cast(Task, gevent.spawn(function, *arguments))

    def sleep(self, seconds: float) -> None:
        gevent.sleep(seconds)

    def pause(self) -> None:
        if self._clock() - self._looked_at < SLICE:
            return
        # Loaded in the first flood, because it makes the event loop of this thread.
        from chat.process.fairness import yield_to_loop

        yield_to_loop()
        self._looked_at = self._clock()

    def offload(self, function: Callable[..., T], *arguments: Any) -> T:
        return run_in(gevent.get_hub().threadpool, function, *arguments)


GEVENT: Runtime = GeventRuntime()
