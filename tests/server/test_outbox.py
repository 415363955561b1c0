"""One user's way out: what he takes goes at once, the rest waits, bounded, and nobody waits for him."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason
from chat.server import outbox as outbox_module
from chat.server.outbox import BacklogLimits, Outbox, reason_of
from tests.server.fakes import (
    PLENTY,
    FakeClock,
    FakeContent,
    FakeTransport,
    frames_of,
    run_ready_greenlets,
)


class User:
    """An outbox with all that hangs on it."""

    def __init__(self, limits: BacklogLimits | None = None, *, room: int = PLENTY) -> None:
        self.transport = FakeTransport(room)
        self.limits = limits or BacklogLimits(PLENTY, PLENTY)
        self.failed: list[LeaveReason] = []
        self.outbox = Outbox(
            self.transport, ByteOrder.BIG, self.limits, self.failed.append, inline=100
        )

    def taken(self) -> bytes:
        run_ready_greenlets()
        return bytes(self.transport.taken)

    def has_settled(self) -> bool:
        """Nothing of him is counted anywhere any more."""
        return self.outbox.waiting == 0 and self.limits.used == 0 and not self.limits._lagging


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(outbox_module, "time", SimpleNamespace(monotonic=clock))
    return clock


def stalled_for(user: User, clock: FakeClock, seconds: float, taking: int = 0) -> None:
    """``seconds`` pass, minute by minute, in each of which ``taking`` bytes are taken."""
    for _ in range(int(seconds // 60)):
        clock.advance(60)
        user.transport.make_room(taking)
        run_ready_greenlets()


# What he takes


def test_what_is_taken_at_once_leaves_nothing_behind() -> None:
    user = User()

    user.outbox.give(b"hello")

    assert bytes(user.transport.taken) == b"hello"  # by now, without a turn of the writer
    assert user.transport.sends == [5]
    assert user.has_settled()


def test_the_rest_of_what_is_taken_in_part_waits_and_follows() -> None:
    user = User(room=3)

    user.outbox.give(b"hello")
    assert user.outbox.waiting == user.limits.used == 2

    user.transport.make_room()
    assert user.taken() == b"hello"
    assert user.has_settled()


def test_giving_never_waits() -> None:
    user = User(room=0)
    others_ran = Event()
    gevent.spawn(others_ran.set)

    for _ in range(100):
        user.outbox.give(b"x" * 1000)

    assert not others_ran.is_set()
    assert user.outbox.waiting == 100_000


def test_nothing_overtakes_what_waits() -> None:
    user = User(room=1)
    user.outbox.give(b"first, ")
    user.transport.room = PLENTY  # the kernel has space again, the writer has not run yet

    user.outbox.give(b"second")

    assert bytes(user.transport.taken) == b"f"
    assert user.taken() == b"first, second"


def test_after_catching_up_he_is_sent_to_directly_again() -> None:
    user = User(room=0)
    user.outbox.give(b"late ")
    user.transport.make_room()
    user.taken()

    user.outbox.give(b"in time")

    assert bytes(user.transport.taken) == b"late in time"


def test_many_small_steps_of_the_kernel_lose_nothing() -> None:
    user = User(room=0)
    sent = b"".join(b"%05d" % number for number in range(4000))
    for start in range(0, len(sent), 5):
        user.outbox.give(sent[start : start + 5])

    while user.outbox.waiting:
        user.transport.make_room(777)
        run_ready_greenlets()

    assert bytes(user.transport.taken) == sent
    assert user.has_settled()


def test_giving_nothing_leaves_nothing() -> None:
    user = User(room=0)
    user.outbox.give(b"waits")

    user.outbox.give(b"")
    user.transport.make_room()

    assert user.taken() == b"waits"
    assert user.has_settled()


@pytest.mark.parametrize("order", list(ByteOrder))
def test_a_frame_is_put_in_the_order_of_his_connection(order: ByteOrder) -> None:
    transport = FakeTransport()
    box = Outbox(transport, order, BacklogLimits(PLENTY, PLENTY), lambda reason: None)

    box.put(Frame(MessageType.UTF8, b"{}", b"hi"))

    assert frames_of(bytes(transport.taken), order) == [(MessageType.UTF8, b"{}", b"hi")]


@pytest.mark.parametrize(
    ("inline", "size", "offered"),
    [(None, PLENTY, False), (100, 100, False), (100, 101, True), (0, 1, True), (0, 0, False)],
)
def test_contents_over_what_he_wants_inline_are_offered(
    inline: int | None, size: int, offered: bool
) -> None:
    box = Outbox(FakeTransport(), ByteOrder.BIG, BacklogLimits(1, 1), lambda reason: None, inline)

    assert box.wants_offer(size) is offered


# Files


def test_a_file_follows_its_header_and_is_held_until_it_has_left() -> None:
    user = User()
    content = FakeContent(bytes(range(256)) * 1000)

    user.outbox.put(Frame(MessageType.FILE, b"{}", large=content))
    user.outbox.give(b"after")

    assert content.holders == 2
    assert user.taken() == b"\0\x08\0\2\0\0\0\0" + (256_000).to_bytes(8, "big") + b"{}" + (
        content.data + b"after"
    )
    assert content.holders == 1
    assert user.has_settled()


def test_a_file_is_sent_from_its_offset_on() -> None:
    user = User()
    content = FakeContent(b"0123456789")

    user.outbox.put(Frame(MessageType.FILE, b"{}", large=content, offset=7))

    assert user.taken().endswith(b"\0\3{}789")
    assert content.holders == 1


def test_an_offset_at_the_end_of_a_file_leaves_nothing_to_send() -> None:
    user = User()
    content = FakeContent(b"0123456789")

    user.outbox.put(Frame(MessageType.FILE, b"{}", large=content, offset=10))

    assert user.taken().endswith(b"\0\0{}")
    assert content.holders == 1
    assert user.outbox.wait_until_drained(0)


def test_a_file_in_pieces_as_the_kernel_takes_them() -> None:
    user = User(room=20)
    content = FakeContent(b"x" * 5000)
    user.outbox.put(Frame(MessageType.FILE, b"{}", large=content))

    while content.holders > 1:
        user.transport.make_room(999)
        run_ready_greenlets()

    assert user.taken()[18:] == content.data


def test_a_file_for_one_who_fails_on_its_header_is_not_kept() -> None:
    user = User()
    user.transport.breaks_with = BrokenPipeError()
    content = FakeContent(b"0123456789")

    user.outbox.put(Frame(MessageType.FILE, b"{}", large=content))

    assert content.holders == 1
    assert user.failed == [LeaveReason.DISCONNECTED]


@pytest.mark.parametrize("end", ["fail", "close", "break"])
def test_a_file_that_waits_is_released_however_he_ends(end: str) -> None:
    user = User(room=25)
    content = FakeContent(b"x" * 5000)
    user.outbox.put(Frame(MessageType.FILE, b"{}", large=content))
    run_ready_greenlets()
    assert content.holders == 2

    if end == "fail":
        user.outbox.fail(LeaveReason.TOO_SLOW)
    elif end == "close":
        user.outbox.close()
    else:
        user.transport.break_with(ConnectionResetError())
    run_ready_greenlets()

    assert content.holders == 1
    assert user.has_settled()


# Limits


def test_a_backlog_may_be_just_full() -> None:
    user = User(BacklogLimits(1000, PLENTY), room=0)

    user.outbox.give(b"x" * 1000)

    assert user.outbox.waiting == 1000
    assert user.failed == []


def test_one_byte_over_a_full_backlog_closes_him() -> None:
    user = User(BacklogLimits(1000, PLENTY), room=0)

    user.outbox.give(b"x" * 1000)
    user.outbox.give(b"x")

    assert user.failed == [LeaveReason.TOO_SLOW]
    assert user.transport.aborted
    assert user.outbox.closed
    assert user.has_settled()
    run_ready_greenlets()  # his writer ends without a word
    assert bytes(user.transport.taken) == b""


def test_over_the_total_the_largest_backlog_goes_first() -> None:
    limits = BacklogLimits(PLENTY, 1000)
    small, large, latest = (User(limits, room=0) for _ in range(3))
    small.outbox.give(b"x" * 100)
    large.outbox.give(b"x" * 600)

    latest.outbox.give(b"x" * 300)
    assert large.failed == []
    latest.outbox.give(b"x")

    assert large.failed == [LeaveReason.TOO_SLOW]
    assert small.failed == latest.failed == []
    assert limits.used == 401


def test_the_one_who_crosses_the_total_may_be_the_largest() -> None:
    limits = BacklogLimits(PLENTY, 1000)
    other, user = User(limits, room=0), User(limits, room=0)
    other.outbox.give(b"x" * 500)

    user.outbox.give(b"x" * 501)

    assert user.failed == [LeaveReason.TOO_SLOW]
    assert other.failed == []
    assert limits.used == 500


def test_as_many_go_as_the_total_demands() -> None:
    limits = BacklogLimits(PLENTY, 1000)
    users = [User(limits, room=0) for _ in range(4)]
    for user in users[:3]:
        user.outbox.give(b"x" * 300)

    users[3].outbox.give(b"x" * 290)
    assert [bool(user.failed) for user in users].count(True) == 1
    users[3].outbox.give(b"x" * 3000)

    assert users[3].failed == [LeaveReason.TOO_SLOW]
    assert limits.used <= 1000


def test_who_has_caught_up_is_not_closed_for_others() -> None:
    limits = BacklogLimits(PLENTY, 1000)
    quick, slow = User(limits, room=0), User(limits, room=0)
    quick.outbox.give(b"x" * 900)
    quick.transport.make_room()
    run_ready_greenlets()

    slow.outbox.give(b"x" * 1001)

    assert quick.failed == []
    assert slow.failed == [LeaveReason.TOO_SLOW]
    assert limits.used == 0


# Ends


def test_a_failed_user_is_told_of_once_and_given_nothing_more() -> None:
    user = User(room=0)
    user.outbox.give(b"waits")

    user.outbox.fail(LeaveReason.KICKED)
    user.outbox.fail(LeaveReason.TOO_SLOW)
    user.outbox.give(b"more")
    user.outbox.put(Frame(MessageType.FILE, b"{}", large=FakeContent(b"x")))
    user.transport.make_room()

    assert user.failed == [LeaveReason.KICKED]
    assert user.taken() == b""
    assert user.has_settled()


def test_the_writer_of_a_failed_user_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    user = User(room=1)
    user.outbox.give(b"x" * 10_000)
    run_ready_greenlets()  # the writer waits now
    writer = user.outbox._writer
    assert writer is not None

    user.outbox.fail(LeaveReason.TOO_SLOW)
    run_ready_greenlets()

    assert writer.dead
    assert writer.successful()
    assert capsys.readouterr().err == ""


def test_closing_ends_a_writer_that_waits() -> None:
    user = User(room=1)
    user.outbox.give(b"hello")
    run_ready_greenlets()
    writer = user.outbox._writer
    assert writer is not None

    user.outbox.close()

    assert writer.dead
    assert user.has_settled()
    assert user.failed == []
    assert not user.transport.aborted


def test_closing_twice_is_closing() -> None:
    user = User()

    user.outbox.close()
    user.outbox.close()

    assert user.outbox.closed


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (BrokenPipeError(errno.EPIPE, "gone"), LeaveReason.DISCONNECTED),
        (ConnectionResetError(errno.ECONNRESET, "reset"), LeaveReason.DISCONNECTED),
        (TimeoutError(errno.ETIMEDOUT, "vanished"), LeaveReason.TIMED_OUT),
        (TimeoutError(), LeaveReason.TOO_SLOW),
    ],
)
def test_what_the_socket_says_is_why_he_left(problem: OSError, reason: LeaveReason) -> None:
    assert reason_of(problem) is reason

    at_once = User()
    at_once.transport.breaks_with = problem
    at_once.outbox.give(b"hello")
    later = User(room=1)
    later.outbox.give(b"hello")
    run_ready_greenlets()
    later.transport.break_with(problem)
    run_ready_greenlets()

    assert at_once.failed == later.failed == [reason]
    assert later.has_settled()


# Time


def test_one_who_takes_nothing_for_a_minute_is_too_slow(clock: FakeClock) -> None:
    user = User(room=1)
    user.outbox.give(b"hello")
    run_ready_greenlets()

    clock.advance(59.9)
    user.transport.make_room(0)
    run_ready_greenlets()
    assert user.failed == []

    clock.advance(0.1)
    user.transport.make_room(0)
    run_ready_greenlets()
    assert user.failed == [LeaveReason.TOO_SLOW]
    assert user.has_settled()


def test_one_who_takes_a_little_every_minute_is_served(clock: FakeClock) -> None:
    user = User(room=1)
    user.outbox.give(b"hello")
    run_ready_greenlets()

    stalled_for(user, clock, 180, taking=1)

    assert user.failed == []
    assert bytes(user.transport.taken) == b"hell"


@pytest.mark.parametrize(("taking", "is_served"), [(60 * 1024 - 1, False), (60 * 1024, True)])
def test_a_file_must_be_taken_at_a_kibibyte_a_second(
    clock: FakeClock, taking: int, is_served: bool
) -> None:
    user = User(room=18)
    content = FakeContent(b"x" * 200_000)
    user.outbox.put(Frame(MessageType.FILE, b"{}", large=content))
    run_ready_greenlets()

    stalled_for(user, clock, 120, taking=taking)

    assert user.failed == ([] if is_served else [LeaveReason.TOO_SLOW])
    user.outbox.close()
    assert content.holders == 1


def test_the_writer_waits_no_longer_than_its_minute(clock: FakeClock) -> None:
    user = User(room=1)
    waits: list[float] = []
    user.transport.on_wait = waits.append
    user.outbox.give(b"hello")
    run_ready_greenlets()
    clock.advance(45)
    user.transport.make_room(0)
    run_ready_greenlets()

    assert waits == [60, 15]
    user.outbox.close()


# Waiting for the end


def test_nothing_left_to_send_is_drained_at_once() -> None:
    assert User().outbox.wait_until_drained(None)


def test_waiting_until_the_rest_is_sent() -> None:
    user = User(room=0)
    user.outbox.give(b"hello")
    waiting = gevent.spawn(user.outbox.wait_until_drained, None)
    run_ready_greenlets()
    assert not waiting.ready()

    user.transport.make_room()

    assert waiting.get(timeout=5) is True


def test_several_may_wait_for_the_same_end() -> None:
    user = User(room=0)
    user.outbox.give(b"hello")
    waiting = [gevent.spawn(user.outbox.wait_until_drained, None) for _ in range(2)]
    run_ready_greenlets()

    user.transport.make_room()

    assert [greenlet.get(timeout=5) for greenlet in waiting] == [True, True]


def test_waiting_again_is_waiting_for_what_came_since() -> None:
    user = User(room=0)
    for _ in range(2):
        user.transport.room = 0
        user.outbox.give(b"hello")
        waiting = gevent.spawn(user.outbox.wait_until_drained, None)
        run_ready_greenlets()
        assert not waiting.ready()
        user.transport.make_room()
        assert waiting.get(timeout=5) is True


def test_waiting_for_one_who_takes_nothing_ends_in_time() -> None:
    user = User(room=0)
    user.outbox.give(b"hello")

    assert not user.outbox.wait_until_drained(0.001)
    user.outbox.close()


@pytest.mark.parametrize("end", ["fail", "close"])
def test_waiting_for_one_who_ends_is_over(end: str) -> None:
    user = User(room=0)
    user.outbox.give(b"hello")
    waiting = gevent.spawn(user.outbox.wait_until_drained, None)
    run_ready_greenlets()

    if end == "fail":
        user.outbox.fail(LeaveReason.TOO_SLOW)
    else:
        user.outbox.close()

    assert waiting.get(timeout=5) is False
    assert not user.outbox.wait_until_drained(None)


def test_what_waited_and_waits_no_more_is_told_once() -> None:
    user = User(room=0)
    assert user.limits.take_released() == 0
    user.outbox.give(bytes(1000))
    assert user.limits.take_released() == 0
    user.transport.make_room(400)
    user.taken()
    user.outbox.give(bytes(100))
    assert user.limits.take_released() == 300
    user.outbox.fail(LeaveReason.TOO_SLOW)
    assert user.limits.take_released() == 700
    assert user.limits.take_released() == 0
