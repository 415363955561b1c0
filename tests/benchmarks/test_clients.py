"""Measure each terminal client that is installed. No figure is judged here."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import main
from benchmarks.clients import CLIENTS
from benchmarks.clients.client import Client
from benchmarks.results import Results
from chat.config.command_line import EXIT_OK

pytestmark = pytest.mark.thorough("measures clients")


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_measures_a_client_in_a_terminal(client: Client, tmp_path: Path) -> None:
    if not client.is_installed():
        pytest.skip(f"{client.name} is not installed")

    work = "--work=client-log,client-key,client-start"
    status = main(["--quick", work, f"--peers={client.name}", f"--output={tmp_path}"])

    assert status == EXIT_OK
    results = Results.load(tmp_path / "results.json")
    assert results.failures == []
    log, key, start = results.samples
    assert (log.work, log.case, log.peer) == ("client-log", "500", client.name)
    assert (key.work, key.case, key.peer) == ("client-key", "5", client.name)
    assert (start.work, start.case, start.peer) == ("client-start", "warm", client.name)
    assert all(value > 0 for sample in results.samples for value in sample.values.values())
    table = (tmp_path / "results.txt").read_text()
    assert "client CPU per line" in table
    assert "time until a key shows, p50" in table
    assert "time to the first screen" in table
    texts = [element.text for element in ElementTree.parse(tmp_path / "results.svg").iter()]
    assert "client CPU per line (µs)" in texts
