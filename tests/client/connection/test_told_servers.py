"""The addresses that a server tells are bounded and valid, whatever it sends."""

from __future__ import annotations

import pytest

from chat.client.connection.session.told_servers import MAX_SERVERS, read_node, read_servers
from chat.net.address import Address
from tests.tables import table


def test_addresses_are_read_in_their_order_and_once() -> None:
    told = ["b.example.org", "a.example.org:9000", "[2001:db8::1]:9000", "b.example.org:8080"]
    assert read_servers(told) == (
        Address("b.example.org", 8080),
        Address("a.example.org", 9000),
        Address("2001:db8::1", 9000),
    )


@table(
    "value",
    [
        "unix:/run/chat.sock",
        "",
        ":8080",
        "8080",
        "٨٠٨٠",
        "b.example.org:0",
        "b.example.org:99999",
        "b.example.org:",
        "b example.org:8080",
        "b.example.org:8080\n",
        "\x1b[31m:8080",
        "bob@b.example.org:8080",
        "fe80::1%eth0",
        "[fe80::1%eth0]:8080",
        f"{'a' * 300}:8080",
        "a" * 10_000_000,
        f"{'.'.join(['a'] * 200)}:8080",
        "\ud800:8080",
        5,
        None,
        ["b.example.org:8080"],
        {"b.example.org:8080": 1},
        True,
    ],
)
def test_what_is_no_address_of_tcp_is_left_out(value: object) -> None:
    assert read_servers([value, "b.example.org:1"]) == (Address("b.example.org", 1),)


def test_an_endless_list_is_cut_off() -> None:
    told = (f"{number}.example.org:8080" for number in range(10**9))
    assert len(read_servers(told)) == MAX_SERVERS


def test_an_endless_list_of_nothing_is_cut_off() -> None:
    assert read_servers("unix:/x" for _ in range(10**12)) == ()


@pytest.mark.parametrize(
    ("value", "node"), [("b", "b"), ("b" * 100, "b" * 64), ("", None), (7, None)]
)
def test_the_name_of_a_server(value: object, node: str | None) -> None:
    assert read_node(value) == node
