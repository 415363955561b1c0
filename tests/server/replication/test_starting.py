"""A server that waits for others before it can begin: it tells what it waits for, and it can be stopped."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from chat.protocol.names import parse_user_name
from chat.server import cli
from chat.server.accounts.accounts import add_account
from chat.server.storage.database import Database
from tests.end_to_end.server_process import ServerProcess
from tests.server.cluster.engine_process import free_port, needs_engine
from tests.server.replication.shared_servers import SharedServers, shared_servers

pytestmark = needs_engine


class WaitingServer(ServerProcess):
    """A server whose start goes on when this has been made."""

    def _wait_for_start(self) -> None:
        """Wait for nothing."""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[SharedServers]:
    with shared_servers(tmp_path / "town") as started:
        yield started


def require_stops_at_once(server: ServerProcess) -> None:
    """Stop a server that has not begun; it has two seconds, and not the minute for which it would wait."""
    server.send_signal(signal.SIGTERM)
    assert server.wait(10) == 0
    assert server.lines[-1].endswith("stopped before the start was complete\n")


def test_a_server_without_an_engine_says_so_and_stops(
    town: SharedServers, capsys: pytest.CaptureFixture[str]
) -> None:
    town.engine.kill()
    port = free_port()
    server = town.start("north", f"--metrics-address=127.0.0.1:{port}", kind=WaitingServer)
    server.wait_for_line("cannot begin yet: .*Connection refused")
    with pytest.raises(HTTPError, match="503"):
        urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10)

    directory = f"--data-directory={town.data_of('north')}"
    assert cli.main(["cluster", "status", directory]) == 1
    out = capsys.readouterr().out
    assert "standing  starting: " in out
    assert "Connection refused" in out
    assert cli.main(["status", directory]) == 1
    assert "The server is starting" in capsys.readouterr().err
    require_stops_at_once(server)


def test_a_server_whose_lease_another_run_has_stops(town: SharedServers) -> None:
    town.start("north")
    town.kill("north")
    server = town.start("north", kind=WaitingServer)
    server.wait_for_line("cannot follow the log yet: another server is running under the name")
    require_stops_at_once(server)


def test_a_server_that_waits_for_a_copy_says_so_and_stops(
    town: SharedServers, capsys: pytest.CaptureFixture[str]
) -> None:
    source = town.start("north")
    source.send_signal(signal.SIGSTOP)
    server = town.start("south", kind=WaitingServer)
    server.wait_for_line("asking the server at .* for a copy")
    assert cli.main(["cluster", "status", f"--data-directory={town.data_of('south')}"]) == 1
    assert "(asking the server at 127.0.0.1:" in capsys.readouterr().out
    require_stops_at_once(server)
    assert not list(town.data_of("south").glob("peer-*"))
    source.send_signal(signal.SIGCONT)


def test_a_service_manager_does_not_try_again_what_only_the_operator_can_mend(
    town: SharedServers,
) -> None:
    town.data_of("north").mkdir()
    add_account(Database(town.data_of("north")), parse_user_name("alice"), "hash")
    server = town.start("north", kind=WaitingServer)
    assert server.wait() == 2
    assert "has the data of a server alone: empty it" in server.log


def test_a_server_with_another_secret_finds_out_before_a_user_does(town: SharedServers) -> None:
    for name in ("north", "south"):
        town.start(name)
    town.stop("south")
    town.secret.write_text("the secret of no other server of this test\n")
    server = town.start("south")
    server.wait_for_line("WARNING no attachments and copies from other servers: .*another secret")


def test_a_start_without_a_port_gives_the_lease_back(town: SharedServers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        server = town.start("north", kind=partial(WaitingServer, address=address))
        assert server.wait() == 1
        assert f"cannot listen on {address}" in server.log
        assert "another server is running" not in town.start("north").log

        town.peer_listen = address
        server = town.start("south", kind=WaitingServer)
        assert server.wait() == 1
        assert (
            f"no port for other servers (--peer-listen): cannot listen on {address}" in server.log
        )
        town.peer_listen = "127.0.0.1:0"
        assert "another server is running" not in town.start("south").log
