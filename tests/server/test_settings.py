"""The defaults are those that the documentation promises."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address
from pathlib import Path

import pytest

from chat.net.address import Address
from chat.server.settings import (
    MAX_IN_MEMORY,
    MAX_LOGIN_CONTENT,
    MAX_LOGIN_HEADER,
    MAX_LOGIN_TRIES,
    MAX_TRANSFERS,
    Settings,
)


def test_the_defaults() -> None:
    settings = Settings()

    assert settings.address == Address("127.0.0.1", 8080)
    assert (settings.max_users, settings.max_per_address) == (10_000, 64)
    assert settings.login_timeout == 30
    assert (settings.max_text, settings.max_file) == (65_536, 2**30)
    assert (settings.max_spool, settings.spool_directory) == (10 * 2**30, Path("/var/tmp"))
    assert (settings.max_backlog, settings.max_backlog_total) == (8 * 2**20, 2**30)
    assert settings.rate == (50, 200)
    assert settings.byte_rate == (256 * 1024, 2**20)
    assert settings.motd is None


@pytest.mark.parametrize(
    ("host", "exempt"), [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("::2", False)]
)
def test_loopback_is_exempt_by_default(host: str, exempt: bool) -> None:
    assert any(ip_address(host) in network for network in Settings().exempt) is exempt


def test_what_clients_may_rely_on_is_no_setting() -> None:
    assert (MAX_LOGIN_TRIES, MAX_LOGIN_HEADER, MAX_LOGIN_CONTENT) == (5, 16_384, 65_536)
    assert (MAX_TRANSFERS, MAX_IN_MEMORY) == (4, 65_536)


def test_settings_do_not_change_while_a_server_runs() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().max_users = 1  # type: ignore[misc]
