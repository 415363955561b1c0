"""Where a connection gets its sockets, locks, events and tasks from: an argument, so that one library serves all.

``PLAIN`` is for ordinary programs and their threads. ``chat.client.gevent_runtime.GEVENT`` is for programs on gevent:
there a lock of ``threading`` would stop every greenlet.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, TypeVar

from chat.address import Address

T = TypeVar("T")

KEEPALIVE_IDLE = 60  # seconds of silence before the first probe
KEEPALIVE_INTERVAL = 15  # seconds between probes
KEEPALIVE_PROBES = 4  # unanswered, and the peer has vanished: two minutes in all


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

    def connect(self, address: Address, timeout: float) -> Stream:
        """Raises OSError, of which TimeoutError is one."""
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
