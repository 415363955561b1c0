"""A content that is not here yet: its user waits for it, and gets everything in order."""

from __future__ import annotations

import gevent
from gevent.event import AsyncResult

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.frames import Frame
from chat.server.delivery.awaited import AwaitedContent
from chat.server.delivery.send_queue import BacklogLimits, SendQueue
from tests.server.fakes import PLENTY, FakeContent, FakeTransport, frames_of, run_ready_greenlets


class Coming(AwaitedContent):
    """A content that comes when the test says so: the frame to send in its place."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.result: AsyncResult[Frame] = AsyncResult()

    def await_frame(self, frame: Frame) -> Frame:
        came = self.result.get()
        assert came is not None
        return came


def send_queue() -> tuple[SendQueue, FakeTransport, BacklogLimits]:
    transport, limits = FakeTransport(PLENTY), BacklogLimits(PLENTY, PLENTY)
    return SendQueue(transport, ByteOrder.BIG, limits, lambda reason: None), transport, limits


def text(content: bytes) -> Frame:
    return Frame(MessageType.UTF8, b"", content)


def test_what_comes_behind_an_awaited_content_waits_and_follows() -> None:
    queue, transport, limits = send_queue()
    content, coming = FakeContent(b"x" * 1000), Coming(1000)

    queue.put(text(b"before"))
    queue.put(Frame(MessageType.FILE, b"", large=coming))
    queue.put(text(b"behind"))
    run_ready_greenlets()
    assert [frame.content for frame in frames_of(bytes(transport.taken), ByteOrder.BIG)] == [
        b"before"
    ]

    content.hold()  # for the send queue
    coming.result.set(Frame(MessageType.FILE, b"", large=content))
    assert queue.wait_until_drained(1)

    frames = frames_of(bytes(transport.taken), ByteOrder.BIG)
    assert [frame.content for frame in frames] == [b"before", b"x" * 1000, b"behind"]
    assert (content.holders, limits.used) == (1, 0)


def test_a_content_that_does_not_come_leaves_its_place_to_a_notice() -> None:
    queue, transport, limits = send_queue()
    coming = Coming(1000)
    queue.put(Frame(MessageType.FILE, b"", large=coming))
    queue.put(text(b"behind"))

    coming.result.set(text(b"it is away"))
    assert queue.wait_until_drained(1)

    frames = frames_of(bytes(transport.taken), ByteOrder.BIG)
    assert [frame.content for frame in frames] == [b"it is away", b"behind"]
    assert limits.used == 0


def test_a_user_who_leaves_meanwhile_holds_nothing() -> None:
    queue, _, limits = send_queue()
    content, coming = FakeContent(b"x"), Coming(1)
    queue.put(Frame(MessageType.FILE, b"", large=coming))
    gevent.sleep(0)

    queue.close()
    content.hold()
    coming.result.set(Frame(MessageType.FILE, b"", large=content))
    run_ready_greenlets()

    assert limits.used == 0
