"""A user who has left the audience gets nothing that is sent later."""

from __future__ import annotations

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.frames import Frame
from chat.server.delivery.broadcast import Broadcast
from tests.server.fakes import FakeMember, run_ready_greenlets


def test_a_user_who_was_removed_gets_nothing_more(broadcast: Broadcast) -> None:
    gone, here = FakeMember("gone"), FakeMember("here")
    for member in (gone, here):
        broadcast.add(member.send_queue)
    broadcast.remove(gone.send_queue)
    frame = Frame(MessageType.UTF8, b"", b"late")
    broadcast.put(gone.send_queue, frame)
    broadcast.answer(gone.send_queue, frame.encode(ByteOrder.BIG))
    broadcast.remind(gone.send_queue, frame.encode(ByteOrder.BIG))
    broadcast.post_to_others(gone.send_queue, frame)
    run_ready_greenlets()
    assert gone.frames == []
    assert [frame.content for frame in here.frames] == [b"late"]
