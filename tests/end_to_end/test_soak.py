"""A short soak; ``python -m tests.soak`` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import soak
from tests.soaking.members import WireMember
from tests.soaking.soak import Soak

SEED = 20_261_124


def short(directory: Path, seconds: float = 3) -> Soak:
    return Soak(
        seconds=seconds,
        clients=16,
        programs=1,
        seed=SEED,
        directory=directory,
        tls=True,
        pause=0.3,
        life=1.5,
    )


@pytest.mark.thorough("endurance; test_room.py and test_library.py compare records")
def test_each_record_is_the_rooms_and_everything_is_given_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with short(tmp_path) as some:
        status = soak.run(some)
    told = capsys.readouterr().out
    assert status == 0, told
    assert "each record is the room's" in told
    assert {"reset", "leave", "half-close", "texts", "files"} <= some.soak_state.counts.keys()


@pytest.mark.thorough("a test of the soak")
def test_a_member_who_hears_too_little_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    take = WireMember._take

    def forget_some(self: WireMember, type: int, header: dict, size: int) -> None:
        take(self, type, header, size)
        if len(self.record) == 5 and self.name != "original":
            self.record.pop()

    monkeypatch.setattr(WireMember, "_take", forget_some)
    with short(tmp_path, seconds=1) as some:
        assert soak.run(some) == 1
    assert "FAILED: u" in capsys.readouterr().out


@pytest.mark.parametrize("argument", ["--minutes=0", "--minutes=x", "--tls=maybe", "--clients=0"])
def test_an_unusable_option_is_one_line(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.main([argument]) == 2
    assert capsys.readouterr().err.count("\n") == 1
