"""The numbered list of attachments, received and sent, with their progress."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from chat.client.connection.events import Attachment
from chat.client.connection.saver import Saving
from chat.client.conversation.requests import RequestError
from chat.client.runtime.cancellation import Cancellation
from chat.protocol.descriptor import MessageType
from chat.structs import MutableStruct, field

# A client may run for months, so beyond this number the oldest ended entries are removed.
MAX_ENTRIES = 1000


class TransferState(Enum):
    """The state of an attachment.

    OFFERED: waits on the server, or on this machine, until the user asks. WAITING: waits for its turn, or for the disk.
    """

    OFFERED = "offered"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


# Entries named when a command without a number fits several.
_MOST_LISTED = 5
ENDED = frozenset({TransferState.DONE, TransferState.FAILED, TransferState.CANCELLED})
_IDLE = ENDED | {TransferState.OFFERED}
# Old entries to check for each new entry. More than one, so that an overlong list becomes shorter again.
_LOOKS = 4


class Transfer(MutableStruct):
    """One attachment. ``peer`` is its sender or, if ``outgoing``, its recipient (None: everyone). Sizes in bytes.

    It belongs to ``room`` (None: the default room), unless it is private.

    ``asked``: the user requested the transfer; it is not automatic. ``told``: its end has been shown. ``offer``: the
    server offered the content, and it can be fetched while ``session`` lasts. ``saving``: the content came with its
    message. ``path``: the file that was saved for the user.
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
    room: str | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether the transfer waits for its turn, or runs."""
        return self.state in (TransferState.WAITING, TransferState.RUNNING)

    @property
    def can_be_fetched(self) -> bool:
        """Whether the content can be saved, and is not yet."""
        is_there = self.offer is not None or self.saving is not None
        is_wanted = not self.outgoing and self.state is not TransferState.DONE
        return is_there and is_wanted and not self.is_under_way

    @property
    def has_ended(self) -> bool:
        """Whether the transfer is done, failed or cancelled."""
        return self.state in ENDED

    def progress(self, done: int, size: int) -> None:
        """Record the bytes done and the bytes in all. For the connection."""
        self.done, self.size = done, size

    def restart(self) -> None:
        """Let the transfer wait for its turn again."""
        self.state, self.done, self.problem, self.told = TransferState.WAITING, 0, None, False
        self.cancellation = Cancellation()

    def finish(self, path: Path) -> None:
        """Record that the content is saved at ``path``."""
        self.state, self.path, self.done = TransferState.DONE, path, self.size

    def fail(self, problem: str) -> None:
        """Record the failure; ``problem`` is a sentence."""
        self.state, self.problem = TransferState.FAILED, problem

    def cancel(self) -> None:
        """Cancel the transfer. Raises RequestError if it is not under way."""
        if not self.is_under_way:
            raise RequestError(f"Transfer {self.number} is not under way.")
        if self.state is TransferState.WAITING:
            self.state = TransferState.CANCELLED
        self.cancellation.cancel()


class TransferList:
    """The attachments, numbered from 1. A number is never used again."""

    def __init__(self) -> None:
        self._transfers: dict[int, Transfer] = {}
        # Oldest first, except for entries that were under way when they were checked.
        self._by_age: deque[int] = deque()
        self._last = 0

    def add(
        self,
        kind: MessageType,
        filename: str,
        size: int,
        *,
        outgoing: bool,
        peer: str | None,
        room: str | None = None,
    ) -> Transfer:
        """Append an entry, and forget some of the oldest ended entries if there are too many."""
        self._last += 1
        transfer = Transfer(self._last, kind, filename, size, outgoing, peer, room=room)
        self._transfers[transfer.number] = transfer
        self._by_age.append(transfer.number)
        self._forget_oldest()
        return transfer

    def __getitem__(self, number: int) -> Transfer:
        """Return an entry by its number. Raises RequestError."""
        try:
            return self._transfers[number]
        except KeyError:
            raise RequestError(f"There is no attachment number {number}.") from None

    def __contains__(self, transfer: Transfer) -> bool:
        return self._transfers.get(transfer.number) is transfer

    def choose(
        self, number: int | None, command: str, fits: Callable[[Transfer], bool], nothing: str
    ) -> Transfer:
        """Return the entry ``number``; without a number, the only entry that ``fits`` the ``command``.

        Raises RequestError: ``nothing`` if none fits; if several do, a sentence that lists the newest.
        """
        if number is not None:
            return self[number]
        fitting = [transfer for transfer in self._transfers.values() if fits(transfer)]
        if not fitting:
            raise RequestError(nothing)
        if len(fitting) > 1:
            listed = ", ".join(f"{one.number} ({one.filename})" for one in fitting[-_MOST_LISTED:])
            more = len(fitting) - _MOST_LISTED
            before = f"{more} older ones, " if more > 0 else ""
            raise RequestError(f"Which one? /{command} N, with one of these: {before}{listed}.")
        return fitting[0]

    def all(self) -> tuple[Transfer, ...]:
        """Return all entries, oldest first."""
        return tuple(self._transfers.values())

    def _forget_oldest(self) -> None:
        for _ in range(_LOOKS):
            if len(self._transfers) <= MAX_ENTRIES:
                return
            oldest = self._by_age.popleft()
            if self._transfers[oldest].state in _IDLE:
                del self._transfers[oldest]
            else:
                self._by_age.append(oldest)  # transfers under way stay: other limits hold for them
