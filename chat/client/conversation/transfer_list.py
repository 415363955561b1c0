"""The numbered list of attachments: what was announced to us, what we send, and how far each is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from chat.client.connection.events import Attachment
from chat.client.connection.saver import Saving
from chat.client.conversation.requests import RequestError
from chat.client.runtime.cancellation import Cancellation
from chat.protocol.descriptor import MessageType

# Entries that are kept; a client may run for months, so the oldest that have ended go.
MAX_ENTRIES = 1000


class TransferState(Enum):
    """OFFERED: waits until the user asks, on the server or here. WAITING: waits for its turn, or for the disk."""

    OFFERED = "offered"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({TransferState.DONE, TransferState.FAILED, TransferState.CANCELLED})
_IDLE = ENDED | {TransferState.OFFERED}
# Entries to examine for each new entry, to forget old ones: several, so that a long list becomes short again.
_LOOKS = 4


@dataclass
class Transfer:
    """One attachment. ``peer``: who sent it, or whom it is sent to (None: everyone). Sizes in bytes.

    ``asked`` tells a download that somebody asked for from one that happens by itself; ``told``: how it ended has
    been shown. ``offer``: it can be fetched, if it was offered in the ``session`` that there is still. ``saving``: it
    came with its message; ``path`` is where it was saved for the user.
    """

    number: int
    kind: MessageType
    filename: str
    size: int
    outgoing: bool = False
    peer: str | None = None
    state: TransferState = TransferState.WAITING
    done: int = 0
    path: Path | None = None
    problem: str | None = None
    asked: bool = False
    told: bool = False
    offer: Attachment | None = field(default=None, repr=False)
    session: str | None = field(default=None, repr=False)
    saving: Saving | None = field(default=None, repr=False)
    cancellation: Cancellation = field(default_factory=Cancellation, repr=False)
    tag: str | int | None = None

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    def progress(self, done: int, size: int) -> None:
        """For the connection, to tell how far it is."""
        self.done, self.size = done, size

    def restart(self) -> None:
        """Another try: it waits for its turn."""
        self.state, self.done, self.problem, self.told = TransferState.WAITING, 0, None, False
        self.cancellation = Cancellation()

    def finish(self, path: Path) -> None:
        """It is saved."""
        self.state, self.path, self.done = TransferState.DONE, path, self.size

    def fail(self, problem: str) -> None:
        self.state, self.problem = TransferState.FAILED, problem

    def cancel(self) -> None:
        """Raises RequestError if there is nothing to cancel."""
        if self.state not in (TransferState.WAITING, TransferState.RUNNING):
            raise RequestError(f"Transfer {self.number} is not under way.")
        if self.state is TransferState.WAITING:
            self.state = TransferState.CANCELLED
        self.cancellation.cancel()


class TransferList:
    """Numbers attachments from 1 on; a number never means another attachment later."""

    def __init__(self) -> None:
        self._transfers: dict[int, Transfer] = {}
        self._by_age: deque[int] = (
            deque()
        )  # oldest first, but for those that were under way when it was their turn
        self._last = 0

    def add(
        self, kind: MessageType, filename: str, size: int, *, outgoing: bool, peer: str | None
    ) -> Transfer:
        self._last += 1
        transfer = Transfer(self._last, kind, filename, size, outgoing, peer)
        self._transfers[transfer.number] = transfer
        self._by_age.append(transfer.number)
        self._forget_oldest()
        return transfer

    def __getitem__(self, number: int) -> Transfer:
        """Raises RequestError."""
        try:
            return self._transfers[number]
        except KeyError:
            raise RequestError(f"There is no attachment number {number}.") from None

    def all(self) -> tuple[Transfer, ...]:
        """Oldest first."""
        return tuple(self._transfers.values())

    def _forget_oldest(self) -> None:
        for _ in range(_LOOKS):
            if len(self._transfers) <= MAX_ENTRIES:
                return
            oldest = self._by_age.popleft()
            if self._transfers[oldest].state in _IDLE:
                del self._transfers[oldest]
            else:
                self._by_age.append(oldest)  # what is under way has limits of its own
