"""Answer for the room what it must know about accounts: whose a name is, who is blocked, what may wait, what is unread.

All questions are answered from memory, without a wait, since the room asks while it applies an entry.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

import gevent

from chat.protocol.names import name_key
from chat.server.accounts.accounts import Account, Accounts, AccountTable
from chat.server.directory.member import Member, Peer
from chat.server.history.faults import HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.reader import RunSummary
from chat.server.history.stored import DEFAULT_ROOM, LogName, mailbox_of
from chat.server.history.stored import ROOM as LOG_OF_ROOM
from chat.server.log.log import Sequences
from chat.server.mailboxes.account_ids import AccountIds
from chat.server.mailboxes.blocks import Blocks
from chat.server.mailboxes.mailbox import Mailbox
from chat.server.mailboxes.read_marks import ALL, HERE, PARTNER, ROOM, Mark, ReadMarks
from chat.server.settings import WaitingBounds
from chat.server.storage.database import DatabaseThread

log = logging.getLogger("chat.server")

# Runs of messages at the end of a mailbox whose unread ones are counted after a restart. More messages cannot wait.
MAX_COUNTED = 1000
# Seconds to wait for the disk. Then the mailbox is counted at the next login.
PATIENCE = 2.0
_PAUSE = 0.01  # seconds between two mailboxes that are counted in the background


class AccountMailboxes:
    """The mailboxes of all accounts. ``archive`` is None if no messages are kept: then none can wait.

    ``marks``, ``blocks`` and ``ids`` are parts that others use, too. ``sequences`` has the last number of each log in a
    server that shares its log with others; None: history has it. Such a server learns from ``restore_waiting``
    which messages wait, since histories differ in what they still have. The numbers of unread messages are only shown.
    """

    def __init__(
        self,
        accounts: Accounts,
        thread: DatabaseThread | None,
        archive: HistoryStore | None,
        bounds: WaitingBounds,
        sequences: Sequences | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.ids = AccountIds(lambda: accounts.secret)
        self.blocks = Blocks(thread, clock)
        # Without history, numbers begin anew with each start, and marks say nothing then.
        self.marks = ReadMarks(thread if archive is not None else None)
        self._accounts = accounts
        self._archive = archive
        self._bounds = bounds
        self._mailboxes: dict[bytes, Mailbox] = {}
        # Mailboxes whose messages from before are not counted yet, and the last number that such a message can have.
        self._uncounted: dict[bytes, int] = {}
        self._opened: AccountTable | None = None
        self._sequences = sequences
        # Accounts for which something waits.
        self._waited_for: set[bytes] = set()

    # From the start on

    def start(self) -> None:
        """Read marks and blocks, and open all mailboxes. Raises DatabaseFault."""
        self.marks.start()
        self.blocks.start()
        self.look()

    def look(self) -> None:
        """Open the mailboxes of new accounts, and forget those of removed accounts. Waits for the disk."""
        register = self._accounts.look()
        if register is self._opened:
            return
        self._open(account for account in register if account.id not in self._mailboxes)
        # As the accounts are now: another greenlet may have registered one while this one waited.
        for id in self._mailboxes.keys() - {account.id for account in self._accounts.known}:
            self.forget(id)
        self._opened = register

    def forget(self, id: bytes) -> None:
        """Forget all about an account that was removed."""
        self._mailboxes.pop(id, None)
        self._uncounted.pop(id, None)
        self._waited_for.discard(id)
        self.marks.forget(id)
        self.blocks.forget(id)

    @property
    def uncounted(self) -> int:
        """The number of mailboxes whose messages from before the start are not counted yet."""
        return len(self._uncounted)

    def open(self, account: Account) -> None:
        """Open the mailbox of ``account``, whose user logs in or registers. Waits for the disk.

        Messages of the room from before the first login count as read.
        """
        if account.id not in self._mailboxes:
            self._open((account,))
        self._count(account.id)
        if self._sequences is not None:
            return  # ``came`` puts the mark, on all servers
        mark = Mark(ROOM, DEFAULT_ROOM.key)
        if self._archive is not None and self.marks.of(account.id, mark) is None:
            self.marks.put(account.id, mark, self._archive.state(DEFAULT_ROOM).head)

    def run(self) -> None:
        """Count what was in the mailboxes at the start, one by one; a login counts its own at once. Ends after all."""
        for id in list(self._uncounted):
            self._count(id)
            # The thread competes with the event loop for the processor.
            gevent.sleep(_PAUSE)

    def _open(self, accounts: Iterable[Account]) -> None:
        ids = [account.id for account in accounts]
        archive = self._archive
        if archive is not None:
            archive.begin(*map(_mailbox, ids))
            rooms = {
                log.key: state.head for log, state in archive.states if log.kind == LOG_OF_ROOM
            }
            rooms.setdefault(DEFAULT_ROOM.key, 0)
            for id in ids:
                head = self._head(_mailbox(id), archive)
                if self._sequences is None:
                    self.marks.limit(id, rooms, head)
                if head > (self.marks.of(id, ALL) or 0):
                    self._uncounted[id] = head
        for id in ids:
            self._mailboxes.setdefault(id, Mailbox())

    def _head(self, log: LogName, archive: HistoryStore) -> int:
        # History may be ahead of the log.
        return archive.state(log).head if self._sequences is None else self._sequences.last(log)

    def _count(self, id: bytes) -> None:
        """Count what is unread and what waits in a mailbox from before it was opened, unless that was done."""
        head, archive = self._uncounted.get(id), self._archive
        if head is None or archive is None:
            return
        place = (_mailbox(id), self.marks.of(id, ALL) or 0, head, MAX_COUNTED)
        runs: list[RunSummary] | None
        try:
            # A login waits for this, and must not wait for a disk that stands still.
            runs = gevent.with_timeout(PATIENCE, archive.summaries, *place, timeout_value=None)
            if runs is None:
                return
        except HistoryFault as fault:
            log.warning("cannot count the unread private messages of a user: %s", fault)
            runs = []
        live = self._mailboxes.get(id)
        # Another greenlet may have counted them meanwhile, or the account was removed.
        if self._uncounted.pop(id, None) is None or live is None:
            return
        mailbox, here = Mailbox(), self.marks.of(id, HERE) or 0
        for run in runs:
            if run.author == id:
                continue
            key = name_key(run.sender) or ""
            last = run.first + run.messages - 1
            first = max(run.first, self.marks.partner(id, key) + 1)
            if first > last:
                continue
            mailbox.receive(key, run.sender, run.partner, first, last - first + 1)
            if self._sequences is None and run.waiting and run.first > here:
                mailbox.wait(run.partner, last - first + 1, run.size)
        mailbox.extend(live)
        self._mailboxes[id] = mailbox

    # What a server that shares its log keeps elsewhere

    def waiting(self) -> list[tuple[str, int, dict[str, int]]]:
        """Return what waits in mailboxes, as JSON can hold it.

        Each has the id of an account, the bytes that wait, and the numbers of messages by the id of the sender, both
        ids in hexadecimal digits.
        """
        found = []
        for id in sorted(self._waited_for):
            mailbox = self._mailboxes.get(id)
            if mailbox is not None and mailbox.waiting:
                found.append((id.hex(), *mailbox.waiting_by_sender()))
        return found

    def restore_waiting(self, waiting: Iterable[tuple[str, int, Mapping[str, int]]]) -> None:
        """Let wait in mailboxes what ``waiting`` of an earlier run has. Call it after ``start``."""
        for account, size, senders in waiting:
            id = bytes.fromhex(account)
            mailbox = self._mailboxes.get(id)
            if mailbox is not None:
                self._waited_for.add(id)
                for sender, count in senders.items():
                    mailbox.wait(bytes.fromhex(sender), count, 0)
                mailbox.wait(b"", 0, size)

    # What the room asks

    def owner(self, key: str) -> Account | None:
        """Return the account that owns the name with ``key``, if messages can wait for it; None if there is none."""
        account = self._accounts.known.find(key)
        if account is None or self._archive is None or self._find(account.id) is None:
            return None
        return account

    def _find(self, account: bytes) -> Mailbox | None:
        mailbox = self._mailboxes.get(account)
        if mailbox is None and self._sequences is not None and self._archive is not None:
            # Not opened yet. All servers must answer alike from the moment when the account is there.
            self._archive.begin(_mailbox(account))
            mailbox = self._mailboxes[account] = Mailbox()
        return mailbox

    def is_blocked(self, account: bytes, sender: Peer) -> bool:
        """Return whether ``account`` refuses private messages of ``sender``."""
        return self.blocks.refuses(account, sender)

    def why_full(self, account: bytes, sender: bytes, count: int, size: int) -> str | None:
        """Return why ``count`` messages of ``size`` bytes cannot wait for ``account``, in words; None if they can."""
        mailbox = self._find(account)
        return mailbox.is_full_for(sender, count, size, self._bounds) if mailbox else None

    def opaque_id(self, account: bytes | None) -> str | None:
        """Return the id by which users know an account; None for a guest."""
        return self.ids.of(account)

    def received(self, account: bytes, sender: Member, first: int, count: int) -> None:
        """Count messages of ``sender`` for ``account``, numbered from ``first`` on, as unread."""
        mailbox = self._mailboxes.get(account)
        if mailbox is not None:
            id = sender.account_id or b""
            mailbox.receive(sender.name.key, sender.name.display, id, first, count)

    def waits(self, account: bytes, sender: bytes, count: int, size: int) -> None:
        """Count messages of the account ``sender`` that wait for ``account``, whose user is not here."""
        mailbox = self._find(account)
        if mailbox is not None:
            self._waited_for.add(account)
            mailbox.wait(sender, count, size)

    def waits_no_more(self, account: bytes, sender: bytes, count: int, size: int) -> None:
        """Take back what ``waits`` has counted: the messages were refused."""
        mailbox = self._mailboxes.get(account)
        if mailbox is not None:
            mailbox.refuse(sender, count, size)

    def came(self, account: bytes, head: int) -> None:
        """Note that the user is here, so that nothing waits any more. ``head`` is the last number of the mailbox."""
        mailbox = self._find(account)
        if mailbox is not None and mailbox.waiting:
            self._waited_for.discard(account)
            mailbox.came()
            self.marks.put(account, HERE, head)
        if self._sequences is not None:
            self.begin_room(account, DEFAULT_ROOM.key, self._sequences.last(DEFAULT_ROOM))

    # How far a user has read

    def room_mark(self, account: bytes, head: int, key: str = DEFAULT_ROOM.key) -> int:
        """Return how far the user has read the room with ``key``, whose last number is ``head``."""
        seq = self.marks.of(account, Mark(ROOM, key))
        return head if seq is None else seq

    def read_room(self, account: bytes, seq: int, key: str = DEFAULT_ROOM.key) -> bool:
        """Move the mark of the room with ``key`` forward; return whether it has moved."""
        mark = Mark(ROOM, key)
        moves = seq > (self.marks.of(account, mark) or 0)
        if moves:
            self.marks.put(account, mark, seq)
        return moves

    def begin_room(self, account: bytes, key: str, head: int) -> None:
        """Let the messages of a room up to ``head`` count as read, for a user who comes to it for the first time."""
        mark = Mark(ROOM, key)
        if self._archive is not None and self.marks.of(account, mark) is None:
            self.marks.put(account, mark, head)

    def end_room(self, account: bytes, key: str) -> None:
        """Forget the mark of a room that the user has left."""
        self.marks.drop(account, Mark(ROOM, key))

    def read_partner(self, account: bytes, key: str, seq: int, head: int) -> bool:
        """Move the mark for the partner with the ``key`` of a name forward; return whether it has moved.

        ``head`` is the last number of the mailbox.
        """
        if seq <= self.marks.partner(account, key):
            return False
        mailbox = self._mailboxes.get(account)
        if mailbox is not None:
            mailbox.read(key, seq)
        # What is counted as unread differs between servers, and marks must not.
        if mailbox is not None and not mailbox.partners and self._sequences is None:
            self.marks.put_all(account, head)
        else:
            self.marks.put(account, Mark(PARTNER, key), seq)
        return True

    def facts(self, account: bytes, head: int, oldest: int) -> dict[str, object]:
        """Return what the welcome says about unread private messages, kept from ``oldest`` to ``head``."""
        mailbox = self._mailboxes.get(account)
        if mailbox is None:
            return {}
        mailbox.drop_before(oldest)
        unread = mailbox.partners
        first = min((partner.first for partner in unread.values()), default=head + 1)
        partners = {
            partner.name: {
                "seq": partner.last,
                "read": self.marks.partner(account, key),
                "unread": partner.unread,
                "account": self.ids.of(partner.account),
            }
            for key, partner in reversed(unread.items())
        }
        return {"read": first - 1, "unread": mailbox.unread, "partners": partners}


def _mailbox(account: bytes) -> LogName:
    return mailbox_of(account, "")
