"""``make cluster``: its words before it starts anything, and the options of its servers."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

import pytest

from chat.config.command_line import parse_options
from chat.net.address import parse_address
from chat.server import cli
from chat.server.config.options import read_config
from scripts import cluster


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for all data; Redis is there, so to say."""
    monkeypatch.setattr(cluster, "STATE", tmp_path / "state")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.delenv("CHAT_PORT", raising=False)
    return tmp_path / "state"


def complaint(capsys: pytest.CaptureFixture[str], status: int = 1) -> str:
    assert cluster.main() == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_without_an_engine_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert complaint(capsys) == (
        "make cluster: Neither Redis nor Valkey is installed. Install one of them, version 7 or newer; "
        "on Debian and Ubuntu: apt-get install redis-server\n"
    )


def test_valkey_is_an_engine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster.find_engine() == "/usr/bin/redis-server"
    monkeypatch.setattr("shutil.which", lambda name: name if name == "valkey-server" else None)
    assert cluster.find_engine() == "valkey-server"


@pytest.mark.parametrize("port", ["x", "0", "65530", "-1", "٣"])
def test_a_port_must_be_one(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAT_PORT", port)
    sentence = f"make cluster: invalid port {port!r}: expected 1 to 65515\n"
    assert complaint(capsys, 2) == sentence


def test_a_port_in_use_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Bound, and deaf.
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        monkeypatch.setenv("CHAT_PORT", str(min(port, 65515)))
        if port > 65515:
            pytest.skip("the system has chosen one of the last ports")
        assert complaint(capsys) == (
            f"make cluster: 127.0.0.1:{port} is in use: it is in use, but nothing accepts connections there. "
            f"Choose another port: make cluster PORT={port + 100}\n"
        )


def test_one_runs_at_a_time(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state.mkdir()
    with open(state / "held", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "Another `make cluster` of this checkout is running" in complaint(capsys)


def test_its_servers_get_options_that_they_take(state: Path, tmp_path: Path) -> None:
    state.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef" * 2)
    found = []
    for name, port in (("a", "1"), ("b", "2")):
        engine, address = parse_address("21"), parse_address(port)
        _, _, *options = cluster.server_command(engine, secret, name, address)
        found.append(read_config(parse_options(cli.__doc__ or "", options, "version")).settings)
    assert [settings.node for settings in found] == ["a", "b"]
    assert len({settings.peer_address for settings in found}) == 2
    assert found[0].cluster == found[1].cluster
    assert all(
        os.fspath(settings.data_directory or "").startswith(str(state)) for settings in found
    )
