"""A frame as the server passes it around: encoded once for each byte order in use, whoever gets it."""

from __future__ import annotations

from typing import Protocol

from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType


class LargeContent(Protocol):
    """A content that is not held in memory.

    Whoever keeps it for later ``hold``s it, and ``release``s it when done; its space is given back with the last
    release. ``fileno`` is of a file that has the ``size`` bytes from its beginning on.
    """

    @property
    def size(self) -> int: ...

    def fileno(self) -> int: ...

    def hold(self) -> None: ...

    def release(self) -> None: ...


class Frame:
    """Type, header and content; the content in memory, or ``large`` and to follow from ``offset`` on."""

    __slots__ = ("_encoded", "content", "header", "large", "offset", "type")

    def __init__(
        self,
        type: MessageType,
        header: bytes = b"",
        content: bytes = b"",
        large: LargeContent | None = None,
        offset: int = 0,
    ) -> None:
        self.type = type
        self.header = header
        self.content = content
        self.large = large
        self.offset = offset
        self._encoded: dict[ByteOrder, bytes] = {}

    @property
    def content_size(self) -> int:
        """Bytes, as the descriptor announces them."""
        return len(self.content) if self.large is None else self.large.size - self.offset

    def encode(self, order: ByteOrder) -> bytes:
        """All that is in memory: the whole frame, or what goes before its large content.

        Raises LocalProtocolError for a header over 65,535 bytes.
        """
        encoded = self._encoded.get(order)
        if encoded is None:
            descriptor = Descriptor(self.type, len(self.header), self.content_size)
            encoded = descriptor.encode(order) + self.header + self.content
            self._encoded[order] = encoded
        return encoded
