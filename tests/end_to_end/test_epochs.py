"""A server that lost what its numbers mean: every client says so, and says nothing again by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from chat.server.history.copies import backup, restore
from tests.cutting.checker import faults
from tests.cutting.evidence import EpochShown, Fate, Observed
from tests.cutting.proxy import Cut, Manner
from tests.cutting.stage import NAMES, Stage
from tests.end_to_end.server_process import eventually

CLIENTS = tuple(zip(NAMES[:4], NAMES[:4], strict=True))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, Random(1), clients=CLIENTS, pause=0.02)
    yield stage
    stage.close()


def answered(observed: Observed) -> int:
    return sum(line.fate is Fate.ANSWERED for line in observed.lines.values())


def talk(stage: Stage, lines: int = 5) -> None:
    """Let each client get so many further answers."""
    stage.revive()
    wanted = [answered(peer.observed) + lines for peer in stage.peers]
    for peer in stage.peers:
        peer.is_quiet = False
    eventually(
        lambda: all(
            answered(peer.observed) >= count
            for peer, count in zip(stage.peers, wanted, strict=True)
        )
    )


def talk_without_answers(stage: Stage) -> None:
    """Hold all that the server says, until each client waits for answers."""
    for proxy in stage.proxies:
        assert proxy.link is not None
        assert proxy.link.cut(Cut(Manner.HELD, 0, up=False, down=True, seconds=60))
    eventually(lambda: all(len(waiting(peer.observed)) >= 3 for peer in stage.peers))
    for peer in stage.peers:
        peer.is_quiet = True


def waiting(observed: Observed) -> list[str]:
    lines = observed.lines.values()
    return [line.body for line in lines if line.fate is Fate.WAITING and line.sessions]


def epochs_shown(observed: Observed) -> set[str]:
    return {
        event.epoch for life in observed.lives for event in life if isinstance(event, EpochShown)
    }


def change_boot_id(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "history.db")) as connection, connection:
        connection.execute("UPDATE facts SET value = 'another boot' WHERE name = 'boot'")


def kill_server(stage: Stage) -> None:
    stage.server.kill()
    for proxy in stage.proxies:
        if proxy.link is not None:
            proxy.link.end()  # what is held is lost


def restore_a_backup(stage: Stage) -> None:
    copy = stage.server.directory / "copy.db"
    backup(stage.server.directory, copy)
    talk(stage)
    talk_without_answers(stage)
    kill_server(stage)
    restore(stage.server.directory, copy)


def lose_power(stage: Stage) -> None:
    talk_without_answers(stage)
    kill_server(stage)
    change_boot_id(stage.server.directory)


@pytest.mark.thorough("four clients of all kinds; tests/client/resuming has epochs")
@pytest.mark.parametrize("lose", [restore_a_backup, lose_power])
def test_each_client_tells_of_a_new_epoch_and_says_nothing_again(
    stage: Stage, lose: Callable[[Stage], None]
) -> None:
    talk(stage)
    lose(stage)
    unanswered = [body for peer in stage.peers for body in waiting(peer.observed)]
    assert len(unanswered) >= 12
    stage.server.start()
    evidence, problems = stage.finish()
    for observed in evidence.observed:
        assert epochs_shown(observed) == {evidence.room.epoch}
    lines = {body: line for each in evidence.observed for body, line in each.lines.items()}
    assert {lines[body].fate for body in unanswered} == {Fate.PERHAPS}
    assert {len(lines[body].sessions) for body in unanswered} == {1}
    told = [problem for problem in problems if "begins a new epoch" not in problem]
    # The answered lines that are gone: with the epoch, they are announced as a whole.
    told += [fault for fault in faults(evidence) if "was answered as" not in fault]
    assert not told, told


@pytest.mark.thorough("tests/server/history tells reboots from power losses")
def test_an_ordinary_reboot_keeps_the_epoch(stage: Stage) -> None:
    talk(stage)
    stage.settle()
    stage.server.stop()
    change_boot_id(stage.server.directory)
    stage.server.start()
    talk(stage)
    evidence, problems = stage.finish()
    assert [*problems, *faults(evidence)] == []
    assert not any(epochs_shown(observed) for observed in evidence.observed)
