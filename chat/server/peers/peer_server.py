"""Give other servers of the cluster what they ask for: copies of the data, contents, the key."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gevent.threadpool import ThreadPool

from chat.process.offload import ThreadCall
from chat.server.history.files.opened_files import FileDamaged, FileGone
from chat.server.peers.channel import ChannelQuestion, ChannelReply
from chat.server.peers.copies import open_copy
from chat.server.peers.faults import ContentMissing, DiskFault, PeerBusy, PeerFault
from chat.server.peers.links.answering import CopyPart
from chat.server.peers.peer_facts import KeyPair
from chat.server.peers.peer_process import PeerProcess

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")


class HeldContent(Protocol):
    """List what is used of an open content, which is held for the caller."""

    def fileno(self) -> int: ...

    def release(self) -> None: ...


class SharedData(NamedTuple):
    """Hold the functions that give what other servers ask for.

    ``make_copy`` puts ``chat.db`` and ``history.db`` into a directory; it is called in a thread. ``open_content``
    returns the content with a SHA-256 and a size; it may wait, and raises FileGone, FileDamaged and OSError.
    ``read_key`` returns the key of the chat server, and raises OSError or PeerFault.
    """

    make_copy: Callable[[Path], None]
    open_content: Callable[[bytes, int], HeldContent]
    read_key: Callable[[], KeyPair]


class PeerServer:
    """Answer other servers from ``data``. They connect to ``listening``, sockets that ``stop`` closes.

    One server takes a copy at a time.
    """

    def __init__(
        self, process: PeerProcess, listening: Sequence[GeventSocket], data: SharedData
    ) -> None:
        self._process = process
        self._listening = listening
        self._data = data
        self._copying: ThreadCall[list[CopyPart]] | None = None

    def start(self) -> None:
        """Answer from now on; ``process`` has started. Raises PeerFault."""
        self._process.handle(
            {
                "life": lambda question: ChannelReply(),
                "copy": self._take_copy,
                "content": self._open_content,
                "key": self._read_key,
            }
        )
        self._process.listen(self._listening)

    def stop(self) -> None:
        """Stop listening; ``process`` has stopped."""
        for sock in self._listening:
            sock.close()

    def _take_copy(self, question: ChannelQuestion) -> ChannelReply:
        # The process asks for one copy at a time, but does not wait for one that no peer wants any more.
        if self._copying is not None:
            raise PeerBusy("another server takes a copy now")
        # A thread of its own, which ends by itself: it waits for minutes.
        pool = ThreadPool(1)
        self._copying = call = ThreadCall(
            pool, open_copy, self._process.directory, self._data.make_copy
        )
        # Also if nobody waits for the copy any more: SQLite does not stop in the middle of one.
        call.when_done(lambda: self._note_copied(pool))
        try:
            parts = call.get()
        except Exception as problem:
            log.exception("cannot copy the data for another server")
            raise PeerFault(f"it cannot copy its data: {problem}") from None
        except BaseException:
            call.when_done(lambda: _discard(call))
            raise
        return ChannelReply({"names": [p.name for p in parts]}, [p.descriptor for p in parts])

    def _note_copied(self, pool: ThreadPool) -> None:
        self._copying = None
        pool.kill()

    def _open_content(self, question: ChannelQuestion) -> ChannelReply:
        digest, size = bytes.fromhex(question.fields["sha256"]), question.fields["size"]
        try:
            content = self._data.open_content(digest, size)
        except FileGone:
            raise ContentMissing("it does not have the content any more") from None
        except FileDamaged:
            raise ContentMissing("the content was damaged on its disk") from None
        except OSError as problem:
            raise DiskFault(f"it cannot read its disk: {problem.strerror or problem}") from None
        try:
            return ChannelReply({}, [os.dup(content.fileno())])
        finally:
            content.release()

    def _read_key(self, question: ChannelQuestion) -> ChannelReply:
        try:
            pair = self._data.read_key()
        except OSError as problem:
            raise DiskFault(f"it cannot read its key: {problem.strerror or problem}") from None
        return ChannelReply({"certificate": pair.certificate, "key": pair.key})


def _discard(call: ThreadCall[list[CopyPart]]) -> None:
    try:
        parts = call.get()
    except Exception:
        log.exception("cannot copy the data, which no server waits for any more")
        return
    for part in parts:
        os.close(part.descriptor)
