"""The measurement itself works: on our server, in a moment. No figure is judged here."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import choice
from benchmarks.__main__ import main
from benchmarks.commits import prepare
from benchmarks.plan import COMPARISON, QUICK
from benchmarks.processes import CHECKOUT
from benchmarks.results import Results
from chat.config.command_line import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from tests.server.cluster.engine_process import needs_engine

pytestmark = pytest.mark.thorough("measures servers")


@pytest.mark.parametrize(
    ("work", "peer"), [("fan-out", "chat"), ("fan-out", "chat-tls"), ("private", "chat")]
)
def test_measures_our_server_and_publishes_what_it_found(
    tmp_path: Path, work: str, peer: str
) -> None:
    status = main(["--quick", f"--work={work}", f"--peers={peer}", f"--output={tmp_path}"])

    assert status == EXIT_OK
    results = Results.load(tmp_path / "results.json")
    assert results.failures == []
    (sample,) = results.samples
    assert (sample.work, sample.case, sample.peer) == (work, "10", peer)
    assert sample.values["cpu_per_delivery"] > 0
    assert "server CPU per delivery" in (tmp_path / "results.txt").read_text()
    assert ElementTree.parse(tmp_path / "results.svg").getroot().tag.endswith("svg")


@needs_engine
def test_measures_servers_that_share_one_chat_beside_bare_relays(tmp_path: Path) -> None:
    options = ["--quick", "--work=cluster", "--peers=chat,redis", f"--output={tmp_path}"]

    assert main(options) == EXIT_OK

    results = Results.load(tmp_path / "results.json")
    assert results.failures == []
    assert [(each.case, each.peer) for each in results.samples] == [
        *(("2/100", "chat"), ("2/100", "redis"), ("2/flood", "chat"), ("2/flood", "redis"))
    ]
    for sample in results.samples:
        values = sample.values
        assert values["engine"] > 0 < values["cpu_per_delivery"]
        assert values["applied"] == 2 * values["messages"] > 0
        assert ("p50" in values) == (sample.case == "2/100")


def test_what_varies_more_is_measured_oftener(tmp_path: Path) -> None:
    assert main(["--quick", "--work=paced", "--peers=chat", f"--output={tmp_path}"]) == EXIT_OK

    samples = Results.load(tmp_path / "results.json").samples
    assert [(each.work, each.round) for each in samples] == [("paced", 0)] * 3


@pytest.mark.skipif(
    not (CHECKOUT / ".git").exists() or shutil.which("git") is None, reason="no git checkout"
)
def test_measures_todays_server_beside_that_of_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # One round of a moment, which gives no interval: what is made of nine, test_comparison.py says.
    monkeypatch.setattr(choice, "QUICK", replace(QUICK, seconds=0.02))
    monkeypatch.setattr(choice, "COMPARISON", replace(COMPARISON, rounds=1))
    monkeypatch.setattr(choice, "prepare", partial(prepare, cache=tmp_path / "cache"))
    options = ["--quick", "--work=fan-out", "--peers=chat,chat@HEAD", "--at-most=3%"]

    assert main([*options, f"--output={tmp_path}"]) == EXIT_FAILED

    results = Results.load(tmp_path / "results.json")
    assert results.failures == []
    ours, theirs = results.samples
    assert ours.peer == "chat"
    (home,) = (tmp_path / "cache").iterdir()
    assert home.name in results.versions[theirs.peer]
    assert theirs.peer.startswith("chat@")
    assert home.name.startswith(theirs.peer.removeprefix("chat@"))
    assert ours.values["cpu_per_delivery"] > 0 < theirs.values["cpu_per_delivery"]
    said = capsys.readouterr().err
    assert "rounds: 1, measurements: 2, time: about" in said
    assert "rounds in which both were measured: 1; an interval takes 6" in said


def test_draws_again_what_was_measured_before(tmp_path: Path) -> None:
    sample = ["fan-out", "10", "chat", 0, {"cpu_per_delivery": 2e-6, "throughput": 1000.0}]
    measured = {"machine": {}, "versions": {"chat": "1"}, "samples": [sample], "failures": []}
    (tmp_path / "results.json").write_text(json.dumps(measured))

    assert main(["draw", f"--output={tmp_path}"]) == EXIT_OK

    assert "2.00" in (tmp_path / "results.txt").read_text()


def test_says_which_work_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--work=juggling", f"--output={tmp_path}"]) == EXIT_USAGE

    assert "juggling: expected some of fan-out" in capsys.readouterr().err
