"""Contents that are not here yet, and come while they are being sent."""

from __future__ import annotations

from abc import ABC, abstractmethod

from chat.protocol.frames import Frame


class AwaitedContent(ABC):
    """A large content that has to be fetched first: only the users to whom it is sent wait for it.

    There is no file yet: ``fileno`` raises OSError, and nothing is held.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    @abstractmethod
    def await_frame(self, frame: Frame) -> Frame:
        """Wait for the content of ``frame``; return the frame to send, whose content is held for the caller.

        If the content cannot be had, it is another frame, which says so.
        """

    def fileno(self) -> int:
        raise OSError("the content is not here")

    def hold(self) -> None:
        """Hold nothing."""
        return

    def release(self) -> None:
        """Release nothing."""
        return


class AwaitedFrame:
    """The place in a backlog of a frame whose content is awaited."""

    __slots__ = ("content", "frame")

    def __init__(self, frame: Frame, content: AwaitedContent) -> None:
        self.frame = frame
        self.content = content

    def get(self) -> Frame:
        """Wait; return the frame to send."""
        return self.content.await_frame(self.frame)
