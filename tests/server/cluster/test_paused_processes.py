"""Real processes that share a log: one is stopped for longer than its lease, one is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chat.server.cluster.log_entry import LogEntry
from chat.server.cluster.standing import Standing
from tests import homes
from tests.package_tree import ROOT
from tests.server.cluster.checker import View, faults_in
from tests.server.cluster.engine_process import needs_engine
from tests.server.cluster.servers import TestCluster, cluster, log_length, read_log, until

pytestmark = [needs_engine, pytest.mark.thorough("test_guards.py pauses a server in the process")]


class Program:
    """A process of ``following_program``, and what it has written."""

    def __init__(self, cluster_: TestCluster, name: str) -> None:
        self.name = name
        self._output = cluster_.directory / name
        program = (sys.executable, "-m", "tests.server.cluster.following_program")
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*program, str(cluster_.engine.port), name],
                stdin=subprocess.PIPE,
                stdout=output,
                cwd=ROOT,
                env=homes.environment(),
            )

    def said(self, word: str) -> list[Any]:
        lines = self._output.read_bytes().split(b"\n")[:-1]  # the last may be a part
        return [told for kind, told in map(json.loads, lines) if kind == word]

    def wait(self) -> None:
        until(lambda: self.process.poll() is not None, f"{self.name} goes on")

    def view(self, log: list[LogEntry]) -> View:
        by_number = {entry.id.n: entry for entry in log}
        applied = [by_number[n] for n in self.said("applied")]
        appended = [record.encode() for record in self.said("appended")]
        [incarnation] = self.said("began")
        return View(self.name, incarnation, applied, appended, is_settled=False)


def test_nothing_is_heard_behind_the_fence(tmp_path: Path) -> None:
    with cluster(tmp_path) as cluster_:
        programs = [Program(cluster_, name) for name in ("paused", "killed", "steady")]
        paused, killed, steady = programs
        try:
            for program in programs:
                until(lambda program=program: len(program.said("applied")) > 20)  # type: ignore[misc]
            paused.process.send_signal(signal.SIGSTOP)
            killed.process.kill()
            dead = {*paused.said("began"), *killed.said("began")}
            until(lambda: dead <= fenced(cluster_))
            length = log_length(cluster_.engine)
            paused.process.send_signal(signal.SIGCONT)
            paused.wait()
            assert paused.said("standing")[-1] == Standing.OVER.value
            until(lambda: steady.said("applied")[-1] > length)
            steady.process.communicate(b"end\n")
            assert steady.said("standing")[-1] == Standing.CLOSED.value
        finally:
            for program in programs:
                program.process.kill()
                program.process.wait()
        log = read_log(cluster_.engine)
        assert faults_in(log, [program.view(log) for program in programs]) == []
        fence = next(e.id.n for e in log if e.is_fence and e.id.writer in paused.said("began"))
        assert paused.said("applied")[-1] < fence


def fenced(cluster_: TestCluster) -> set[str]:
    return {entry.id.writer for entry in read_log(cluster_.engine) if entry.is_fence}
