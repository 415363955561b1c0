"""The report on a cluster, as an operator reads it."""

from __future__ import annotations

from typing import Any

from chat.server.cluster.standing import Standing
from chat.server.replication.cluster_report import _MEANINGS, cluster_lines, is_ready

HERE: dict[str, Any] = {
    "node": "chat1",
    "addresses": ["chat1.example.org:8080", "[2001:db8::1]:8080"],
    "peer": "chat1:8090",
    "version": "0.1.0",
    "users": 1200,
    "applied": 12345,
    "lease_ends_in": 12.34,
    "is_here": True,
}
ELSEWHERE: dict[str, Any] = {
    "node": "b",
    "addresses": [],
    "peer": "",
    "version": None,
    "users": None,
    "applied": 12300,
    "lease_ends_in": 0,
    "is_here": False,
}
STATUS: dict[str, Any] = {
    "node": "chat1",
    "standing": "following",
    "reason": "",
    "epoch": "pYx0",
    "applied": 12345,
    "head": 12345,
    "waiting": {"records": 0, "bytes": 0},
    "engine": "redis://127.0.0.1:6379",
    "servers": [HERE, ELSEWHERE],
}


def lines(**changes: Any) -> list[str]:
    return list(cluster_lines({**STATUS, **changes}))


def test_all_is_well() -> None:
    assert lines() == [
        "node      chat1",
        "standing  following: ready",
        "engine    redis://127.0.0.1:6379",
        "epoch     pYx0",
        "applied   entry 12,345 of 12,345",
        "waiting   nothing waits for the engine",
        "",
        "server            users  behind  lease  version  peers       clients",
        "chat1 (this one)   1200       0   12 s  0.1.0    chat1:8090  "
        "chat1.example.org:8080, [2001:db8::1]:8080",
        "b                     -      45   over  -        -           -",
    ]


def test_the_engine_is_away() -> None:
    found = lines(
        standing="engine away",
        reason="127.0.0.1:6379: Connection refused",
        head=12350,
        waiting={"records": 3, "bytes": 2048},
        servers=[],
    )
    assert found[1] == (
        "standing  engine away: messages are not confirmed until the engine is back "
        "(127.0.0.1:6379: Connection refused)"
    )
    assert found[4:] == [
        "applied   entry 12,345 of 12,350; 5 behind",
        "waiting   3 records of 2 KiB wait for the engine",
    ]
    assert lines(waiting={"records": 1, "bytes": 9})[5] == (
        "waiting   1 record of 9 bytes waits for the engine"
    )


def test_what_is_not_known_yet() -> None:
    [last] = lines(servers=[{**ELSEWHERE, "applied": None, "lease_ends_in": None}])[8:]
    assert last.split() == ["b", "-", "-", "over", "-", "-", "-"]
    [last] = lines(leases_known=False, servers=[{**ELSEWHERE, "lease_ends_in": None}])[8:]
    assert last.split()[3] == "-"
    # A server may be ahead of the head that this one knows.
    [last] = lines(servers=[{**ELSEWHERE, "applied": 99999}])[8:]
    assert last.split()[2] == "0"
    # What the engine knows of this server is older than what this server knows.
    [last] = lines(servers=[{**HERE, "applied": 1}])[8:]
    assert last.split()[4] == "0"
    assert lines(standing="asleep")[1] == "standing  asleep"


def test_other_servers_cannot_act_on_the_terminal() -> None:
    found = lines(servers=[{**HERE, "version": "\x1b[2J", "addresses": ["a\x07:1"]}])
    assert "".join(found).isprintable()


def test_each_standing_has_a_meaning() -> None:
    assert set(_MEANINGS) == {standing.value for standing in Standing}
    ready = [each for each in Standing if is_ready({**STATUS, "standing": each.value})]
    assert ready == [Standing.FOLLOWING]
