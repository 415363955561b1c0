"""Users of a cluster whose servers stop, are paused, or lose the engine: real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from tests import homes
from tests.end_to_end.cluster_servers import ClusterServers, cluster_servers
from tests.end_to_end.server_process import CHECKOUT, ServerProcess, eventually
from tests.peers.original_client import OriginalClient
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.cluster.engine_process import needs_engine
from tests.tiers import quick_first

LOGIN, UTF8, FILE, BAD_LOGIN = (
    MessageType.LOGIN,
    MessageType.UTF8,
    MessageType.FILE,
    MessageType.BAD_LOGIN,
)
DEVICE = "laptop" * 4

pytestmark = needs_engine


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[ClusterServers]:
    with cluster_servers(tmp_path) as servers:
        yield servers


def join(server: ServerProcess, name: str, **options: Any) -> WireClient:
    return WireClient.joined(server.address, name, **options)


def next_notice(client: WireClient) -> WireFrame:
    """The next frame that is a notice."""
    while "notice" not in (frame := client.read_frame()).header:
        pass
    return frame


def is_healthy(servers: ClusterServers, name: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{servers.metrics[name]}/healthz") as page:
            return bool(page.status == 200)
    except urllib.error.HTTPError:
        return False


def begin_drain(servers: ClusterServers, name: str) -> subprocess.Popen[str]:
    """Begin ``chat-server drain --wait``."""
    directory = f"--data-directory={servers.directories[name]}"
    return subprocess.Popen(
        [sys.executable, "-m", "chat.server.cli", "drain", "--wait", directory],
        cwd=CHECKOUT,
        env=homes.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.thorough("test_a_drain_moves_users_and_then_stops follows what it names")
def test_the_welcome_names_the_server_and_the_others(servers: ClusterServers) -> None:
    with join(servers.a, "alice") as alice, join(servers.b, "bob") as bob:
        assert (alice.welcome["node"], bob.welcome["node"]) == ("a", "b")
        assert alice.welcome["servers"] == [servers.address("b")]
        assert bob.welcome["servers"] == [servers.address("a")]
        alice.expect_joined("bob")


@pytest.mark.parametrize("size", [10_000, 3_000_000])
def test_a_file_goes_by_way_of_any_server(servers: ClusterServers, size: int) -> None:
    content = os.urandom(size)
    with join(servers.a, "alice", inline=0) as alice, join(servers.b, "bob", inline=0) as bob:
        alice.expect_joined("bob")
        with alice.open_transfer(servers.b.address) as transfer:
            transfer.send(FILE, {"filename": "a.bin", "nonce": "n"}, content)
            assert transfer.read_frame() == (FILE, {}, b"")
            offered = alice.expect(FILE, b"", sender="alice", nonce="n", size=size).header["id"]
            bob.expect(FILE, b"", sender="alice", id=offered)
            for client in (alice, bob):
                for server in (servers.a, servers.b):
                    with client.open_transfer(server.address) as fetching:
                        fetching.send(FILE, {"fetch": offered, "nonce": "f"})
                        fetching.expect(FILE, content, sender="alice", nonce="f")
            alice.leave()
            bob.expect_left("alice", "quit")
            assert transfer.at_end()


def test_the_original_client_talks_to_users_of_another_server(servers: ClusterServers) -> None:
    with (
        OriginalClient(servers.a.address, "original") as original,
        join(servers.b, "alice") as alice,
        join(servers.b, "raw", raw=True) as raw,
    ):
        for name in ("original", "alice", "raw"):
            original.expect(LOGIN, name)
        alice.expect_joined("raw")
        original.say("hello")
        for heard in (alice, raw):
            heard.expect_text("hello", "original")
        original.expect_text("hello", "original")
        content = os.urandom(100_000)
        raw.send(FILE, "a.bin", content)
        original.expect(FILE, "raw", content, "a.bin")
        alice.read_until(FILE, content)
        alice.say("psst", to="original")
        original.expect_text("psst", "alice")
        original.send_voice(content)
        alice.read_until(MessageType.VOICE, content)
        original.expect(MessageType.VOICE, "original", content, "voice")
        servers.a.send_signal(signal.SIGTERM)
        original.expect_text("The server is shutting down.", "server")
        alice.expect_left("original", "server-stopping")


@pytest.mark.parametrize("by_signal", quick_first([False, True], "a signal begins the same drain"))
def test_a_drain_moves_users_and_then_stops(servers: ClusterServers, by_signal: bool) -> None:
    with join(servers.b, "bob") as bob, WireClient(servers.a.address) as former:
        former.name = "alice"
        assert former.try_login({"to": "alice", "device": DEVICE}).type == LOGIN
        former.expect(LOGIN, sender="alice")
        raw = join(servers.a, "raw", raw=True)
        assert is_healthy(servers, "a")

        draining = None
        if by_signal:
            servers.a.send_signal(signal.SIGTERM)
        else:
            draining = begin_drain(servers, "a")

        move = next_notice(former)
        assert (move.header["notice"], move.header["servers"]) == ("move", [servers.address("b")])
        assert not is_healthy(servers, "a")
        with WireClient(servers.a.address) as late:
            refusal = late.try_login({"to": "carol"})
            assert (refusal.type, refusal.header["error"]) == (BAD_LOGIN, "busy")
        # The session goes on until the client has come back elsewhere.
        former.say("on the way")
        former.read_until(UTF8, b"on the way")
        with WireClient(servers.b.address) as alice:
            alice.name = "alice"
            assert alice.try_login({"to": "alice", "device": DEVICE}).type == LOGIN
            alice.expect(LOGIN, sender="alice")
            assert next_notice(former).header["notice"] == "replaced"
            texts = [frame.text for frame in raw.read_to_end() if frame.type == UTF8]
            assert texts == ["on the way", "The server is shutting down."]
            assert servers.a.wait() == 0
            if draining is not None:
                said, _ = draining.communicate(timeout=30)
                assert said.splitlines() == [
                    "moving 2 users to 1 other server; then the server stops",
                    "the server has stopped",
                ]
                assert draining.returncode == 0
            bob.expect_joined("alice")
            bob.expect_joined("raw")
            bob.expect_text("on the way", "alice")
            # Nobody has seen alice leave.
            bob.expect_left("raw", "server-stopping")
            alice.say("here again")
            bob.expect_text("here again", "alice")
        raw.close()
    assert "Traceback" not in servers.a.log, servers.a.log


@pytest.mark.thorough("test_draining.py shows it without programs")
def test_a_server_without_others_just_stops(servers: ClusterServers) -> None:
    assert servers.b.stop() == 0
    with join(servers.a, "alice") as alice:
        servers.a.send_signal(signal.SIGTERM)
        assert alice.expect_notice("shutting-down")
        assert alice.at_end()
        assert servers.a.wait() == 0


@pytest.mark.thorough("waits for the end of a lease")
def test_a_paused_server_sends_nothing_after_its_lease(servers: ClusterServers) -> None:
    """It was stopped while a user of its own, and others, were talking."""
    with join(servers.a, "alice") as alice, join(servers.b, "bob") as bob:
        alice.expect_joined("bob")
        watched = join(servers.a, "watcher", timeout=60)
        heard: list[tuple[float, WireFrame]] = []

        def watch() -> None:
            while not watched.at_end():
                heard.append((time.monotonic(), watched.read_frame()))

        def talk(client: WireClient) -> None:
            for number in range(100_000):
                client.say(f"{client.name} {number}")
                gevent.sleep(0.0005)

        watching = gevent.spawn(watch)
        talking = [gevent.spawn(talk, client) for client in (alice, bob)]
        reading = [gevent.spawn(_read_on, client) for client in (alice, bob)]
        gevent.sleep(2)
        servers.a.send_signal(signal.SIGSTOP)
        paused = time.monotonic()
        # Questions that the server finds when it wakes up.
        for number in range(18):
            watched.send(UTF8, {"command": "ping", "nonce": str(number)})
            gevent.sleep(1)
        servers.a.send_signal(signal.SIGCONT)
        watching.join(15)
        late = [frame for at, frame in heard if at > paused + 15]
        assert [frame.header.get("notice") for frame in late] == ["move"]
        assert late[0].header["servers"] == [servers.address("b")]
        status = servers.a.wait()
        assert status not in (0, 2), "a service manager starts it again"
        gevent.killall([*talking, *reading])
        watched.close()
    assert "Traceback" not in servers.a.log, servers.a.log
    again = servers.start("a")
    with join(again, "alice") as alice:
        alice.say("again")
        alice.expect_text("again", "alice")


def _read_on(client: WireClient) -> None:
    try:
        while True:
            client.read_frame()
    except (OSError, EOFError):
        return


@pytest.mark.thorough("test_clients_of_a_cluster.py shows it on the screen")
def test_users_wait_while_the_engine_is_away(servers: ClusterServers) -> None:
    with join(servers.a, "alice") as alice:
        servers.engine.signal(signal.SIGSTOP)
        alice.timeout = 20
        alice.say("waits", nonce="1")
        alice.send(UTF8, {"command": "ping", "nonce": "2"})
        assert next_notice(alice).header["notice"] == "waiting"
        eventually(lambda: not is_healthy(servers, "a"))
        servers.engine.signal(signal.SIGCONT)
        while (frame := alice.read_frame()).header.get("notice") == "waiting":
            pass
        assert (frame.text, frame.header["nonce"]) == ("waits", "1")
        while (frame := alice.read_frame()).header.get("notice") == "waiting":
            pass
        assert frame.header["nonce"] == "2"
        eventually(lambda: is_healthy(servers, "a"))


@pytest.mark.thorough("waits for the end of a lease")
def test_sessions_end_when_the_engine_stays_away(servers: ClusterServers) -> None:
    with join(servers.a, "alice") as alice, join(servers.a, "raw", raw=True) as raw:
        alice.timeout = raw.timeout = 30
        servers.engine.kill()
        late = WireClient(servers.a.address, timeout=30)
        late.send(LOGIN, {"to": "late"})
        alice.expect_joined("raw")
        assert next_notice(alice).header["notice"] == "move"
        assert alice.at_end()
        assert raw.read_frame().text == "The server is shutting down."
        # A login that waited learns that it may try another server.
        assert late.read_frame().header["error"] == "busy"
        late.close()
        assert servers.a.wait() not in (0, 2)
