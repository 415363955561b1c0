"""What waits for one user, in order: bytes in memory and slices of files."""

from __future__ import annotations

from collections import deque

from chat.protocol.frames import LargeContent

# Small pieces are gathered: each object of its own would cost several times the bytes that it holds, and a system
# call. Large ones are views of the batch that everybody shares.
_GATHERED = 4096
_GATHERING = 64 * 1024


class FileSlice:
    """The part of a large content that is still to be sent."""

    __slots__ = ("content", "left", "offset")

    def __init__(self, content: LargeContent, offset: int) -> None:
        content.hold()
        self.content = content
        self.offset = offset
        self.left = content.size - offset


class Backlog:
    """A queue of what could not be sent at once. ``size`` is what it holds in memory, in bytes."""

    __slots__ = ("_items", "size")

    def __init__(self) -> None:
        self._items: deque[bytearray | memoryview | FileSlice] = deque()
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    def append(self, data: memoryview) -> None:
        """Put ``data``, a view of bytes that nobody changes, behind what is there."""
        self.size += len(data)
        if len(data) <= _GATHERED:
            self._gather(data)
        elif 4 * len(data) < memoryview(data.obj).nbytes:
            # A small rest would keep the whole of its batch alive, uncounted.
            self._items.append(memoryview(bytes(data)))
        else:
            self._items.append(data)

    def append_file(self, content: LargeContent, offset: int) -> None:
        """Put ``content`` from ``offset`` on behind what is there; it is held until it has been sent."""
        self._items.append(FileSlice(content, offset))

    def head(self) -> memoryview | FileSlice:
        """What is to be sent next. The backlog must not be empty."""
        item = self._items[0]
        if isinstance(item, bytearray):
            item = self._items[0] = memoryview(item)  # from now on nothing is gathered in it
        return item

    def consume(self, sent: int) -> None:
        """``sent`` bytes of the head are on their way."""
        item = self.head()
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
        """Forget everything."""
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
