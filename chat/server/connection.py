"""One accepted connection, before it is known whose it is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import gevent

from chat.framing import FrameReader, make_scratch
from chat.protocol.descriptor import ByteOrder, MessageType, encode_frame
from chat.server.transport import Transport

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

_SCRATCH = make_scratch()  # for all: no two greenlets are in the kernel at a time
_LOGIN_GRACE = 10.0  # seconds in which the few bytes of an answer to a login must be taken
_pause = partial(gevent.sleep, 0)


class Connection:
    """A socket with its one reader and its one writer. ``host`` is None for a unix socket; ``label`` is for logs."""

    __slots__ = ("_sock", "host", "label", "reader", "transport")

    def __init__(self, sock: GeventSocket, host: str | None, label: str) -> None:
        self._sock = sock
        self.host = host
        self.label = label
        self.transport = Transport(sock)
        self.reader = FrameReader(
            sock, pause=_pause, wait_readable=self.transport.wait_readable, scratch=_SCRATCH
        )

    @property
    def order(self) -> ByteOrder:
        """The client's byte order, known since its first two bytes."""
        assert self.reader.order is not None
        return self.reader.order

    def answer(self, type: MessageType, header: bytes = b"") -> None:
        """Send a frame without content while nobody else writes. Raises OSError."""
        self._sock.settimeout(_LOGIN_GRACE)
        self._sock.sendall(encode_frame(type, header, b"", self.order))
        self._sock.settimeout(None)
