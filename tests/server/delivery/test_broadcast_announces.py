"""Everyone hears who joins and leaves: at once, or, if many do, in one batch after a moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.protocol.descriptor import ByteOrder
from chat.server.delivery.broadcast import Broadcast
from chat.server.settings import Rate
from tests.server.delivery.test_broadcast import contents, listener, text
from tests.server.fakes import run_ready_greenlets, wait_until


@pytest.fixture
def stingy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broadcast]:
    """Return a broadcast that makes a batch for announcements only every ten minutes, after the first."""
    monkeypatch.setattr("chat.server.delivery.broadcast._ANNOUNCING", Rate(1 / 600, 1))
    broadcast = Broadcast()
    broadcast.start()
    yield broadcast
    broadcast.stop()


def test_a_few_announcements_wait_for_nothing(broadcast: Broadcast) -> None:
    member = listener(broadcast)

    for number in range(3):
        broadcast.announce(text(str(number)))
        run_ready_greenlets()

    assert len(member.transport.sends) == 3


def test_many_announcements_are_joined(stingy: Broadcast) -> None:
    member = listener(stingy)
    for number in range(20):
        stingy.announce(text(str(number)))
        run_ready_greenlets()
    assert contents(member) == ["0"]

    stingy.stop()

    assert contents(member) == [str(number) for number in range(20)]
    assert len(member.transport.sends) == 2


def test_an_announcement_that_waits_goes_before_what_is_said_after_it(stingy: Broadcast) -> None:
    member = listener(stingy)
    stingy.announce(text("alice is here"))
    run_ready_greenlets()
    stingy.announce(text("bob is here"))
    run_ready_greenlets()
    late = listener(stingy, "late")

    stingy.post(text("hello"))

    assert contents(member) == ["alice is here", "bob is here", "hello"]
    assert contents(late) == ["hello"]


def test_a_frame_for_one_user_cuts_nobody_elses_batch(stingy: Broadcast) -> None:
    asker, other = listener(stingy, "asker"), listener(stingy, "other")
    little = listener(stingy, "little", ByteOrder.LITTLE)
    for name in ("alice", "bob", "carol"):
        stingy.announce(text(name))
        run_ready_greenlets()
    for number in range(3):
        stingy.put(asker.send_queue, text(f"answer {number}"))
    stingy.put(little.send_queue, text("whisper"))

    assert contents(asker) == ["alice", "bob", "carol", "answer 0", "answer 1", "answer 2"]
    assert len(asker.transport.sends) == 2
    assert contents(little) == ["alice", "bob", "carol", "whisper"]
    assert contents(other) == ["alice"]

    stingy.announce(text("dave"))
    stingy.post(text("hello"))
    stingy.put(asker.send_queue, text("answer 3"))

    assert contents(asker)[-3:] == ["dave", "hello", "answer 3"]
    assert contents(other) == ["alice", "bob", "carol", "dave", "hello"]
    assert contents(little)[-3:] == ["whisper", "dave", "hello"]


def test_an_announcement_behind_a_frame_for_one_user_is_in_no_more_hurry(stingy: Broadcast) -> None:
    """Very many users come at once, and each gets answers: so a frame for one user is always pending."""
    asker, other = listener(stingy, "asker"), listener(stingy, "other")
    stingy.announce(text("alice"))
    run_ready_greenlets()

    for name in ("bob", "carol"):
        stingy.put(asker.send_queue, text(f"answer to {name}"))
        stingy.announce(text(name))
        run_ready_greenlets()

    assert contents(asker) == ["alice", "answer to bob", "bob", "answer to carol", "carol"]
    assert contents(other) == ["alice"]


def test_frames_for_one_and_for_all_in_one_turn_are_one_write(stingy: Broadcast) -> None:
    asker, other = listener(stingy, "asker"), listener(stingy, "other")

    stingy.put(asker.send_queue, text("answer"))
    stingy.post(text("hello"))
    run_ready_greenlets()

    assert contents(asker) == ["answer", "hello"]
    assert contents(other) == ["hello"]
    assert len(asker.transport.sends) == 1


def test_an_announcement_waits_a_moment_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.server.delivery.broadcast._ANNOUNCING", Rate(per_second=100, burst=1))
    broadcast = Broadcast()
    broadcast.start()
    member = listener(broadcast)
    for number in range(3):
        broadcast.announce(text(str(number)))
        run_ready_greenlets()

    wait_until(lambda: contents(member) == ["0", "1", "2"], "all announcements")

    broadcast.stop()


def test_the_time_that_joined_announcements_take_is_charged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Newcomers cause announcements, so their share of the loop pays for them: see ``LoopShare``."""
    monkeypatch.setattr("chat.server.delivery.broadcast._ANNOUNCING", Rate(per_second=100, burst=1))
    charged: list[float] = []
    broadcast = Broadcast(charged.append)
    broadcast.start()
    member = listener(broadcast)
    for number in range(2):
        broadcast.announce(text(str(number)))
        run_ready_greenlets()
    wait_until(lambda: contents(member) == ["0", "1"], "all announcements")
    broadcast.stop()

    assert len(charged) == 2
    assert min(charged) > 0


@pytest.mark.parametrize("order", list(ByteOrder))
def test_one_user_can_be_left_out(broadcast: Broadcast, order: ByteOrder) -> None:
    left_out = listener(broadcast, "alice", order)
    others = [listener(broadcast, f"other{each.name}", each) for each in ByteOrder]
    broadcast.post(text("0"))
    broadcast.post_to_others(left_out.send_queue, text("1"))
    broadcast.put(left_out.send_queue, text("own"))
    broadcast.post_to_others(left_out.send_queue, text("2"))
    broadcast.post(text("3"))

    assert contents(left_out) == ["0", "own", "3"]
    assert [contents(other) for other in others] == [["0", "1", "2", "3"]] * 2

    broadcast.post_to_others(left_out.send_queue, text("4"))
    assert contents(left_out) == ["0", "own", "3"]
    assert contents(others[0])[-1] == "4"
