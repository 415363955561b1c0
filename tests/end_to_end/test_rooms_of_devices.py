"""Rooms that one device of a user joins and leaves, while another one is here."""

from __future__ import annotations

from pathlib import Path

from chat.client import Command, EnteredRoom, LeftRoom, Text, Verb, connect
from chat.client.runtime.runtime import PLAIN
from tests.end_to_end.listening import Listening
from tests.end_to_end.server_process import eventually
from tests.end_to_end.test_rooms_coming_back import PASSWORD, Program, Servers, program, servers

__all__ = ["PASSWORD", "servers"]


def entered(device: Program) -> dict[str | None, tuple[str, ...]]:
    """Return the rooms that the program was told it is in, each with the names of its users."""
    events = (event for event in device.events if isinstance(event, EnteredRoom))
    return {event.facts.name: event.facts.users for event in events}


def test_the_other_device_hears_the_room_from_the_moment_it_was_joined(
    servers: Servers, tmp_path: Path
) -> None:
    with (
        program(servers.address, "alice", tmp_path / "alice", PLAIN) as alice,
        program(servers.address, "bob", tmp_path / "desk", PLAIN) as desk,
    ):
        alice.do(Verb.JOIN, "Dev")
        alice.room.send_text("before", room="Dev")
        alice.wait_for(1, "Dev")
        with program(servers.address, "bob", tmp_path / "phone", PLAIN) as phone:
            phone.do(Verb.JOIN, "dev")
            for number in range(20):
                alice.room.send_text(f"text {number}", room="Dev")
            texts = [f"text {number}" for number in range(20)]
            for device in (phone, desk):
                device.wait_for(20, "Dev")
                assert device.of("Dev") == texts
            # With all that is known of the room, although the server told the desk no more than its name.
            assert entered(desk) == {"Dev": ("alice", "bob")}
            phone.do(Verb.PART, "dev")
            eventually(lambda: any(isinstance(event, LeftRoom) for event in desk.events))
            assert desk.room.room_names == []


def test_a_program_that_joins_its_first_room_is_in_all_rooms_of_its_user(
    servers: Servers, tmp_path: Path
) -> None:
    with (
        program(servers.address, "alice", tmp_path / "alice", PLAIN) as alice,
        program(servers.address, "bob", tmp_path / "phone", PLAIN) as phone,
    ):
        alice.do(Verb.JOIN, "Dev")
        alice.do(Verb.JOIN, "den")
        phone.do(Verb.JOIN, "den")
        room = connect(
            servers.address, "bob", password=PASSWORD, reconnect=True, state=tmp_path / "desk"
        )
        desk = Listening(room)
        alice.room.send_text("to those who know rooms", room="den")
        phone.wait_for(1, "den")
        room.command(Command(Verb.JOIN.value, room="dev")).wait(30)
        alice.room.send_text("to all", room="den")
        alice.room.send_text("to all", room="Dev")

        def told() -> list[tuple[str | None, str]]:
            texts = [event for event in desk.events if isinstance(event, Text)]
            return sorted((text.room, text.text) for text in texts)

        eventually(lambda: len(told()) >= 2)
        assert told() == [("Dev", "to all"), ("den", "to all")]
        names = [event.facts.name for event in desk.events if isinstance(event, EnteredRoom)]
        assert sorted(filter(None, names)) == ["Dev", "den"]
        assert sorted(room.room_names) == ["Dev", "den"]
        desk.close()
