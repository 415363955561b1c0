"""Messages over connections that come and go, in random schedules, against a server that answers in order."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

import gevent
from gevent.event import Event
from hypothesis import given
from hypothesis import strategies as st

from chat.client.connection.receipts import Receipt, Status
from chat.client.conversation.requests import AskServer, Say
from chat.client.conversation.unacknowledged import Outgoing, Unacknowledged
from chat.client.errors import ConnectionLost
from chat.client.runtime.gevent_runtime import GEVENT
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType

Step: TypeAlias = tuple[str, int]

steps = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 4)),
    st.tuples(st.just("command"), st.just(1)),
    st.tuples(st.just("send"), st.integers(1, 4)),
    st.tuples(st.just("fail"), st.just(1)),
    st.tuples(st.just("accept"), st.integers(1, 4)),
    st.tuples(st.just("refuse"), st.integers(1, 2)),
    st.tuples(st.just("lose"), st.just(1)),
)


class Run:
    """One queue of messages, its connections, and the server at their other end."""

    def __init__(self, *, original: bool) -> None:
        self.box = Unacknowledged(lambda item: self.told.append((item, item.status)))
        self.told: list[tuple[Outgoing, Status]] = []
        self.put: list[Outgoing] = []
        self.wires: list[list[Outgoing]] = [[]]  # what each connection has carried
        self.answers: dict[Outgoing, Status] = {}  # that reached the client
        self._original = original
        self._arrived: deque[str] = deque()  # nonces that the server has not answered

    def do(self, step: Step) -> None:
        name, count = step
        if name in ("put", "command"):
            for _ in range(count):
                self._put(is_command=name == "command")
        elif name == "send":
            self._send(count)
        elif name == "fail":
            self._send(0, fails=True)
        elif name == "lose":
            self._arrived.clear()
            self.wires.append([])
            self.box.connection_ended()
        else:
            for _ in range(min(count, len(self._arrived))):
                self._answer(Status.ACCEPTED if name == "accept" else Status.REFUSED)

    def finish(self) -> None:
        """Let the server take and accept everything."""
        self._send(len(self.put))
        while self._arrived:
            self._answer(Status.ACCEPTED)

    def _put(self, *, is_command: bool) -> None:
        text = str(len(self.put))
        item = Outgoing(AskServer(Command("bans", text)) if is_command else Say(text))
        self.put.append(item)
        self.box.put(item)

    def _send(self, count: int, *, fails: bool = False) -> None:
        left = [count]

        def send(item: Outgoing) -> Receipt:
            if not left[0] and not fails:
                Event().wait()  # until it is killed: the wire is full
            table = self.box.in_flight
            receipt = table.receipt(GEVENT.event, MessageType.UTF8, item.nonce)
            assert receipt is item
            table.send(receipt)
            if not left[0]:
                table.requeue(receipt)
                raise ConnectionLost("The line broke.")
            left[0] -= 1
            self.wires[-1].append(item)
            self._arrived.append(item.nonce)
            return receipt

        def send_all() -> None:
            try:
                self.box.send_all(send)
            except ConnectionLost:
                assert fails

        sender = gevent.spawn(send_all)
        gevent.sleep(0)
        sender.kill()

    def _answer(self, status: Status) -> None:
        nonce = self._arrived.popleft()
        table = self.box.in_flight
        receipt = table.oldest_answered() if self._original else table.answered(nonce)
        assert isinstance(receipt, Outgoing)
        assert receipt.nonce == nonce, "the answer is for another message"
        receipt.settle(status)
        self.answers[receipt] = status
        assert table.answered(nonce) is None, "a second answer settles nothing"
        self.box.tell_answers()


@given(st.lists(steps, max_size=40), st.booleans())
def test_every_message_gets_one_final_status_in_order(schedule: list[Step], original: bool) -> None:
    run = Run(original=original)
    for step in schedule:
        run.do(step)
        assert run.box.is_empty is (len(run.told) == len(run.put))
        assert len(run.box) + len(run.told) == len(run.put)
    run.finish()
    assert run.box.is_empty

    # Each message is told once, with the answer of the server if there was one.
    assert sorted(map(run.put.index, (item for item, _ in run.told))) == list(range(len(run.put)))
    carried = [item for wire in run.wires for item in wire]
    for item, status in run.told:
        # A command is given over the connection under which it was put, or not at all.
        unanswered = Status.LOST if item in carried else Status.REFUSED
        assert status is item.status is run.answers.get(item, unanswered)
        assert item in run.answers or not item.is_sent_again

    # Answers are told, and every connection carries its messages, in the order in which they were put.
    in_order = [run.put.index(item) for item, _ in run.told if item in run.answers]
    assert in_order == sorted(in_order)
    for wire in run.wires:
        sent = [run.put.index(item) for item in wire]
        assert sent == sorted(set(sent))

    # A message that was answered, or must not be sent twice, is on no later connection.
    assert all(item.is_sent_again or carried.count(item) == 1 for item in carried)
    assert len({item.nonce for item in run.put}) == len(run.put)
