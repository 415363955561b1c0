"""A client of a few lines that speaks the wire directly, for tests of the server.

    with WireClient.joined(address, "alice") as alice, WireClient.joined(address, "bob", raw=True) as bob:
        alice.expect_joined("bob")
        alice.send(MessageType.UTF8, {"to": "bob"}, b"psst")
        bob.expect(MessageType.UTF8, b"psst", sender="alice", to="bob")

Every wait ends after ``timeout`` seconds with TimeoutError. A failed
expectation is an AssertionError that shows the frame that came instead.
That *nothing* came is shown by a marker: let somebody say something afterwards, and expect that to be next.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from chat.protocol.descriptor import ByteOrder, MessageType
from tests.peers.wire import PATIENCE, Address, Wire

# The layout once more, by another hand than the code under test.
_LAYOUTS = {ByteOrder.BIG: ">HHIQ", ByteOrder.LITTLE: "<HHIQ"}

Header = bytes | str | dict[str, Any] | None


class WireFrame(NamedTuple):
    """A frame that a server sent; ``header`` is empty for a frame without one."""

    type: int
    header: dict[str, Any]
    content: bytes

    @property
    def sender(self) -> str | None:
        return self.header.get("from")

    @property
    def text(self) -> str:
        """The content as strict UTF-8."""
        return self.content.decode()


class WireClient(Wire):
    """One connection, in one byte order. See :class:`Wire` for the other arguments."""

    def __init__(
        self,
        address: Address,
        *,
        order: ByteOrder = ByteOrder.BIG,
        timeout: float = PATIENCE,
        receive_buffer: int | None = None,
        source: str | None = None,
    ) -> None:
        super().__init__(address, timeout=timeout, receive_buffer=receive_buffer, source=source)
        self.order = order
        self.name = ""
        self.welcome: dict[str, Any] = {}

    @classmethod
    def joined(
        cls,
        address: Address,
        name: str,
        *,
        raw: bool = False,
        inline: int | None = None,
        **options: Any,
    ) -> WireClient:
        """A client that has logged in and has read its own announcement."""
        client = cls(address, **options)
        try:
            client.login(name, raw=raw, inline=inline)
        except BaseException:
            client.close()
            raise
        return client

    def __enter__(self) -> WireClient:
        return self

    # --- login ---

    def login(self, name: str, *, raw: bool = False, inline: int | None = None) -> WireFrame:
        """Log in, asserting that it works; the own announcement, whose welcome is kept."""
        header: Header = name
        if not raw:
            header = {"to": name} if inline is None else {"to": name, "inline": inline}
        reply = self.try_login(header)
        assert reply == (MessageType.LOGIN, {}, b""), f"{name} was refused: {reply}"
        announcement = self.expect(MessageType.LOGIN)
        assert announcement.sender is not None
        self.name = announcement.sender
        if raw:
            assert announcement.content == b""
        else:
            self.welcome = json.loads(announcement.content)
        return announcement

    def try_login(self, header: Header, content: bytes = b"") -> WireFrame:
        """The server's one frame in answer to a Login with this header, whatever it is."""
        self.send(MessageType.LOGIN, header, content)
        return self.read_frame()

    def open_transfer(self, address: Address) -> WireClient:
        """A transfer connection of this client's session."""
        transfer = WireClient(address, order=self.order, timeout=self.timeout)
        transfer.name = self.name
        try:
            reply = transfer.try_login({"session": self.welcome["session"]})
            assert reply == (MessageType.LOGIN, {}, b""), f"the transfer was refused: {reply}"
        except BaseException:
            transfer.close()
            raise
        return transfer

    # --- sending ---

    def send(self, type: int, header: Header = None, content: bytes = b"") -> None:
        """Send one whole frame; a dict goes as JSON, bytes and str as they are."""
        self.send_bytes(self.encode(type, header, content))

    def encode(
        self,
        type: int,
        header: Header = None,
        content: bytes = b"",
        *,
        header_size: int | None = None,
        content_size: int | None = None,
        reserved: int = 0,
    ) -> bytes:
        """A frame's bytes; sizes (bytes) that are given are announced in place of the true ones."""
        data = encode_header(header)
        descriptor = struct.pack(
            _LAYOUTS[self.order],
            type,
            len(data) if header_size is None else header_size,
            reserved,
            len(content) if content_size is None else content_size,
        )
        return descriptor + data + content

    def say(self, text: str, **fields: Any) -> None:
        """A text; ``fields`` go into its JSON header: ``to``, ``nonce``."""
        self.send(MessageType.UTF8, fields or None, text.encode())

    def leave(self) -> None:
        """Log out; the stream stays open until it is closed."""
        self.send(MessageType.LOGOUT)

    # --- receiving ---

    def read_opening(self) -> tuple[int, dict[str, Any], int]:
        """Type, header and content size (bytes) of the next frame, whose content is left to be received."""
        type, header_size, _, content_size = struct.unpack(
            _LAYOUTS[self.order], self.receive_exactly(16)
        )
        header = self.receive_exactly(header_size)
        fields = json.loads(header) if header else {}
        assert isinstance(fields, dict), f"a header that is no object: {header!r}"
        return type, fields, content_size

    def read_frame(self) -> WireFrame:
        """The next frame; raises EOFError at the end of the stream, TimeoutError if none comes."""
        type, header, content_size = self.read_opening()
        return WireFrame(type, header, self.receive_exactly(content_size))

    def expect(
        self,
        type: int,
        content: bytes | None = None,
        *,
        sender: str | None = None,
        **fields: Any,
    ) -> WireFrame:
        """The next frame, asserted to be of this type and, where given, of this content, sender and header values.

        A value of None says that the key is absent.
        """
        frame = self.read_frame()
        assert frame.type == type, f"not {type}: {frame}"
        assert content is None or frame.content == content, f"not {content[:99]!r}: {frame}"
        assert sender is None or frame.sender == sender, f"not from {sender}: {frame}"
        for key, value in fields.items():
            assert frame.header.get(key) == value, f"{key} is not {value!r}: {frame}"
        return frame

    def expect_text(self, text: str, sender: str, **fields: Any) -> WireFrame:
        return self.expect(MessageType.UTF8, text.encode(), sender=sender, notice=None, **fields)

    def expect_notice(self, code: str, **fields: Any) -> WireFrame:
        """A notice with this code and a sentence, to this client."""
        frame = self.expect(MessageType.UTF8, sender="server", to=self.name, notice=code, **fields)
        assert frame.text.endswith("."), f"no sentence: {frame}"
        return frame

    def expect_joined(self, name: str) -> WireFrame:
        """The announcement of somebody else."""
        return self.expect(MessageType.LOGIN, b"", sender=name)

    def expect_left(self, name: str, reason: str | None = None) -> WireFrame:
        frame = self.expect(MessageType.LOGOUT, b"", sender=name)
        assert reason is None or frame.header.get("reason") == reason, f"not {reason}: {frame}"
        return frame

    def expect_closed(self) -> None:
        """The server has closed the connection, and sent nothing more before."""
        assert self.at_end(), f"instead of the end came {self.read_frame()}"

    def read_until(self, type: int, content: bytes, limit: int = 10_000) -> list[WireFrame]:
        """All frames up to the first of this type and content, that one included."""
        frames = []
        for _ in range(limit):
            frames.append(self.read_frame())
            if (frames[-1].type, frames[-1].content) == (type, content):
                return frames
        raise AssertionError(f"{content!r} did not come within {limit} frames")

    def read_to_end(self) -> list[WireFrame]:
        """All frames up to the end of the stream."""
        frames = []
        while not self.at_end():
            frames.append(self.read_frame())
        return frames


def encode_header(header: Header) -> bytes:
    """Encode the header as it travels."""
    if header is None:
        return b""
    if isinstance(header, dict):
        return json.dumps(header, ensure_ascii=False).encode()
    return header.encode() if isinstance(header, str) else header
