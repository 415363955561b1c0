"""The send queue of one user: the socket takes what it can, a bounded rest waits, and nobody else waits."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason
from chat.server.delivery import send_queue as send_queue_module
from chat.server.delivery.send_queue import BacklogLimits, SendQueue
from tests.server.fakes import (
    PLENTY,
    FakeClock,
    FakeContent,
    FakeTransport,
    frames_of,
    run_ready_greenlets,
)


class User:
    """A send queue with its transport and its limits, and the reasons for which it failed."""

    def __init__(self, limits: BacklogLimits | None = None, *, room: int = PLENTY) -> None:
        self.transport = FakeTransport(room)
        self.limits = limits or BacklogLimits(PLENTY, PLENTY)
        self.failed: list[LeaveReason] = []
        self.send_queue = SendQueue(
            self.transport, ByteOrder.BIG, self.limits, self.failed.append, inline=100
        )

    def taken(self) -> bytes:
        run_ready_greenlets()
        return bytes(self.transport.taken)

    def has_settled(self) -> bool:
        """Tell whether no counter holds anything of this user any more."""
        return self.send_queue.waiting == 0 and self.limits.used == 0 and not self.limits._lagging


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(send_queue_module, "time", SimpleNamespace(monotonic=clock))
    return clock


def stalled_for(user: User, clock: FakeClock, seconds: float, taking: int = 0) -> None:
    """``seconds`` pass, minute by minute, in each of which ``taking`` bytes are taken."""
    for _ in range(int(seconds // 60)):
        clock.advance(60)
        user.transport.make_room(taking)
        run_ready_greenlets()


# Bytes that the socket takes


def test_what_is_taken_at_once_leaves_nothing_behind() -> None:
    user = User()

    user.send_queue.give(b"hello")

    assert bytes(user.transport.taken) == b"hello"  # by now, without a turn of the writer
    assert user.transport.sends == [5]
    assert user.has_settled()


def test_the_rest_of_what_is_taken_in_part_waits_and_follows() -> None:
    user = User(room=3)

    user.send_queue.give(b"hello")
    assert user.send_queue.waiting == user.limits.used == 2

    user.transport.make_room()
    assert user.taken() == b"hello"
    assert user.has_settled()


def test_giving_never_waits() -> None:
    user = User(room=0)
    others_ran = Event()
    gevent.spawn(others_ran.set)

    for _ in range(100):
        user.send_queue.give(b"x" * 1000)

    assert not others_ran.is_set()
    assert user.send_queue.waiting == 100_000


def test_nothing_overtakes_what_waits() -> None:
    user = User(room=1)
    user.send_queue.give(b"first, ")
    user.transport.room = PLENTY  # the kernel has space again, the writer has not run yet

    user.send_queue.give(b"second")

    assert bytes(user.transport.taken) == b"f"
    assert user.taken() == b"first, second"


def test_after_catching_up_a_user_is_sent_to_directly_again() -> None:
    user = User(room=0)
    user.send_queue.give(b"late ")
    user.transport.make_room()
    user.taken()

    user.send_queue.give(b"in time")

    assert bytes(user.transport.taken) == b"late in time"


def test_many_small_steps_of_the_kernel_lose_nothing() -> None:
    user = User(room=0)
    sent = b"".join(b"%05d" % number for number in range(4000))
    for start in range(0, len(sent), 5):
        user.send_queue.give(sent[start : start + 5])

    while user.send_queue.waiting:
        user.transport.make_room(777)
        run_ready_greenlets()

    assert bytes(user.transport.taken) == sent
    assert user.has_settled()


def test_giving_nothing_leaves_nothing() -> None:
    user = User(room=0)
    user.send_queue.give(b"waits")

    user.send_queue.give(b"")
    user.transport.make_room()

    assert user.taken() == b"waits"
    assert user.has_settled()


@pytest.mark.parametrize("order", list(ByteOrder))
def test_a_frame_is_put_in_the_byte_order_of_the_connection(order: ByteOrder) -> None:
    transport = FakeTransport()
    box = SendQueue(transport, order, BacklogLimits(PLENTY, PLENTY), lambda reason: None)

    box.put(Frame(MessageType.UTF8, b"{}", b"hi"))

    assert frames_of(bytes(transport.taken), order) == [(MessageType.UTF8, b"{}", b"hi")]


@pytest.mark.parametrize(
    ("inline", "size", "offered"),
    [(None, PLENTY, False), (100, 100, False), (100, 101, True), (0, 1, True), (0, 0, False)],
)
def test_contents_over_the_inline_limit_are_offered(
    inline: int | None, size: int, offered: bool
) -> None:
    box = SendQueue(
        FakeTransport(), ByteOrder.BIG, BacklogLimits(1, 1), lambda reason: None, inline
    )

    assert box.wants_offer(size) is offered


# Files


def test_a_file_follows_its_header_and_is_held_until_it_has_left() -> None:
    user = User()
    content = FakeContent(bytes(range(256)) * 1000)

    user.send_queue.put(Frame(MessageType.FILE, b"{}", large=content))
    user.send_queue.give(b"after")

    assert content.holders == 2
    assert user.taken() == b"\0\x08\0\2\0\0\0\0" + (256_000).to_bytes(8, "big") + b"{}" + (
        content.data + b"after"
    )
    assert content.holders == 1
    assert user.has_settled()


def test_a_file_is_sent_from_its_offset_on() -> None:
    user = User()
    content = FakeContent(b"0123456789")

    user.send_queue.put(Frame(MessageType.FILE, b"{}", large=content, offset=7))

    assert user.taken().endswith(b"\0\3{}789")
    assert content.holders == 1


def test_an_offset_at_the_end_of_a_file_leaves_nothing_to_send() -> None:
    user = User()
    content = FakeContent(b"0123456789")

    user.send_queue.put(Frame(MessageType.FILE, b"{}", large=content, offset=10))

    assert user.taken().endswith(b"\0\0{}")
    assert content.holders == 1
    assert user.send_queue.wait_until_drained(0)


def test_a_file_in_pieces_as_the_kernel_takes_them() -> None:
    user = User(room=20)
    content = FakeContent(b"x" * 5000)
    user.send_queue.put(Frame(MessageType.FILE, b"{}", large=content))

    while content.holders > 1:
        user.transport.make_room(999)
        run_ready_greenlets()

    assert user.taken()[18:] == content.data


def test_a_file_for_one_who_fails_on_its_header_is_not_kept() -> None:
    user = User()
    user.transport.breaks_with = BrokenPipeError()
    content = FakeContent(b"0123456789")

    user.send_queue.put(Frame(MessageType.FILE, b"{}", large=content))

    assert content.holders == 1
    assert user.failed == [LeaveReason.DISCONNECTED]


@pytest.mark.parametrize("end", ["fail", "close", "break"])
def test_a_file_that_waits_is_released_at_every_end(end: str) -> None:
    user = User(room=25)
    content = FakeContent(b"x" * 5000)
    user.send_queue.put(Frame(MessageType.FILE, b"{}", large=content))
    run_ready_greenlets()
    assert content.holders == 2

    if end == "fail":
        user.send_queue.fail(LeaveReason.TOO_SLOW)
    elif end == "close":
        user.send_queue.close()
    else:
        user.transport.break_with(ConnectionResetError())
    run_ready_greenlets()

    assert content.holders == 1
    assert user.has_settled()


# Limits


def test_a_backlog_may_be_just_full() -> None:
    user = User(BacklogLimits(1000, PLENTY), room=0)

    user.send_queue.give(b"x" * 1000)

    assert user.send_queue.waiting == 1000
    assert user.failed == []


def test_one_byte_over_a_full_backlog_closes_the_user() -> None:
    user = User(BacklogLimits(1000, PLENTY), room=0)

    user.send_queue.give(b"x" * 1000)
    user.send_queue.give(b"x")

    assert user.failed == [LeaveReason.TOO_SLOW]
    assert user.transport.aborted
    assert user.send_queue.closed
    assert user.has_settled()
    run_ready_greenlets()  # the user's writer ends without a word
    assert bytes(user.transport.taken) == b""


def test_over_the_total_the_largest_backlog_goes_first() -> None:
    limits = BacklogLimits(PLENTY, 1000)
    small, large, latest = (User(limits, room=0) for _ in range(3))
    small.send_queue.give(b"x" * 100)
    large.send_queue.give(b"x" * 600)

    latest.send_queue.give(b"x" * 300)
    assert large.failed == []
    latest.send_queue.give(b"x")

    assert large.failed == [LeaveReason.TOO_SLOW]
    assert small.failed == latest.failed == []
    assert limits.used == 401


def test_the_one_who_crosses_the_total_may_be_the_largest() -> None:
    limits = BacklogLimits(PLENTY, 1000)
    other, user = User(limits, room=0), User(limits, room=0)
    other.send_queue.give(b"x" * 500)

    user.send_queue.give(b"x" * 501)

    assert user.failed == [LeaveReason.TOO_SLOW]
    assert other.failed == []
    assert limits.used == 500


def test_as_many_go_as_the_total_demands() -> None:
    limits = BacklogLimits(PLENTY, 1000)
    users = [User(limits, room=0) for _ in range(4)]
    for user in users[:3]:
        user.send_queue.give(b"x" * 300)

    users[3].send_queue.give(b"x" * 290)
    assert [bool(user.failed) for user in users].count(True) == 1
    users[3].send_queue.give(b"x" * 3000)

    assert users[3].failed == [LeaveReason.TOO_SLOW]
    assert limits.used <= 1000


def test_a_user_who_has_caught_up_is_not_closed_for_others() -> None:
    limits = BacklogLimits(PLENTY, 1000)
    quick, slow = User(limits, room=0), User(limits, room=0)
    quick.send_queue.give(b"x" * 900)
    quick.transport.make_room()
    run_ready_greenlets()

    slow.send_queue.give(b"x" * 1001)

    assert quick.failed == []
    assert slow.failed == [LeaveReason.TOO_SLOW]
    assert limits.used == 0


# Ends
