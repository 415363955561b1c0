"""The addresses of other servers of a cluster in the state file."""

from __future__ import annotations

from pathlib import Path

import pytest
import ujson

from chat.client.state.contents import DamagedState, parse_whole
from chat.client.state.finding import open_given
from tests.client.state.test_state_file import BOB


def test_the_addresses_of_other_servers_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "bob"
    memory = open_given(path, BOB).memory
    assert memory.servers == ()
    memory.keep_servers(["b.example:8080", "[2001:db8::1]:9000"])
    memory.close()
    for _ in range(2):  # from a record, and then from the whole state
        memory = open_given(path, BOB).memory
        assert memory.servers == ("b.example:8080", "[2001:db8::1]:9000")
        memory.close()
    memory = open_given(path, BOB).memory
    memory.keep_servers([])
    memory.close()
    assert open_given(path, BOB).memory.servers == ()


def test_the_same_addresses_are_not_written_again(tmp_path: Path) -> None:
    memory = open_given(tmp_path / "bob", BOB).memory
    memory.keep_servers(["b.example:8080"])
    memory.save()
    memory.keep_servers(["b.example:8080"])
    assert not memory.is_dirty


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (["unix:/run/x", "b.example:1", 7, "no where", "b.example:1"], ("b.example:1",)),
        ([f"h{number}.example:1" for number in range(99)], None),
    ],
)
def test_addresses_in_a_file_are_read_as_those_of_a_server(
    told: list[object], read: tuple[str, ...] | None
) -> None:
    first = {"chat-client-state": 2, "server": "a", "user": "b", "device": "d" * 32}
    data = b"".join(ujson.dumps(each).encode() + b"\n" for each in (first, {"servers": told}))
    _, contents = parse_whole(data)
    assert contents.servers == (read or tuple(f"h{number}.example:1" for number in range(16)))
    with pytest.raises(DamagedState):
        parse_whole(data.replace(b'{"servers":[', b'{"servers":{"x":[').replace(b"]}", b"]}}"))


# Written by a client that knew no other servers.
_BEFORE_SERVERS = (
    b'{"chat-client-state":2,"server":"chat.example:8080","user":"bob","device":"dddddddddddddddddddddddddddddddd"}\n'
    b'{"places":{"lobby":["e",7,null]},"add":[],"sent":[],"perhaps":[],"accounts":{},"uploads":[],"rooms":[["dev"],false]}\n'
)


def test_a_file_without_servers_is_read_and_one_with_them_by_a_client_that_knows_none(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bob"
    path.write_bytes(_BEFORE_SERVERS)
    memory = open_given(path, BOB).memory
    assert (memory.servers, memory.rooms) == ((), ("dev",))
    memory.keep_servers(["b.example:1"])
    memory.close()
    # Such a client skips keys that it does not know, so the version stays the same.
    assert path.read_bytes().startswith(b'{"chat-client-state":2,')
    assert path.read_bytes().splitlines()[-1] == b'{"servers":["b.example:1"]}'
