"""The comparison of two servers' rounds: ratios, and whether they are good enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.__main__ import conclude, main
from benchmarks.choice import Choice
from benchmarks.comparison import Row, base_of, compare, draw_comparison, judge
from benchmarks.peers.chat import Chat
from benchmarks.plan import QUICK
from benchmarks.results import Results, Sample
from benchmarks.schedule import Task
from benchmarks.work.fan_out import FAN_OUT, ONE_BY_ONE
from chat.config.command_line import EXIT_FAILED, EXIT_OK, EXIT_USAGE

COMMIT = "chat@1234567"
NOISE = (1.0, 1.002, 0.998, 1.001, 0.999, 1.003, 0.997, 1.0, 1.0005)


def fan_out(times: float = 1.0, rounds: int = 9) -> list[Mapping[str, float]]:
    """The values of each round, where a delivery costs so many times the usual."""
    return [
        {
            "cpu_per_delivery": 1e-6 * times * noise,
            "throughput": 1e6 / times / noise,
            "server_cpu": 1.0 * times,
            "generator": 0.5 / times,
        }
        for noise in NOISE[:rounds]
    ]


def results_of(
    today: Sequence[Mapping[str, float]],
    then: Sequence[Mapping[str, float]],
    work: str = "fan-out",
    case: str = "100",
) -> Results:
    samples = [
        Sample(work, case, peer, number, dict(values))
        for peer, rounds in (("chat", today), (COMMIT, then))
        for number, values in enumerate(rounds)
    ]
    return Results({}, {"chat": "1", COMMIT: "0"}, samples)


def row_of(results: Results, key: str) -> Row:
    (row,) = (row for row in compare(results) if row.figure.key == key)
    return row


def test_a_commit_is_compared_with_itself() -> None:
    rows = compare(results_of(fan_out(), fan_out()))

    assert [row.figure.key for row in rows] == list(fan_out()[0])
    for row in rows:
        assert row.interval is not None
        assert row.interval.low <= 1 <= row.interval.high
    assert judge(rows, 0.0) == []


def test_rounds_are_paired_by_their_number() -> None:
    # A round in which the machine was ten times slower, and one that failed for one of both.
    speeds = (1, 1, 10, 1, 1, 2, 1, 1, 1)
    today = [
        {k: v * speed for k, v in each.items()}
        for each, speed in zip(fan_out(1.2), speeds, strict=True)
    ]
    then = [
        {k: v * speed for k, v in each.items()}
        for each, speed in zip(fan_out(), speeds, strict=True)
    ]
    results = results_of(today, then)
    results.samples.remove(results.samples[4])

    row = row_of(results, "cpu_per_delivery")

    assert row.rounds == 8
    assert row.interval == pytest.approx([1.2, 1.2, 1.2])


def test_a_round_that_measured_oftener_counts_once() -> None:
    results = results_of(fan_out(1.1), fan_out())
    results.samples += [
        sample._replace(values={key: 50 * value for key, value in sample.values.items()})
        for sample in results.samples[:9]
        for _ in range(1)
    ]
    results.samples += results.samples[:9]

    row = row_of(results, "cpu_per_delivery")

    # The median of two and one outlier.
    assert row.rounds == 9
    assert row.interval == pytest.approx([1.1, 1.1, 1.1])


@pytest.mark.parametrize(("times", "share", "is_worse"), [
    (1.05, 0.03, True),
    (1.05, 0.06, False),
    (1.02, 0.03, False),
    (1.02, 0.0, True),
    (0.9, 0.0, False),
])  # fmt: skip
def test_worse_is_more_cost_and_less_throughput(times: float, share: float, is_worse: bool) -> None:
    rows = compare(results_of(fan_out(times), fan_out()))

    found = {row.figure.key for row in rows if row.is_worse_by(share)}

    # Figures that only describe the measurement are not judged, though they are larger too.
    assert found == ({"cpu_per_delivery", "throughput"} if is_worse else set())
    assert len(judge(rows, share)) == len(found)


def test_an_interval_that_reaches_below_the_bound_is_not_worse() -> None:
    # Mostly 20 % worse, but two rounds were not.
    today = [*fan_out(1.2)[:6], *fan_out(0.9)[6:]]
    row = row_of(results_of(today, fan_out()), "cpu_per_delivery")

    assert row.interval is not None
    assert row.interval.low < 1.03 < row.interval.middle
    assert not row.is_worse_by(0.03)


def test_faults_are_named() -> None:
    (cost, speed) = judge(compare(results_of(fan_out(1.05), fan_out())), 0.03)

    assert cost.startswith(
        f"more than 3% worse than {COMMIT}: fan-out 100, server CPU per delivery: 1.050 (1.0"
    )
    assert "deliveries a second: 0.952 (0.9" in speed


def test_memory_that_does_not_grow_is_equal_to_memory_that_does_not_grow() -> None:
    mib = 1024**2
    grows = [{"memory": value * mib} for value in (0, 0.07, 0.5, 0, 0.1, 0.9, 0, 0, 0.2)]
    stays = [{"memory": 0.0}] * 9
    leaks = [{"memory": (300.0 + number) * mib} for number in range(9)]

    assert row_of(results_of(grows, stays, "file", "inline"), "memory").interval == (1, 1, 1)
    assert row_of(results_of(leaks, stays, "file", "inline"), "memory").is_worse_by(1)


@pytest.mark.parametrize(("today", "then", "why"), [
    (fan_out(), fan_out(rounds=5), "rounds in which both were measured: 5; an interval takes 6"),
    (fan_out(), [], "rounds in which both were measured: 0"),
    ([], fan_out(), "rounds in which both were measured: 0"),
    (fan_out(), [{**each, "cpu_per_delivery": 0.0} for each in fan_out()], "not positive"),
])  # fmt: skip
def test_what_can_not_be_compared_does_not_pass(
    today: list[Mapping[str, float]], then: list[Mapping[str, float]], why: str
) -> None:
    rows = compare(results_of(today, then))

    faults = judge(rows, 0.03)

    assert faults[0].startswith(f"not compared with {COMMIT}: fan-out 100, server CPU per delivery")
    assert why in faults[0]
    assert why in draw_comparison(rows)


def test_others_are_not_compared_as_commits() -> None:
    results = results_of(fan_out(), fan_out())
    results.versions["redis"] = "7"
    results.samples.append(Sample("fan-out", "1000", "redis", 0, dict(fan_out()[0])))
    results.samples.append(Sample("client-log", "50000", "irssi", 0, {"cpu_per_line": 1e-6}))

    assert {(row.commit, row.work, row.case) for row in compare(results)} == {
        (COMMIT, "fan-out", "100")
    }
    assert [base_of(name) for name in ("chat", "redis", "chat-tls@1")] == [None, None, "chat-tls"]


def test_clients_are_compared_like_servers() -> None:
    lines = [{"cpu_per_line": 1e-6 * noise} for noise in NOISE]
    results = results_of([{"cpu_per_line": 1.1e-6}] * len(NOISE), lines, "client-log", "50000")

    assert row_of(results, "cpu_per_line").is_worse_by(0.03)
    assert not row_of(results_of(lines, lines, "client-log"), "cpu_per_line").is_worse_by(0.0)


def test_the_lines_say_what_is_certain() -> None:
    drawn = draw_comparison(compare(results_of(fan_out(1.05), fan_out())))

    assert f"chat today / {COMMIT}" in drawn
    (cost,) = (line for line in drawn.splitlines() if "CPU per delivery" in line)
    assert cost.split()[:6] == ["100", "server", "CPU", "per", "delivery", "1.050"]
    assert cost.endswith("worse")
    assert [line.count("worse") for line in drawn.splitlines() if "CPU of the load" in line] == [0]
    better = draw_comparison(compare(results_of(fan_out(0.9), fan_out())))
    assert better.count("   better") == 2


@pytest.mark.parametrize(("times", "options", "status", "said"), [
    (1.05, ["--at-most=3%"], EXIT_FAILED, "more than 3% worse"),
    (1.05, ["--at-most=10%"], EXIT_OK, ""),
    (1.05, [], EXIT_OK, ""),
    (0.5, ["--at-most=0%"], EXIT_OK, ""),
    (1.05, ["--at-most=1.03"], EXIT_USAGE, "expected a percentage such as 3%"),
])  # fmt: skip
def test_the_exit_status_answers_the_question(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    times: float,
    options: list[str],
    status: int,
    said: str,
) -> None:
    results_of(fan_out(times), fan_out()).save(tmp_path / "results.json")

    assert main(["draw", f"--output={tmp_path}", *options]) == status

    shown = capsys.readouterr()
    assert said in shown.err
    if status != EXIT_USAGE:
        assert f"chat today / {COMMIT}" in shown.out
        assert f"chat today / {COMMIT}" in (tmp_path / "results.txt").read_text()


def test_nothing_to_compare_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = results_of(fan_out(), [])
    del results.versions[COMMIT]
    results.save(tmp_path / "results.json")

    assert main(["draw", f"--output={tmp_path}", "--at-most=3%"]) == EXIT_FAILED

    assert "no commit was measured" in capsys.readouterr().err


def test_a_case_that_nobody_could_do_does_not_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = Chat(), Chat()
    theirs.name = COMMIT
    choice = Choice(QUICK, [ours, theirs], [], tmp_path, at_most=0.03)
    planned = [
        Task(work, "100", peer, number)
        for work in (FAN_OUT, ONE_BY_ONE)
        for peer in (ours, theirs)
        for number in range(9)
    ]

    assert conclude(results_of(fan_out(), fan_out()), choice, planned) == EXIT_FAILED

    (fault,) = capsys.readouterr().err.splitlines()
    assert fault.endswith(f"not compared with {COMMIT}: one-by-one 100: neither could be measured")


def test_a_wide_interval_is_mentioned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = [
        {key: value * (1.2 if number % 2 else 0.85) for key, value in each.items()}
        for number, each in enumerate(fan_out())
    ]
    results_of(wide, fan_out()).save(tmp_path / "results.json")

    assert main(["draw", f"--output={tmp_path}", "--at-most=3%"]) == EXIT_OK

    assert "2 of 2 intervals reach beyond 3%" in capsys.readouterr().err
