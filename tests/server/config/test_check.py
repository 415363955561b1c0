from __future__ import annotations

import socket
from pathlib import Path

import pytest

from chat.net.address import parse_address
from chat.server.config.check import unusable_addresses, unusable_certificate, unusable_data
from chat.server.storage.database import Database
from tests.peers.certificates import make_identity


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
    assert f"no permission to write in {tmp_path}" in (problem(f"unix:{tmp_path}/socket") or "")


def test_data_that_is_not_there_yet_is_no_mistake(tmp_path: Path) -> None:
    assert unusable_data(tmp_path) == unusable_data(tmp_path / "none") == []


def test_data_that_can_be_used(tmp_path: Path) -> None:
    with Database(tmp_path).writing():
        pass
    make_identity(tmp_path, name="server")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert unusable_data(tmp_path) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_file_that_is_empty_is_left_so(tmp_path: Path) -> None:
    (tmp_path / "chat.db").touch()
    assert unusable_data(tmp_path) == []
    assert (tmp_path / "chat.db").read_bytes() == b""


def test_data_that_is_broken(tmp_path: Path) -> None:
    database = tmp_path / "chat.db"
    database.write_bytes(b"no database" * 1000)
    identity = make_identity(tmp_path, name="server")
    identity.key.write_bytes(make_identity(tmp_path, name="other").key.read_bytes())
    assert unusable_data(tmp_path) == [
        f"{database}: cannot be used (file is not a database)",
        f"{identity.certificate} and {identity.key}: the key does not belong to the certificate; "
        "give the two that belong together",
    ]


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "a"
    assert (
        unusable_certificate(missing, tmp_path / "b")
        == f"cannot read {missing}: No such file or directory"
    )
