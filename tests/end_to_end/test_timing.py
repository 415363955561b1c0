"""The measurements of ``python -m tests.timing`` run. Only people on a quiet machine can judge the figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import timing
from tests.measuring import guessing


@pytest.mark.thorough("a test of a measurement")
def test_names_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert timing.main(["names", "--tries=20", "--without-password"]) in (0, 1)
    told = capsys.readouterr().out
    assert re.search(r"20 logins each: median \d+\.\d+ ms", told)
    assert re.search(r"in \d+\.\d\d % of all pairs", told)
    assert "distinguishable" in told.lower()


@pytest.mark.thorough(
    "a test of a measurement; tests/server/accounts/test_password_guard.py has the limits"
)
def test_the_owner_comes_in_while_others_guess(tmp_path: Path) -> None:
    found = guessing.measure(60, 0.5, 60, tmp_path, limits=True)
    assert sum(found.answers.values()) == 60
    assert found.answers["wrong-password"] >= 1
    assert found.answers["too-many-attempts"] >= 1
    assert found.quiet.texts > 0
    assert found.attacked.texts > 0


@pytest.mark.parametrize("arguments", [["names", "--tries=3"], ["guesses", "--guesses=x"]])
def test_an_unusable_option_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert timing.main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
