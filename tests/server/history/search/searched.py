"""A history with an index, what was said in it, and what a search in it must find."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from chat.protocol.commands import Has
from chat.protocol.descriptor import MessageType
from chat.protocol.names import name_key
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.search.indexer import Indexer
from chat.server.history.search.looking import FileSearch, Searching
from chat.server.history.search.message_search import MessageSearch
from chat.server.history.search.search_process import SearchProcess
from chat.server.history.search.wanted import read_wanted
from chat.server.history.stored import DEFAULT_ROOM, MAILBOX, LogName, StoredRun
from tests.server.fakes import wait_until

LOGS = (DEFAULT_ROOM, LogName(MAILBOX, "a1"), LogName(MAILBOX, "b2"))
SENDERS = ("alice", "bob", "Борис", "検索")
KINDS = {MessageType.FILE: Has.FILE, MessageType.IMAGE: Has.IMAGE, MessageType.VOICE: Has.VOICE}
SYLLABLES = (
    *(
        "ba",
        "na",
        "BA",
        "Straße",
        "STRASSE",
        "é",
        "e\u0301",
        "ﬁ",
        "ﾊﾝ",
        "ハン",
        "検索",
        "検",
        "索引",
        "語",
    ),
    *(
        " ",
        " ",
        "\n",
        '"',
        "*",
        " AND ",
        "\0",
        "\ufffe",
        "😀",
        "İ",
        "ς",
        "https://x",
        "가",
        "\u3000",
    ),
)


class Truth(NamedTuple):
    text: str
    sender: str
    has: Has | None
    time: str


def folded(text: str) -> str:
    return normalize("NFKC", normalize("NFKC", text.replace("\0", "\ufffd")).casefold())


class SearchedHistory:
    """The messages of users in ``directory``, and a search in them, with an index that follows at once.

    The search is in this process, unless ``apart``.
    """

    def __init__(
        self, directory: Path, rng: random.Random, *, budget: float = 5.0, apart: bool = False
    ) -> None:
        self.directory = directory
        self.rng = rng
        self.said: dict[LogName, dict[int, Truth]] = {name: {} for name in LOGS}
        self.clock = 0
        self.budget = budget
        self.apart = apart
        self.open()

    def open(self) -> None:
        self.indexer = Indexer(self.directory)
        self.history = HistoryStore(self.directory, None, self.indexer, linger=0, patience=1.0)
        make: Callable[..., Searching] = SearchProcess if self.apart else FileSearch
        self.searching = make(self.directory, budget=self.budget)
        self.search = MessageSearch(self.history, self.indexer, self.searching)
        self.history.start()
        self.history.begin(*LOGS)

    def close(self) -> None:
        self.search.stop()
        self.history.stop(10)

    def crash(self) -> None:
        """End as kill -9 does: only transactions that have ended are kept."""
        self.search.stop()
        indexer, queue = self.indexer, self.history._queue
        for part in (indexer, queue):
            assert part._task is not None
            part._task.kill()
            part._pool.join()
        # SQLite would tidy up if its connections were closed one after the other.
        upkeep = indexer._upkeep
        if upkeep._writer is not None:
            upkeep._writer.close()
        if upkeep._reader is not None:
            upkeep._reader.close()
        assert queue._writer is not None
        queue._writer.abandon()
        self.open()
        for name in LOGS:
            lost = {
                number
                for number in self.said[name]
                if any(hole.first <= number <= hole.last for hole in self.history.state(name).lost)
            }
            for number in lost:
                del self.said[name][number]

    def text(self) -> str:
        rng = self.rng
        return "".join(rng.choices(SYLLABLES, k=rng.choice((1, 2, 3, 8)))) or "x"

    def say(self, name: LogName, *texts: str, type: MessageType = MessageType.UTF8) -> range:
        """Say texts, or send files whose names they are; return their numbers."""
        self.clock += 1
        first = self.history.state(name).head + 1
        time = f"2026-11-24T09:{self.clock // 60000:02d}:{self.clock // 1000 % 60:02d}.{self.clock % 1000:06d}Z"
        sender = self.rng.choice(SENDERS)
        is_text = type is MessageType.UTF8
        contents = [text.encode() for text in texts] if is_text else [b"content"]
        size = sum(map(len, contents))
        filename = None if is_text else texts[0]
        nonces: list[bytes | None] = [None] * len(texts)
        run = StoredRun(
            name, first, time, sender, None, b"", type, nonces, contents, filename, size
        )
        self.history.keep(run)
        for number, text in enumerate(texts, first):
            has = KINDS.get(type)
            if is_text and "https://x" in folded(text):
                has = Has.LINK
            self.said[name][number] = Truth(text, sender, has, time)
        return range(first, first + len(texts))

    def say_something(self) -> None:
        rng = self.rng
        name = rng.choice(LOGS)
        if rng.random() < 0.1:
            self.say(name, self.text(), type=rng.choice(list(KINDS)))
        else:
            texts = (self.text() for _ in range(rng.choice((1, 1, 2, 20))))
            # A text is never empty.
            self.say(name, *texts)

    def words(self) -> str:
        """Return parts of words that somebody said, perhaps in another case, or of words that nobody said."""
        rng = self.rng
        words = []
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            said = self.said[rng.choice(LOGS)]
            text = rng.choice(list(said.values())).text if said else self.text()
            start = rng.randrange(len(text))
            part = text[start : start + rng.choice((1, 2, 3, 4, 9))]
            words.append(rng.choice((part, part.upper(), part.lower(), self.text())))
        return " ".join(words)

    def check_a_search(self) -> None:
        """Search for something, page by page, and compare with what was said until now."""
        rng = self.rng
        name, words = rng.choice(LOGS), self.words()
        sender = rng.choice((None, None, *SENDERS, "ALICE", "nobody", "not a name"))
        has = rng.choice((None, None, None, *Has))
        times = [truth.time for truth in self.said[name].values()]
        since, until = (
            rng.choice(times) if times and rng.random() < 0.2 else None for _ in range(2)
        )
        before = rng.choice((None, None, rng.randint(0, len(times) + 2)))
        self.check(name, words, sender=sender, has=has, since=since, until=until, before=before)

    def check(
        self,
        name: LogName,
        words: str = "",
        *,
        sender: str | None = None,
        has: Has | None = None,
        since: str | None = None,
        until: str | None = None,
        before: int | None = None,
    ) -> list[int]:
        """Compare what a search finds with the truth, and return the numbers."""
        key = None if sender is None else name_key(sender) or ""
        parts = [folded(word) for word in words.split()]
        expected = [
            number
            for number, truth in sorted(self.said[name].items(), reverse=True)
            if all(part in folded(truth.text) for part in parts)
            and (key is None or name_key(truth.sender) == key)
            and (has is None or truth.has == has)
            and (since is None or truth.time >= since)
            and (until is None or truth.time < until)
            and (before is None or number < before)
        ]
        wanted = read_wanted(words, sender, has)
        size = PageSize(self.rng.choice((1, 3, 50)), self.rng.choice((1, 50, 1 << 20)))
        found: list[int] = []
        is_first = True
        while is_first or before is not None:
            page = self.search.find(name, wanted, size, since=since, until=until, before=before)
            assert len(page.runs) <= size.messages
            assert len(page.runs) <= 1 or sum(run.bytes for run in page.runs) <= size.bytes
            assert page.go_on is None or before is None or page.go_on < before, "it goes on"
            # Messages that were said since the first page have greater numbers.
            before, is_first = page.go_on, False
            found += [run.first for run in page.runs]
        assert found == expected, (name, words, sender, has, since, until)
        return found

    def is_indexed(self) -> None:
        """Wait until the index has all messages."""
        wait_until(
            lambda: not self.history._queue.unwritten and self.indexer.is_idle,
            "the messages to be indexed",
        )
