"""Giving one message to many: in one order for all, in one system call for a batch, and nobody waits for anyone."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason
from chat.server.delivery import Delivery
from chat.server.outbox import BacklogLimits
from tests.server.fakes import PLENTY, FakeContent, FakeMember, frames_of, run_ready_greenlets

BOTH_ORDERS = pytest.mark.parametrize("order", list(ByteOrder))
BATCH_SIZE = 256 * 1024


@pytest.fixture
def delivery() -> Iterator[Delivery]:
    delivery = Delivery()
    delivery.start()
    yield delivery
    delivery.stop()


def text(content: str) -> Frame:
    return Frame(MessageType.UTF8, b"", content.encode())


def file(content: FakeContent) -> Frame:
    return Frame(MessageType.FILE, b"", large=content)


def listener(
    delivery: Delivery, name: str = "alice", *args: ByteOrder, **options: object
) -> FakeMember:
    member = FakeMember(name, *args, **options)  # type: ignore[arg-type]
    delivery.add(member.outbox)
    return member


def contents(member: FakeMember) -> list[str]:
    """The contents that have come to ``member``, once every greenlet has had its turn."""
    run_ready_greenlets()
    return [frame.content.decode() for frame in member.frames]


# To everyone


def test_everyone_gets_what_is_posted_in_his_own_byte_order(delivery: Delivery) -> None:
    big = listener(delivery, "big", ByteOrder.BIG)
    little = listener(delivery, "little", ByteOrder.LITTLE)

    for number in range(3):
        delivery.post(text(str(number)))

    assert contents(big) == contents(little) == ["0", "1", "2"]
    assert big.transport.taken[:2] == b"\0\7"
    assert little.transport.taken[:2] == b"\7\0"


def test_posts_travel_together_in_one_system_call(delivery: Delivery) -> None:
    members = [listener(delivery, f"user{number}") for number in range(3)]

    for number in range(50):
        delivery.post(text(str(number)))

    for member in members:
        assert contents(member) == [str(number) for number in range(50)]
        assert len(member.transport.sends) == 1


def test_a_post_sends_nothing_by_itself(delivery: Delivery) -> None:
    member = listener(delivery)

    delivery.post(text("soon"))

    assert member.transport.sends == []


def test_a_batch_that_is_full_does_not_wait_for_the_flusher(delivery: Delivery) -> None:
    member = listener(delivery)
    filler = "x" * (BATCH_SIZE // 4 - 16)
    for _ in range(3):
        delivery.post(text(filler))
    assert member.transport.sends == []

    delivery.post(text(filler))

    assert member.transport.sends == [BATCH_SIZE]


def test_without_a_flusher_it_flushes_when_told() -> None:
    delivery = Delivery()
    member = listener(delivery)
    delivery.post(text("hello"))
    run_ready_greenlets()
    assert member.transport.sends == []

    delivery.stop()

    assert contents(member) == ["hello"]


def test_stopping_gives_what_is_pending(delivery: Delivery) -> None:
    member = listener(delivery)
    delivery.post(text("last words"))

    delivery.stop()

    assert contents(member) == ["last words"]
    delivery.post(text("too late"))
    assert contents(member) == ["last words"]


def test_posting_to_nobody_keeps_nothing(delivery: Delivery) -> None:
    delivery.post(text("is anybody here?"))

    assert contents(listener(delivery)) == []


def test_flushing_with_nothing_pending_sends_nothing(delivery: Delivery) -> None:
    member = listener(delivery)

    delivery.flush()

    assert member.transport.sends == []


# Coming and going


@BOTH_ORDERS
def test_a_newcomer_gets_what_is_posted_after_he_came_and_nothing_before(
    delivery: Delivery, order: ByteOrder
) -> None:
    old = listener(delivery, "old", order)
    delivery.post(text("before"))
    new = FakeMember("new", order)
    delivery.add(new.outbox, [text("welcome,"), text("new")])
    delivery.post(text("after"))

    assert contents(old) == ["before", "after"]
    assert contents(new) == ["welcome,", "new", "after"]


def test_a_newcomer_to_whom_nothing_is_posted_afterwards_gets_nothing(delivery: Delivery) -> None:
    listener(delivery, "old")
    delivery.post(text("before"))
    new = listener(delivery, "new")

    assert contents(new) == []


def test_newcomers_one_after_the_other_each_begin_where_they_came(delivery: Delivery) -> None:
    members = []
    for number in range(5):
        members.append(listener(delivery, f"user{number}"))
        delivery.post(text(str(number)))

    for number, member in enumerate(members):
        assert contents(member) == [str(later) for later in range(number, 5)]


def test_the_first_frames_of_a_newcomer_go_in_one_system_call(delivery: Delivery) -> None:
    new = FakeMember("new")

    delivery.add(new.outbox, [text("one"), text("two")])

    assert len(new.transport.sends) == 1


@BOTH_ORDERS
def test_who_goes_gets_what_was_posted_before_and_nothing_after(
    delivery: Delivery, order: ByteOrder
) -> None:
    stays, goes = listener(delivery, "stays", order), listener(delivery, "goes", order)
    delivery.post(text("before"))
    delivery.remove(goes.outbox)
    delivery.post(text("after"))

    assert contents(stays) == ["before", "after"]
    assert contents(goes) == ["before"]


def test_who_comes_and_goes_between_two_flushes_gets_what_lies_between(delivery: Delivery) -> None:
    listener(delivery, "stays")
    delivery.post(text("before"))
    guest = listener(delivery, "guest")
    delivery.post(text("meanwhile"))
    delivery.remove(guest.outbox)
    delivery.post(text("after"))

    assert contents(guest) == ["meanwhile"]


def test_removing_one_who_never_came_is_harmless(delivery: Delivery) -> None:
    stranger = FakeMember("stranger")

    delivery.remove(stranger.outbox)

    assert contents(stranger) == []


def test_it_knows_everyone_in_it(delivery: Delivery) -> None:
    big = listener(delivery, "big", ByteOrder.BIG)
    little = listener(delivery, "little", ByteOrder.LITTLE)

    assert set(delivery) == {big.outbox, little.outbox}


# To one alone


@BOTH_ORDERS
def test_what_one_gets_alone_keeps_its_place(delivery: Delivery, order: ByteOrder) -> None:
    bob, carol = listener(delivery, "bob", order), listener(delivery, "carol", order)
    delivery.post(text("1"))
    delivery.put(bob.outbox, text("bob 2"))
    delivery.post(text("3"))
    delivery.put(bob.outbox, text("bob 4"))
    delivery.put(bob.outbox, text("bob 5"))
    delivery.put(carol.outbox, text("carol 6"))
    delivery.post(text("7"))

    assert contents(bob) == ["1", "bob 2", "3", "bob 4", "bob 5", "7"]
    assert contents(carol) == ["1", "3", "carol 6", "7"]


def test_what_is_pending_and_what_follows_it_go_in_one_system_call(delivery: Delivery) -> None:
    bob = listener(delivery, "bob")
    delivery.post(text("1"))
    delivery.post(text("2"))

    delivery.put(bob.outbox, text("bob 3"))

    assert len(bob.transport.sends) == 1


def test_a_private_one_needs_no_flusher(delivery: Delivery) -> None:
    bob = listener(delivery, "bob")

    delivery.put(bob.outbox, text("psst"))

    assert len(bob.transport.sends) == 1


def test_a_newcomer_who_is_first_spoken_to_alone(delivery: Delivery) -> None:
    listener(delivery, "old")
    delivery.post(text("before"))
    new = listener(delivery, "new")
    delivery.put(new.outbox, text("psst"))
    delivery.post(text("after"))

    assert contents(new) == ["psst", "after"]


@BOTH_ORDERS
def test_a_file_for_one_alone_keeps_its_place(delivery: Delivery, order: ByteOrder) -> None:
    bob = listener(delivery, "bob", order)
    content = FakeContent(b"a large content")
    delivery.post(text("1"))
    delivery.put(bob.outbox, file(content))
    delivery.post(text("3"))
    delivery.put(bob.outbox, text("4"))

    assert contents(bob) == ["1", "a large content", "3", "4"]
    assert content.holders == 1


# Files and offers


@BOTH_ORDERS
def test_a_large_content_that_nobody_wants_offered_comes_to_all_in_its_place(
    delivery: Delivery, order: ByteOrder
) -> None:
    members = [listener(delivery, "bob", order), listener(delivery, "carol", order)]
    content = FakeContent(b"a large content")
    delivery.post(text("1"))
    delivery.post(file(content))
    delivery.post(text("3"))

    for member in members:
        assert contents(member) == ["1", "a large content", "3"]
    assert content.holders == 1


def test_who_wants_offers_gets_one_and_the_rest_the_content(delivery: Delivery) -> None:
    raw = listener(delivery, "raw")
    modern = listener(delivery, "modern", inline=10)
    patient = listener(delivery, "patient", inline=15)
    content = FakeContent(b"a large content")
    delivery.post(text("1"))
    delivery.post(file(content), text("an offer"))
    delivery.post(text("3"))

    assert contents(raw) == contents(patient) == ["1", "a large content", "3"]
    assert contents(modern) == ["1", "an offer", "3"]
    assert content.holders == 1


def test_a_small_content_may_be_offered_too(delivery: Delivery) -> None:
    raw, modern = listener(delivery, "raw"), listener(delivery, "modern", inline=0)

    delivery.post(text("content"), text("offer"))

    assert contents(raw) == ["content"]
    assert contents(modern) == ["offer"]


def test_one_content_on_its_way_to_many_is_held_by_each(delivery: Delivery) -> None:
    members = [listener(delivery, f"user{number}") for number in range(5)]
    for member in members:
        member.transport.room = 16
    content = FakeContent(b"a large content")

    delivery.post(file(content))
    content.release()

    assert content.holders == 5
    members[0].outbox.fail(LeaveReason.KICKED)
    members[1].outbox.close()
    for member in members[2:]:
        member.transport.make_room()
        assert contents(member) == ["a large content"]
    assert content.holders == 0


# Laggards and the lost


def test_only_who_takes_less_gets_a_backlog(delivery: Delivery) -> None:
    quick, slow = listener(delivery, "quick"), listener(delivery, "slow")
    slow.transport.room = 20
    for number in range(3):
        delivery.post(text(str(number)))
        delivery.flush()

    assert quick.outbox.waiting == 0
    assert slow.outbox.waiting == 3 * 17 - 20
    assert contents(quick) == ["0", "1", "2"]

    slow.transport.make_room()
    assert contents(slow) == ["0", "1", "2"]


def test_the_order_holds_for_a_laggard_too(delivery: Delivery) -> None:
    slow, content = listener(delivery, "slow"), FakeContent(b"a large content")
    slow.transport.room = 5
    expected = []
    for number in range(20):
        delivery.post(text(f"public {number}"))
        delivery.put(slow.outbox, text(f"private {number}"))
        delivery.post(file(content))
        expected += [f"public {number}", f"private {number}", "a large content"]

    for _ in range(200):
        slow.transport.make_room(11)
        run_ready_greenlets()

    assert slow.outbox.wait_until_drained(5)
    assert contents(slow) == expected
    assert content.holders == 1


def test_laggards_share_one_batch(delivery: Delivery) -> None:
    slow = [listener(delivery, f"user{number}") for number in range(2)]
    for member in slow:
        member.transport.room = 0
    delivery.post(text("x" * 50_000))
    delivery.flush()

    views = [member.outbox._backlog.head() for member in slow if member.outbox._backlog]

    assert len(views) == 2
    assert len({id(view.obj) for view in views if isinstance(view, memoryview)}) == 1


def test_a_full_backlog_costs_that_user_alone(delivery: Delivery) -> None:
    limits = BacklogLimits(per_user=100, total=PLENTY)
    before, slow, after = (
        listener(delivery, name, limits=limits) for name in ("before", "slow", "after")
    )
    slow.transport.room = 0
    for number in range(20):
        delivery.post(text(str(number)))
        delivery.flush()

    assert slow.failed == [LeaveReason.TOO_SLOW]
    assert slow.transport.aborted
    expected = [str(number) for number in range(20)]
    assert contents(before) == contents(after) == expected
    assert before.failed == after.failed == []
    assert limits.used == 0


def test_too_much_for_all_together_costs_the_largest_in_the_middle_of_a_flush(
    delivery: Delivery,
) -> None:
    limits = BacklogLimits(per_user=PLENTY, total=1000)
    names = ("first", "second", "largest", "fourth", "last")
    members = {name: listener(delivery, name, limits=limits) for name in names}
    for member in members.values():
        member.transport.room = 0
    delivery.put(members["largest"].outbox, text("y" * 84))
    delivery.post(text("x" * 184))  # 200 bytes each, 100 of the largest: 5 * 200 + 100 > 1000
    delivery.flush()

    assert [name for name in names if members[name].failed] == ["largest"]
    assert limits.used == sum(member.outbox.waiting for member in members.values()) == 800
    for name in names:
        members[name].transport.make_room()
    expected = ["x" * 184]
    assert all(contents(members[name]) == expected for name in names if name != "largest")
    assert limits.used == 0


def test_one_who_was_failed_earlier_in_the_same_flush_is_given_nothing(delivery: Delivery) -> None:
    limits = BacklogLimits(per_user=PLENTY, total=150)
    first = listener(delivery, "first", limits=limits)
    largest = listener(delivery, "largest", limits=limits)
    first.transport.room = largest.transport.room = 0
    delivery.put(largest.outbox, text("y" * 100))
    delivery.post(text("x" * 84))

    delivery.flush()

    assert largest.failed == [LeaveReason.TOO_SLOW]
    assert first.failed == []
    assert limits.used == first.outbox.waiting == 100


def test_one_whose_connection_breaks_in_a_flush_disturbs_nobody(delivery: Delivery) -> None:
    members = [listener(delivery, f"user{number}") for number in range(5)]
    members[2].transport.breaks_with = ConnectionResetError()

    delivery.post(text("hello"))
    run_ready_greenlets()
    delivery.remove(members[2].outbox)
    delivery.post(text("again"))

    assert members[2].failed == [LeaveReason.DISCONNECTED]
    for member in members[:2] + members[3:]:
        assert contents(member) == ["hello", "again"]


def test_one_whose_connection_breaks_as_he_is_caught_up(delivery: Delivery) -> None:
    bob, carol = listener(delivery, "bob"), listener(delivery, "carol")
    bob.transport.breaks_with = ConnectionResetError()
    delivery.post(text("1"))

    delivery.put(bob.outbox, text("psst"))

    assert bob.failed == [LeaveReason.DISCONNECTED]
    assert contents(carol) == ["1"]


def test_a_flood_of_one_greenlet_lets_the_flusher_run(delivery: Delivery) -> None:
    member = listener(delivery)

    def flood() -> None:
        for number in range(1000):
            delivery.post(text(str(number)))
            if number % 64 == 0:
                gevent.sleep(0)

    gevent.spawn(flood).get(timeout=5)

    assert contents(member) == [str(number) for number in range(1000)]
    assert 1 < len(member.transport.sends) < 50


def test_frames_are_encoded_once_for_all_of_one_byte_order(delivery: Delivery) -> None:
    members = [listener(delivery, f"user{number}") for number in range(3)]
    frame = text("hello")
    delivery.post(frame)
    run_ready_greenlets()

    assert list(frame._encoded) == [ByteOrder.BIG]
    assert all(frames_of(bytes(member.transport.taken)) for member in members)
