"""The ends of a send queue: failed, closed, too slow, drained."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason
from chat.server.delivery import send_queue as send_queue_module
from chat.server.delivery.send_queue import reason_of
from tests.server.delivery.test_send_queue import User, stalled_for
from tests.server.fakes import (
    FakeClock,
    FakeContent,
    run_ready_greenlets,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(send_queue_module, "time", SimpleNamespace(monotonic=clock))
    return clock


def test_a_failed_user_is_told_of_once_and_given_nothing_more() -> None:
    user = User(room=0)
    user.send_queue.give(b"waits")

    user.send_queue.fail(LeaveReason.KICKED)
    user.send_queue.fail(LeaveReason.TOO_SLOW)
    user.send_queue.give(b"more")
    user.send_queue.put(Frame(MessageType.FILE, b"{}", large=FakeContent(b"x")))
    user.transport.make_room()

    assert user.failed == [LeaveReason.KICKED]
    assert user.taken() == b""
    assert user.has_settled()


def test_the_writer_of_a_failed_user_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    user = User(room=1)
    user.send_queue.give(b"x" * 10_000)
    run_ready_greenlets()  # the writer waits now
    # The greenlet must end, and only the send queue has a reference to it.
    writer = user.send_queue._writer
    assert writer is not None

    user.send_queue.fail(LeaveReason.TOO_SLOW)
    run_ready_greenlets()

    assert writer.dead
    assert writer.successful()
    assert capsys.readouterr().err == ""


def test_closing_ends_a_writer_that_waits() -> None:
    user = User(room=1)
    user.send_queue.give(b"hello")
    run_ready_greenlets()
    writer = user.send_queue._writer
    assert writer is not None

    user.send_queue.close()

    assert writer.dead
    assert user.has_settled()
    assert user.failed == []
    assert not user.transport.aborted


def test_closing_twice_is_closing() -> None:
    user = User()

    user.send_queue.close()
    user.send_queue.close()

    assert user.send_queue.closed


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (BrokenPipeError(errno.EPIPE, "gone"), LeaveReason.DISCONNECTED),
        (ConnectionResetError(errno.ECONNRESET, "reset"), LeaveReason.DISCONNECTED),
        (TimeoutError(errno.ETIMEDOUT, "vanished"), LeaveReason.TIMED_OUT),
        (TimeoutError(), LeaveReason.TOO_SLOW),
    ],
)
def test_the_error_of_the_socket_is_the_reason_for_leaving(
    problem: OSError, reason: LeaveReason
) -> None:
    assert reason_of(problem) is reason

    at_once = User()
    at_once.transport.breaks_with = problem
    at_once.send_queue.give(b"hello")
    later = User(room=1)
    later.send_queue.give(b"hello")
    run_ready_greenlets()
    later.transport.break_with(problem)
    run_ready_greenlets()

    assert at_once.failed == later.failed == [reason]
    assert later.has_settled()


# Time


def test_one_who_takes_nothing_for_a_minute_is_too_slow(clock: FakeClock) -> None:
    user = User(room=1)
    user.send_queue.give(b"hello")
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
    user.send_queue.give(b"hello")
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
    user.send_queue.put(Frame(MessageType.FILE, b"{}", large=content))
    run_ready_greenlets()

    stalled_for(user, clock, 120, taking=taking)

    assert user.failed == ([] if is_served else [LeaveReason.TOO_SLOW])
    user.send_queue.close()
    assert content.holders == 1


def test_the_writer_waits_no_longer_than_its_minute(clock: FakeClock) -> None:
    user = User(room=1)
    waits: list[float] = []
    user.transport.on_wait = waits.append
    user.send_queue.give(b"hello")
    run_ready_greenlets()
    clock.advance(45)
    user.transport.make_room(0)
    run_ready_greenlets()

    assert waits == [60, 15]
    user.send_queue.close()


# Waiting for the end


def test_nothing_left_to_send_is_drained_at_once() -> None:
    assert User().send_queue.wait_until_drained(None)


def test_waiting_until_the_rest_is_sent() -> None:
    user = User(room=0)
    user.send_queue.give(b"hello")
    waiting = gevent.spawn(user.send_queue.wait_until_drained, None)
    run_ready_greenlets()
    assert not waiting.ready()

    user.transport.make_room()

    assert waiting.get(timeout=30) is True


def test_several_may_wait_for_the_same_end() -> None:
    user = User(room=0)
    user.send_queue.give(b"hello")
    waiting = [gevent.spawn(user.send_queue.wait_until_drained, None) for _ in range(2)]
    run_ready_greenlets()

    user.transport.make_room()

    assert [greenlet.get(timeout=30) for greenlet in waiting] == [True, True]


def test_waiting_again_is_waiting_for_what_came_since() -> None:
    user = User(room=0)
    for _ in range(2):
        user.transport.room = 0
        user.send_queue.give(b"hello")
        waiting = gevent.spawn(user.send_queue.wait_until_drained, None)
        run_ready_greenlets()
        assert not waiting.ready()
        user.transport.make_room()
        assert waiting.get(timeout=30) is True


def test_waiting_for_one_who_takes_nothing_ends_in_time() -> None:
    user = User(room=0)
    user.send_queue.give(b"hello")

    assert not user.send_queue.wait_until_drained(0.001)
    user.send_queue.close()


@pytest.mark.parametrize("end", ["fail", "close"])
def test_waiting_for_one_who_ends_is_over(end: str) -> None:
    user = User(room=0)
    user.send_queue.give(b"hello")
    waiting = gevent.spawn(user.send_queue.wait_until_drained, None)
    run_ready_greenlets()

    if end == "fail":
        user.send_queue.fail(LeaveReason.TOO_SLOW)
    else:
        user.send_queue.close()

    assert waiting.get(timeout=30) is False
    assert not user.send_queue.wait_until_drained(None)


def test_what_waited_and_waits_no_more_is_told_once() -> None:
    user = User(room=0)
    assert user.limits.pop_released() == 0
    user.send_queue.give(bytes(1000))
    assert user.limits.pop_released() == 0
    user.transport.make_room(400)
    user.taken()
    user.send_queue.give(bytes(100))
    assert user.limits.pop_released() == 300
    user.send_queue.fail(LeaveReason.TOO_SLOW)
    assert user.limits.pop_released() == 700
    assert user.limits.pop_released() == 0


def test_last_bytes_end_the_connection_without_a_reset() -> None:
    user = User()
    user.send_queue.give(b"before ")

    user.send_queue.end_with(b"last words", LeaveReason.SERVER_STOPPING)
    user.send_queue.give(b"more")

    assert user.taken() == b"before last words"
    assert (user.failed, user.transport.aborted) == ([LeaveReason.SERVER_STOPPING], False)
    assert user.transport.hung_up
    assert user.send_queue.closed


@pytest.mark.parametrize("room", [0, 5])
def test_a_user_who_is_behind_gets_no_last_words_in_the_middle_of_a_frame(room: int) -> None:
    user = User(room=room)
    user.send_queue.give(b"a frame")

    user.send_queue.end_with(b"last words", LeaveReason.SERVER_STOPPING)
    user.transport.make_room()

    assert user.taken() == b"a frame"[:room]
    assert (user.failed, user.transport.aborted) == ([LeaveReason.SERVER_STOPPING], True)
    assert user.has_settled()


def test_last_words_that_do_not_fit_are_cut_off_by_a_reset() -> None:
    user = User(room=4)
    user.send_queue.end_with(b"last words", LeaveReason.SERVER_STOPPING)
    assert (user.failed, user.transport.aborted) == ([LeaveReason.SERVER_STOPPING], True)
    user.send_queue.end_with(b"again", LeaveReason.KICKED)
    assert user.failed == [LeaveReason.SERVER_STOPPING]
