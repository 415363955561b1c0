"""All servers of a cluster are restarted, one after the other, while users talk: nothing is lost, and nobody waits."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import gevent
import pytest

from tests.end_to_end.cluster_servers import cluster_servers
from tests.end_to_end.moving_clients import MovingClient, faults_of, talk
from tests.end_to_end.server_process import ServerProcess, eventually
from tests.peers.wire_client import WireClient
from tests.server.cluster.engine_process import needs_engine

pytestmark = needs_engine


LONGEST = 2.0  # seconds for an echo, and for a move
# Seconds within which 99 of 100 echoes come before the restarts, on a machine with time for all of this. On a busier
# one all times are longer.
_AT_REST = 0.1


def roll(directory: Path, names: str, users: int, per_second: float) -> str:
    """Restart all servers; return a line with what was measured."""
    rng = random.Random(5)
    with cluster_servers(directory, names) as servers:
        addresses = [servers.processes[name].address for name in names]
        clients = [MovingClient(f"user{number}", addresses, rng) for number in range(users)]
        for number, client in enumerate(clients):
            client.start(addresses[number % len(names)])
        talking = gevent.spawn(talk, clients, per_second, rng)
        drained = []
        try:
            gevent.sleep(2)
            calm = sorted(each for client in clients for each in client.late)
            longest = LONGEST * max(1, calm[len(calm) * 99 // 100] / _AT_REST)
            for name in names:
                began = time.monotonic()
                process = servers.processes[name]
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
                drained.append(time.monotonic() - began)
                assert "Traceback" not in process.log, process.log
                servers.start(name)
                gevent.sleep(1)
        finally:
            talking.kill()
        eventually(lambda: not any(client.unanswered for client in clients), 5)
        gevent.sleep(0.5)
        known = [_users_known_at(servers.processes[name]) for name in names]
        assert known == [[client.name for client in clients]] * len(names)
        for client in clients:
            client.close()
        late = sorted(each for client in clients for each in client.late)
        moved = sorted(each for client in clients for each in client.moved)
        measured = (
            f"{users} users, {len(late)} messages; echo p50 {late[len(late) // 2] * 1000:.1f} ms, "
            f"p99 {late[len(late) * 99 // 100] * 1000:.0f} ms, longest {late[-1] * 1000:.0f} ms; "
            f"{len(moved)} moves, longest {moved[-1] * 1000:.0f} ms; drains {max(drained):.1f} s; "
            f"allowed were {longest:.1f} s"
        )
        faults = faults_of(clients, longest)
        assert not faults, f"{measured}; {len(faults)} faults: {faults[:20]}"
        assert len(moved) >= users
        return measured


def _users_known_at(server: ServerProcess) -> list[str]:
    """Return the users who are connected, as a server knows them after its restart, in an order of their own."""
    with WireClient.joined(server.address, f"observer-{server.pid}") as observer:
        # An observer of another server may not have left yet.
        users = [name for name in observer.welcome["users"] if name.startswith("user")]
    return sorted(users, key=lambda name: int(name.removeprefix("user")))


@pytest.mark.thorough("test_moving.py drains one of two servers")
def test_few_users_of_two_servers(tmp_path: Path) -> None:
    print(roll(tmp_path, "ab", users=20, per_second=50))


@pytest.mark.timeout(300)
@pytest.mark.thorough("hundreds of users; a few show the same in test_few_users_of_two_servers")
def test_300_users_of_three_servers(tmp_path: Path) -> None:
    print(roll(tmp_path, "abc", users=300, per_second=200))
