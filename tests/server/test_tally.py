from __future__ import annotations

from chat.protocol.descriptor import MessageType
from chat.server.tally import Tally


def test_what_is_said_is_counted_by_type() -> None:
    tally = Tally()
    tally.said(MessageType.UTF8, 3, 15)
    tally.said(MessageType.UTF8, 1, 5)
    tally.said(MessageType.FILE, 1, 1000)
    assert tally.messages == {MessageType.UTF8: 4, MessageType.FILE: 1}
    assert tally.received == {MessageType.UTF8: 20, MessageType.FILE: 1000}
