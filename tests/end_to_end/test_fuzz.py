"""A short run of the fuzzer; ``python -m tests.fuzz`` is the long one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import fuzz
from tests.end_to_end.server_process import ServerProcess
from tests.fuzzing.campaign import Campaign, FuzzedServer, FuzzFailure
from tests.fuzzing.streams import generate

SEED = 20_261_124


@pytest.mark.thorough("400 streams; test_a_replay_takes_the_streams_of_a_file has five")
def test_no_stream_harms_the_server_or_those_who_chat() -> None:
    with Campaign() as campaign:
        campaign.run(generate(SEED, index) for index in range(400))
        assert campaign.messages > 0


def test_a_replay_takes_the_streams_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "streams.jsonl"
    kept.write_text("".join(f"{generate(SEED, index).to_json()}\n" for index in range(5)))
    assert fuzz.main([f"--replay={kept}"]) == 0
    assert re.match(r"no fault; of \d+ messages of the pair none was lost", capsys.readouterr().out)


@pytest.mark.thorough("a test of the fuzzer")
@pytest.mark.parametrize(
    "line",
    ["Traceback (most recent call last):", "2026-11-24 ERROR serving failed", "a\x1b[2Jb joined"],
)
def test_a_fault_in_the_log_is_a_failure_that_names_the_suspects(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Campaign() as campaign:

        def log_a_fault(count: int) -> None:
            if count == 3:
                campaign.server.lines.append(line)

        with pytest.raises(FuzzFailure) as failure:
            campaign.run((generate(SEED, index) for index in range(50)), log_a_fault)
    assert [stream.index for stream in failure.value.suspects][:3] == [0, 1, 2]


def test_the_server_that_is_fuzzed_is_the_real_one() -> None:
    assert issubclass(FuzzedServer, ServerProcess)


def test_an_unusable_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--streams=0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
