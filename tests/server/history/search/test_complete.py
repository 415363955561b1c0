"""A search finds all that matches, at any time: while users talk and messages are indexed, over crashes and damage."""

from __future__ import annotations

import random
from pathlib import Path

import gevent
import pytest

from chat.server.history.purging import Purge
from chat.server.history.search import index_reader, index_upkeep, index_writer
from chat.server.history.search.index_file import INDEX_FILE
from chat.server.history.upkeep import expire, used_bytes
from tests.server.history.search.searched import LOGS, SENDERS, SearchedHistory
from tests.tiers import quick_first


@pytest.fixture(autouse=True)
def small_steps(eager_index: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make shards, blocks and transactions so small that a few hundred messages fill many of them."""
    monkeypatch.setattr(index_writer, "SHARD", 100)
    monkeypatch.setattr(index_writer, "BLOCK", 16)
    monkeypatch.setattr(index_writer, "_ERASED_AT_ONCE", 32)
    monkeypatch.setattr(index_upkeep, "_AT_ONCE", 40)
    monkeypatch.setattr(index_upkeep, "_OF_ONE", 25)
    monkeypatch.setattr(index_reader, "_SCANNED", 30)


@pytest.mark.parametrize("seed", quick_first(range(3), "many seeds"))
def test_a_search_finds_all_that_was_said(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    # Without a budget, a search ends after each step, and goes on.
    searched = SearchedHistory(tmp_path, rng, budget=rng.choice((0, 5)))
    for _ in range(6):
        talking = gevent.spawn(talk, searched)
        for _ in range(15):
            searched.check_a_search()
            gevent.sleep(rng.choice((0, 0.002)))
        talking.get()
        happen(searched)
    searched.is_indexed()
    for _ in range(20):
        searched.check_a_search()
    searched.close()


def talk(searched: SearchedHistory) -> None:
    for _ in range(40):
        searched.say_something()
        gevent.sleep(searched.rng.choice((0, 0, 0.001)))


def happen(searched: SearchedHistory) -> None:
    """Let something happen that changes the history or the index."""
    rng, said, index = searched.rng, searched.said, searched.directory / INDEX_FILE
    match rng.randrange(7):
        case 0:
            number = rng.randint(1, searched.history.state(LOGS[0]).head)
            searched.history.purge(Purge(number=number))
            said[LOGS[0]].pop(number, None)
        case 1:
            sender = rng.choice(SENDERS)
            searched.history.purge(Purge(user=sender))
            for name in LOGS:
                said[name] = {n: each for n, each in said[name].items() if each.sender != sender}
        case 2:
            used = searched.history.call(used_bytes)
            states = searched.history.call(expire, None, used * 3 // 4)
            searched.history.note_removed(states)
            for name, state in states.items():
                said[name] = {n: each for n, each in said[name].items() if n >= state.oldest}
        case 3:
            searched.crash()
        case 4:
            searched.close()
            searched.open()
        case 5:
            searched.close()
            index.unlink(missing_ok=True)
            searched.open()
        case _:
            searched.close()
            damage(index, rng)
            searched.open()


def damage(path: Path, rng: random.Random) -> None:
    """Overwrite the first pages of a file, or the others, or cut it off."""
    data = path.read_bytes() if path.exists() else b""
    half = len(data) // 2
    path.write_bytes(
        rng.choice(
            (
                rng.randbytes(4096) + data[4096:],
                data[:4096] + rng.randbytes(max(0, len(data) - 4096)),
                data[:half],
            )
        )
    )
