from __future__ import annotations

import socket
from pathlib import Path

import pytest

from chat.address import parse_address
from chat.server.check import unusable_addresses


def problem(text: str) -> str | None:
    found = unusable_addresses({"--address": parse_address(text)})
    return found[0] if found else None


@pytest.mark.parametrize("text", [":8080", "127.0.0.1:80", "localhost:0", "unix:chat.socket"])
def test_what_could_be_had(text: str) -> None:
    assert problem(text) is None


def test_an_address_in_use_may_be_that_of_the_running_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert problem(f"127.0.0.1:{server.getsockname()[1]}") is None


@pytest.mark.parametrize(
    "text", ["192.0.2.1:80", "no-such-host.invalid:80", "unix:/no/such/socket"]
)
def test_what_could_not_is_one_line(text: str) -> None:
    found = problem(text)
    assert found is not None
    assert found.startswith(f"--address={text}: cannot listen there (")
    assert "\n" not in found


def test_a_socket_needs_a_directory_that_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert f"may not write in {tmp_path}" in (problem(f"unix:{tmp_path}/socket") or "")
