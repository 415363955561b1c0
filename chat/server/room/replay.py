"""Show messages again: the last ones to users who join, and pages of history to users who ask.

A message that is shown again has its original header, with ``"replay": true`` and, as an answer to a query, with
``"for"``. A file, image or voice note that is not kept whole, or that the user wants as an offer, comes as an offer.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.frames import Frame
from chat.protocol.headers import ServerHeader, encode_json, encode_server_header
from chat.protocol.runs import (
    Run,
    TextFrames,
    encode_private_keys,
    encode_room_key,
    encode_shared_header,
)
from chat.server.delivery.broadcast import Encodable
from chat.server.history.pages import PageSize
from chat.server.history.stored import HistoryPage, StoredRun
from chat.server.room.offering import message_id

# What a user who joins can get: one page.
PAGE = PageSize(200, 256 * 1024)
# The id of an offer whose content the server does not have any more.
_GONE = "gone"
# A mark in place of a nonce is as long as the nonce. A shorter one could be guessed.
_SHORTEST_MARK, _LONGEST_NONCE = 16, 64
_SHARED_PAGES = 8


class Shown(NamedTuple):
    """Hold a run of messages, and the id of the offer by which its content can be fetched, if there is one."""

    run: StoredRun
    offer: str | None = None


class Wishes(NamedTuple):
    """Tell how a user gets messages again.

    ``inline``: larger contents than so many bytes come as offers; None: only what is not kept. ``texts_only``: for
    users whose client knows no replay, and would save each file again.
    """

    inline: int | None = None
    texts_only: bool = False


class Replay:
    """Frames that show messages again, for one user.

    ``answers`` is the nonce of their query. ``opaque_id`` returns the id by which users know an account. ``room`` is
    the name of the room as headers have it.
    """

    def __init__(
        self,
        shown: Iterable[Shown],
        wishes: Wishes,
        answers: str | None = None,
        opaque_id: Callable[[bytes], str | None] = lambda account: None,
        room: str | None = None,
    ) -> None:
        self._room = room
        self._shown = shown
        self._wishes = wishes
        self._answers = answers
        self._opaque_id = opaque_id

    def encode(self, order: ByteOrder) -> bytes:
        """Return the frames, one behind the other."""
        return b"".join(frame.encode(order) for frame in self._frames())

    def _frames(self) -> Iterator[Frame | TextFrames]:
        for run, offer in self._shown:
            if run.type is MessageType.UTF8:
                yield from self._texts(run)
            elif not self._wishes.texts_only:
                yield self._attachment(run, offer)

    def _texts(self, run: StoredRun) -> Iterator[Frame | TextFrames]:
        if not run.purged:
            yield self._run(run)
            return
        for message in run.messages():
            if not message.purged:
                yield self._run(message)
            elif not self._wishes.texts_only:
                header = self._header(message)._replace(purged=True)
                yield Frame(MessageType.UTF8, encode_server_header(header))

    def _run(self, run: StoredRun) -> TextFrames:
        account, waited = self._private_facts(run)
        more = encode_private_keys(account, waits=waited)
        more += encode_room_key(self._room) + b',"replay":true'
        if self._answers is not None:
            more += b',"for":%b' % encode_json(self._answers)
        to = None if run.to is None else encode_json(run.to)
        shared = encode_shared_header(encode_json(run.sender), run.timestamp, to, more)
        texts = Run(MessageType.UTF8, run.contents, run.nonces, run.bytes)
        return TextFrames(shared, texts, run.first)

    def _attachment(self, run: StoredRun, offer: str | None) -> Frame:
        header = self._header(run)._replace(filename=run.filename)
        [content] = run.contents
        if run.purged:
            return Frame(run.type, encode_server_header(header._replace(purged=True)))
        inline = self._wishes.inline
        if len(content) < run.size or (inline is not None and run.size > inline):
            digest = run.digest
            if len(content) == run.size:
                digest = hashlib.sha256(content).digest()
            if digest is not None:
                id = message_id(run.log, run.first, run.timestamp)
                header = header._replace(size=run.size, id=id, sha256=digest.hex())
            else:
                header = header._replace(size=run.size, id=offer or _GONE)
            return Frame(run.type, encode_server_header(header))
        return Frame(run.type, encode_server_header(header), content)

    def _header(self, run: StoredRun) -> ServerHeader:
        [nonce] = run.nonces
        account, waited = self._private_facts(run)
        return ServerHeader(
            run.sender,
            run.timestamp,
            to=run.to,
            seq=run.first,
            nonce=nonce.decode() if nonce is not None else None,
            replay=True,
            answers=self._answers,
            account=account,
            waiting=waited or None,
            room=self._room,
        )

    def _private_facts(self, run: StoredRun) -> tuple[str | None, bool]:
        """Return the opaque id of the other user's account, and whether the sender was told that the message waits."""
        if run.to is None:
            return None, False
        is_senders = run.author.hex() == run.log.key
        return self._opaque_id(run.partner), run.waiting and is_senders


class SharedReplays:
    """Encode a page once for all users who get it; only the nonces of their queries differ.

    ``opaque_id`` returns the id by which users know an account.
    """

    def __init__(self, opaque_id: Callable[[bytes], str | None]) -> None:
        self._opaque_id = opaque_id
        # In place of the nonce. Random, so that it is nowhere else on a page.
        self._mark = secrets.token_urlsafe(_LONGEST_NONCE)
        self._pages: deque[_SharedPage] = deque(maxlen=_SHARED_PAGES)

    def replay(
        self,
        page: HistoryPage,
        shown: Callable[[], list[Shown]],
        wishes: Wishes,
        nonce: str,
        room: str | None = None,
    ) -> Encodable:
        """Return the frames of ``page`` of a ``room``. ``shown`` makes what is to be encoded."""
        if len(nonce) < _SHORTEST_MARK or len(page.runs) < 2:
            return Replay(shown(), wishes, nonce, self._opaque_id, room)
        mark = self._mark[: len(nonce)]
        # By identity: a page that is read again may differ.
        for known in self._pages:
            if known.page is page and known.wishes == wishes and known.mark == mark:
                break
        else:
            replay = Replay(shown(), wishes, mark, self._opaque_id, room)
            known = _SharedPage(page, wishes, mark, replay, {})
            self._pages.append(known)
        return SharedReplay(known, nonce)


class _SharedPage(NamedTuple):
    """Hold a page with ``mark`` for a nonce, and its bytes in the byte orders that were wanted."""

    page: HistoryPage
    wishes: Wishes
    mark: str
    replay: Replay
    encoded: dict[ByteOrder, bytes]


class SharedReplay(NamedTuple):
    """The frames of a page, for the user who asked for it under ``nonce``."""

    page: _SharedPage
    nonce: str

    def encode(self, order: ByteOrder) -> bytes:
        """Return the frames, one behind the other."""
        encoded = self.page.encoded.get(order)
        if encoded is None:
            encoded = self.page.encoded[order] = self.page.replay.encode(order)
        return encoded.replace(self.page.mark.encode(), self.nonce.encode())


class Recent:
    """The last messages of a room, in memory, so that a user who joins waits for no disk."""

    def __init__(self) -> None:
        self._shown: deque[Shown] = deque()
        self._sizes: deque[int] = deque()  # of their contents
        self._messages = self._bytes = 0
        # Many users may join between two messages, for example after a restart.
        self._encoded: dict[tuple[int, Wishes, ByteOrder], bytes] = {}

    def append(self, shown: Shown, size: int) -> None:
        """Add a run with ``size`` bytes of contents in memory; forget runs that no page can reach."""
        if self._encoded:
            self._encoded.clear()
        self._shown.append(shown)
        # Remembered: to sum the sizes of a run again costs more than all the rest here.
        self._sizes.append(size)
        self._messages += len(shown.run.contents)
        self._bytes += size
        while True:
            messages = self._messages - len(self._shown[0].run.contents)
            bytes = self._bytes - self._sizes[0]
            if messages < PAGE.messages and bytes < PAGE.bytes:
                return
            self._shown.popleft()
            self._sizes.popleft()
            self._messages, self._bytes = messages, bytes

    def replace(self, runs: Iterable[StoredRun], head: int) -> None:
        """Begin anew with ``runs``, the last ones up to ``head``; keep the offers of those that were here.

        Runs with greater numbers stay: they came while ``runs`` were read.
        """
        offers = {shown.run.first: shown.offer for shown in self._shown}
        newer = [
            each for each in zip(self._shown, self._sizes, strict=True) if each[0].run.first > head
        ]
        self._shown.clear()
        self._sizes.clear()
        self._messages = self._bytes = 0
        for run in runs:
            self.append(Shown(run, offers.get(run.first)), run.bytes)
        for shown, size in newer:
            self.append(shown, size)

    def message(self, number: int) -> StoredRun | None:
        """Return the message with ``number`` as a run of one; None if it is not here."""
        parts = (shown.run.slice(number - 1, number + 1) for shown in self._shown)
        return next((part for part in parts if part is not None), None)

    def purge(self, number: int) -> None:
        """Remove the content of the message with ``number``, and the offer of it; leave the mark."""
        self._encoded.clear()
        for index, (run, _) in enumerate(self._shown):
            if run.first <= number <= run.last:
                self._shown[index] = Shown(run.without({number}))

    def offer_of(self, number: int) -> str | None:
        """Return the id of the offer of the message with ``number``; None if there is none."""
        found = (shown.offer for shown in self._shown if shown.run.first == number)
        return next(found, None)

    def count_others(self, after: int, author: bytes) -> tuple[int, int]:
        """Count the messages over ``after`` that are not of ``author``.

        Also returns the number up to which messages are not in memory, and not counted; ``after`` if all are.
        """
        count, beginning = 0, None
        for run, _ in reversed(self._shown):
            if run.last <= after:
                return count, after
            beginning = run.first
            if run.author != author:
                count += run.last - max(run.first - 1, after)
        return count, after if beginning is None else max(after, beginning - 1)

    def last(self, count: int, wishes: Wishes) -> LastMessages:
        """Return the frames of the last ``count`` messages, at most one page."""
        return LastMessages(self, min(count, PAGE.messages), wishes)

    def encode(self, count: int, wishes: Wishes, order: ByteOrder) -> bytes:
        """Return the frames that ``last`` stands for."""
        key = (count, wishes, order)
        encoded = self._encoded.get(key)
        if encoded is None:
            encoded = Replay(self._cut(count), wishes).encode(order)
            self._encoded[key] = encoded
        return encoded

    def _cut(self, count: int) -> list[Shown]:
        chosen: list[Shown] = []
        space = PAGE.bytes
        for run, offer in reversed(self._shown):
            space -= run.bytes
            if count <= 0 or (space < 0 and chosen):
                break
            part = run.slice(run.last - count, None)
            assert part is not None, "count is at least 1"
            chosen.append(Shown(part, offer))
            count -= len(part.contents)
        return chosen[::-1]


class LastMessages(NamedTuple):
    """The last messages of a room, encoded once for all users with the same wishes."""

    recent: Recent
    number: int
    wishes: Wishes

    def encode(self, order: ByteOrder) -> bytes:
        return self.recent.encode(self.number, self.wishes, order)
