"""The measurement of a crowd's handshakes works, in a moment. No figure is judged here."""

from __future__ import annotations

import re

import pytest

from benchmarks import handshakes
from chat.config.command_line import EXIT_OK

pytestmark = pytest.mark.thorough("measures handshakes")


def test_shows_what_those_who_talk_notice_of_a_crowd(capsys: pytest.CaptureFixture[str]) -> None:
    assert handshakes.main(["--newcomers=5", "--bursts=1"]) == EXIT_OK

    said = capsys.readouterr().out
    assert said.startswith("5 newcomers at once, 1 times: done after ")
    for when in ("quiet", "to us", "elsewhere"):
        figures = re.search(rf"{when}: (\d+) deliveries, p50 [\d.]+ ms, p99 [\d.]+ ms", said)
        assert figures is not None
        assert int(figures[1]) > 0
