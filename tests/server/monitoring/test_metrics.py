"""What Prometheus reads, by its own parser."""

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
from tests.server.house import House

parse: Callable[[str], Iterable[Metric]] = parser.text_string_to_metric_families
parse_openmetrics: Callable[[str], Iterable[Metric]] = (
    openmetrics_parser.text_string_to_metric_families
)


def families(house: House) -> dict[str, Metric]:
    text, _ = house.parts.make_metrics().render("")
    return {family.name: family for family in parse(text.decode())}


def value(house: House, name: str, **labels: str) -> float:
    """Of one sample."""
    [sample] = [
        sample
        for family in families(house).values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return sample.value


def test_each_says_what_it_is(house: House) -> None:
    found = families(house)
    ours = [family for name, family in found.items() if name.startswith("chat_")]
    assert len(ours) > 10
    for family in ours:
        assert re.fullmatch(r"[A-Z].*\.", family.documentation), family.name
        assert family.type in ("counter", "gauge"), family.name
        assert family.samples, family.name
        for sample in family.samples:
            assert sample.name == family.name + "_total" * (family.type == "counter")
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= found.keys()


def test_it_is_fine_in_the_newer_format_too(house: House) -> None:
    text, type = house.parts.make_metrics().render("application/openmetrics-text;version=1.0.0")
    assert type.startswith("application/openmetrics-text")
    assert "chat_users" in {family.name for family in parse_openmetrics(text.decode())}


def test_the_version(house: House) -> None:
    assert value(house, "chat_build_info", version=__version__) == 1


def test_people_are_counted_as_they_are_now(house: House) -> None:
    alice = house.join("alice")
    house.join("bob")
    house.join("carol", raw=True)
    house.transfer(alice)

    assert value(house, "chat_users", client="json", encryption="none") == 2
    assert value(house, "chat_users", client="raw", encryption="none") == 1
    assert value(house, "chat_users", client="json", encryption="tls") == 0
    assert value(house, "chat_logins_total", client="json") == 2
    assert value(house, "chat_transfers") == 1
    assert value(house, "chat_connections") == 4

    alice.close()
    wait_until(lambda: len(house.here()) == 2, "alice to leave")
    assert value(house, "chat_users", client="json", encryption="none") == 1
    assert value(house, "chat_logins_total", client="json") == 2


def test_messages_are_counted_by_type(house: House) -> None:
    alice = house.join("alice")
    for text in ("one", "two", "three"):
        alice.say(text)
    alice.send(MessageType.IMAGE, b"", b"x" * 100)
    for _ in range(3):
        alice.expect(MessageType.UTF8)
    alice.expect(MessageType.IMAGE)

    assert value(house, "chat_messages_total", type="text") == 3
    assert value(house, "chat_messages_total", type="image") == 1
    assert value(house, "chat_messages_total", type="voice") == 0
    assert value(house, "chat_received_bytes_total", type="text") == 11
    assert value(house, "chat_received_bytes_total", type="image") == 100
    assert value(house, "chat_delivered_bytes_total") > 111


def test_refusals_are_counted_by_reason(house: House) -> None:
    house.join("alice")
    assert value(house, "chat_refused_logins_total", reason="username-exists") == 0
    other = house.connect()
    assert other.try_login({"to": "alice"}).type == MessageType.USERNAME_EXISTS
    assert value(house, "chat_refused_logins_total", reason="username-exists") == 1
    [family] = [f for name, f in families(house).items() if name == "chat_refused_logins"]
    assert {s.labels["reason"] for s in family.samples} == {each.value for each in Refusal}


def test_what_has_a_bound_stands_beside_it(open_a_house: Callable[..., House]) -> None:
    house = open_a_house(max_users=7, max_spool=1000, max_backlog_total=500)
    assert value(house, "chat_users_limit") == 7
    assert (value(house, "chat_spool_bytes"), value(house, "chat_spool_limit_bytes")) == (0, 1000)
    assert value(house, "chat_backlog_limit_bytes") == 500
    assert value(house, "chat_backlog_bytes") == 0
    assert value(house, "chat_spool_limit_files") >= value(house, "chat_spool_files") == 0


def test_bans_are_counted_while_they_are_in_force(house: House) -> None:
    house.parts.moderation.entries.add(
        Ban(NAME, "mallory", None, "alice", None, 0),
        Ban(NETWORK, "192.0.2.0/24", None, "alice", None, 0),
        Ban(NETWORK, "192.0.2.1/32", 1, "alice", "long ago", 0),
        Mute("bob", None, "alice", None, 0),
    )
    assert value(house, "chat_bans", kind="name") == 1
    assert value(house, "chat_bans", kind="network") == 1
    assert value(house, "chat_mutes") == 1


def test_accounts_and_passwords(open_a_house: Callable[..., House], tmp_path: Path) -> None:
    house = open_a_house(data_directory=tmp_path)
    add_account(Database(tmp_path), parse_user_name("alice"), hash_cheaply("open sesame"))

    wrong = {"to": "alice", "password": "guess"}
    assert house.connect().try_login(wrong).type == MessageType.BAD_LOGIN

    assert value(house, "chat_accounts") == 1
    assert value(house, "chat_password_hashes_total") == 1
    assert value(house, "chat_password_hashes_waiting") == 0
    assert value(house, "chat_refused_logins_total", reason="wrong-password") == 1


def test_nothing_tells_who_is_here(house: House) -> None:
    house.join("alice").say("hello")
    text, _ = house.parts.make_metrics().render("")
    assert b"alice" not in text
    assert b"127.0.0.1" not in text


@pytest.mark.parametrize("accept", ["", "*/*", "nonsense", "text/plain;version=0.0.4"])
def test_whatever_is_asked_for_there_is_an_answer(house: House, accept: str) -> None:
    text, type = house.parts.make_metrics().render(accept)
    assert type.startswith("text/plain")
    assert text.endswith(b"\n")
