"""Engines that find inputs for a target: hypothesis, or atheris where it is installed, which is guided by coverage."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.database import InMemoryExampleDatabase

from tests.fuzzing.inputs import CORPUS, dictionary, seeds, strategy
from tests.fuzzing.targets import TARGETS

_CHECKOUT = Path(__file__).resolve().parent.parent.parent
# Inputs after which hypothesis is begun anew with another seed: it gets slower by what it remembers.
_ROUND = 500
_MAX_SIZE = 70_000  # bytes of an input of atheris
_MAX_MEMORY = 1024  # MiB of its process


PHASES = (Phase.generate, Phase.shrink)  # to find a failing input, and to make it small


class Finding(Exception):
    """An input for which a target raises; the cause is what it raised, if that was in this process."""

    def __init__(self, target: str, data: bytes) -> None:
        super().__init__(f"{target}: {data[:200]!r}")
        self.target = target
        self.data = data

    def keep(self) -> Path:
        """Make it a case of the corpus, which the tests replay."""
        directory = CORPUS / self.target
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / sha256(self.data).hexdigest()[:16]
        path.write_bytes(self.data)
        return path


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def run_hypothesis(target: str, seconds: float, start: int, most: int | None = None) -> int:
    """Inputs for ``seconds``, or ``most`` of them, from the seed ``start`` on; how many. Raises Finding."""
    check, kind = TARGETS[target]
    deadline = time.monotonic() + seconds
    tried = 0

    def run_round(number: int, examples: int) -> None:
        found: list[tuple[bytes, Exception]] = []

        @seed(start + number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=InMemoryExampleDatabase(),
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )
        @given(strategy(kind))
        def attempt(data: bytes) -> None:
            nonlocal tried
            if time.monotonic() >= deadline and not found:
                return
            tried += 1
            try:
                check(data)
            except Exception as error:
                found.append((data, error))
                raise

        try:
            attempt()
        except Exception as error:
            if not found:
                raise
            data, cause = min(found, key=lambda pair: len(pair[0]))
            raise Finding(target, data) from (cause if error is not cause else error)

    number = 0
    while time.monotonic() < deadline and (most is None or tried < most):
        run_round(number, _ROUND if most is None else min(_ROUND, most - tried))
        number += 1
    return tried


def run_atheris(target: str, seconds: int, start: int) -> None:
    """The same, guided by coverage, in a process of its own, which says what it does. Raises Finding."""
    with tempfile.TemporaryDirectory() as scratch:
        inputs = Path(scratch, "inputs")
        inputs.mkdir()
        for number, data in enumerate(seeds(target, TARGETS[target].kind)):
            (inputs / str(number)).write_bytes(data)
        words = Path(scratch, "words")
        words.write_text("".join(f'"{_quoted(word)}"\n' for word in dictionary()))
        command = [
            *(sys.executable, "-m", "tests.fuzzing.guided", target, str(inputs)),
            *(f"-max_total_time={seconds}", f"-seed={start}", f"-max_len={_MAX_SIZE}"),
            f"-dict={words}",
            *(f"-rss_limit_mb={_MAX_MEMORY}", "-timeout=20", f"-artifact_prefix={scratch}/found-"),
        ]
        done = subprocess.run(command, cwd=_CHECKOUT, check=False)
        for path in Path(scratch).glob("found-*"):
            raise Finding(target, path.read_bytes())
        if done.returncode:
            raise RuntimeError(f"atheris ended with status {done.returncode}")


def _quoted(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)
