"""Whether messages wait at the server, by its notices and by the answers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import gevent
import pytest

from chat.client.connection.receipts import Status
from chat.client.conversation import confirming
from chat.client.conversation.confirming import Confirming
from chat.client.conversation.ui_events import Unconfirmed
from chat.client.resuming.outgoing_queue import OutgoingQueue, QueuedMessage
from chat.client.runtime.gevent_runtime import GEVENT
from tests.server.fakes import FakeClock

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(confirming, "uptime", clock)
    return clock


class Desk:
    """A queue with messages on their way, and what was shown."""

    def __init__(self, count: int = 1) -> None:
        self.queue = OutgoingQueue(GEVENT, lambda message: None)
        self.shown: list[Unconfirmed] = []
        self.confirming = Confirming(self.queue, self.shown.append)
        self.messages = [
            QueuedMessage(GEVENT.event(), text="hi", sent_at=NOON + timedelta(seconds=number))
            for number in range(count)
        ]
        for message in self.messages:
            self.queue.in_flight.send(message)


def test_it_waits_since_the_oldest_message_was_sent(clock: FakeClock) -> None:
    desk = Desk(2)
    for _ in range(3):
        desk.confirming.waits()
        desk.confirming.look()
        clock.advance(5)
    assert desk.shown == [Unconfirmed(NOON)]


def test_it_is_over_when_the_oldest_is_answered(clock: FakeClock) -> None:
    desk = Desk(2)
    desk.confirming.waits()
    desk.messages[1].settle(Status.ACCEPTED)
    desk.confirming.look()
    assert desk.shown == [Unconfirmed(NOON)]
    desk.messages[0].settle(Status.ACCEPTED)
    desk.confirming.look()
    desk.confirming.look()
    assert desk.shown == [Unconfirmed(NOON), Unconfirmed(None)]
    desk.confirming.waits()  # the engine is away again
    assert len(desk.shown) == 3


def test_it_is_over_when_the_server_repeats_it_no_more(clock: FakeClock) -> None:
    desk = Desk(0)
    desk.confirming.waits()
    clock.advance(11)
    desk.confirming.look()
    assert len(desk.shown) == 1
    clock.advance(2)
    desk.confirming.look()
    assert desk.shown[1:] == [Unconfirmed(None)]


def test_a_program_that_waits_for_its_last_answers_goes_on_waiting(clock: FakeClock) -> None:
    """Each notice is progress: the server is alive."""
    desk = Desk()
    waiting = gevent.spawn(desk.queue.wait_progress, 5.0)
    gevent.sleep(0)
    desk.confirming.waits()
    assert waiting.get(timeout=1) is True
