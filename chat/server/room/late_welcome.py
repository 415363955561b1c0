"""Make a user's welcome when it is sent: a durable server may hold it back until the disk has earlier messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.frames import Frame


class LateWelcome(NamedTuple):
    """The new member's own copy of an announcement, made when it is sent: only then its facts about history are known.

    ``welcome`` makes its content from ``names``, in JSON, and from what ``facts`` returns. The names are those at the
    time of the login: users who join before it is sent are announced behind it.
    """

    header: bytes
    welcome: Callable[[bytes, Mapping[str, object]], bytes]
    names: bytes
    facts: Callable[[], Mapping[str, object]]

    def encode(self, order: ByteOrder) -> bytes:
        content = self.welcome(self.names, self.facts())
        return Frame(MessageType.LOGIN, self.header, content).encode(order)
