"""Describe an index for the operator, also while a server runs, and erase from it while none runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from chat.server.history.reader import Reader
from chat.server.history.search.index_file import INDEX_FILE, IndexFault
from chat.server.history.search.index_reader import IndexReader
from chat.server.history.search.index_upkeep import IndexUpkeep, messages_behind


class IndexFacts(NamedTuple):
    """Describe an index: its size, the messages in it, and how many messages of the history it lacks."""

    bytes: int
    messages: int
    behind: int


def describe_index(directory: Path, reader: Reader) -> IndexFacts | None:
    """Describe the index of the history that ``reader`` reads; None if there is none that can be used."""
    path = directory / INDEX_FILE
    if not path.exists():
        return None
    try:
        with (
            closing(IndexReader(directory)) as index,
            index.snapshot(reader.epoch()) as is_its_index,
        ):
            if not is_its_index:
                return None
            summary = index.summary()
    except IndexFault:
        return None
    behind = messages_behind(reader, summary.indexed)
    return IndexFacts(path.stat().st_size, summary.messages, sum(behind.values()))


@contextmanager
def purging(directory: Path) -> Iterator[None]:
    """Erase from the index what the body removes from the history. No server may run."""
    if not (directory / INDEX_FILE).exists():
        yield
        return
    upkeep = IndexUpkeep(directory)
    upkeep.begin_purge()
    try:
        yield
    finally:
        upkeep.finish_purge(None)
        upkeep.close()
