"""The connection of one user to one room, in blocking style."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, TypeAlias

from chat.client.events import Attachment, Event, Limits
from chat.client.receipts import Receipt
from chat.client.runtime import Runtime
from chat.client.transfers import Cancellation
from chat.protocol.descriptor import MessageType

ByteOrderChoice: TypeAlias = Literal["auto", "little", "big"]
Progress: TypeAlias = Callable[[int, int], object]  # bytes done, bytes in all


def connect(
    address: str,
    username: str,
    *,
    byte_order: ByteOrderChoice = "auto",
    inline: int = 64 * 1024,
    save_directory: str | Path | None = None,
    max_save: int = 100 * 1024**2,
    runtime: Runtime | None = None,
    timeout: float = 30.0,
) -> Connection:
    """Enter the room at ``address`` (``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT``, ``unix:PATH``) as ``username``.

    ``inline``: attachments over so many bytes come as offers. ``save_directory``: others' attachments that come with
    their message are saved there as they arrive, if they have at most ``max_save`` bytes. ``timeout`` (seconds) is
    for connecting and logging in together.
    Raises ValueError (address), ConnectError, LoginRefused.
    """
    raise NotImplementedError


class Connection:
    """Made by :func:`connect`. Iterating yields events until ``close()``.

    One task reads; any task may send at any time. Every method that sends raises ConnectionLost, and NotSent or
    NotSupported for what it refuses itself.
    """

    original: bool
    """Whether the server is (or is treated as) the original: no private messages, nothing over 16 KiB."""
    username: str
    """As the server knows it."""
    server: str | None
    """Name and version."""
    limits: Limits
    motd: str | None

    @property
    def users(self) -> list[str]:
        """Who is in the room, oneself too; of an original server: who was seen."""
        raise NotImplementedError

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """Events until ``close()``. Raises ConnectionLost."""
        while (event := self.read()) is not None:
            yield event

    def read(self) -> Event | None:
        """Wait for the next event; None after ``close()``. Raises ConnectionLost."""
        raise NotImplementedError

    def send_text(self, text: str, to: str | None = None) -> Receipt:
        """Say it to everyone, or to one user. At most ``limits.max_text`` bytes of UTF-8: see ``split_text``."""
        raise NotImplementedError

    def send_file(
        self,
        source: str | Path | BinaryIO,
        *,
        kind: MessageType = MessageType.FILE,
        filename: str | None = None,
        to: str | None = None,
        progress: Progress | None = None,
        cancel: Cancellation | None = None,
    ) -> Receipt:
        """Send a file by its path, or out of a seekable binary file from its position on.

        Over ``limits.inline`` bytes it is streamed on a connection of its own, while chat goes on, and the call
        returns once the server has answered. Raises TransferFailed, TransferCancelled as well.
        """
        raise NotImplementedError

    def fetch(
        self,
        offer: Attachment,
        *,
        directory: str | Path | None = None,
        progress: Progress | None = None,
        cancel: Cancellation | None = None,
    ) -> Path:
        """Get an offered content into ``directory`` (None: the save directory); returns where it is.

        A broken download goes on where it stopped. Raises TransferFailed, TransferCancelled, SaveFailed.
        """
        raise NotImplementedError

    def unanswered(self) -> list[Receipt]:
        """What was sent and not yet answered, oldest first; after ConnectionLost: what may be lost."""
        raise NotImplementedError

    def close(self, timeout: float = 5.0) -> None:
        """Leave the room. Waits up to ``timeout`` seconds for the answers to what was sent. May be called twice."""
        raise NotImplementedError
