"""Queue the bytes that one user's socket did not take: bytes in memory and slices of files, in order."""

from __future__ import annotations

from collections import deque

from chat.protocol.frames import Frame, LargeContent
from chat.server.delivery.awaited import AwaitedFrame

# Pieces of up to _GATHERED bytes are copied into one bytearray. A separate object for each would take several times the
# memory of its bytes, and a system call to send. Larger pieces are views of the batch that all users share.
_GATHERED = 4096
_GATHERING = 64 * 1024  # bytes; a bytearray that is longer gets no further pieces


class FileSlice:
    """The rest of a large content that is still to be sent. Holds the content from the start."""

    __slots__ = ("content", "left", "offset")

    def __init__(self, content: LargeContent, offset: int) -> None:
        content.hold()
        self.content = content
        self.offset = offset
        self.left = content.size - offset


class Backlog:
    """A queue of bytes that wait for a socket. ``size``: the bytes in memory, without the slices of files.

    Slices of files take no memory; the spool limits their space on disk.
    """

    __slots__ = ("_items", "size")

    def __init__(self) -> None:
        self._items: deque[bytearray | memoryview | FileSlice | AwaitedFrame] = deque()
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    def append(self, data: memoryview) -> None:
        """Append ``data``, a view of immutable bytes."""
        self.size += len(data)
        if len(data) <= _GATHERED:
            self._gather(data)
        elif 4 * len(data) < memoryview(data.obj).nbytes:
            # A view keeps its whole batch alive, but only the view is counted. So copy a small rest of a large batch.
            self._items.append(memoryview(bytes(data)))
        else:
            self._items.append(data)

    def append_file(self, content: LargeContent, offset: int) -> None:
        """Append ``content`` from ``offset`` on, and hold the content until it has been sent."""
        self._items.append(FileSlice(content, offset))

    def append_awaited(self, awaited: AwaitedFrame) -> None:
        """Append a frame whose content is awaited. Its owner replaces it when it is the head."""
        self._items.append(awaited)

    def replace_awaited(self, frame: Frame, encoded: bytes) -> None:
        """Put ``frame`` in the place of the awaited frame at the head; ``encoded`` are its bytes in memory."""
        self._items.popleft()
        if frame.large is not None and frame.content_size:
            self._items.appendleft(FileSlice(frame.large, frame.offset))
        self._items.appendleft(memoryview(encoded))
        self.size += len(encoded)

    def head(self) -> memoryview | FileSlice | AwaitedFrame:
        """Return the item to send next. The backlog must not be empty."""
        item = self._items[0]
        if isinstance(item, bytearray):
            # A bytearray cannot grow while a view of it exists. Its replacement by the view also tells _gather to
            # begin another one.
            item = self._items[0] = memoryview(item)
        return item

    def consume(self, sent: int) -> None:
        """Remove ``sent`` bytes, which the socket took, from the head."""
        item = self.head()
        assert not isinstance(item, AwaitedFrame), "its owner replaces it first"
        if isinstance(item, FileSlice):
            item.offset += sent
            item.left -= sent
            if not item.left:
                self._items.popleft()
                item.content.release()
            return
        self.size -= sent
        if sent == len(item):
            self._items.popleft()
        else:
            self._items[0] = item[sent:]

    def clear(self) -> None:
        """Drop all items, and release the contents of the slices."""
        for item in self._items:
            if isinstance(item, FileSlice):
                item.content.release()
        self._items.clear()
        self.size = 0

    def _gather(self, data: memoryview) -> None:
        tail = self._items[-1] if self._items else None
        if not isinstance(tail, bytearray) or len(tail) > _GATHERING:
            tail = bytearray()
            self._items.append(tail)
        tail += data
