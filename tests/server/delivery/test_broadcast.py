"""Giving one message to many: in one order for all, in one system call for a batch, and nobody waits for anyone."""

from __future__ import annotations

import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason
from chat.protocol.runs import Run, TextFrames
from chat.server.delivery.broadcast import Broadcast
from tests.server.fakes import FakeContent, FakeMember, run_ready_greenlets

BOTH_ORDERS = pytest.mark.parametrize("order", list(ByteOrder))
BATCH_SIZE = 256 * 1024


def text(content: str) -> Frame:
    return Frame(MessageType.UTF8, b"", content.encode())


def file(content: FakeContent) -> Frame:
    return Frame(MessageType.FILE, b"", large=content)


def listener(
    broadcast: Broadcast, name: str = "alice", *args: ByteOrder, **options: object
) -> FakeMember:
    member = FakeMember(name, *args, **options)  # type: ignore[arg-type]
    broadcast.add(member.send_queue)
    return member


def contents(member: FakeMember) -> list[str]:
    """The contents that have come to ``member``, once every greenlet has had its turn."""
    run_ready_greenlets()
    return [frame.content.decode() for frame in member.frames]


# To everyone


def test_everyone_gets_what_is_posted_in_their_own_byte_order(broadcast: Broadcast) -> None:
    big = listener(broadcast, "big", ByteOrder.BIG)
    little = listener(broadcast, "little", ByteOrder.LITTLE)

    for number in range(3):
        broadcast.post(text(str(number)))

    assert contents(big) == contents(little) == ["0", "1", "2"]
    assert big.transport.taken[:2] == b"\0\7"
    assert little.transport.taken[:2] == b"\7\0"


def test_posts_travel_together_in_one_system_call(broadcast: Broadcast) -> None:
    members = [listener(broadcast, f"user{number}") for number in range(3)]

    for number in range(50):
        broadcast.post(text(str(number)))

    for member in members:
        assert contents(member) == [str(number) for number in range(50)]
        assert len(member.transport.sends) == 1


@BOTH_ORDERS
def test_texts_that_come_together_are_frames_like_any_other(
    broadcast: Broadcast, order: ByteOrder
) -> None:
    member = listener(broadcast, "alice", order)
    broadcast.post(text("0"))
    run = Run(MessageType.UTF8, [b"1", b"22", b"3"], [None] * 3, 4)
    broadcast.post(TextFrames(b'{"seq":', run, 9))
    broadcast.post(text("4"))

    assert contents(member) == ["0", "1", "22", "3", "4"]
    assert [frame.header for frame in member.frames] == [
        b"",
        *(b'{"seq":%d}' % number for number in (9, 10, 11)),
        b"",
    ]
    assert len(member.transport.sends) == 1


def test_a_post_sends_nothing_by_itself(broadcast: Broadcast) -> None:
    member = listener(broadcast)

    broadcast.post(text("soon"))

    assert member.transport.sends == []


def test_a_batch_that_is_full_does_not_wait_for_the_flusher(broadcast: Broadcast) -> None:
    member = listener(broadcast)
    filler = "x" * (BATCH_SIZE // 4 - 16)
    for _ in range(3):
        broadcast.post(text(filler))
    assert member.transport.sends == []

    broadcast.post(text(filler))

    assert member.transport.sends == [BATCH_SIZE]


def test_without_a_flusher_it_flushes_when_told() -> None:
    broadcast = Broadcast()
    member = listener(broadcast)
    broadcast.post(text("hello"))
    run_ready_greenlets()
    assert member.transport.sends == []

    broadcast.stop()

    assert contents(member) == ["hello"]


def test_stopping_gives_what_is_pending(broadcast: Broadcast) -> None:
    member = listener(broadcast)
    broadcast.post(text("last words"))

    broadcast.stop()

    assert contents(member) == ["last words"]
    broadcast.post(text("too late"))
    assert contents(member) == ["last words"]


def test_posting_to_nobody_keeps_nothing(broadcast: Broadcast) -> None:
    broadcast.post(text("is anybody here?"))

    assert contents(listener(broadcast)) == []


def test_flushing_with_nothing_pending_sends_nothing(broadcast: Broadcast) -> None:
    member = listener(broadcast)

    broadcast.flush()

    assert member.transport.sends == []


# Coming and going


@BOTH_ORDERS
def test_a_newcomer_gets_what_is_posted_after_they_came_and_nothing_before(
    broadcast: Broadcast, order: ByteOrder
) -> None:
    old = listener(broadcast, "old", order)
    broadcast.post(text("before"))
    new = FakeMember("new", order)
    broadcast.add(new.send_queue, [text("welcome,"), text("new")])
    broadcast.post(text("after"))

    assert contents(old) == ["before", "after"]
    assert contents(new) == ["welcome,", "new", "after"]


def test_a_newcomer_to_whom_nothing_is_posted_afterwards_gets_nothing(broadcast: Broadcast) -> None:
    listener(broadcast, "old")
    broadcast.post(text("before"))
    new = listener(broadcast, "new")

    assert contents(new) == []


def test_newcomers_one_after_the_other_each_begin_where_they_came(broadcast: Broadcast) -> None:
    members = []
    for number in range(5):
        members.append(listener(broadcast, f"user{number}"))
        broadcast.post(text(str(number)))

    for number, member in enumerate(members):
        assert contents(member) == [str(later) for later in range(number, 5)]


def test_the_first_frames_of_a_newcomer_go_in_one_system_call(broadcast: Broadcast) -> None:
    new = FakeMember("new")

    broadcast.add(new.send_queue, [text("one"), text("two")])

    assert len(new.transport.sends) == 1


@BOTH_ORDERS
def test_a_user_who_goes_gets_what_was_posted_before_and_nothing_after(
    broadcast: Broadcast, order: ByteOrder
) -> None:
    stays, goes = listener(broadcast, "stays", order), listener(broadcast, "goes", order)
    broadcast.post(text("before"))
    broadcast.remove(goes.send_queue)
    broadcast.post(text("after"))

    assert contents(stays) == ["before", "after"]
    assert contents(goes) == ["before"]


def test_a_user_who_comes_and_goes_between_two_flushes_gets_what_lies_between(
    broadcast: Broadcast,
) -> None:
    listener(broadcast, "stays")
    broadcast.post(text("before"))
    guest = listener(broadcast, "guest")
    broadcast.post(text("meanwhile"))
    broadcast.remove(guest.send_queue)
    broadcast.post(text("after"))

    assert contents(guest) == ["meanwhile"]


def test_removing_a_user_who_never_came_changes_nothing(broadcast: Broadcast) -> None:
    stranger = FakeMember("stranger")

    broadcast.remove(stranger.send_queue)

    assert contents(stranger) == []


def test_it_knows_everyone_in_it(broadcast: Broadcast) -> None:
    big = listener(broadcast, "big", ByteOrder.BIG)
    little = listener(broadcast, "little", ByteOrder.LITTLE)

    assert set(broadcast) == {big.send_queue, little.send_queue}


# To one alone


@BOTH_ORDERS
def test_what_one_gets_alone_keeps_its_place(broadcast: Broadcast, order: ByteOrder) -> None:
    bob, carol = listener(broadcast, "bob", order), listener(broadcast, "carol", order)
    broadcast.post(text("1"))
    broadcast.put(bob.send_queue, text("bob 2"))
    broadcast.post(text("3"))
    broadcast.put(bob.send_queue, text("bob 4"))
    broadcast.put(bob.send_queue, text("bob 5"))
    broadcast.put(carol.send_queue, text("carol 6"))
    broadcast.post(text("7"))

    assert contents(bob) == ["1", "bob 2", "3", "bob 4", "bob 5", "7"]
    assert contents(carol) == ["1", "3", "carol 6", "7"]


def test_what_is_pending_and_what_follows_it_go_in_one_system_call(broadcast: Broadcast) -> None:
    bob = listener(broadcast, "bob")
    broadcast.post(text("1"))
    broadcast.post(text("2"))

    broadcast.put(bob.send_queue, text("bob 3"))
    broadcast.put(bob.send_queue, text("bob 4"))
    broadcast.post(text("5"))

    assert bob.transport.sends == []
    assert contents(bob) == ["1", "2", "bob 3", "bob 4", "5"]
    assert len(bob.transport.sends) == 1


def test_private_ones_that_are_too_much_for_a_batch_do_not_wait(broadcast: Broadcast) -> None:
    bob, carol = listener(broadcast, "bob"), listener(broadcast, "carol")
    filler = "x" * (BATCH_SIZE // 2 - 16)
    broadcast.put(bob.send_queue, text(filler))
    assert bob.transport.sends == []

    broadcast.put(carol.send_queue, text(filler))

    assert bob.transport.sends == carol.transport.sends == [BATCH_SIZE // 2]


def test_a_user_who_goes_gets_the_frames_for_them_alone(broadcast: Broadcast) -> None:
    bob = listener(broadcast, "bob")
    broadcast.put(bob.send_queue, text("psst"))
    broadcast.post(text("hello"))

    broadcast.remove(bob.send_queue)

    assert len(bob.transport.sends) == 1
    assert contents(bob) == ["psst", "hello"]


def test_a_newcomer_who_is_first_spoken_to_alone(broadcast: Broadcast) -> None:
    listener(broadcast, "old")
    broadcast.post(text("before"))
    new = listener(broadcast, "new")
    broadcast.put(new.send_queue, text("psst"))
    broadcast.post(text("after"))

    assert contents(new) == ["psst", "after"]


@BOTH_ORDERS
def test_a_file_for_one_alone_keeps_its_place(broadcast: Broadcast, order: ByteOrder) -> None:
    bob = listener(broadcast, "bob", order)
    content = FakeContent(b"a large content")
    broadcast.post(text("1"))
    broadcast.put(bob.send_queue, file(content))
    broadcast.post(text("3"))
    broadcast.put(bob.send_queue, text("4"))

    assert contents(bob) == ["1", "a large content", "3", "4"]
    assert content.holders == 1


# Files and offers


@BOTH_ORDERS
def test_a_large_content_that_nobody_wants_offered_comes_to_all_in_its_place(
    broadcast: Broadcast, order: ByteOrder
) -> None:
    members = [listener(broadcast, "bob", order), listener(broadcast, "carol", order)]
    content = FakeContent(b"a large content")
    broadcast.post(text("1"))
    broadcast.post_attachment(file(content), None)
    broadcast.post(text("3"))

    for member in members:
        assert contents(member) == ["1", "a large content", "3"]
    assert content.holders == 1


def test_a_user_who_wants_offers_gets_one_and_the_rest_the_content(broadcast: Broadcast) -> None:
    raw = listener(broadcast, "raw")
    modern = listener(broadcast, "modern", inline=10)
    patient = listener(broadcast, "patient", inline=15)
    content = FakeContent(b"a large content")
    broadcast.post(text("1"))
    broadcast.post_attachment(file(content), text("an offer"))
    broadcast.post(text("3"))

    assert contents(raw) == contents(patient) == ["1", "a large content", "3"]
    assert contents(modern) == ["1", "an offer", "3"]
    assert content.holders == 1


def test_a_small_content_may_be_offered_too(broadcast: Broadcast) -> None:
    raw, modern = listener(broadcast, "raw"), listener(broadcast, "modern", inline=0)

    broadcast.post_attachment(text("content"), text("offer"))

    assert contents(raw) == ["content"]
    assert contents(modern) == ["offer"]


def test_one_content_on_its_way_to_many_is_held_by_each(broadcast: Broadcast) -> None:
    members = [listener(broadcast, f"user{number}") for number in range(5)]
    for member in members:
        member.transport.room = 16
    content = FakeContent(b"a large content")

    broadcast.post_attachment(file(content), None)
    content.release()

    assert content.holders == 5
    members[0].send_queue.fail(LeaveReason.KICKED)
    members[1].send_queue.close()
    for member in members[2:]:
        member.transport.make_room()
        assert contents(member) == ["a large content"]
    assert content.holders == 0


# Slow consumers, and users who are gone


# An answer that is due now


def test_an_answer_goes_out_at_once_where_nothing_is_pending(broadcast: Broadcast) -> None:
    alice, bob = listener(broadcast, "alice"), listener(broadcast, "bob")

    broadcast.answer(alice.send_queue, text("here").encode(ByteOrder.BIG))

    assert [frame.content for frame in alice.frames] == [b"here"]  # before anything else has run
    assert contents(bob) == []


def test_an_answer_keeps_its_place_behind_what_is_pending(broadcast: Broadcast) -> None:
    alice, bob = listener(broadcast, "alice"), listener(broadcast, "bob")

    broadcast.post(text("to all"))
    broadcast.answer(alice.send_queue, text("here").encode(ByteOrder.BIG))
    broadcast.post(text("to all again"))

    assert contents(alice) == ["to all", "here", "to all again"]
    assert contents(bob) == ["to all", "to all again"]


def test_an_answer_keeps_its_place_behind_what_is_pending_for_one(broadcast: Broadcast) -> None:
    alice, bob = listener(broadcast, "alice"), listener(broadcast, "bob")

    broadcast.put(alice.send_queue, text("private"))
    broadcast.answer(alice.send_queue, text("here").encode(ByteOrder.BIG))
    broadcast.answer(bob.send_queue, text("here").encode(ByteOrder.BIG))

    assert contents(alice) == ["private", "here"]
    assert contents(bob) == ["here"]
