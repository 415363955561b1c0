"""A short run of cut links, killed programs and a slow disk; ``python -m tests.cutting`` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cutting import __main__ as cutting
from tests.cutting.files import FilesRun
from tests.cutting.returning import Returning
from tests.cutting.run import CuttingRun
from tests.cutting.stage import LIBRARY
from tests.tiers import quick_first

SEED = 84  # kills two servers, one of them twice, behind a slow disk, and a screen


@pytest.mark.thorough("a random schedule; test_coming_back.py kills each side once")
def test_nothing_that_was_answered_is_lost_or_doubled(tmp_path: Path) -> None:
    told: list[str] = []
    run = CuttingRun(
        tmp_path,
        cuts=28,
        seed=SEED,
        pause=0.05,
        trouble_pause=0.03,
        library=LIBRARY,
        screens=["kilian"],
        rooms=10,
    )
    problems = run.run(told.append)
    assert not problems, "\n".join([*problems[:20], *told])
    troubles = ("links cut", "clients killed", "screens killed", "servers killed")
    for trouble in (*troubles, "lines answered", "of them in rooms"):
        assert run.counts[trouble] > 0, run.counts


@pytest.mark.thorough(
    "a random schedule; test_rooms_coming_back.py and test_coming_back.py kill each side once"
)
def test_a_few_cuts_with_ten_rooms_a_client(tmp_path: Path) -> None:
    run = CuttingRun(
        tmp_path,
        cuts=4,
        seed=3,  # kills a client
        pause=0.05,
        trouble_pause=0.03,
        library={"greta": "gevent"},
        rooms=10,
    )
    problems = run.run(lambda told: None)
    assert not problems, "\n".join(problems[:20])
    for what in ("links cut", "clients killed", "of them in rooms"):
        assert run.counts[what] > 0, run.counts


@pytest.mark.thorough("a crowd; test_screen_devices.py has two devices")
def test_remembered_devices_come_back_at_once_after_a_restart(tmp_path: Path) -> None:
    told: list[str] = []
    assert Returning(tmp_path, users=200).run(told.append) == []
    assert told[0].startswith("200 in and complete")


@pytest.mark.thorough("the test below cuts and kills in the other direction")
def test_a_file_arrives_over_cut_links_and_killed_clients_and_servers(tmp_path: Path) -> None:
    told: list[str] = []
    assert not FilesRun(tmp_path, size=4 << 20, cuts=3, seed=SEED).run(told.append), told


@pytest.mark.parametrize("room", quick_first(["dev", None], "another room takes the same way"))
def test_a_file_is_sent_once_over_cut_links_and_killed_clients_and_servers(
    tmp_path: Path, room: str | None
) -> None:
    told: list[str] = []
    run = FilesRun(tmp_path, size=4 << 20, cuts=3, seed=SEED, uploads=True, room=room)
    assert not run.run(told.append), told


@pytest.mark.parametrize("argument", ["--cuts=x", "--seed=x", "--without=luck"])
def test_an_unusable_option_is_one_line(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cutting.main([argument]) == 2
    assert capsys.readouterr().err.count("\n") == 1
