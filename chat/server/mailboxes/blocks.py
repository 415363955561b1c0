"""Remember whose private messages registered users refuse."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from chat.protocol.names import UserName
from chat.server.directory.member import Peer
from chat.server.storage.database import Database, DatabaseThread

MAX_BLOCKS = 200  # of one account


class TooManyBlocks(Exception):
    """The account blocks as many users as it may. The text is a sentence for the user."""


class Block(NamedTuple):
    """Name who is blocked: an account by its id in hexadecimal digits, or a guest by the key of the name."""

    kind: str
    target: str


_ACCOUNT, _NAME = "account", "name"


class Blocks:
    """The blocked users of all accounts. ``thread`` is None for a server without accounts."""

    def __init__(
        self, thread: DatabaseThread | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._thread = thread
        self._blocks: dict[bytes, dict[Block, UserName]] = {}

    def start(self) -> None:
        """Read all blocks. Raises DatabaseFault."""
        if self._thread is not None and self._thread.database.stamp() is not None:
            for account, kind, target, display, key in self._thread.run(_read_blocks):
                name = UserName(display, key)
                self._blocks.setdefault(account, {})[Block(kind, target)] = name

    def refuses(self, account: bytes, sender: Peer) -> bool:
        """Return whether ``account`` refuses the messages of ``sender``."""
        blocks = self._blocks.get(account)
        if not blocks:
            return False
        id = sender.account_id
        # A guest who was blocked may have registered the name since.
        return Block(_NAME, sender.name.key) in blocks or (
            id is not None and Block(_ACCOUNT, id.hex()) in blocks
        )

    def names(self, account: bytes) -> list[str]:
        """Return the names of the users whom ``account`` blocks, as they were then."""
        return sorted({name.display for name in self._blocks.get(account, {}).values()})

    def add(self, account: bytes, name: UserName, owner: bytes | None) -> None:
        """Block a user; ``owner`` is the account of the name, None for a guest.

        Raises TooManyBlocks and DatabaseFault.
        """
        block = Block(_NAME, name.key) if owner is None else Block(_ACCOUNT, owner.hex())
        blocks = self._blocks.setdefault(account, {})
        if block not in blocks and len(blocks) >= MAX_BLOCKS:
            raise TooManyBlocks(f"You block {MAX_BLOCKS} users already; unblock some first.")
        now = int(self._clock())
        self._require_thread().write(
            partial(_add, account=account, block=block, name=name, now=now)
        )
        blocks[block] = name

    def remove(self, account: bytes, name: UserName) -> bool:
        """Block the user ``name`` no longer; return whether they were blocked. Raises DatabaseFault."""
        blocks = self._blocks.get(account, {})
        found = [block for block, each in blocks.items() if each.key == name.key]
        if found:
            self._require_thread().write(partial(_remove, account=account, blocks=found))
        for block in found:
            blocks.pop(block, None)
        return bool(found)

    def forget(self, account: bytes) -> None:
        """Forget the blocks of an account that was removed. The file has none of them any more."""
        self._blocks.pop(account, None)

    def _require_thread(self) -> DatabaseThread:
        assert self._thread is not None, "accounts exist only in a database"
        return self._thread


def _read_blocks(database: Database) -> list[tuple[bytes, str, str, str, str]]:
    with database.reading() as connection:
        query = "SELECT account, kind, target, name, key FROM blocks"
        return connection.execute(query).fetchall()


def _add(database: Database, account: bytes, block: Block, name: UserName, now: int) -> None:
    with database.writing() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO blocks SELECT ?1, ?2, ?3, ?4, ?5, ?6"
            " WHERE EXISTS (SELECT 1 FROM users WHERE id = ?1)",
            (account, *block, name.display, name.key, now),
        )


def _remove(database: Database, account: bytes, blocks: list[Block]) -> None:
    with database.writing() as connection:
        connection.executemany(
            "DELETE FROM blocks WHERE account = ? AND kind = ? AND target = ?",
            [(account, *block) for block in blocks],
        )
