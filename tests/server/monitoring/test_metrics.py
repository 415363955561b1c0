"""The metrics, read by Prometheus' own parser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client import Metric, parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from chat import __version__
from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.protocol.notices import Refusal
from chat.server.accounts.accounts import add_account
from chat.server.moderation.bans import NAME, NETWORK, Ban, Mute
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.server.fakes import wait_until
from tests.server.membership.visitors import come
from tests.server.server_in_test import TestServer

parse: Callable[[str], Iterable[Metric]] = parser.text_string_to_metric_families
parse_openmetrics: Callable[[str], Iterable[Metric]] = (
    openmetrics_parser.text_string_to_metric_families
)


def families(chat_server: TestServer) -> dict[str, Metric]:
    text, _ = chat_server.parts.make_metrics().render("")
    return {family.name: family for family in parse(text.decode())}


def value(chat_server: TestServer, name: str, **labels: str) -> float:
    """Return the value of one sample."""
    [sample] = [
        sample
        for family in families(chat_server).values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return sample.value


def test_each_says_what_it_is(chat_server: TestServer) -> None:
    found = families(chat_server)
    ours = [family for name, family in found.items() if name.startswith("chat_")]
    assert len(ours) > 10
    for family in ours:
        assert re.fullmatch(r"[A-Z].*\.", family.documentation), family.name
        assert family.type in ("counter", "gauge"), family.name
        assert family.samples, family.name
        for sample in family.samples:
            assert sample.name == family.name + "_total" * (family.type == "counter")
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= found.keys()


def test_it_is_fine_in_the_newer_format_too(chat_server: TestServer) -> None:
    text, type = chat_server.parts.make_metrics().render(
        "application/openmetrics-text;version=1.0.0"
    )
    assert type.startswith("application/openmetrics-text")
    assert "chat_users" in {family.name for family in parse_openmetrics(text.decode())}


def test_the_version(chat_server: TestServer) -> None:
    assert value(chat_server, "chat_build_info", version=__version__) == 1


def test_people_are_counted_as_they_are_now(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")
    chat_server.join("bob")
    chat_server.join("carol", raw=True)
    chat_server.transfer(alice)

    assert value(chat_server, "chat_users", client="json", encryption="none") == 2
    assert value(chat_server, "chat_users", client="raw", encryption="none") == 1
    assert value(chat_server, "chat_users", client="json", encryption="tls") == 0
    assert value(chat_server, "chat_logins_total", client="json") == 2
    assert value(chat_server, "chat_transfers") == 1
    assert value(chat_server, "chat_connections") == 4

    alice.close()
    wait_until(lambda: len(chat_server.here()) == 2, "alice to leave")
    assert value(chat_server, "chat_users", client="json", encryption="none") == 1
    assert value(chat_server, "chat_logins_total", client="json") == 2


def test_messages_are_counted_by_type(chat_server: TestServer) -> None:
    alice = chat_server.join("alice")
    for text in ("one", "two", "three"):
        alice.say(text)
    alice.send(MessageType.IMAGE, b"", b"x" * 100)
    for _ in range(3):
        alice.expect(MessageType.UTF8)
    alice.expect(MessageType.IMAGE)

    assert value(chat_server, "chat_messages_total", type="text") == 3
    assert value(chat_server, "chat_messages_total", type="image") == 1
    assert value(chat_server, "chat_messages_total", type="voice") == 0
    assert value(chat_server, "chat_received_bytes_total", type="text") == 11
    assert value(chat_server, "chat_received_bytes_total", type="image") == 100
    assert value(chat_server, "chat_delivered_bytes_total") > 111


def test_rooms_and_their_members_are_counted(chat_server: TestServer) -> None:
    names = ("chat_rooms", "chat_room_members", "chat_largest_room_members")
    assert [value(chat_server, name) for name in names] == [0, 0, 0]
    for name, rooms in (("alice", ("dev", "den")), ("bob", ("dev",))):
        visitor = come(chat_server, name)
        for room in rooms:
            visitor.do("join", room=room)
    assert [value(chat_server, name) for name in names] == [2, 3, 2]


def test_refusals_are_counted_by_reason(chat_server: TestServer) -> None:
    chat_server.join("alice")
    assert value(chat_server, "chat_refused_logins_total", reason="username-exists") == 0
    other = chat_server.connect()
    assert other.try_login({"to": "alice"}).type == MessageType.USERNAME_EXISTS
    assert value(chat_server, "chat_refused_logins_total", reason="username-exists") == 1
    [family] = [f for name, f in families(chat_server).items() if name == "chat_refused_logins"]
    assert {s.labels["reason"] for s in family.samples} == {each.value for each in Refusal}


def test_what_has_a_bound_stands_beside_it(open_a_chat_server: Callable[..., TestServer]) -> None:
    chat_server = open_a_chat_server(max_users=7, max_spool=1000, max_backlog_total=500)
    assert value(chat_server, "chat_users_limit") == 7
    assert (
        value(chat_server, "chat_spool_bytes"),
        value(chat_server, "chat_spool_limit_bytes"),
    ) == (0, 1000)
    assert value(chat_server, "chat_backlog_limit_bytes") == 500
    assert value(chat_server, "chat_backlog_bytes") == 0
    assert (
        value(chat_server, "chat_spool_limit_files") >= value(chat_server, "chat_spool_files") == 0
    )


def test_bans_are_counted_while_they_are_in_force(chat_server: TestServer) -> None:
    chat_server.parts.moderation.entries.add(
        Ban(NAME, "mallory", None, "alice", None, 0),
        Ban(NETWORK, "192.0.2.0/24", None, "alice", None, 0),
        Ban(NETWORK, "192.0.2.1/32", 1, "alice", "long ago", 0),
        Mute("bob", None, "alice", None, 0),
    )
    assert value(chat_server, "chat_bans", kind="name") == 1
    assert value(chat_server, "chat_bans", kind="network") == 1
    assert value(chat_server, "chat_mutes") == 1


def test_accounts_and_passwords(
    open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> None:
    chat_server = open_a_chat_server(data_directory=tmp_path)
    add_account(Database(tmp_path), parse_user_name("alice"), hash_cheaply("open sesame"))

    wrong = {"to": "alice", "password": "guess"}
    assert chat_server.connect().try_login(wrong).type == MessageType.BAD_LOGIN

    assert value(chat_server, "chat_accounts") == 1
    assert value(chat_server, "chat_password_hashes_total") == 1
    assert value(chat_server, "chat_password_hashes_waiting") == 0
    assert value(chat_server, "chat_refused_logins_total", reason="wrong-password") == 1


def test_nothing_tells_who_is_here(chat_server: TestServer) -> None:
    chat_server.join("alice").say("hello")
    text, _ = chat_server.parts.make_metrics().render("")
    assert b"alice" not in text
    assert b"127.0.0.1" not in text


@pytest.mark.parametrize("accept", ["", "*/*", "nonsense", "text/plain;version=0.0.4"])
def test_whatever_is_asked_for_there_is_an_answer(chat_server: TestServer, accept: str) -> None:
    text, type = chat_server.parts.make_metrics().render(accept)
    assert type.startswith("text/plain")
    assert text.endswith(b"\n")
