"""Commands about rooms come out of their headers as they went in."""

from __future__ import annotations

import pytest

from chat.protocol.commands import Command, ListQuery, RoomChange
from chat.protocol.headers import ClientHeader, encode_client_header, parse_client_header


@pytest.mark.parametrize(
    "command",
    [
        Command("names", room="dev", listing=ListQuery("al", "alice", 50)),
        Command("room", room="dev", change=RoomChange("closed", 86_400, "bob", "all")),
        Command("topic", room="dev", topic="release on Friday"),
    ],
)
def test_a_command_about_a_room_comes_out_as_it_went_in(command: Command) -> None:
    data = encode_client_header(ClientHeader(nonce="n", command=command))
    assert parse_client_header(data, names_a_file=False).command == command
