"""A network for a client: a separate namespace of the kernel, joined by a link that can be cut.

Needs Linux, root and iproute2; ``Namespace`` raises CannotMake where it can't be had.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent.parent
_PATIENCE = 30.0  # seconds
_numbers = count()


class CannotMake(Exception):
    """No namespace can be made here; the text says why."""


class Namespace:
    """A context manager. ``host`` is the address of this side of the link, where a server can be reached."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise CannotMake("it takes root")
        if shutil.which("ip") is None:
            raise CannotMake("iproute2 is not installed")
        number = next(_numbers)
        # Of 15 characters at most, as names of links are.
        self._name = f"chat{os.getpid()}n{number}"
        self._near, self._far = f"c{os.getpid()}n{number}", f"c{os.getpid()}f{number}"
        block = f"10.203.{os.getpid() % 250}"
        first = 4 * (number % 60)
        self.host, far = f"{block}.{first + 1}", f"{block}.{first + 2}"
        self._processes: list[subprocess.Popen[str]] = []
        try:
            _ip("netns", "add", self._name)
            _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far)
            _ip("link", "set", self._far, "netns", self._name)
            _ip("addr", "add", f"{self.host}/30", "dev", self._near)
            _ip("link", "set", self._near, "up")
            _ip("-n", self._name, "addr", "add", f"{far}/30", "dev", self._far)
            self.mend()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Namespace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def cut(self) -> None:
        """Let nothing pass any more, in either direction, and tell nobody."""
        _ip("-n", self._name, "link", "set", self._far, "down")

    def mend(self) -> None:
        _ip("-n", self._name, "link", "set", self._far, "up")

    def client(self) -> Remote:
        """A program in there."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self._name, sys.executable, "-m", "tests.peers.remote"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return Remote(process)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        with suppress(CannotMake):
            _ip("link", "del", self._near)
        with suppress(CannotMake):
            _ip("netns", "del", self._name)


class Remote:
    """Logs in from elsewhere, as often as it is told to; its connections stay open."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def login(self, host: str, port: int, **header: Any) -> dict[str, Any]:
        """The type and header of the answer, the ``welcome`` if it was let in, and its own ``port``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([host, port, header]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, "the client in the namespace has ended"
        told: dict[str, Any] = json.loads(answer)
        return told


def _ip(*arguments: str) -> None:
    done = subprocess.run(
        ["ip", *arguments], capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    if done.returncode:
        raise CannotMake(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
