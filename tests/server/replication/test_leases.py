"""Servers find each other by what the engine tells of their leases and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from chat.net.engine_url import parse_engine_url
from chat.server.cluster.redis_connection import EngineAway
from chat.server.replication import leases
from chat.server.replication.leases import read_leases, read_peers

URL = parse_engine_url("redis://127.0.0.1:1")


class Engine:
    """An engine with a server that holds a lease, and the address of one that has ended. It answers ``calls`` times."""

    def __init__(self, calls: int) -> None:
        self.asked: list[str] = []
        self._calls = calls
        self.answers: dict[str, Any] = {
            "TIME": [b"100", b"0"],
            "HVALS": [b"run 115000 15000 7"],
            "HGETALL": [b"run", b"127.0.0.1:8090", b"ended", b"127.0.0.1:8091"],
            "HDEL": 1,
        }

    def dial(self) -> Engine:
        return self

    def close(self) -> None:
        """Close nothing."""

    def call(self, *command: Any) -> Any:
        if len(self.asked) == self._calls:
            raise EngineAway("the engine does not answer")
        self.asked.append(command[0])
        return self.answers[command[0]]


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 4])
def test_addresses_go_only_if_the_engine_tells_that_their_servers_have_ended(
    monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    engine = Engine(calls)
    monkeypatch.setattr(leases, "Dialer", lambda url, timeout: engine)

    if calls < 4:
        with pytest.raises(EngineAway):
            read_peers(URL)
        assert "HDEL" not in engine.asked
    else:
        assert list(map(str, read_peers(URL))) == ["127.0.0.1:8090"]
        assert engine.asked[-1] == "HDEL"


def test_a_server_that_has_just_renewed_its_lease_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine(9)
    engine.answers["HVALS"] = [
        b"hangs 103000 15000 7",
        b"lives 114000 15000 7",
        b"b 109000 15000 7",
    ]
    told = [b"b", b"127.0.0.1:2", b"hangs", b"127.0.0.1:3", b"lives", b"127.0.0.1:1"]
    engine.answers["HGETALL"] = told
    monkeypatch.setattr(leases, "Dialer", lambda url, timeout: engine)
    assert [address.port for address in read_peers(URL)] == [1, 2, 3]


def test_an_engine_that_does_not_answer_is_no_engine_without_leases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "Dialer", lambda url, timeout: Engine(0))
    assert read_leases(URL) is None
    monkeypatch.setattr(leases, "Dialer", lambda url, timeout: Engine(9))
    assert (read_leases(URL) or {})["run"].ends_in == pytest.approx(15)
