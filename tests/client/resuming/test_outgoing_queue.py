from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from chat.client.connection.in_flight import Place
from chat.client.connection.receipts import Receipt, Status
from chat.client.conversation.requests import AskServer, Say
from chat.client.conversation.unacknowledged import Outgoing
from chat.client.errors import ConnectionLost
from chat.client.resuming import outgoing_queue
from chat.client.resuming.outgoing_queue import OutgoingQueue, Send
from chat.client.runtime.gevent_runtime import GEVENT
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType


class Box(OutgoingQueue):
    """A queue whose messages may be sent at any time."""

    def __init__(self, answered: Callable[[Outgoing], object]) -> None:
        super().__init__(GEVENT, answered)

    def send_all(self, send: Send) -> None:
        while True:
            self.wait_to_send(lambda: False, lambda: True)
            for message in self.next_batch():
                self.send(message, send)

    def find_absent(self) -> None:
        """Say all messages in question again: the server has none of them."""
        self.say_again([message.nonce for message in self.questioned()])


class Line:
    """The far end: takes what is sent, and answers when the test says so."""

    def __init__(self, box: Box) -> None:
        self._table = box.in_flight
        self.sent: list[str] = []
        self.receipts: list[Receipt] = []
        self.breaks_after: int | None = None

    def send(self, item: Outgoing) -> Receipt | None:
        if self.breaks_after == len(self.sent):
            raise ConnectionLost("The line broke.")
        assert isinstance(item.request, Say | AskServer)
        text = item.request.text if isinstance(item.request, Say) else item.request.command.verb
        self._table.send(item)
        self.sent.append(text)
        self.receipts.append(item)
        return item

    def answer(self, count: int) -> None:
        for receipt in self.receipts[:count]:
            receipt.settle(Status.ACCEPTED)
        del self.receipts[:count]


def say(text: str) -> Outgoing:
    return Outgoing(Say(text))


def texts(items: list[Outgoing]) -> list[str]:
    return [item.request.text for item in items if isinstance(item.request, Say)]


@pytest.fixture
def answered() -> list[Outgoing]:
    return []


@pytest.fixture
def box(answered: list[Outgoing]) -> Box:
    return Box(answered.append)


def run_until_idle() -> None:
    """Let every greenlet that can run do so."""
    for _ in range(10):
        gevent.sleep(0)


def test_items_are_sent_in_order_and_told_when_answered(box: Box, answered: list[Outgoing]) -> None:
    line = Line(box)
    sender = gevent.spawn(box.send_all, line.send)
    for text in "abc":
        box.put(say(text))
    run_until_idle()
    assert line.sent == ["a", "b", "c"]
    assert not answered
    line.answer(2)
    box.tell_answers()
    assert texts(answered) == ["a", "b"]
    assert not box.is_empty
    line.answer(1)
    box.tell_answers()
    assert box.is_empty
    sender.kill()


def test_what_was_not_answered_is_sent_again_in_order(box: Box, answered: list[Outgoing]) -> None:
    line = Line(box)
    line.breaks_after = 3
    sender = gevent.spawn(box.send_all, line.send)
    for text in "abcde":
        box.put(say(text))
    run_until_idle()
    with pytest.raises(ConnectionLost):
        sender.get()
    line.answer(1)
    box.connection_ended()
    box.find_absent()

    line = Line(box)
    sender = gevent.spawn(box.send_all, line.send)
    run_until_idle()
    assert line.sent == ["b", "c", "d", "e"]
    line.answer(4)
    box.tell_answers()
    assert texts(answered) == list("abcde")
    sender.kill()


@pytest.mark.parametrize("limit", ["MAX_WAITING", "MAX_WAITING_BYTES"])
def test_put_waits_while_the_table_is_full(
    box: Box, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing_queue, limit, 3)
    for text in "abc":
        box.put(say(text))
    putter = gevent.spawn(box.put, say("d"))
    run_until_idle()
    assert not putter.ready()
    line = Line(box)
    sender = gevent.spawn(box.send_all, line.send)
    run_until_idle()
    assert putter.ready()
    assert line.sent == list("abcd")
    sender.kill()


def test_what_is_unanswered_is_bounded(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing_queue, "MAX_IN_FLIGHT", 2)
    line = Line(box)
    sender = gevent.spawn(box.send_all, line.send)
    for text in "abc":
        box.put(say(text))
    run_until_idle()
    assert line.sent == ["a", "b"]
    line.answer(1)
    box.tell_answers()
    run_until_idle()
    assert line.sent == ["a", "b", "c"]
    sender.kill()


def test_waiting_until_all_is_answered(box: Box) -> None:
    line = Line(box)
    box.put(say("a"))
    sender = gevent.spawn(box.send_all, line.send)
    waiter = gevent.spawn(box.wait_empty)
    run_until_idle()
    assert not waiter.ready()
    line.answer(1)
    box.tell_answers()
    run_until_idle()
    assert waiter.ready()
    sender.kill()


def test_an_item_that_was_done_with_at_once_needs_no_answer(box: Box) -> None:
    sender = gevent.spawn(box.send_all, lambda item: None)
    box.put(say("a"))
    run_until_idle()
    assert box.is_empty
    sender.kill()


def test_it_is_not_empty_before_the_last_answer_is_told() -> None:
    seen: list[bool] = []

    def tell(item: Outgoing) -> None:
        seen.append(mine.is_empty)

    mine = Box(tell)
    line = Line(mine)
    mine.put(say("hello"))
    sender = gevent.spawn(mine.send_all, line.send)
    gevent.idle()
    line.answer(1)
    mine.tell_answers()
    assert seen == [False]
    assert mine.is_empty
    sender.kill()


def test_a_command_is_not_given_again() -> None:
    """The server may have executed the command, and only the answer was lost."""
    statuses: list[tuple[Outgoing, Status]] = []
    box = Box(lambda item: statuses.append((item, item.status)))
    line = Line(box)
    command = Outgoing(AskServer(Command("passwd", password="a", new_password="b")))
    for item in (say("one"), command, say("two")):
        box.put(item)
    sender = gevent.spawn(box.send_all, line.send)
    run_until_idle()
    sender.kill()
    box.connection_ended()
    assert statuses == [(command, Status.LOST)]
    box.find_absent()
    assert line.sent == ["one", "passwd", "two"]
    sender = gevent.spawn(box.send_all, line.send)
    run_until_idle()
    sender.kill()
    assert line.sent[3:] == ["one", "two"]


def test_a_command_that_was_not_given_yet_is_not_given_later() -> None:
    told: list[tuple[Outgoing, Status, str | None]] = []
    box = Box(lambda item: told.append((item, item.status, item.code)))
    line = Line(box)
    line.breaks_after = 1
    command = Outgoing(AskServer(Command("bans")))
    for item in (say("one"), command, say("two")):
        box.put(item)
    with pytest.raises(ConnectionLost):
        box.send_all(line.send)
    box.connection_ended()
    assert told == [(command, Status.REFUSED, "not-sent")]
    assert "nothing was done" in (command.refusal or "")
    line.breaks_after = None
    box.find_absent()
    sender = gevent.spawn(box.send_all, line.send)
    run_until_idle()
    sender.kill()
    assert line.sent == ["one", "one", "two"]


# Messages in the table that the queue does not hold


def beside(box: Box) -> Receipt:
    """A packed directory that turned out small: its transfer sends it on the room's connection."""
    receipt = Receipt(GEVENT.event(), MessageType.FILE)
    box.in_flight.send(receipt)
    return receipt


def test_the_queue_is_empty_while_a_transfer_waits_for_its_own_answer(box: Box) -> None:
    receipt = beside(box)
    waiting = gevent.spawn(box.wait_empty)

    assert box.is_empty
    assert len(box) == 0
    waiting.get(timeout=30)
    assert box.in_flight.answered(receipt.nonce) is receipt


def test_a_transfers_message_delays_no_answer_and_is_never_told(
    box: Box, answered: list[Outgoing]
) -> None:
    receipt, line = beside(box), Line(box)
    sending = gevent.spawn(box.send_all, line.send)
    box.put(say("one"))
    run_until_idle()
    line.answer(1)
    box.tell_answers()
    assert texts(answered) == ["one"]

    sending.kill()
    box.connection_ended()

    assert receipt.status is Status.LOST
    assert texts(answered) == ["one"]
    assert box.in_flight.at(Place.SENT) == []
