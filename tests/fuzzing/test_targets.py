"""The targets of the fuzzer: inputs that once found a fault, a short run of each target, and planted faults."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase

from chat.protocol import filenames
from chat.protocol.descriptor import ByteOrder, MessageType, encode_frame
from chat.protocol.runs import Run, split_run
from tests import fuzz
from tests.fuzzing import engines, inputs
from tests.fuzzing.engines import Finding, run_hypothesis
from tests.fuzzing.inputs import cases, seeds
from tests.fuzzing.targets import TARGETS
from tests.fuzzing.targets.streams import Plain, read_plainly
from tests.tables import table

SEED = 20_261_124
CASES = [(target, case) for target in TARGETS for case in cases(target)]
# Of memory, while a target looks at an input: it may keep what has come a few times, but nothing that was announced.
BASE = 8 * 1024**2  # bytes


@table(
    ("target", "case"),
    CASES,
)
def test_a_case_of_the_corpus(target: str, case: Path) -> None:
    TARGETS[target].check(case.read_bytes())


@pytest.mark.thorough("a campaign; test_the_seeds gives each target some inputs")
@pytest.mark.parametrize("target", TARGETS)
def test_a_short_run(target: str) -> None:
    assert run_hypothesis(target, seconds=20, start=SEED, most=60) == 60


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds(target: str) -> None:
    check, kind = TARGETS[target]
    for data in list(seeds(target, kind))[::3]:
        check(data)


@pytest.mark.parametrize("target", ["frames", "client"])
def test_memory_goes_by_what_has_come_not_by_what_was_announced(target: str) -> None:
    header = b'{"from":"alice","timestamp":"2026-11-24T12:00:00Z"}'
    for type in (1, 6, 7, 8):
        frame = encode_frame(MessageType(type), header, b"some", ByteOrder.BIG)
        for size in (16 * 1024**2, 2**31, 2**64 - 1):
            data = bytes(3) + frame[:8] + size.to_bytes(8, "big") + frame[16:]
            tracemalloc.start()
            try:
                TARGETS[target].check(data)
                assert tracemalloc.get_traced_memory()[1] < BASE
            finally:
                tracemalloc.stop()


def test_frames_are_read_plainly() -> None:
    frame = encode_frame(MessageType.FILE, b"name", b"content", ByteOrder.LITTLE)
    whole = [Plain(8, b"name", b"content", 7)]
    assert read_plainly(frame, ByteOrder.LITTLE) == (whole, True)
    assert read_plainly(frame + b"\0", ByteOrder.LITTLE) == (whole, False)
    assert read_plainly(frame[:-1], ByteOrder.LITTLE) == ([], False)


def _spoil_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filenames, "_strip", lambda name: name)


def _spoil_text_split(monkeypatch: pytest.MonkeyPatch) -> None:
    def split(*arguments: Any) -> tuple[Run, int] | None:
        found = split_run(*arguments)
        if found is None:
            return None
        # A fault that makes progress. One that does not would hang some of the streams that it is tried with.
        run, end = found
        return run._replace(contents=[b"spoiled", *run.contents[1:]]), end

    monkeypatch.setattr("chat.framing.split_run", split)


@pytest.mark.filterwarnings(
    "ignore:Generating overly large repr"
)  # of a stream that is not made small
@pytest.mark.thorough("a test of the fuzzer")
@pytest.mark.parametrize(
    ("target", "spoil", "seed"),
    # With other seeds, to make the failing stream small takes up to ten seconds.
    [("filenames", _spoil_strip, SEED), ("frames", _spoil_text_split, SEED + 2)],
)
def test_a_fault_is_found_and_kept(
    target: str,
    spoil: Callable[[pytest.MonkeyPatch], None],
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(engines, "CORPUS", tmp_path)
    # To make the failing stream small takes up to ten seconds.
    monkeypatch.setattr(engines, "PHASES", (Phase.generate,))
    monkeypatch.setattr(inputs, "CORPUS", tmp_path)
    spoil(monkeypatch)
    assert fuzz.main([target, "--engine=hypothesis", "--seconds=50", f"--seed={SEED}"]) == 1
    assert "FAILED" in capsys.readouterr().out
    (case,) = cases(target)
    with pytest.raises(Exception):  # noqa: B017 - whatever it was
        TARGETS[target].check(case.read_bytes())


def test_an_escape_that_reaches_the_screen_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    header = b'{"from":"a\\u001b[2J","timestamp":"2026-11-24T12:00:00Z"}'
    data = bytes(3) + encode_frame(MessageType.UTF8, header, b"hi", ByteOrder.BIG)
    TARGETS["screen"].check(data)
    monkeypatch.setattr("chat.client.screen.draw.lines.sanitize", lambda text: text)
    with pytest.raises(AssertionError, match="escape sequence"):
        TARGETS["screen"].check(data)


def test_a_finding_is_what_the_target_said() -> None:
    finding = Finding("names", b"\xff")
    assert "names" in str(finding)


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["frames", "--engine=magic"], ["frames", "--seconds=0"]]
)
def test_what_makes_no_sense_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fuzz.main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(not engines.has_atheris(), reason="atheris is not installed")
def test_atheris_finds_its_way(capfd: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["names", "--engine=atheris", "--seconds=1"]) == 0
    assert "Done" in capfd.readouterr().err
