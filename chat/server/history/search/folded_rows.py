"""Fold the messages of a row of history, and find those that match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from chat.protocol.commands import Has
from chat.protocol.descriptor import MessageType
from chat.protocol.names import name_key
from chat.server.history.rows import BETWEEN_TEXTS, RunFacts
from chat.server.history.search.folding import BETWEEN_FOLDED, fold, fold_joined, has_link

Sender = TypeVar("Sender", str, int)

# The kinds of messages, as small numbers: 0 for none.
KINDS: dict[Has, int] = {kind: number for number, kind in enumerate(Has, 1)}
_PLAIN, _LINK = 0, KINDS[Has.LINK]
_KINDS_OF_TYPES = {
    MessageType.FILE: KINDS[Has.FILE],
    MessageType.IMAGE: KINDS[Has.IMAGE],
    MessageType.VOICE: KINDS[Has.VOICE],
}
# The sender of a purged message, which no search finds.
PURGED = ""


class FoldedRow(Generic[Sender]):
    """Hold consecutive messages from number ``first`` on, for a search.

    ``texts`` are folded, with NUL between them; those of attachments are their file names. ``senders`` has a name key,
    or what stands for it in the index, for each message; the false value of its type for a purged one. ``kinds`` has a
    byte for each message: see ``KINDS``.
    """

    __slots__ = ("first", "kinds", "senders", "texts")

    # A generic NamedTuple is possible only since Python 3.11.
    def __init__(self, first: int, texts: bytes, senders: Sequence[Sender], kinds: bytes) -> None:
        self.first = first
        self.texts = texts
        self.senders: Sequence[Sender] = senders
        self.kinds = kinds

    def matching(
        self, words: Sequence[bytes], sender: Sender | None, kind: int | None
    ) -> list[int]:
        """Return the numbers of the messages that have all ``words``, the ``sender`` and the ``kind``, newest first.

        None stands for any.
        """
        # Most rows end here: in joined texts the words are found fast.
        if any(word not in self.texts for word in words):
            return []
        senders, kinds = self.senders, self.kinds
        if sender is not None and sender not in senders:
            return []
        if kind is not None and kind not in kinds:
            return []
        texts = self.texts.split(BETWEEN_FOLDED)
        return [
            self.first + index
            for index in range(len(texts) - 1, -1, -1)
            if senders[index]
            and (sender is None or senders[index] == sender)
            and (kind is None or kinds[index] == kind)
            and all(word in texts[index] for word in words)
        ]


def fold_row(first: int, facts: Sequence[RunFacts], content: bytes) -> FoldedRow[str]:
    """Fold the messages of a row of history, or of a run that is not written yet.

    ``facts`` and ``content`` are those of ``rows``.
    """
    senders: list[str] = []
    for run in facts:
        senders += [name_key(run.sender) or run.sender] * run.messages
    kind = _KINDS_OF_TYPES.get(MessageType(facts[0].type), _PLAIN)
    if kind == _PLAIN:
        texts = fold_joined(content, BETWEEN_TEXTS)
        kinds = bytearray(len(senders))
        if has_link(texts):
            for index, text in enumerate(texts.split(BETWEEN_FOLDED)):
                kinds[index] = _LINK if has_link(text) else _PLAIN
    else:
        texts, kinds = fold(facts[0].filename or ""), bytearray((kind,))
    for run in facts:
        for number in run.purged:
            senders[number - first] = PURGED
            kinds[number - first] = _PLAIN
    return FoldedRow(first, texts, senders, bytes(kinds))
