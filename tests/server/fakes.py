"""Stand-ins for what the server's modules are given: a way out, a clock, a member of the room, a large content."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from chat.framing import FrameReader
from chat.process.fairness import yield_to_loop
from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.names import UserName, parse_user_name
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.delivery.send_queue import BacklogLimits, SendQueue
from chat.server.history.stored import LogName, mailbox_of
from chat.server.net.transport import Transport
from tests.wire.replay import ChunkedSocket, Frame, read_frames

PLENTY = 1 << 40


class FakeClock:
    """Seconds that pass only when the test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        """Return the time, so that the clock can stand in for the module ``time``."""
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class FakeTransport(Transport):
    """Takes ``room`` bytes and then would block, until ``make_room``; ``breaks_with`` is raised instead of sending."""

    __slots__ = (
        "aborted",
        "breaks_with",
        "finished",
        "hung_up",
        "on_wait",
        "room",
        "sends",
        "taken",
        "wakes",
    )

    def __init__(self, room: int = PLENTY) -> None:  # no socket: nothing of the real one is used
        self.descriptor = None  # everything goes by `try_send`
        self.room = room
        self.taken = bytearray()
        self.sends: list[int] = []  # the bytes that were offered in each call
        self.breaks_with: Exception | None = None
        self.aborted = self.hung_up = False
        self.finished = False
        self.wakes = Event()
        self.on_wait: Callable[[float], object] = lambda timeout: None

    def try_send(self, data: bytes | memoryview) -> int:
        self.sends.append(len(data))
        return self._take(bytes(data))

    def try_sendfile(self, fd: int, offset: int, size: int) -> int:
        self.sends.append(size)
        return self._take(os.pread(fd, min(size, 100_000), offset))

    def wait_writable(self, timeout: float) -> None:
        self.on_wait(timeout)
        self.wakes.clear()
        self.wakes.wait(30)

    def make_room(self, size: int = PLENTY) -> None:
        self.room += size
        self.wakes.set()

    def break_with(self, problem: Exception) -> None:
        self.breaks_with = problem
        self.wakes.set()

    def abort(self) -> None:
        self.aborted = True
        self.wakes.set()

    def hang_up(self) -> None:
        self.hung_up = True

    def finish(self, timeout: float) -> None:
        self.finished = True

    def _take(self, data: bytes) -> int:
        if self.breaks_with is not None:
            raise self.breaks_with
        taken = data[: self.room]
        self.room -= len(taken)
        self.taken += taken
        return len(taken)


def frames_of(data: bytes, order: ByteOrder = ByteOrder.BIG) -> list[Frame]:
    """``data`` read back; it must end where a frame ends."""
    return list(read_frames(FrameReader(ChunkedSocket([data]), order)))


def say(frame: Frame) -> str:
    """A frame in short: ``LOGIN alice``, ``UTF8 alice: hi``, ``UTF8 alice>bob: hi``, ``LOGOUT bob (quit)``."""
    kind = MessageType(frame.type).name
    if not frame.header:
        return kind
    header = json.loads(frame.header)
    who = header["from"] + (f">{header['to']}" if "to" in header else "")
    code = header.get("notice") or header.get("reason")
    line = f"{kind} {who}" + (f" ({code})" if code else "")
    return (
        line
        if frame.type == MessageType.LOGIN or not frame.content
        else f"{line}: {frame.content.decode()}"
    )


class FakeMember:
    """A name and a way out that the test can look at."""

    def __init__(
        self,
        name: str,
        order: ByteOrder = ByteOrder.BIG,
        *,
        inline: int | None = None,
        limits: BacklogLimits | None = None,
    ) -> None:
        self.serial = 0
        self.token: str | None = None
        self.token_digest: bytes | None = None
        self.is_elsewhere = False
        self.home, self.number = "", 0
        self.host: str | None = "192.0.2.1"
        self.label = "192.0.2.1:4711"
        self.is_private = True
        self.account_id: bytes | None = None
        self.device: bytes | None = None
        self.moderator = False
        self.knows_rooms = False
        self.wants_status = False
        self.name: UserName = parse_user_name(name)
        self.transport = FakeTransport()
        self.failed: list[LeaveReason] = []
        self.send_queue = SendQueue(
            self.transport,
            order,
            limits or BacklogLimits(PLENTY, PLENTY),
            self.failed.append,
            inline,
        )

    @property
    def registered(self) -> bool:
        return self.account_id is not None

    @property
    def author(self) -> bytes:
        return self.account_id or b""

    @property
    def authors(self) -> tuple[bytes, ...]:
        return (self.account_id,) if self.account_id is not None else ()

    @property
    def mailbox(self) -> LogName:
        return mailbox_of(self.account_id, self.name.key)

    def became_registered(self, account_id: bytes = b"an account") -> None:
        self.account_id = account_id

    def lost_account(self) -> None:
        self.account_id, self.moderator = None, False

    def eject(self, reason: LeaveReason, notice: NoticeCode, sentence: str) -> None:
        raise NotImplementedError("only real sessions are ejected")

    def supersede(self, *, quietly: bool = False) -> None:
        raise NotImplementedError("only real sessions are superseded")

    def depart(self, reason: LeaveReason, *, quietly: bool = False) -> None:
        raise NotImplementedError("only real sessions depart by themselves")

    @property
    def frames(self) -> list[Frame]:
        return frames_of(bytes(self.transport.taken), self.send_queue.order)

    @property
    def headers(self) -> list[dict[str, Any]]:
        return [json.loads(frame.header) for frame in self.frames if frame.header]

    @property
    def heard(self) -> list[str]:
        """Return the frames since the last look, each in short."""
        lines = [say(frame) for frame in self.frames]
        self.transport.taken.clear()
        return lines


class FakeContent:
    """A large content that counts who holds it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.holders = 1
        self._fd = os.memfd_create("content")
        os.write(self._fd, data)

    def fileno(self) -> int:
        assert self.holders, "nobody holds it any more"
        return self._fd

    def hold(self) -> None:
        assert self.holders, "nobody holds it any more"
        self.holders += 1

    def release(self) -> None:
        assert self.holders, "released more often than held"
        self.holders -= 1
        if not self.holders:
            os.close(self._fd)


def run_ready_greenlets() -> None:
    """Let every greenlet that can run do so."""
    for _ in range(20):
        yield_to_loop()


def wait_until(condition: Callable[[], object], what: str = "it") -> None:
    """Wait for a condition that no event reports: look again until it is true, or fail after 30 seconds."""
    with gevent.Timeout(30, AssertionError(f"waited 30 seconds for {what}")):
        while not condition():
            gevent.sleep(0.002)
