"""Hold one accepted connection: its reader, its writer, and what is known of its origin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import gevent

from chat.framing import FrameReader, make_scratch
from chat.process.fairness import yield_to_loop
from chat.protocol.descriptor import ByteOrder, MessageType, encode_frame
from chat.server.entrance.login_rejected import LoginRejected
from chat.server.net.tls import TlsTransport
from chat.server.net.transport import Transport

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

# One buffer for all readers: greenlets run one at a time, and each copies its bytes out before it waits again.
_SCRATCH = make_scratch()
_LOGIN_GRACE = 10.0  # seconds in which the client must take the few bytes of an answer to its login


class AcceptedConnection:
    """Join a socket with its one reader and its one writer.

    ``host`` is the address that limits count by; None for a unix socket. ``label`` names the connection in logs.
    ``tls`` is a transport that has done its handshake over the socket. ``is_encrypted``: the client speaks TLS with
    this server. ``is_private``: nobody can listen, because of TLS or because the bytes stay on this machine; other
    connections must not send a password. ``refused``: why the connection must not log in; None if it may.
    ``login_deadline`` is by time.monotonic.
    """

    __slots__ = (
        "host",
        "is_encrypted",
        "is_private",
        "label",
        "login_deadline",
        "reader",
        "refused",
        "transport",
    )

    def __init__(
        self,
        sock: GeventSocket,
        host: str | None,
        label: str,
        *,
        tls: TlsTransport | None = None,
        is_private: bool = False,
        refused: LoginRejected | None = None,
        login_deadline: float = math.inf,
    ) -> None:
        self.host = host
        self.label = label
        self.is_encrypted = tls is not None
        self.is_private = is_private or self.is_encrypted
        self.refused = refused
        self.login_deadline = login_deadline
        self.transport: Transport = tls or Transport(sock)
        # ``pause`` is for a client that sends without a break, ``let_gather`` for one that sends byte by byte: neither
        # must hold up the others.
        self.reader = FrameReader(
            tls or sock,
            pause=yield_to_loop,
            let_gather=gevent.sleep,
            wait_readable=self.transport.wait_readable,
            scratch=_SCRATCH,
        )

    @property
    def source(self) -> str:
        """The name of the connection in log lines about refusals, without a port: so repeated lines can be folded."""
        return self.host or self.label

    @property
    def order(self) -> ByteOrder:
        """The client's byte order. The reader must have read the first two bytes."""
        assert self.reader.order is not None
        return self.reader.order

    def answer(self, type: MessageType, header: bytes = b"") -> None:
        """Send a frame without content, while nobody else writes. Raises OSError."""
        self.transport.send_all(encode_frame(type, header, b"", self.order), _LOGIN_GRACE)
