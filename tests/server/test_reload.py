"""Settings that change while the server runs: some take effect at once, and others need a restart."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from chat.net.address import parse_address
from chat.net.engine_url import parse_engine_url
from chat.protocol.descriptor import MessageType
from chat.server.limits.limits import SenderRates
from chat.server.settings import Rate, TlsMode
from tests.peers.wire_client import WireClient
from tests.server.fakes import FakeClock
from tests.server.server_in_test import TestServer

OpenTestServer = Callable[..., TestServer]


def reload(chat_server: TestServer, **changes: Any) -> None:
    parts = chat_server.parts
    parts.reload.use(dataclasses.replace(parts.settings, **changes))


def refusal_of(chat_server: TestServer, name: str, **login: Any) -> str | None:
    with WireClient(chat_server.address) as guest:
        error = guest.try_login({"to": name, **login}).header.get("error")
        return None if error is None else str(error)


def test_a_newcomer_finds_the_new_settings_and_who_is_here_stays(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")

    reload(chat_server, motd="Welcome back.", max_text=10, max_users=2)

    bob = chat_server.connect()
    bob.login("bob")
    assert bob.welcome["motd"] == "Welcome back."
    assert bob.welcome["limits"]["max_text"] == 10
    assert refusal_of(chat_server, "carol") == "server-full"
    alice.expect_joined("bob")
    alice.say("more than ten bytes")
    alice.expect_notice("too-large")
    alice.say("less")
    bob.expect_text("less", "alice")


def test_the_door_can_be_closed_and_opened(chat_server: TestServer) -> None:
    reload(chat_server, members_only=True)
    assert refusal_of(chat_server, "alice") == "password-needed"
    reload(chat_server, members_only=False, password="open sesame")
    assert refusal_of(chat_server, "alice") == "password-needed"
    reload(chat_server, password=None)
    assert refusal_of(chat_server, "alice") is None


def test_rates_change_for_users_who_are_here(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server(rate=Rate(1, 1))
    alice = chat_server.join("alice")
    reload(chat_server, rate=None, byte_rate=None)

    for number in range(50):
        alice.say(str(number))

    # At the old rate this would take 49 seconds.
    alice.read_until(MessageType.UTF8, b"49")


def test_a_change_of_a_rate_gives_nobody_a_new_burst() -> None:
    clock = FakeClock()
    rates = SenderRates(Rate(10, 20), None, 1000, clock)
    rates.consume(20, 0)

    rates.adapt(Rate(1, 100), Rate(1000, 1000), 1000)

    assert rates.consume(1, 0) == pytest.approx(1)
    assert rates.consume(1, 3000) == pytest.approx(2)
    rates.adapt(None, None, 1000)
    assert rates.consume(1_000_000, 1_000_000) == 0


def test_limits_per_address_change(open_a_chat_server: OpenTestServer) -> None:
    chat_server = open_a_chat_server()
    alice = chat_server.join("alice")

    reload(chat_server, exempt=(), max_per_address=1)
    assert refusal_of(chat_server, "bob") == "too-many-connections"
    alice.close()
    chat_server.connections_end()
    assert refusal_of(chat_server, "bob") is None, "who left before an address was limited counts"

    chat_server.connections_end()
    reload(chat_server, max_connects=2, max_per_address=5)
    assert refusal_of(chat_server, "bob") == "too-many-attempts"
    reload(chat_server, exempt=(ip_network("127.0.0.0/8"),))
    assert refusal_of(chat_server, "bob") is None


def test_space_for_others_changes(chat_server: TestServer) -> None:
    reload(chat_server, max_backlog=1000, max_backlog_total=2000, max_spool=3000)

    parts = chat_server.parts
    assert (parts.backlogs.per_user, parts.backlogs.total) == (1000, 2000)
    assert parts.spool.max_size == 3000


def test_what_needs_a_restart_is_named_in_one_line_and_stays(
    chat_server: TestServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    before = dataclasses.replace(chat_server.parts.settings)

    for _ in range(2):
        reload(
            chat_server,
            address=parse_address(":0"),
            data_directory=tmp_path,
            tls=TlsMode.OPTIONAL,
            max_users=7,
            password="a secret",
        )

    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert warnings == ["needs a restart: address, data-directory, tls"] * 2
    assert chat_server.parts.settings == dataclasses.replace(
        before, max_users=7, password="a secret"
    )
    assert "read the settings again: changed max-users, password-file" in caplog.messages
    assert "read the settings again: no change" in caplog.messages
    assert "a secret" not in caplog.text


def test_connections_without_tls_can_be_refused_from_now_on(safe_chat_server: TestServer) -> None:
    alice = safe_chat_server.join("alice")
    reload(safe_chat_server, tls=TlsMode.REQUIRED)

    assert refusal_of(safe_chat_server, "bob") == "encryption-needed"
    alice.say("still here")
    alice.expect_text("still here", "alice")


def test_a_server_cannot_change_its_cluster_while_it_runs(
    chat_server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    changes = {
        "cluster": parse_engine_url("redis://127.0.0.1"),
        "node": "left",
        "public_addresses": (parse_address(":1"),),
        "peer_listen": parse_address(":2"),
        "peer_address": parse_address(":3"),
        "peer_secret_file": Path("/secret"),
    }

    reload(chat_server, **changes)

    assert caplog.messages[-1] == (
        "needs a restart: cluster, node, public-address, peer-listen, peer-address, peer-secret-file"
    )
    settings = chat_server.parts.settings
    assert not [name for name, value in changes.items() if getattr(settings, name) == value]
