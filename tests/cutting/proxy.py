"""Bad lines: TCP proxies on loopback that count bytes, and cut or hold them."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import gevent
import gevent.socket
from gevent.event import Event

_CHUNK = 16384
_QUIET = 0.3  # seconds after which a link is cut although too few bytes have passed


class Manner(str, Enum):
    """List how a link can be cut."""

    CLOSE = "closed"  # both ends see the end of the stream
    RESET = "reset"  # both ends see a reset
    HELD = "held"  # nothing passes for a while; then all does
    LATE = "late"  # the client sees the end; what it had sent reaches the server later


class Cut(NamedTuple):
    """Cut a link ``after`` so many further bytes, in the directions ``up`` (to the server) and ``down``.

    ``seconds``: how long bytes are held.
    """

    manner: Manner
    after: int
    up: bool
    down: bool
    seconds: float


class _Pump:
    """Carry bytes from one socket to the other; stop them at an exact byte when asked."""

    def __init__(
        self,
        source: gevent.socket.socket,
        sink: gevent.socket.socket,
        change: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.source, self.sink = source, sink
        self._change = change
        self.stopped = Event()  # the byte has been reached
        self.open = Event()
        self.open.set()
        self._left: int | None = None  # bytes that may still pass
        self._is_dropping = False

    def stop_after(self, count: int) -> None:
        self._left = count
        self.stopped.clear()

    def stop(self) -> None:
        self._left = None
        self.open.clear()
        self.stopped.set()

    def release(self) -> None:
        self._left = None
        self.open.set()

    def drop(self) -> None:
        """Drop everything from now on."""
        self._is_dropping = True
        self.release()

    def run(self) -> None:
        """Carry until the source has ended. Raises OSError if either end is gone."""
        while data := self.source.recv(_CHUNK):
            self._carry(self._change(data) if self._change is not None else data)
        self.sink.shutdown(socket.SHUT_WR)

    def _carry(self, data: bytes) -> None:
        self.open.wait()
        while self._left is not None and len(data) >= self._left:
            self.sink.sendall(data[: self._left])
            data = data[self._left :]
            self.stop()
            self.open.wait()
        if self._is_dropping:
            return
        if self._left is not None:
            self._left -= len(data)
        self.sink.sendall(data)


class Link:
    """One connection through a proxy. ``change`` is applied to what comes from ``far``."""

    def __init__(
        self,
        near: gevent.socket.socket,
        far: gevent.socket.socket,
        change: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._near, self._far = near, far
        self._up, self._down = _Pump(near, far), _Pump(far, near, change)
        self.is_being_cut = False

    def run(self) -> None:
        """Carry bytes until both directions have ended."""
        pumps = [gevent.spawn(self._carry, pump) for pump in (self._up, self._down)]
        try:
            gevent.joinall(pumps)
        finally:
            gevent.killall(pumps)
            self._near.close()
            self._far.close()

    def cut(self, cut: Cut) -> bool:
        """Begin a cut; return whether the link was whole."""
        if self.is_being_cut:
            return False
        self.is_being_cut = True
        gevent.spawn(self._cut, cut)
        return True

    def hold(self, *, up: bool = True, down: bool = True) -> None:
        """Hold all bytes, in both directions or in one, until ``release``."""
        for pump, chosen in ((self._up, up), (self._down, down)):
            if chosen:
                pump.stop()

    def release(self) -> None:
        """Carry what is held, and what follows."""
        self._up.release()
        self._down.release()

    def end(self, *, reset: bool = False) -> None:
        """End both connections now; bytes that are held are lost."""
        for sock in (self._near, self._far):
            with contextlib.suppress(OSError):
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.close()
                else:
                    sock.shutdown(socket.SHUT_RDWR)
        self.release()

    def _carry(self, pump: _Pump) -> None:
        try:
            pump.run()
        except OSError:
            self.end()  # a program was killed, and the other one must see it

    def _cut(self, cut: Cut) -> None:
        pumps = [pump for pump, chosen in ((self._up, cut.up), (self._down, cut.down)) if chosen]
        for pump in pumps:
            pump.stop_after(cut.after)
        gevent.wait([pump.stopped for pump in pumps], timeout=_QUIET)
        for pump in pumps:
            pump.stop()
        if cut.manner is Manner.HELD:
            gevent.sleep(cut.seconds)
            for pump in pumps:
                pump.release()
            self.is_being_cut = False
        elif cut.manner is Manner.LATE:
            self._cut_late(cut.seconds)
        else:
            self.end(reset=cut.manner is Manner.RESET)

    def _cut_late(self, seconds: float) -> None:
        """End the client's side now, and the server's side later, when it has got what the client had sent."""
        self._up.stop()
        gevent.sleep(seconds / 4)  # what the client says now is on its way for long
        self._down.drop()
        with contextlib.suppress(OSError):
            self._near.shutdown(socket.SHUT_WR)
        gevent.sleep(seconds)
        self._up.release()
        # The pump meets the end of the client's bytes by itself.
        gevent.sleep(seconds)
        self.end()


# The address of a server, or what returns one for each connection.
Target = tuple[str, int] | Callable[[], tuple[str, int]]


class Proxy:
    """Stands before the server at ``target``, on a port of its own.

    ``change_answer``, if given, is applied to each piece of bytes that comes from the server.
    """

    def __init__(
        self, target: Target, change_answer: Callable[[bytes], bytes] | None = None
    ) -> None:
        self.target = target
        self._change_answer = change_answer
        self.links: list[Link] = []
        self._held = (False, False)  # up, down
        self._listener = gevent.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.address: tuple[str, int] = self._listener.getsockname()
        self._task = gevent.spawn(self._accept)

    @property
    def link(self) -> Link | None:
        """The newest link, if it is still there."""
        return self.links[-1] if self.links else None

    @property
    def is_calm(self) -> bool:
        """Whether no link is being cut."""
        return not any(link.is_being_cut for link in self.links)

    def hold(self, *, up: bool = True, down: bool = True) -> None:
        """Hold all bytes in these directions, also of links that come, until ``release``."""
        self._held = (up, down)
        for link in self.links:
            link.hold(up=up, down=down)

    def release(self) -> None:
        """Carry what is held, and what follows."""
        self._held = (False, False)
        for link in self.links:
            link.release()

    def close(self) -> None:
        self._task.kill()
        self._listener.close()
        for link in self.links[:]:
            link.end()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            gevent.spawn(self._serve, near)

    def _serve(self, near: gevent.socket.socket) -> None:
        try:
            target = self.target() if callable(self.target) else self.target
            far = gevent.socket.create_connection(target)
        except OSError:
            near.close()  # the server is not there
            return
        for sock in (near, far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(near, far, self._change_answer)
        up, down = self._held
        link.hold(up=up, down=down)
        self.links.append(link)
        try:
            link.run()
        finally:
            self.links.remove(link)
