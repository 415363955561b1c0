"""Delivery to those who do not take all of it."""

from __future__ import annotations

import gevent
import pytest

from chat.protocol.descriptor import ByteOrder
from chat.protocol.notices import LeaveReason
from chat.server.delivery.broadcast import Broadcast
from chat.server.delivery.send_queue import BacklogLimits
from tests.server.delivery.test_broadcast import contents, file, listener, text
from tests.server.fakes import PLENTY, FakeContent, frames_of, run_ready_greenlets


def test_only_who_takes_less_gets_a_backlog(broadcast: Broadcast) -> None:
    quick, slow = listener(broadcast, "quick"), listener(broadcast, "slow")
    slow.transport.room = 20
    for number in range(3):
        broadcast.post(text(str(number)))
        broadcast.flush()

    assert quick.send_queue.waiting == 0
    assert slow.send_queue.waiting == 3 * 17 - 20
    assert contents(quick) == ["0", "1", "2"]

    slow.transport.make_room()
    assert contents(slow) == ["0", "1", "2"]


def test_the_order_holds_for_a_slow_consumer_too(broadcast: Broadcast) -> None:
    slow, content = listener(broadcast, "slow"), FakeContent(b"a large content")
    slow.transport.room = 5
    expected = []
    for number in range(20):
        broadcast.post(text(f"public {number}"))
        broadcast.put(slow.send_queue, text(f"private {number}"))
        broadcast.post_attachment(file(content), None)
        expected += [f"public {number}", f"private {number}", "a large content"]

    for _ in range(200):
        slow.transport.make_room(11)
        run_ready_greenlets()

    assert slow.send_queue.wait_until_drained(5)
    assert contents(slow) == expected
    assert content.holders == 1


def test_slow_consumers_share_one_batch(broadcast: Broadcast) -> None:
    slow = [listener(broadcast, f"user{number}") for number in range(2)]
    for member in slow:
        member.transport.room = 0
    broadcast.post(text("x" * 50_000))
    broadcast.flush()

    # Whether slow consumers share one copy shows only in what they hold.
    views = [member.send_queue._backlog.head() for member in slow if member.send_queue._backlog]

    assert len(views) == 2
    assert len({id(view.obj) for view in views if isinstance(view, memoryview)}) == 1


def test_a_full_backlog_costs_that_user_alone(broadcast: Broadcast) -> None:
    limits = BacklogLimits(per_user=100, total=PLENTY)
    before, slow, after = (
        listener(broadcast, name, limits=limits) for name in ("before", "slow", "after")
    )
    slow.transport.room = 0
    for number in range(20):
        broadcast.post(text(str(number)))
        broadcast.flush()

    assert slow.failed == [LeaveReason.TOO_SLOW]
    assert slow.transport.aborted
    expected = [str(number) for number in range(20)]
    assert contents(before) == contents(after) == expected
    assert before.failed == after.failed == []
    assert limits.used == 0


def test_too_much_for_all_together_costs_the_largest_in_the_middle_of_a_flush(
    broadcast: Broadcast,
) -> None:
    limits = BacklogLimits(per_user=PLENTY, total=1000)
    names = ("first", "second", "largest", "fourth", "last")
    members = {name: listener(broadcast, name, limits=limits) for name in names}
    for member in members.values():
        member.transport.room = 0
    broadcast.put(members["largest"].send_queue, text("y" * 84))
    broadcast.post(text("x" * 184))  # 200 bytes each, 100 of the largest: 5 * 200 + 100 > 1000
    broadcast.flush()

    assert [name for name in names if members[name].failed] == ["largest"]
    assert limits.used == sum(member.send_queue.waiting for member in members.values()) == 800
    for name in names:
        members[name].transport.make_room()
    expected = ["x" * 184]
    assert all(contents(members[name]) == expected for name in names if name != "largest")
    assert limits.used == 0


def test_one_who_was_failed_earlier_in_the_same_flush_is_given_nothing(
    broadcast: Broadcast,
) -> None:
    limits = BacklogLimits(per_user=PLENTY, total=150)
    first = listener(broadcast, "first", limits=limits)
    largest = listener(broadcast, "largest", limits=limits)
    first.transport.room = largest.transport.room = 0
    broadcast.put(largest.send_queue, text("y" * 100))
    broadcast.post(text("x" * 84))

    broadcast.flush()

    assert largest.failed == [LeaveReason.TOO_SLOW]
    assert first.failed == []
    assert limits.used == first.send_queue.waiting == 100


def test_one_whose_connection_breaks_in_a_flush_disturbs_nobody(broadcast: Broadcast) -> None:
    members = [listener(broadcast, f"user{number}") for number in range(5)]
    members[2].transport.breaks_with = ConnectionResetError()

    broadcast.post(text("hello"))
    run_ready_greenlets()
    broadcast.remove(members[2].send_queue)
    broadcast.post(text("again"))

    assert members[2].failed == [LeaveReason.DISCONNECTED]
    for member in members[:2] + members[3:]:
        assert contents(member) == ["hello", "again"]


def test_a_fault_of_ours_in_a_flush_costs_one_user_and_nobody_a_message(
    broadcast: Broadcast, caplog: pytest.LogCaptureFixture
) -> None:
    members = [listener(broadcast, f"user{number}") for number in range(5)]
    members[2].transport.breaks_with = MemoryError()

    broadcast.post(text("hello"))
    run_ready_greenlets()
    broadcast.post(text("again"))
    run_ready_greenlets()

    assert members[2].failed == [LeaveReason.DISCONNECTED]
    assert [record.exc_info is not None for record in caplog.records] == [True]
    for member in members[:2] + members[3:]:
        assert contents(member) == ["hello", "again"]


@pytest.mark.parametrize("problem", [ConnectionResetError(), MemoryError()])
def test_a_connection_that_breaks_during_a_private_message(
    broadcast: Broadcast, problem: Exception
) -> None:
    bob, carol = listener(broadcast, "bob"), listener(broadcast, "carol")
    bob.transport.breaks_with = problem
    broadcast.post(text("1"))

    broadcast.put(bob.send_queue, text("psst"))

    assert contents(carol) == ["1"]
    assert bob.failed == [LeaveReason.DISCONNECTED]


def test_a_flood_of_one_greenlet_lets_the_flusher_run(broadcast: Broadcast) -> None:
    member = listener(broadcast)

    def flood() -> None:
        for number in range(1000):
            broadcast.post(text(str(number)))
            if number % 64 == 0:
                gevent.sleep(0)

    gevent.spawn(flood).get(timeout=30)

    assert contents(member) == [str(number) for number in range(1000)]
    assert 1 < len(member.transport.sends) < 50


def test_frames_are_encoded_once_for_all_of_one_byte_order(broadcast: Broadcast) -> None:
    members = [listener(broadcast, f"user{number}") for number in range(3)]
    frame = text("hello")
    broadcast.post(frame)
    run_ready_greenlets()

    # Bytes are the same however often they are encoded; only this dict shows it.
    assert list(frame._encoded) == [ByteOrder.BIG]
    assert all(frames_of(bytes(member.transport.taken)) for member in members)
