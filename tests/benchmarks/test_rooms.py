"""Many rooms: each has its users, and the measurements work. No figure is judged here."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import main
from benchmarks.results import Results
from benchmarks.rooms import Layout
from chat.config.command_line import EXIT_OK


@given(st.integers(1, 10), st.integers(1, 10), st.integers(1, 3))
def test_each_room_has_its_size_and_each_user_their_rooms(
    of_each: int, per_room: int, more: int
) -> None:
    layout = Layout(of_each * more, per_room * of_each, of_each)
    members = layout.members()
    assert {len(users) for users in members} == {layout.size}
    for user in range(layout.users):
        rooms = layout.rooms_of(user)
        assert len(set(rooms)) == of_each
        assert all(user in members[room] for room in rooms)


@pytest.mark.thorough("measures servers")
def test_rooms_are_measured(tmp_path: Path) -> None:
    work = "rooms-quiet,rooms-busy,rooms-idle,crowd"
    assert main(["--quick", f"--work={work}", "--peers=chat", f"--output={tmp_path}"]) == EXIT_OK

    results = Results.load(tmp_path / "results.json")
    assert results.failures == []
    values = {(each.work, each.case): each.values for each in results.samples}
    assert values["rooms-quiet", "20"]["cpu_per_delivery"] > 0
    assert values["rooms-busy", "3"]["throughput"] > 0
    assert values["rooms-idle", "20"]["memory"] > 0
    for case in ("default", "room"):
        assert values["crowd", case]["answer"] < 64 * 1024
        assert values["crowd", case]["rate"] > 0
