"""Bans and mutes that outlive the server, that end, that an operator changes, and that a disk does not take."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.moderation import bans, moderation
from chat.server.moderation.ban_records import read_records, write_records
from chat.server.moderation.bans import NAME, OPERATOR, Ban, Mute
from chat.server.storage import database_watch
from chat.server.storage.database import Database, DatabaseFault
from tests.peers.wire_client import WireClient
from tests.server.fakes import FakeClock, wait_until
from tests.server.moderators import ask, bob_who_moderates, command, refused, try_login
from tests.server.server_in_test import TestServer

UTF8 = MessageType.UTF8


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def open_again(
    open_a_chat_server: Callable[..., TestServer], data: Path
) -> Callable[..., TestServer]:
    """Open a server with the data directory of the one before."""
    return partial(open_a_chat_server, data_directory=data)


def proxied(chat_server: TestServer, name: str, host: str) -> WireClient:
    """Log a user in who comes from ``host``, as a proxy says."""
    guest = chat_server.connect()
    say_where_from(guest, host)
    guest.login(name)
    return guest


def say_where_from(guest: WireClient, host: str) -> None:
    family = "TCP6" if ":" in host else "TCP4"
    guest.send_bytes(f"PROXY {family} {host} {host} 4711 8080\r\n".encode())


def try_from(chat_server: TestServer, name: str, host: str) -> dict[str, Any]:
    """Try to log in from ``host``; return the header of the refusal, or an empty one."""
    with WireClient(chat_server.address) as guest:
        say_where_from(guest, host)
        return guest.try_login({"to": name}).header


BEHIND_A_PROXY: dict[str, Any] = {"proxies": (ip_network("127.0.0.0/8"),)}


def test_bans_and_mutes_are_as_they_were_after_a_restart(
    open_again: Callable[..., TestServer],
) -> None:
    chat_server = open_again(**BEHIND_A_PROXY)
    bob = proxied(chat_server, "bob", "203.0.113.1")
    chat_server.session("bob").moderator = True
    proxied(chat_server, "alice", "203.0.113.2")
    assert "forgotten" not in command(bob, "ban", "alice", reason="spam", seconds=3600)
    command(bob, "ban", "2001:db8::1")
    command(bob, "ban", "mallory")
    command(bob, "unban", "mallory")
    command(bob, "mute", "eve", reason="noise")
    listed = command(bob, "bans")
    chat_server.close()

    chat_server = open_again(**BEHIND_A_PROXY)

    for name, host in (("alice", "203.0.113.9"), ("x", "203.0.113.2"), ("x", "2001:db8::ff")):
        refusal = try_from(chat_server, name, host)
        assert refusal["error"] == "banned", (name, host)
    assert try_from(chat_server, "mallory", "203.0.113.3") == {}
    eve = proxied(chat_server, "eve", "203.0.113.4")
    eve.say("hello")
    assert eve.expect_notice("muted").text == "You are muted until further notice: noise."
    bob = proxied(chat_server, "bob", "203.0.113.1")
    chat_server.session("bob").moderator = True
    assert sorted(command(bob, "bans").splitlines()) == sorted(listed.splitlines())


def test_an_ipv6_network_is_banned_as_a_whole_with_who_comes_from_it(
    open_again: Callable[..., TestServer],
) -> None:
    chat_server = open_again(**BEHIND_A_PROXY)
    bob = proxied(chat_server, "bob", "2001:db8:0:1::1")
    chat_server.session("bob").moderator = True
    proxied(chat_server, "alice", "2001:db8:0:2::1")
    proxied(chat_server, "carol", "2001:db8:0:2:ffff::")
    proxied(chat_server, "dave", "2001:db8:0:3::1")

    done = command(bob, "ban", "alice")

    assert "and so is 2001:db8:0:2::/64. Disconnected: alice, carol." in done
    assert try_from(chat_server, "eve", "2001:db8:0:2:a:b:c:d")["error"] == "banned"
    assert try_from(chat_server, "eve", "2001:db8:0:3::2") == {}
    assert refused(bob, "ban", "2001:db8:0:1:5::") == "not-allowed", "it is his own"


def test_a_proxy_that_does_not_tell_whom_it_speaks_for_is_not_banned(
    open_again: Callable[..., TestServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bans, "_LOOPBACK", ())
    chat_server = open_again(exempt=(), **BEHIND_A_PROXY)
    bob = proxied(chat_server, "bob", "203.0.113.1")
    chat_server.session("bob").moderator = True
    alice = chat_server.connect(source="127.0.0.2")
    alice.send_bytes(b"PROXY UNKNOWN\r\n")
    alice.login("alice")

    assert "this server never bans it" in command(bob, "ban", "alice")
    assert refused(bob, "ban", "127.0.0.2") == "not-allowed"


def test_what_has_an_end_ends(
    open_again: Callable[..., TestServer], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock(time.time())
    monkeypatch.setattr(moderation, "time", clock)
    chat_server = open_again()
    bob = bob_who_moderates(chat_server)
    for entries in (chat_server.parts.moderation, chat_server.parts.moderation.entries):
        monkeypatch.setattr(entries, "_clock", clock)
    command(bob, "ban", "alice", seconds=60)
    command(bob, "mute", "eve", seconds=60)

    clock.advance(59)
    assert try_login(chat_server, "alice") == "banned"
    clock.advance(2)

    assert try_login(chat_server, "alice") is None
    eve = chat_server.join("eve")
    eve.say("hello")
    eve.expect_text("hello", "eve")
    assert command(bob, "bans") == "Nobody is banned or muted."
    command(bob, "ban", "mallory")
    assert len(chat_server.parts.moderation.entries) == 1


def test_what_the_operator_changes_meanwhile_takes_effect(
    open_again: Callable[..., TestServer], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_watch, "LOOK_INTERVAL", 0.01)
    chat_server = open_again()
    alice, carol = chat_server.join("alice"), chat_server.join("carol")
    alice.expect_joined("carol")
    ban = Ban(NAME, "alice", None, "the operator", None, int(time.time()), "alice")

    write_records(Database(data), add=[ban])

    carol.expect_left("alice", "banned")
    alice.expect_notice("moderated")
    write_records(Database(data), remove=[ban])
    wait_until(lambda: not chat_server.parts.moderation.entries.all(), "the ban to be lifted")
    chat_server.join("alice")


def test_the_operators_word_counts_for_moderators_too_and_they_do_not_undo_it(
    open_again: Callable[..., TestServer], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_watch, "LOOK_INTERVAL", 0.01)
    chat_server = open_again()
    bob, alice = bob_who_moderates(chat_server), chat_server.join("alice")
    chat_server.session("alice").moderator = True
    ban = Ban(NAME, "alice", None, OPERATOR, None, int(time.time()), "alice")
    mute = Mute("eve", None, OPERATOR, None, int(time.time()))

    write_records(Database(data), add=[ban, mute])

    alice.expect_notice("moderated")
    alice.expect_closed()
    for verb, target in (("unban", "alice"), ("unmute", "eve"), ("mute", "eve")):
        assert refused(bob, verb, target) == "not-allowed"
    assert refused(bob, "ban", "alice", seconds=1) == "not-allowed"
    assert len(chat_server.parts.moderation.entries) == 2


def test_what_the_disk_does_not_take_is_not_done(
    open_again: Callable[..., TestServer],
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    chat_server = open_again()
    bob = bob_who_moderates(chat_server)
    alice = chat_server.join("alice")
    bob.expect_joined("alice")
    command(bob, "mute", "eve")

    def fail(database: Database, **records: object) -> None:
        raise DatabaseFault("cannot use chat.db: no space left")

    monkeypatch.setattr(moderation, "write_records", fail)
    assert refused(bob, "ban", "alice") == "no-space"
    assert refused(bob, "unmute", "eve") == "no-space"
    bob.say("next")

    alice.read_until(UTF8, b"next")
    assert [entry.in_words()[:3] for entry in chat_server.parts.moderation.entries.all()] == ["eve"]
    assert any("no space left" in message for message in caplog.messages)


def test_what_was_begun_is_done_though_its_moderator_is_gone(
    open_again: Callable[..., TestServer], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat_server = open_again()
    bob = bob_who_moderates(chat_server)
    alice = chat_server.join("alice")
    bob.expect_joined("alice")
    thread = chat_server.parts.database
    assert thread is not None
    begun, gate = Event(), Event()
    run = thread.run

    def run_later(work: Callable[[Database], Any]) -> Any:
        begun.set()
        gate.wait()
        return run(work)

    monkeypatch.setattr(thread, "run", run_later)
    ask(bob, "ban", "alice")
    assert begun.wait(30)
    chat_server.session("bob").eject(
        LeaveReason.REPLACED, NoticeCode.REPLACED, "You are elsewhere."
    )
    alice.expect_left("bob", "replaced")
    gate.set()

    alice.expect_notice("moderated")
    kept, _ = read_records(Database(data))
    assert [ban.target for ban in kept] == ["alice"]


def test_two_moderators_at_once_are_served_one_after_the_other(
    open_again: Callable[..., TestServer], data: Path
) -> None:
    chat_server = open_again()
    bob, carol = bob_who_moderates(chat_server), chat_server.join("carol")
    chat_server.session("carol").moderator = True
    for number in range(5):
        ask(bob, "ban", f"b{number}x")
        ask(carol, "mute", f"c{number}x")
    for client in (bob, carol):
        answers: list[str] = []
        while len(answers) < 5:
            frame = client.read_frame()
            if frame.header.get("notice") == "done":
                answers.append(frame.text)

    kept, mutes = read_records(Database(data))
    assert (len(kept), len(mutes)) == (5, 5)
    assert len(chat_server.parts.moderation.entries) == 10


def test_an_unreadable_file_is_told_of_once_and_nothing_is_forgotten(
    open_again: Callable[..., TestServer],
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, "chat.server")
    monkeypatch.setattr(database_watch, "LOOK_INTERVAL", 0.01)
    chat_server = open_again()
    bob = bob_who_moderates(chat_server)
    command(bob, "ban", "alice")

    (data / "rubbish").write_bytes(b"rubbish" * 1000)
    (data / "rubbish").replace(data / "chat.db")

    wait_until(lambda: caplog.messages, "the fault to be told of")
    gevent.sleep(0.1)
    assert len([message for message in caplog.messages if "cannot read the bans" in message]) == 1
    assert try_login(chat_server, "alice") == "banned"
