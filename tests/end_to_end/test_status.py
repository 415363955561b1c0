"""Registered users and moderators are known to others, with the real server and the real client."""

from __future__ import annotations

from pathlib import Path

from chat.client import Command, StatusChanged, Verb, connect
from tests.end_to_end.accounts import password_option, register
from tests.end_to_end.client_process import ClientProcess
from tests.end_to_end.server_process import running_server

PASSWORD = "correct horse"


def test_a_registration_and_a_moderator_are_seen_by_others(home: Path) -> None:
    with running_server() as server:
        register(server.data_directory, "alice", PASSWORD, is_moderator=True)
        register(server.data_directory, "offline", PASSWORD)
        host, port = server.address
        address = f"{host}:{port}"
        option = password_option(home, PASSWORD)
        with ClientProcess(address, "alice", "--commands", option, directory=home) as alice:
            alice.output.wait_for("you are in the room")
            bob = connect(address, "bob")
            assert (bob.registered, bob.moderators) == (["alice"], ["alice"])
            bob.command(Command(Verb.REGISTER, password=PASSWORD))
            told = next(event for event in bob if isinstance(event, StatusChanged))
            assert (told.username, told.registered, told.moderator) == ("bob", True, False)
            assert bob.registered == ["alice", "bob"]
            alice.output.wait_for("-- bob is registered now$")
            alice.type("/who\n/whois Bob\n/whois offline\n")
            alice.output.wait_for(r"2 in the room: alice \(moderator\), bob \(registered\)$")
            alice.output.wait_for(r"-- bob is in the room \(registered\)$")
            alice.output.wait_for("-- nobody named offline is in the room$")
            bob.close()
