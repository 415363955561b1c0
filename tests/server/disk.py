"""A disk under the history file that a test makes slow, stand still, or fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from chat.server.history.rows import unpack
from chat.server.history.writer import Writer
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until


class Disk:
    """Decide the fate of each transaction of the history file.

    ``pause`` returns the seconds that the next one takes. ``written`` has the texts that the file has, in order.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.is_asked = threading.Event()
        self.fault: Exception | None = None
        self.pause: Callable[[], float] = lambda: 0
        self.written: list[bytes] = []
        self.groups: list[int] = []
        self.transactions = 0
        really_write, really_probe = Writer.write, Writer.probe

        def write(writer: Writer, runs: Any, *rest: Any) -> None:
            self.transactions += 1
            self._wait()
            really_write(writer, runs, *rest)
            self.groups.append(len(runs))
            self.written += [content for run in runs for content in unpack(run).contents]

        def probe(writer: Writer) -> None:
            self._wait()
            really_probe(writer)

        monkeypatch.setattr(Writer, "write", write)
        monkeypatch.setattr(Writer, "probe", probe)

    def _wait(self) -> None:
        """Wait as long as the test wants; called in the thread of the writer. Raises the fault that the test set."""
        self.is_asked.set()
        if seconds := self.pause():
            time.sleep(seconds)
        self.goes_on.wait(20)
        if self.fault is not None:
            raise self.fault

    def stand_still(self, client: WireClient, **fields: str) -> None:
        """Stand still in a transaction with a text of ``client``, whose header has ``fields``."""
        self.is_asked.clear()
        self.goes_on.clear()
        client.say("on its way", **fields)
        wait_until(self.is_asked.is_set, "the transaction")

    def recover(self) -> None:
        """Work again."""
        self.fault = None
        self.goes_on.set()
