"""One attachment of a log, as the index of files has it."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import NamedTuple

from chat.protocol.descriptor import MessageType
from chat.server.history.stored import GUEST, LogName, StoredRun


class FileUse(NamedTuple):
    """Name an attachment: its log and number, the SHA-256 of its content, and the size in bytes.

    ``is_inside``: the content is in the history, and no file is needed. ``name`` is the folded name of the file.
    ``author`` and ``nonce`` are those of the message.
    """

    log: LogName
    seq: int
    digest: bytes
    size: int
    is_inside: bool
    name: str
    author: bytes
    nonce: bytes | None


def use_of(run: StoredRun) -> FileUse | None:
    """Return what the index has of a run; None for texts, purged messages, and contents that are not kept."""
    if run.type is MessageType.UTF8 or run.purged or run.log.kind == GUEST:
        return None
    [content], [nonce] = run.contents, run.nonces
    digest, is_inside = run.digest, False
    if digest is None:
        if len(content) < run.size:
            return None
        digest, is_inside = hashlib.sha256(content).digest(), True
    name = folded(run.filename or "")
    return FileUse(run.log, run.first, digest, run.size, is_inside, name, run.author, nonce)


def folded(text: str) -> str:
    """Return ``text`` so that case and width of letters make no difference."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
