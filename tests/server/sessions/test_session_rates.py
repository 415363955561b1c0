"""The rates of a session, and its end when the server stops."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event

from chat.protocol.notices import LeaveReason
from chat.server.limits import limits
from chat.server.limits.limits import SenderRates
from chat.server.sessions import sender as sender_module
from chat.server.settings import Rate
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_session import FILE, UTF8, M, OpenTestServer, pair


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a loaded machine seconds may pass in a test, and a rate would rightly let more through."""
    stopped = partial(SenderRates, clock=lambda: 0.0)
    monkeypatch.setattr(sender_module, "SenderRates", stopped)


class Sleeps:
    """Stands in for gevent in the session: notes how long it was to sleep, and returns when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, at_once: bool = True) -> None:
        self.delays: list[float] = []
        self.asleep, self.may_wake = Event(), Event()
        if at_once:
            self.may_wake.set()
        monkeypatch.setattr(limits, "gevent", SimpleNamespace(sleep=self.sleep))

    def sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        self.asleep.set()
        assert self.may_wake.wait(30)


def test_messages_over_the_rate_are_delayed_and_none_is_dropped(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 10), byte_rate=None)
    alice = chat_server.join("alice")
    sleeps = Sleeps(monkeypatch)
    for number in range(12):
        alice.say(str(number))
    for number in range(12):
        alice.expect_text(str(number), "alice")

    assert sleeps.delays == pytest.approx([1, 2], abs=0.5)


def test_texts_that_come_together_are_said_as_far_as_the_rate_allows(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 10), byte_rate=None)
    alice = chat_server.join("alice")
    sleeps = Sleeps(monkeypatch, at_once=False)
    alice.send_bytes(b"".join(alice.encode(UTF8, None, b"%d" % number) for number in range(12)))

    for number in range(10):
        alice.expect_text(str(number), "alice")
    assert sleeps.asleep.wait(30)
    sleeps.may_wake.set()

    for number in (10, 11):
        alice.expect_text(str(number), "alice")
    assert sleeps.delays == pytest.approx([1, 2], abs=0.5)


def test_the_bytes_of_texts_that_come_together_have_their_rate(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(max_text=1000, rate=None, byte_rate=Rate(1000, 5000))
    alice = chat_server.join("alice")
    sleeps = Sleeps(monkeypatch)
    alice.send_bytes(alice.encode(UTF8, None, b"x" * 1000) * 7)

    for _ in range(7):
        alice.expect_text("x" * 1000, "alice")
    assert sleeps.delays == pytest.approx([1, 2], abs=0.5)


def test_refused_frames_count_too(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 10), byte_rate=None)
    alice = chat_server.join("alice")
    sleeps = Sleeps(monkeypatch)
    for _ in range(12):
        alice.send(77)
    for _ in range(12):
        alice.expect_notice("bad-type")

    assert len(sleeps.delays) == 2


@pytest.mark.parametrize("size", [5 * M, 6 * M])
def test_a_large_content_counts_as_several_messages(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer, size: int
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 1), byte_rate=None)
    alice = chat_server.join("alice")
    sleeps = Sleeps(monkeypatch)
    alice.send(FILE, None, bytes(size))
    alice.expect(FILE, bytes(size))
    assert sleeps.delays == pytest.approx([1, 2], abs=0.5)

    # On a transfer connection it is the same, by the same rate.
    transfer = chat_server.transfer(alice)
    transfer.send(FILE, None, bytes(size))
    transfer.expect(FILE, b"")
    alice.expect(FILE, bytes(size))
    assert sleeps.delays == pytest.approx([1, 2, 3, 4, 5], abs=1.0)


def test_a_fetch_counts_as_one_message(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 10), byte_rate=None)
    alice = chat_server.join("alice", inline=0)
    alice.send(FILE, None, bytes(5 * M))  # three messages
    offer = alice.expect(FILE)
    sleeps = Sleeps(monkeypatch)
    transfer = chat_server.transfer(alice)
    for _ in range(7):
        transfer.send(FILE, {"fetch": offer.header["id"]})
        transfer.expect(FILE, bytes(5 * M))
    assert sleeps.delays == []

    transfer.send(FILE, {"fetch": offer.header["id"]})
    transfer.expect(FILE, bytes(5 * M))
    assert len(sleeps.delays) == 1


def test_the_bytes_of_texts_have_a_rate_of_their_own(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1000, 1000), byte_rate=Rate(1000, 5000))
    alice = chat_server.join("alice")
    sleeps = Sleeps(monkeypatch)
    alice.send(FILE, None, b"x" * 20_000)  # no text
    alice.expect(FILE)
    for _ in range(2):
        alice.say("x" * 4000)
        alice.expect(UTF8)
    assert sleeps.delays == pytest.approx([3], abs=0.5)

    # More than a text may have is refused, and not paid for.
    alice.send(UTF8, None, b"x" * (10 * M))
    alice.expect_notice("too-large")
    assert sleeps.delays[1] <= 3 + 64 * 1.024 + 0.5


def test_without_rates_nothing_is_delayed(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(rate=None, byte_rate=None)
    alice = chat_server.join("alice")
    sleeps = Sleeps(monkeypatch)
    alice.send_bytes(alice.encode(UTF8, None, b"hi") * 500)
    for _ in range(500):
        alice.expect_text("hi", "alice")

    assert sleeps.delays == []


def test_a_user_who_is_closed_during_a_delay_says_nothing_more(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 1), byte_rate=None)
    alice, bob = pair(chat_server)
    alice.say("first")
    alice.expect_text("first", "alice")
    bob.expect_text("first", "alice")
    sleeps = Sleeps(monkeypatch, at_once=False)
    alice.send_bytes(alice.encode(UTF8, None, b"second") * 3)
    assert sleeps.asleep.wait(30)

    chat_server.session("alice").send_queue.fail(LeaveReason.TOO_SLOW)
    sleeps.may_wake.set()

    bob.expect_left("alice", "too-slow")
    assert len(sleeps.delays) == 1


def test_a_user_who_has_left_when_the_delay_ends_says_nothing(
    monkeypatch: pytest.MonkeyPatch, open_a_chat_server: OpenTestServer
) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 1), byte_rate=None)
    alice, bob = pair(chat_server)
    alice.say("first")
    bob.expect_text("first", "alice")
    sleeps = Sleeps(monkeypatch, at_once=False)
    alice.say("second")
    assert sleeps.asleep.wait(30)

    chat_server.parts.service.leave(chat_server.session("alice"), LeaveReason.KICKED)
    sleeps.may_wake.set()

    bob.expect_left("alice", "kicked")
    bob.say("next")
    bob.expect_text("next", "bob")


def test_everyone_is_told_when_the_server_stops(chat_server: TestServer) -> None:
    alice, bob = pair(chat_server)
    stopping = gevent.spawn(chat_server.server.stop)

    for guest in (alice, bob):
        guest.expect_notice("shutting-down")
        guest.expect_closed()
        guest.close()
    stopping.get(timeout=30)
