"""The order in which servers get their work."""

from __future__ import annotations

from itertools import combinations

import pytest

from benchmarks.contender import Contender
from benchmarks.peers.chat import Chat
from benchmarks.peers.encrypted import ChatTls
from benchmarks.peers.floor import Floor
from benchmarks.plan import COMPARISON, QUICK, Plan
from benchmarks.schedule import Task, in_turn, in_words, seconds_needed, tasks
from benchmarks.work import WORK
from benchmarks.work.file import SendFile
from benchmarks.work.idle import Idle
from benchmarks.work.paced import Paced
from tests.tables import table


def test_two_servers_are_measured_side_by_side_and_neither_always_first() -> None:
    ours, theirs = Chat(), Floor()
    planned = list(tasks([SendFile()], [ours, theirs], Plan(rounds=4)))

    seen = [(task.round, task.case, task.peer.name) for task in planned[:8]]
    assert seen == [
        (0, "inline", "chat"),
        (0, "inline", "floor"),
        (0, "fetched", "chat"),
        (0, "fetched", "floor"),
        (1, "inline", "floor"),
        (1, "inline", "chat"),
        (1, "fetched", "floor"),
        (1, "fetched", "chat"),
    ]
    assert [task.peer.name for task in planned[8::4]] == ["chat", "floor"]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_of_any_two_each_comes_first_every_second_turn(number: int) -> None:
    peers = [str(index) for index in range(number)]
    turns = [in_turn(peers, turn) for turn in range(10)]

    assert all(sorted(turn) == peers for turn in turns)
    for one, other in combinations(peers, 2):
        first = [turn.index(one) < turn.index(other) for turn in turns]
        assert all(first[turn] != first[turn + 1] for turn in range(0, 10, 2))


def test_everyone_begins_a_turn_sooner_or_later() -> None:
    for number in (2, 3, 4):
        peers = [str(index) for index in range(number)]
        assert {in_turn(peers, turn)[0] for turn in range(2 * number)} == set(peers)


def test_nobody_is_given_work_that_does_not_suit_them() -> None:
    encrypted = ChatTls()

    planned = list(tasks([Paced(), Idle()], [encrypted], Plan(rounds=1)))

    assert [(task.work.name, task.case) for task in planned] == [("idle", "1000")]
    assert in_turn([], 3) == []


def test_what_varies_more_takes_turns_within_a_round() -> None:
    planned = list(tasks([Paced()], [Chat(), Floor()], QUICK))

    names = [task.peer.name for task in planned]
    assert names == ["chat", "floor", "floor", "chat", "chat", "floor"]


@table(
    "work",
    WORK,
)
def test_an_estimate_grows_with_what_there_is_to_do(work: Paced) -> None:
    peer: Contender = Chat()
    case = work.cases(QUICK)[0]

    def needed(plan: Plan, rounds: int) -> float:
        return seconds_needed([Task(work, case, peer, number) for number in range(rounds)], plan)

    assert needed(COMPARISON, 3) == pytest.approx(3 * needed(COMPARISON, 1))
    assert 0 < needed(QUICK, 1) <= needed(COMPARISON, 1) <= needed(Plan(), 1) < 100


def test_times_are_told_in_words() -> None:
    assert [in_words(seconds) for seconds in (0.4, 42, 99, 101, 3600)] == [
        "about 0 s",
        "about 42 s",
        "about 99 s",
        "about 2 min",
        "about 60 min",
    ]
