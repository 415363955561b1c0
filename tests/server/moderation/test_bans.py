"""The table of bans and mutes, and the questions it answers, without a server or a socket."""

from __future__ import annotations

import time
from ipaddress import ip_network

import pytest

from chat.protocol.names import parse_user_name
from chat.server.moderation.bans import (
    MAX_SECONDS,
    NAME,
    NETWORK,
    OPERATOR,
    BadBan,
    Ban,
    BanList,
    Mute,
    NoAddress,
    end_in_words,
    in_words,
    is_loopback,
    list_in_words,
    read_end,
    read_network,
    read_reason,
    sentence,
)
from tests.server.fakes import FakeClock
from tests.tables import table


def ban_of(name: str, until: int | None = None, **changes: object) -> Ban:
    display, key = parse_user_name(name)
    ban = Ban(NAME, key, until, "bob", "spam", 1000, display)
    return ban._replace(**changes)  # type: ignore[arg-type]


def network_ban(target: str, until: int | None = None, name: str | None = None) -> Ban:
    return Ban(NETWORK, target, until, "bob", None, 1000, name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000)


@pytest.fixture
def entries(clock: FakeClock) -> BanList:
    return BanList(clock)


@pytest.mark.parametrize("name", ["Alice", "alice", "ALICE", "аlice", "a1ice", "AIice"])
def test_a_banned_name_is_banned_however_it_is_written(entries: BanList, name: str) -> None:
    ban = ban_of("Alice")
    entries.add(ban)
    assert entries.of_name(parse_user_name(name)) is ban


@pytest.mark.parametrize("name", ["alicia", "bob", "alice2"])
def test_other_names_are_not(entries: BanList, name: str) -> None:
    entries.add(ban_of("Alice"))
    assert entries.of_name(parse_user_name(name)) is None


def test_the_owner_of_a_name_is_not_banned_for_looking_like_another(entries: BanList) -> None:
    entries.add(ban_of("a1ice"))
    assert entries.of_name(parse_user_name("alice"), owned=True) is None
    assert entries.of_name(parse_user_name("alice")) is not None
    assert entries.of_name(parse_user_name("a1ice"), owned=True) is not None


@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_two_bans_that_look_alike_the_same_one_counts_in_any_order(
    entries: BanList, is_reversed: bool
) -> None:
    bans = [ban_of("a1ice", by=OPERATOR), ban_of("alice"), ban_of("aIice", until=999)]
    entries.add(*(reversed(bans) if is_reversed else bans))
    found = entries.of_name(parse_user_name("аlice"))
    assert found is not None
    assert (found.target, found.by) == ("a1ice", OPERATOR)


def test_a_ban_that_is_made_again_counts_for_the_name_as_it_is_written_now(
    entries: BanList,
) -> None:
    entries.add(ban_of("AIice"))
    entries.add(ban_of("aiice"))  # the same key
    again = BanList(entries._clock)
    again.add(*entries.all())
    assert entries._by_look == again._by_look


def test_one_of_two_bans_that_look_alike_is_lifted(entries: BanList) -> None:
    first, second = ban_of("alice"), ban_of("a1ice")
    entries.add(first, second)
    entries.remove(second)
    assert entries.of_name(parse_user_name("a1ice")) is first
    entries.remove(first, second)
    assert entries.of_name(parse_user_name("alice")) is None
    assert len(entries) == 0


@pytest.mark.parametrize(
    ("banned", "inside", "outside"),
    [
        ("203.0.113.5", ["203.0.113.5", "::ffff:203.0.113.5"], ["203.0.113.4", "::203.0.113.5"]),
        ("2001:db8:0:1::/64", ["2001:db8:0:1::", "2001:db8:0:1:ffff::1"], ["2001:db8:0:2::1"]),
    ],
)
def test_an_address_is_one_of_ipv4_or_a_64th_of_ipv6(
    entries: BanList, banned: str, inside: list[str], outside: list[str]
) -> None:
    entries.add(network_ban(banned))
    assert all(entries.of_host(host) for host in inside)
    assert not any(entries.of_host(host) for host in [*outside, None])
    entries.remove(network_ban(banned))
    assert not any(entries.of_host(host) for host in inside)


def test_what_has_an_end_ends_by_the_wall_clock(entries: BanList, clock: FakeClock) -> None:
    for_ever = ban_of("mallory")
    entries.add(
        ban_of("alice", 1010),
        for_ever,
        network_ban("203.0.113.5", 1010),
        Mute("eve", 1010, "bob", None, 1000),
    )
    clock.now = 1009
    assert entries.of_name(parse_user_name("alice"))
    assert entries.of_host("203.0.113.5")
    assert entries.mute_of("eve")
    assert entries.expired() == []

    clock.now = 1010
    assert not entries.of_name(parse_user_name("alice"))
    assert not entries.of_host("203.0.113.5")
    assert not entries.mute_of("eve")
    assert entries.all() == [for_ever]
    assert entries.about("alice") == []
    assert len(entries.expired()) == 3
    entries.remove(*entries.expired())
    assert len(entries) == 1


def test_what_is_banned_again_is_banned_once(entries: BanList) -> None:
    entries.add(ban_of("alice", 2000), ban_of("alice", 3000))
    [ban] = entries.all()
    assert ban.until == 3000


def test_a_mute_is_of_one_name(entries: BanList) -> None:
    mute = Mute("alice", None, "bob", None, 1000)
    entries.add(mute)
    assert entries.mute_of("alice") is mute
    assert entries.mute_of("a1ice") is None
    entries.remove(mute)
    assert entries.mute_of("alice") is None


def test_a_ban_of_a_name_is_lifted_with_the_addresses_that_came_with_it(entries: BanList) -> None:
    name, address = ban_of("Alice"), network_ban("203.0.113.5", name="Alice")
    other = network_ban("203.0.113.6")
    entries.add(name, address, other)
    assert entries.about("alice") == [name, address]
    assert entries.about("203.0.113.5") == [address]
    assert entries.about("203.0.113.6") == [other]
    assert entries.about("203.0.113.7") == []


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.5", "203.0.113.5/32"),
        ("203.0.113.5/32", "203.0.113.5/32"),
        ("::ffff:203.0.113.5", "203.0.113.5/32"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::1/64", "2001:db8::/64"),
        ("2001:db8::1/128", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_what_is_written_like_an_address_is_one(text: str, network: str) -> None:
    found = read_network(text)
    assert found == ip_network(network)
    assert read_network(in_words(found)) == found


@table("text", ["alice", "1234", "", "/", "al/ice", "v1.2", "1st", "bob:1", "a.b", "cafe", "2-1"])
def test_what_is_not_may_be_a_name(text: str) -> None:
    assert read_network(text) is None


@table(
    "text",
    [
        *("300.1.1.1", "1.2.3", "1.2.3.4.5", "10.0.0.0/33", "10/8", "10.0.0.*"),
        *("10.0.0.1-10.0.0.9", "10.0.0.1:8080", "1.2.3.4/", "01.2.3.4"),
        *("fe80::zz", "fe80:1:2", "2001:db8::/129", "1::2::3", "[2001:db8::1]:80", "::1x"),
    ],
)
def test_a_mistyped_address_is_no_name(text: str) -> None:
    with pytest.raises(NoAddress, match="looks like an address, but is none"):
        read_network(text)


@pytest.mark.parametrize("text", ["203.0.113.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0"])
def test_a_wider_network_is_not_banned_by_an_error(text: str) -> None:
    with pytest.raises(BadBan):
        read_network(text)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("128.0.0.1", False), ("fe80::", 0)],
)
def test_an_address_of_this_machine(text: str, loopback: bool) -> None:
    network = read_network(text)
    assert network is not None
    assert is_loopback(network) == loopback


@pytest.mark.parametrize("seconds", [0, MAX_SECONDS + 1, 2**63 - 1])
def test_a_time_has_its_limits(seconds: int) -> None:
    with pytest.raises(BadBan, match="100 years"):
        read_end(seconds, 1000.5)


def test_a_time_in_words() -> None:
    assert read_end(None, 1000.5) is None
    assert read_end(1, 1000.5) == 1001
    assert end_in_words(None) == "until further notice"
    assert end_in_words(1_795_530_900) == "until 2026-11-24 14:35:00 UTC"
    assert end_in_words(None, local=True) == "until further notice"
    assert end_in_words(read_end(MAX_SECONDS, 1_795_530_900)).startswith("until 2127-")


@pytest.mark.parametrize(
    ("zone", "end"), [("EST5", "09:35:00 EST"), ("Europe/Berlin", "15:35:00 CET")]
)
def test_an_operator_reads_local_time_with_its_zone(
    zone: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert end_in_words(1_795_530_900, local=True) == f"until 2026-11-24 {end}"
        assert ban_of("eve", 1_795_530_900).in_words(local=True).endswith(f"{end}: spam.")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_reason_is_one_sanitized_line() -> None:
    assert read_reason(None) is None
    assert read_reason(" \n") is None
    assert read_reason("spam,\nagain\x1b[2J\u202e and  more") == "spam, again [2J and more"
    assert read_reason("ж" * 200) == "ж" * 200
    with pytest.raises(BadBan, match="200"):
        read_reason("x" * 201)


def test_sentences_end() -> None:
    assert sentence("You are banned", "spam") == "You are banned: spam."
    assert sentence("You are banned", "why?") == "You are banned: why?"
    assert sentence("You are banned", None) == "You are banned."


def test_a_list_has_a_line_for_each() -> None:
    lines = list_in_words(
        [
            ban_of("Alice"),
            network_ban("203.0.113.5", 1_795_530_900, "Alice"),
            network_ban("203.0.113.6"),
            Mute("eve", None, "bob", None, 1000),
        ],
        10_000,
    )
    assert lines.splitlines() == [
        "Alice is banned by bob, until further notice: spam.",
        "203.0.113.5 (Alice) is banned by bob, until 2026-11-24 14:35:00 UTC.",
        "203.0.113.6 is banned by bob, until further notice.",
        "eve is muted by bob, until further notice.",
    ]
    assert list_in_words([], 10_000) == "Nobody is banned or muted."


def test_a_long_list_says_how_much_more_there_is() -> None:
    bans = [ban_of(f"alice{number}") for number in range(1000)]
    text = list_in_words(bans, 2000)
    lines = text.splitlines()
    assert 1000 < len(text) < 2000
    assert lines[-1] == f"And {1000 - len(lines) + 1} older ones."
