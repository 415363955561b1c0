"""Connections to the engine: logins, encryption, Sentinel, and engines that do not answer."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.net.address import Address
from chat.net.engine_url import EngineUrl
from chat.server.cluster.redis_connection import Dialer, EngineAway, EngineConnection, EngineRefused
from tests.peers.certificates import make_identity
from tests.server.cluster.engine_process import (
    EncryptedEngine,
    EngineProcess,
    SentinelProcess,
    needs_engine,
)
from tests.server.cluster.servers import until

pytestmark = needs_engine

Start = Callable[..., EngineProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[EngineProcess] = []

    def start(kind: Callable[..., EngineProcess] = EngineProcess, *options: Any) -> EngineProcess:
        engine = kind(tmp_path / f"engine{len(started)}", *options)
        started.append(engine)
        engine.start()
        return engine

    yield start
    for engine in started:
        engine.kill()


def dial(port: int, **changes: Any) -> EngineConnection:
    url = EngineUrl((Address("127.0.0.1", port),))._replace(**changes)
    return Dialer(url, 1.0).dial()


def reason_of(port: int, **changes: Any) -> str:
    with pytest.raises(EngineAway) as found:
        dial(port, **changes)
    reason = str(found.value)
    assert "\n" not in reason
    return reason


def test_a_user_with_a_password(start: Start, tmp_path: Path) -> None:
    password = tmp_path / "password"
    engine = start()
    engine.call("ACL", "SETUSER", "chat", "on", ">secret", "~test:*", "+@all")
    engine.call("CONFIG", "SET", "requirepass", "other")
    password.write_text("secret\n")
    assert dial(engine.port, user="chat", password_file=password).call("PING") == b"PONG"
    password.write_text("other\n")
    assert dial(engine.port, password_file=password).call("PING") == b"PONG"
    password.write_text("wrong\n")
    assert "refuses the login" in reason_of(engine.port, user="chat", password_file=password)
    assert "NOAUTH" in reason_of(engine.port) or "Authentication required" in reason_of(engine.port)
    password.write_text("")
    assert "the file is empty" in reason_of(engine.port, password_file=password)
    assert "cannot read" in reason_of(engine.port, password_file=tmp_path / "missing")


def test_an_error_does_not_end_a_connection(start: Start) -> None:
    connection = dial(start().port)
    with pytest.raises(EngineRefused, match="unknown command"):
        connection.call("NONSENSE")
    assert connection.call("PING") == b"PONG"
    with pytest.raises(EngineAway, match="unknown command"):
        connection.call_both(("NONSENSE",), ("PING",))
    with pytest.raises(EngineAway, match="closed"):
        connection.call("PING")


def test_a_replica_is_not_the_engine(start: Start) -> None:
    primary, replica = start(), start()
    replica.follow(primary)
    assert "is a replica" in reason_of(replica.port)


def test_an_engine_that_would_drop_the_log(start: Start) -> None:
    engine = start()
    engine.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert "set maxmemory-policy allkeys-lru to noeviction" in reason_of(engine.port)


def test_encrypted(start: Start, tmp_path: Path) -> None:
    ours, foreign = (make_identity(tmp_path, "127.0.0.1", name=name) for name in "ab")
    port = start(EncryptedEngine, ours).port
    encrypted = dial(port, is_encrypted=True, ca_file=ours.certificate)
    assert encrypted.call("PING") == b"PONG"
    for trusted in (foreign.certificate, None):
        reason = reason_of(port, is_encrypted=True, ca_file=trusted)
        assert "CERTIFICATE_VERIFY_FAILED" in reason
    assert "cannot read" in reason_of(port, is_encrypted=True, ca_file=tmp_path / "missing")
    assert reason_of(port)


def test_sentinel_tells_the_primary(start: Start) -> None:
    primary = start()
    sentinel = start(SentinelProcess, primary)
    nowhere = Address("127.0.0.1", 1)
    found = Dialer(EngineUrl((nowhere, Address(*sentinel.address)), "main"), 1.0).dial()
    assert found.node == primary.call("INFO", "server")["run_id"]
    assert "does not know 'other'" in reason_of(sentinel.port, service="other")
    sentinel.kill()
    assert "no Sentinel tells the primary" in reason_of(sentinel.port, service="main")


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_nobody_waits_for_an_engine_that_is_silent(is_encrypted: bool) -> None:
    """The event loop goes on, and the call ends."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = EngineUrl((Address(*silent.getsockname()),), is_encrypted=is_encrypted)
        dialing = gevent.spawn(Dialer(url, 600.0).dial)
        for _ in range(20):
            gevent.sleep(0.001)
        assert not dialing.ready()
        dialing.kill()
        with pytest.raises(EngineAway, match=f"no connection to {url.addresses[0]} within"):
            Dialer(url, 0.1).dial()


def test_an_engine_that_stops_in_a_call(start: Start) -> None:
    engine = start()
    connection = Dialer(EngineUrl((Address(*engine.address),)), 0.2).dial()
    engine.call("CLIENT", "PAUSE", 2000)
    with pytest.raises(EngineAway, match=r"no answer within 0\.2 s"):
        connection.call("SET", "a", "b")
    with pytest.raises(EngineAway, match="closed"):
        connection.call("PING")


def test_what_is_said_to_subscribers(start: Start) -> None:
    engine = start()
    news = dial(engine.port)
    news.send("SUBSCRIBE", "entries")
    assert news.receive(1.0) == [b"subscribe", b"entries", 1]
    assert news.receive(0) is None
    assert news.receive(0.01) is None
    engine.call("PUBLISH", "entries", b"one\r\n")
    assert news.receive(1.0) == [b"message", b"entries", b"one\r\n"]
    engine.kill()
    with pytest.raises(EngineAway):
        until(lambda: news.receive(1.0))
