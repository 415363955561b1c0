"""Keep thousands of connections in one process, at a fraction of what they cost the server.

Bytes are counted, not read: the kernel is asked to drop the bytes and say how many there were (MSG_TRUNC, tcp(7)). The
sizes of all messages are known (benchmarks/sizes.py), so bytes tell the number of messages.
"""

from __future__ import annotations

import math
import resource
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from benchmarks.plan import BenchmarkError
from benchmarks.sizes import Sizes
from benchmarks.tls import encrypted

_READ = 1024 * 1024
_EVENTS = 256  # of one poll; then the senders run
_LAZE = 0.001
_PATIENCE = 20.0  # seconds without a byte after which nothing more is expected
_PER_SOURCE = 10_000  # connections from one of loopback's addresses: far fewer than it has ports
_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: choose the port on connecting, when more of them fit
_SO_TIMESTAMPNS = (
    35  # asm-generic/socket.h: the time of arrival, as a timespec, with what is received
)
_TIMESPEC = struct.Struct("@ll")
_NOTES = socket.CMSG_SPACE(_TIMESPEC.size)

_buffer = bytearray(_READ)


def raise_descriptor_limit(needed: int) -> None:
    """Raise the limit of descriptors. Raises BenchmarkError if the system does not allow so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed > hard != resource.RLIM_INFINITY:
        raise BenchmarkError(f"it takes {needed} descriptors, and the limit is {hard} (ulimit -Hn)")
    if needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


class Login(NamedTuple):
    """Hold what to say first, and the bytes of the answer that show success."""

    hello: bytes
    ends: bytes


def counting(sock: socket.socket) -> Callable[[], int]:
    """Return a reader of ``sock`` that only counts."""
    return partial(sock.recv_into, _buffer, 0, socket.MSG_TRUNC)


class Crowd:
    """Read many connections when bytes arrive.

    Connections that only count are read every ``laze`` seconds. No result depends on the moment, and the server would
    have to wake a process that sleeps until each message. Connections with a reader of their own are read at once.
    ``received`` is the count of bytes by descriptor.
    """

    def __init__(self) -> None:
        self._prompt = select.epoll()
        self._lazy = select.epoll()
        self._timed = select.epoll()
        self.laze = _LAZE
        self._next_look = 0.0  # at the lazy ones
        self._sockets: dict[int, socket.socket] = {}
        self._watch: dict[int, select.epoll] = {}
        self._receive: dict[int, Callable[[], int]] = {}
        self._writers: dict[int, Callable[[], None]] = {}
        self.received: dict[int, int] = {}

    def add(self, sock: socket.socket, receive: Callable[[], int] | None = None) -> None:
        """Read ``sock`` from now on: by ``receive``, which returns how many bytes there were, or only counting."""
        fd = sock.fileno()
        self._sockets[fd] = sock
        self.received[fd] = 0
        self.read_by(sock, receive)

    def forget(self, sock: socket.socket) -> None:
        """Close ``sock``, and stop reading it."""
        fd = sock.fileno()
        self._watch.pop(fd).unregister(fd)
        for known in (self._sockets, self._receive, self._writers, self.received):
            known.pop(fd, None)
        sock.close()

    def only_count(self, fd: int) -> None:
        """Read ``sock`` by counting again."""
        self.read_by(self._sockets[fd])

    def read_by(self, sock: socket.socket, receive: Callable[[], int] | None = None) -> None:
        """Read ``sock`` by another function from now on."""
        fd = sock.fileno()
        self._receive[fd] = receive or counting(sock)
        self._put(fd, self._prompt if receive is not None else self._lazy)

    def _put(self, fd: int, watch: select.epoll) -> None:
        before = self._watch.get(fd)
        if watch is not before:
            if before is not None:
                before.unregister(fd)
            self._watch[fd] = watch
            watch.register(fd, select.EPOLLIN)

    def want_to_write(self, sock: socket.socket, writer: Callable[[], None] | None) -> None:
        """Call ``writer`` whenever ``sock`` can be written to; None ends that."""
        fd = sock.fileno()
        if writer is None:
            if self._writers.pop(fd, None) is not None:
                self._watch[fd].modify(fd, select.EPOLLIN)
            return
        if fd not in self._writers:
            self._watch[fd].modify(fd, select.EPOLLIN | select.EPOLLOUT)
        self._writers[fd] = writer

    def turn(self, wait: float = _LAZE) -> int:
        """Wait for bytes, ``wait`` seconds at most, and return how many arrived."""
        taken = self._take(self._prompt.poll(wait, _EVENTS))
        if time.monotonic() >= self._next_look:
            events = self._lazy.poll(0, _EVENTS)
            taken += self._take(events)
            if len(events) < _EVENTS:
                self._next_look = time.monotonic() + self.laze
        return taken

    def time_arrivals(self, fd: int) -> None:
        """Have the kernel note when bytes arrive at ``fd``; ``take_times`` reads the notes."""
        self._sockets[fd].setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._put(fd, self._timed)

    def take_times(self, sizes: Sizes, sent: Sequence[float], waits: list[float]) -> None:
        """Read the timed connections; append to ``waits`` how many seconds each message took.

        The messages have these ``sizes`` and were ``sent`` at those times, by ``time.time``. The time of arrival is the
        kernel's own stamp, so it does not matter when the load reads it. Messages that are read together count as
        arriving with the last of them.
        """
        for fd, _ in self._timed.poll(0, _EVENTS):
            count, notes, _, _ = self._sockets[fd].recvmsg_into([_buffer], _NOTES, socket.MSG_TRUNC)
            if not count:
                raise BenchmarkError("the server closed a connection")
            # The first message has no stamp: the kernel begins a moment after it is asked.
            arrived = _seconds(notes[0][2]) if notes else time.time()
            before = self.received[fd]
            after = self.received[fd] = before + count
            numbers = range(sizes.messages(before), sizes.messages(after))
            waits.extend(arrived - sent[number] for number in numbers)

    def turn_until(self, condition: Callable[[], bool], what: str) -> None:
        """Go on until ``condition`` holds. Raises BenchmarkError if no more bytes arrive before that."""
        last = time.monotonic()
        while not condition():
            if self.turn():
                last = time.monotonic()
            elif time.monotonic() - last > _PATIENCE:
                raise BenchmarkError(f"the server went silent before {what}")

    def settle(self, quiet: float = 0.1) -> None:
        """Go on until nothing has arrived for ``quiet`` seconds."""
        last = time.monotonic()
        while time.monotonic() - last < quiet:
            if self.turn():
                last = time.monotonic()

    def _take(self, events: list[tuple[int, int]]) -> int:
        receive, received = self._receive, self.received
        taken = 0
        for fd, event in events:
            if event & select.EPOLLOUT:
                self._writers[fd]()
                if event == select.EPOLLOUT:
                    continue
            try:
                count = receive[fd]()
            except BlockingIOError:
                continue  # a piece of a record, of which nothing can be read yet
            if not count:
                raise BenchmarkError("the server closed a connection")
            received[fd] += count
            taken += count
        return taken

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()
        for watch in (self._prompt, self._lazy, self._timed):
            watch.close()


def _seconds(stamp: bytes) -> float:
    seconds, nanoseconds = _TIMESPEC.unpack(stamp)
    return float(seconds + nanoseconds * 1e-9)


class Sender:
    """Send one message again and again, with at most ``window`` of them unconfirmed."""

    def __init__(self, crowd: Crowd, sock: socket.socket, message: bytes, window: int) -> None:
        self.sent = 0
        self.confirmed = 0
        self._crowd = crowd
        self._sock = sock
        self._window = window
        self._size = len(message)
        self._burst = memoryview(message * window)
        self._unsent = self._burst[:0]
        self._limit: float = 0

    def confirm_by(self, sock: socket.socket, marker: bytes) -> None:
        """Confirm a message for each ``marker`` that ``sock`` receives; only the message contains the marker, once."""
        self._crowd.read_by(sock, partial(self._receive, sock, marker))

    def start(self, messages: float = math.inf) -> None:
        """Send so many more, as the window allows."""
        self._limit = self.sent + messages
        self._go_on()

    def say(self) -> None:
        """Send one more now, even beyond the window."""
        self.sent += 1
        self._unsent = self._burst[: self._size]
        self._write()

    def stop(self) -> None:
        """Begin no further message."""
        self._limit = self.sent

    def confirm(self, messages: int) -> None:
        """Count so many as arrived, and send as many more."""
        self.confirmed += messages
        self._go_on()

    def _receive(self, sock: socket.socket, marker: bytes) -> int:
        data = sock.recv(65536)
        messages = data.count(marker)
        if messages:
            self.confirm(messages)
        return len(data)

    def _go_on(self) -> None:
        if self._unsent:
            self._write()
            return
        messages = int(min(self._window - self.sent + self.confirmed, self._limit - self.sent))
        if messages > 0:
            self.sent += messages
            self._unsent = self._burst[: messages * self._size]
            self._write()

    def _write(self) -> None:
        try:
            taken = self._sock.send(self._unsent)
        except BlockingIOError:
            taken = 0
        self._unsent = self._unsent[taken:]
        self._crowd.want_to_write(self._sock, self._write if self._unsent else None)


class Entrance:
    """Log many users in, so many at a time, while the connections of earlier users are read."""

    def __init__(
        self,
        crowd: Crowd,
        address: tuple[str, int],
        at_a_time: int = 100,
        time_limit: float = math.inf,
        *,
        is_encrypted: bool = False,
    ) -> None:
        self.waits: list[float] = []  # seconds from connecting to being in
        self._deadline = time.monotonic() + time_limit
        self._crowd = crowd
        self._address = address
        self._at_a_time = at_a_time
        self._is_encrypted = is_encrypted
        self._under_way = 0
        self._connections = 0

    def let_in(self, logins: Iterable[Login]) -> list[socket.socket]:
        """Return the sockets in the order of ``logins``. Raises BenchmarkError if a login is refused."""
        sockets = []
        for login in logins:
            if time.monotonic() > self._deadline:
                raise BenchmarkError(f"in the time that there is only {len(self.waits)} got in")
            sockets.append(self.begin(login))
            self._crowd.turn_until(lambda: self._under_way < self._at_a_time, "letting all in")
        self._crowd.turn_until(lambda: not self._under_way, "letting all in")
        return sockets

    def connect(self) -> socket.socket:
        """Return a connection without a login; with TLS, after the handshake."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_IP, _BIND_ADDRESS_NO_PORT, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((f"127.0.0.{1 + self._connections // _PER_SOURCE}", 0))
        self._connections += 1
        sock.connect(self._address)
        return encrypted(sock) if self._is_encrypted else sock

    def begin(self, login: Login) -> socket.socket:
        """Connect and log in. The answer is read while the crowd goes on."""
        self._under_way += 1
        began = time.monotonic()
        sock = self.connect()
        sock.sendall(login.hello)
        sock.setblocking(False)
        self._crowd.add(sock, partial(self._answer, sock, login.ends, began, bytearray()))
        return sock

    def _answer(self, sock: socket.socket, ends: bytes, began: float, seen: bytearray) -> int:
        data = sock.recv(65536)
        seen += data
        if ends in seen:
            self._under_way -= 1
            self.waits.append(time.monotonic() - began)
            self._crowd.read_by(sock)
        del seen[: -len(ends)]
        return len(data)
