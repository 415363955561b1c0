"""Get contents of attachments from the servers that have them, each once for all users who want it at a time.

A content arrives in the spool, as an upload does, but another process writes and checks it. So the space that it may
take, and the way in which it is kept, are those of uploads.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from chat.net.address import Address
from chat.protocol.frames import LargeContent
from chat.server.attachments.spool import NoSpaceError, Spool, SpooledFile
from chat.server.history.files.opened_files import FileDamaged, FileGone
from chat.server.peers.faults import ContentDamaged, ContentMissing, PeerFault
from chat.server.peers.peer_client import PeerClient
from chat.server.process.log_folding import FoldingLog

log = logging.getLogger("chat.server")

# Contents that are fetched at the same time; others wait for their turn.
AT_ONCE = 4
# Seconds until the first byte of a content must be here.
PATIENCE = 30.0

_AWAY = "The server that has the attachment cannot be reached now; try again later."
_GONE = (
    "No server that is here now has the content; try again later, or ask for it to be sent again."
)
_DAMAGED = "The content is damaged at the server that has it; ask for it to be sent again."


class ContentAway(Exception):
    """The content cannot be had now, or not any more (``is_gone``). The text is a sentence for the user."""

    def __init__(self, sentence: str, *, is_gone: bool = False) -> None:
        super().__init__(sentence)
        self.is_gone = is_gone


class KeptContents(Protocol):
    """List what is needed of the part that has kept contents."""

    def open(self, digest: bytes, size: int) -> LargeContent: ...


class _Fetch:
    """A content on its way, for all who wait for it."""

    def __init__(self) -> None:
        self.has_begun, self.has_ended = Event(), Event()
        self.waiters = 0
        self.content: SpooledFile | None = None
        self.fault: ContentAway | None = None
        self.task: gevent.Greenlet[..., object] | None = None

    def end(self) -> None:
        """Let all who wait go on, with the content or the fault."""
        self.has_begun.set()
        self.has_ended.set()
        self.release_if_unused()

    def release_if_unused(self) -> None:
        """Release the content when all who have waited hold it themselves."""
        if self.has_ended.is_set() and not self.waiters and self.content is not None:
            self.content.release()
            self.content = None


class PeerContents:
    """Contents that are kept here, in ``kept`` (None: none), or at other servers, which ``client`` asks.

    A content that arrives is kept as an upload is: ``spool`` knows how.
    """

    def __init__(
        self,
        client: PeerClient,
        spool: Spool,
        kept: KeptContents | None,
        troubles: FoldingLog | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._client = client
        self._spool = spool
        self._kept = kept
        self._troubles = troubles if troubles is not None else FoldingLog()
        self._patience = patience
        self._turns = BoundedSemaphore(AT_ONCE)
        self._fetches: dict[bytes, _Fetch] = {}

    def get(
        self, digest: bytes, size: int, addresses: Sequence[Address], owner: str = ""
    ) -> LargeContent:
        """Return a content, which is held for the caller. Waits up to 30 s for its first byte, and then for the rest.

        ``addresses`` are those of the servers that may have it, the one that took it first. ``owner`` is the id of the
        sender's account in hex, empty for guests. Raises ContentAway.
        """
        here = self._open(digest, size)
        if here is not None:
            return here
        fetch = self._fetches.get(digest)
        if fetch is None:
            fetch = self._fetches[digest] = _Fetch()
            fetch.task = gevent.spawn(self._run, fetch, digest, size, addresses, owner)
        fetch.waiters += 1
        try:
            if not fetch.has_begun.wait(self._patience):
                raise ContentAway(_AWAY)
            # The transfer has limits of its own: see ``LinkLimits``.
            fetch.has_ended.wait()
            if fetch.content is None:
                raise fetch.fault or ContentAway(_AWAY)
            fetch.content.hold()
            return fetch.content
        finally:
            fetch.waiters -= 1
            fetch.release_if_unused()

    def stop(self) -> None:
        """End what is on its way."""
        gevent.killall([fetch.task for fetch in self._fetches.values() if fetch.task is not None])

    def _open(self, digest: bytes, size: int) -> LargeContent | None:
        """Return a content that is kept here; None if it is not."""
        if self._kept is None:
            return None
        try:
            return self._kept.open(digest, size)
        except (FileGone, FileDamaged, OSError):
            return None  # another server may have it

    def _run(
        self, fetch: _Fetch, digest: bytes, size: int, addresses: Sequence[Address], owner: str
    ) -> None:
        try:
            with self._turns:
                fetch.content = self._fetch(fetch, digest, size, addresses, owner)
        except ContentAway as fault:
            fetch.fault = fault
        finally:
            del self._fetches[digest]
            fetch.end()

    def _fetch(
        self, fetch: _Fetch, digest: bytes, size: int, addresses: Sequence[Address], owner: str
    ) -> SpooledFile:
        """Return the content, held. Raises ContentAway."""
        try:
            # An owner of its own: a user who wants several must not be told that the attachments are theirs.
            file = self._spool.reserve(("peers", digest), size, _go_on)
        except NoSpaceError as problem:
            raise ContentAway(str(problem)) from None
        try:
            self._client.fetch_content(addresses, digest, size, file.fileno(), fetch.has_begun.set)
            file.note_whole(digest)
            file.keep(owner)
        except (ContentMissing, ContentDamaged) as fault:
            file.release()
            self._troubles.log_event_of("contents of other servers", str(fault), logging.WARNING)
            sentence = _DAMAGED if isinstance(fault, ContentDamaged) else _GONE
            raise ContentAway(sentence, is_gone=True) from None
        except PeerFault as fault:
            file.release()
            self._troubles.log_event_of("contents of other servers", str(fault), logging.WARNING)
            raise ContentAway(_AWAY) from None
        except NoSpaceError as problem:
            file.release()
            raise ContentAway(str(problem)) from None
        except BaseException:
            file.release()
            raise
        return file


def _go_on() -> None:
    """Ignore that the space is wanted: a transfer between servers has limits of its own."""
