"""Hold a frame as the server passes it around, encoded once for each byte order in use."""

from __future__ import annotations

from typing import Protocol

from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType


class LargeContent(Protocol):
    """Hold a content that is not in memory.

    ``hold`` keeps it for later, and ``release`` gives it up; the last release frees its space. ``fileno`` is the
    descriptor of a file that begins with its ``size`` bytes.
    """

    @property
    def size(self) -> int: ...

    def fileno(self) -> int: ...

    def hold(self) -> None: ...

    def release(self) -> None: ...


class Frame:
    """Hold type, header and content; the content is in memory, or ``large`` and follows from ``offset`` on."""

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
        """Return the size of the content in bytes, as the descriptor announces it."""
        return len(self.content) if self.large is None else self.large.size - self.offset

    def encode(self, order: ByteOrder) -> bytes:
        """Return the bytes in memory: the whole frame, or the part before its large content.

        The bytes are cached, since every receiver with this byte order gets the same. Raises LocalProtocolError for a
        header over 65,535 bytes.
        """
        encoded = self._encoded.get(order)
        if encoded is None:
            descriptor = Descriptor(self.type, len(self.header), self.content_size)
            encoded = descriptor.encode(order) + self.header + self.content
            self._encoded[order] = encoded
        return encoded
