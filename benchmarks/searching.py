"""Measure searches in a large history, and what it costs to index it.

Usage:
  searching [--messages=<n>] [--searches=<n>] [--directory=<directory>]

The history has texts of about 100 bytes: words of an invented language, whose frequencies follow Zipf's law, and every
tenth text in Chinese characters. It is written and indexed as the server does it, but without pauses. Each kind of
search then looks for many different words, in a random order, by the code that answers users; the times include the
process, the index and the history, and not the network.

Options:
  --messages=<n>           messages in the history [default: 1000000]
  --searches=<n>           searches of each kind [default: 50]
  --directory=<directory>  keep the files there, and use those that are there; without it, they are temporary
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from pathlib import Path

import gevent
from docopt import docopt

from benchmarks.processes import cpu_of, descendants
from chat.protocol.descriptor import MessageType
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.reader import FILE_NAME
from chat.server.history.rows import PackedRun, pack
from chat.server.history.search.index_file import INDEX_FILE
from chat.server.history.search.index_upkeep import IndexUpkeep
from chat.server.history.search.indexer import Indexer
from chat.server.history.search.looking import REST
from chat.server.history.search.message_search import MessageSearch
from chat.server.history.search.search_process import SearchProcess
from chat.server.history.search.wanted import Wanted, read_wanted
from chat.server.history.stored import DEFAULT_ROOM, StoredRun
from chat.server.history.writer import Writer
from chat.server.process.memory import collect_rarely
from chat.sizes import byte_count

PAGE = PageSize(20, 256 * 1024)
SENDERS, WORDS, CHARACTERS = 1000, 50_000, 3000
_BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)
# Messages of one transaction: about what a busy room says in 0.4 s.
_BATCH = 1024
_SYLLABLES = [
    c + v
    for c in ("b", "ch", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v")
    for v in "aeiou"
]


class Language:
    """An invented language: words, and Chinese characters, the frequent ones first."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.words = sorted({self._word() for _ in range(WORDS)}, key=lambda word: rng.random())
        self.characters = [chr(0x4E00 + number) for number in range(CHARACTERS)]
        rng.shuffle(self.characters)
        self._word_weights = _zipf(len(self.words))
        self._character_weights = _zipf(len(self.characters))

    def _word(self) -> str:
        return "".join(self.rng.choices(_SYLLABLES, k=self.rng.choice((1, 2, 2, 3, 3, 4))))

    def text(self) -> str:
        """Return a text of some words."""
        rng = self.rng
        if rng.random() < 0.1:
            return "".join(
                rng.choices(
                    self.characters, cum_weights=self._character_weights, k=rng.randint(5, 50)
                )
            )
        words = rng.choices(self.words, cum_weights=self._word_weights, k=rng.randint(3, 30))
        return " ".join(words).capitalize()


def _zipf(count: int) -> list[float]:
    return list(accumulate(1 / rank for rank in range(1, count + 1)))


def write(directory: Path, messages: int, language: Language) -> None:
    """Write a history of so many messages; each batch of a sender is one run."""
    rng = language.rng
    writer = Writer(directory, bound=0)
    writer.add_logs([DEFAULT_ROOM])
    number = 1
    while number <= messages:
        batch: list[PackedRun] = []
        while len(batch) < _BATCH:
            text = language.text().encode()
            # A thousand senders, some of whom say much more than others.
            sender = f"user{int(SENDERS ** rng.random())}"
            time = (_BEGIN + timedelta(seconds=number / 2)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            batch.append(
                pack(
                    StoredRun(
                        DEFAULT_ROOM,
                        number,
                        time,
                        sender,
                        None,
                        b"",
                        MessageType.UTF8,
                        [None],
                        [text],
                        None,
                        len(text),
                    )
                )
            )
            number += 1
        writer.write(batch)
    writer.close()


def index(directory: Path) -> tuple[int, float, float]:
    """Index the history at once; return the messages, the seconds of a core, and the longest step."""
    upkeep = IndexUpkeep(directory)
    start, longest, count = time.thread_time(), 0.0, 0
    logs = upkeep.open()
    while logs:
        step = time.perf_counter()
        added = upkeep.add_some(logs)
        longest = max(longest, time.perf_counter() - step)
        count += sum(added.counts.values())
        logs = {name: 1 for name in logs if name not in added.finished}
    upkeep.close()
    return count, time.thread_time() - start, longest


def searches(language: Language, count: int) -> Iterator[tuple[str, list[Wanted]]]:
    """Yield kinds of searches, with their names."""
    rng, words, characters = language.rng, language.words, language.characters
    long = [word for word in words if len(word) >= 6]

    def some(source: Sequence[str]) -> list[str]:
        return [rng.choice(source) for _ in range(count)]

    def pairs(source: Sequence[str]) -> list[str]:
        return [rng.choice(source) + rng.choice(source) for _ in range(count)]

    yield "a rare word", list(map(read_wanted, some(long[-10_000:])))
    yield "part of a word, 4 letters", [read_wanted(word[1:5]) for word in some(long)]
    yield "a frequent word", list(map(read_wanted, some([w for w in words[:100] if len(w) > 2])))
    yield (
        "two words",
        [
            read_wanted(f"{a} {b}")
            for a, b in zip(some(words[:1000]), some(words[:1000]), strict=True)
        ],
    )
    yield "a word that nobody said", [read_wanted(word[::-1]) for word in some(long)]
    yield (
        "from: with a word",
        [read_wanted(word, f"user{rng.randint(1, SENDERS)}") for word in some(words[:1000])],
    )
    yield "from: alone", [read_wanted("", f"user{rng.randint(1, SENDERS)}") for _ in range(count)]
    yield "two Chinese characters, frequent", list(map(read_wanted, pairs(characters[:30])))
    yield "two Chinese characters, any", list(map(read_wanted, pairs(characters)))
    yield (
        "two letters that nobody wrote",
        [read_wanted("q" + letter) for letter in some("abcdefgh")],
    )


def measure(directory: Path, language: Language, count: int) -> None:
    """Print the median and the worst time of each kind of search."""
    indexer = Indexer(directory)
    history = HistoryStore(directory, None, indexer)
    history.start()
    search = MessageSearch(history, indexer, SearchProcess(directory, budget=60))
    print(
        f"{'':36} {'median ms':>9} {'worst ms':>9} {'CPU ms':>9}  found on the first page, on average"
    )
    for name, kind in searches(language, count):
        times: list[float] = []
        costs, found = [], []
        for wanted in kind:
            # The process of the searches rests after each of them.
            gevent.sleep(times[-1] * REST / 1000 if times else 0)
            start, begin = time.perf_counter(), _used()
            page = search.find(DEFAULT_ROOM, wanted, PAGE)
            times.append((time.perf_counter() - start) * 1000)
            costs.append((_used() - begin) * 1000)
            found.append(len(page.runs))
        print(
            f"{name:36} {statistics.median(times):9.1f} {max(times):9.1f} {statistics.median(costs):9.1f}"
            f"  {statistics.mean(found):.1f}"
        )
    search.stop()
    history.stop(10)


def _used() -> float:
    """Return the seconds of a core that this process and its descendants have used."""
    return time.process_time() + sum(map(cpu_of, descendants(os.getpid())))


def measure_loop(directory: Path, language: Language, count: int) -> None:
    """Print how late the event loop is, while nobody searches and while users search all the time."""
    indexer = Indexer(directory)
    history = HistoryStore(directory, None, indexer)
    history.start()
    search = MessageSearch(history, indexer, SearchProcess(directory))
    wanted = [each for _, kind in searches(language, count // 10) for each in kind]
    language.rng.shuffle(wanted)

    def search_all() -> None:
        for each in wanted:
            search.find(DEFAULT_ROOM, each, PAGE)

    at_rest = _lateness(gevent.spawn(gevent.sleep, 5))
    busy = _lateness(gevent.spawn(search_all))
    print(f"{len(wanted)} searches in a row; p99 of the lateness of the event loop:")
    print(f"  without them {at_rest:.2f} ms, with them {busy:.2f} ms")
    search.stop()
    history.stop(10)


def _lateness(work: gevent.Greenlet[..., object]) -> float:
    """Return the 99th percentile of how late timers of 2 ms are, in milliseconds, until ``work`` ends."""
    late = []
    while not work.ready():
        start = time.perf_counter()
        gevent.sleep(0.002)
        late.append((time.perf_counter() - start - 0.002) * 1000)
    work.get()
    return statistics.quantiles(late, n=100)[98]


def main(argv: list[str]) -> None:
    """Execute the command line ``argv``."""
    options = docopt(__doc__ or "", argv)
    language = Language(random.Random(1))
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(options["--directory"] or temporary)
        if not (directory / FILE_NAME).exists():
            write(directory, int(options["--messages"]), language)
        size = byte_count((directory / FILE_NAME).stat().st_size)
        count, cost, longest = index(directory)
        index_size = byte_count((directory / INDEX_FILE).stat().st_size)
        if count:
            print(
                f"{count:,} messages indexed, {cost / count * 1e6:.0f} microseconds of a core each"
            )
            print(f"the longest transaction took {longest * 1000:.0f} ms")
        print(f"history {size}, index {index_size}")
        count = int(options["--searches"])
        collect_rarely()  # as the server does
        measure(directory, language, count)
        measure_loop(directory, language, count)


if __name__ == "__main__":
    main(sys.argv[1:])
