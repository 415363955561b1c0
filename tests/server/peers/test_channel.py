"""The channel between the server and its process for peers: questions both ways, descriptors, and its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from chat.server.peers.channel import MOST_DESCRIPTORS, Channel, ChannelQuestion, ChannelReply
from chat.server.peers.faults import ContentMissing, PeerFault, PeerUnreachable
from tests.server.peers.links_in_test import open_descriptors


class Pair:
    """Two ends of a channel; the far one answers by ``handlers``."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[ChannelQuestion], ChannelReply]] = {}
        self.told: list[Mapping[str, Any]] = []
        self.ended: list[str] = []
        near, far = socket.socketpair()
        self.near = Channel(
            near, {"double": double}, self.told.append, lambda: self.ended.append("near")
        )
        self.far = Channel(far, self.handlers, self.told.append, lambda: self.ended.append("far"))


def double(question: ChannelQuestion) -> ChannelReply:
    return ChannelReply({"value": 2 * question.fields["value"]})


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.near.close()
    pair.far.close()


def test_both_sides_ask(pair: Pair) -> None:
    pair.handlers["more"] = lambda q: ChannelReply(
        {"value": 1 + pair.far.ask("double", {"value": q.fields["value"]}).fields["value"]}
    )
    assert pair.near.ask("more", {"value": 20}).fields["value"] == 41


def test_a_long_answer_arrives_whole(pair: Pair) -> None:
    pair.handlers["long"] = lambda q: ChannelReply({"text": "x" * 1_000_000})
    assert len(pair.near.ask("long", {}).fields["text"]) == 1_000_000


def test_a_slow_answer_holds_up_no_other(pair: Pair) -> None:
    may_answer = Event()

    def wait(question: ChannelQuestion) -> ChannelReply:
        may_answer.wait()
        return ChannelReply({"value": "slow"})

    pair.handlers.update(slow=wait, fast=double)
    slow = gevent.spawn(pair.near.ask, "slow", {})
    assert pair.near.ask("fast", {"value": 1}).fields["value"] == 2
    may_answer.set()
    assert slow.get().fields["value"] == "slow"


def test_descriptors_pass_both_ways(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"inwards")
    (tmp_path / "out").write_bytes(b"outwards")

    def read(question: ChannelQuestion) -> ChannelReply:
        [given] = question.descriptors
        assert not os.get_inheritable(given)
        text = os.read(given, 100).decode()
        os.close(given)
        return ChannelReply({"text": text}, [os.open(tmp_path / "out", os.O_RDONLY)])

    pair.handlers["read"] = read
    gevent.sleep(0)
    before = open_descriptors()
    tasks = []
    descriptors = [os.open(tmp_path / "in", os.O_RDONLY) for _ in range(50)]
    for descriptor in descriptors:
        tasks.append(gevent.spawn(pair.near.ask, "read", {"padding": "x" * 3000}, [descriptor]))
    for task in tasks:
        reply = task.get()
        [found] = reply.descriptors
        assert reply.fields["text"] == "inwards"
        assert os.read(found, 100) == b"outwards"
        os.close(found)
    for descriptor in descriptors:
        os.close(descriptor)
    assert open_descriptors() == before


def test_as_many_descriptors_as_allowed_pass(pair: Pair) -> None:
    def count(question: ChannelQuestion) -> ChannelReply:
        for descriptor in question.descriptors:
            os.close(descriptor)
        return ChannelReply({"value": len(question.descriptors)})

    pair.handlers["count"] = count
    assert pair.near.ask("count", {}, [0] * MOST_DESCRIPTORS).fields["value"] == MOST_DESCRIPTORS


def test_a_fault_is_raised_as_it_was(pair: Pair) -> None:
    def fail(question: ChannelQuestion) -> ChannelReply:
        raise ContentMissing("it is gone")

    pair.handlers["fail"] = fail
    with pytest.raises(ContentMissing, match="it is gone"):
        pair.near.ask("fail", {})


def test_a_bug_is_a_fault_for_the_asker_and_a_traceback_in_the_log(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(question: ChannelQuestion) -> ChannelReply:
        raise ZeroDivisionError

    pair.handlers["fail"] = fail
    with pytest.raises(PeerFault, match="a fault of the program"):
        pair.near.ask("fail", {})
    assert "ZeroDivisionError" in caplog.text
    pair.handlers["double"] = double
    assert pair.near.ask("double", {"value": 1}).fields["value"] == 2


def test_an_asker_hears_a_note_before_the_answer(pair: Pair) -> None:
    heard = []

    def note(question: ChannelQuestion) -> ChannelReply:
        question.note()
        heard.append("handler")
        return ChannelReply()

    pair.handlers["note"] = note
    pair.near.ask("note", {}, on_note=lambda: heard.append("note"))
    assert heard == ["handler", "note"]


def test_an_asker_that_is_killed_ends_the_work(pair: Pair) -> None:
    has_ended = Event()

    def work(question: ChannelQuestion) -> ChannelReply:
        try:
            gevent.sleep(60)
        finally:
            has_ended.set()
        return ChannelReply()

    pair.handlers["work"] = work
    asker = gevent.spawn(pair.near.ask, "work", {})
    gevent.sleep(0.05)
    asker.kill()
    assert has_ended.wait(30)


def test_descriptors_for_an_asker_that_was_killed_are_closed(pair: Pair) -> None:
    may_answer, has_answered = Event(), Event()

    def work(question: ChannelQuestion) -> ChannelReply:
        try:
            gevent.sleep(60)
        except gevent.GreenletExit:
            may_answer.wait()
        has_answered.set()
        return ChannelReply({}, [os.open("/dev/null", os.O_RDONLY) for _ in range(3)])

    pair.handlers["work"] = work
    asker = gevent.spawn(pair.near.ask, "work", {})
    gevent.sleep(0.05)
    before = open_descriptors()
    asker.kill()
    may_answer.set()
    has_answered.wait(30)
    pair.handlers["double"] = double
    pair.near.ask("double", {"value": 1})  # so the answer before it has arrived
    assert open_descriptors() == before


def test_what_is_told_needs_no_answer(pair: Pair) -> None:
    pair.far.tell("log", {"text": "hello"})
    pair.handlers["double"] = double
    pair.near.ask("double", {"value": 1})
    assert pair.told == [{"tell": "log", "text": "hello"}]


def test_the_end_of_one_side_is_the_end_of_all_questions(pair: Pair) -> None:
    def wait(question: ChannelQuestion) -> ChannelReply:
        gevent.sleep(60)
        return ChannelReply()

    pair.handlers["wait"] = wait
    asker = gevent.spawn(pair.near.ask, "wait", {})
    gevent.sleep(0.05)
    pair.far.close()
    with pytest.raises(PeerUnreachable, match="has ended"):
        asker.get(timeout=30)
    assert sorted(pair.ended) == ["far", "near"]
    with pytest.raises(PeerUnreachable):
        pair.near.ask("wait", {})
