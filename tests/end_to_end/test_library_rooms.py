"""Rooms by the library, against the real server over real sockets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import (
    Attachment,
    Command,
    Connection,
    EnteredRoom,
    Event,
    Receipt,
    Status,
    Text,
    Verb,
    Welcome,
    connect,
)
from chat.client.runtime.runtime import Runtime
from tests.client.runtimes import with_both_runtimes
from tests.end_to_end.accounts import register
from tests.end_to_end.server_process import ServerProcess, running_server

pytestmark = with_both_runtimes
LARGE = 300_000


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with running_server("--rate=0", "--history=on") as server:
        yield address_of(server)


def address_of(server: ServerProcess) -> str:
    host, port = server.address
    return f"{host}:{port}"


def welcome_of(connection: Connection) -> Welcome:
    event = connection.read()
    assert isinstance(event, Welcome)
    return event


def until_answered(connection: Connection, receipt: Receipt) -> list[Event]:
    """Read on until ``receipt`` is settled; all that came."""
    events = []
    while receipt.status is Status.WAITING:
        event = connection.read()
        assert event is not None
        events.append(event)
    return events


def do(connection: Connection, verb: Verb, **fields: str) -> list[Event]:
    receipt = connection.command(Command(verb.value, **fields))  # type: ignore[arg-type]
    events = until_answered(connection, receipt)
    assert receipt.status is Status.ACCEPTED, receipt.refusal
    return events


def test_a_login_with_rooms(runtime: Runtime, address: str) -> None:
    with connect(address, "alice", runtime=runtime) as alice:
        assert welcome_of(alice).rooms == ()
        [*_, entered] = do(alice, Verb.JOIN, room="Dev")
        assert isinstance(entered, EnteredRoom)
        assert entered.facts.users == ("alice",)
        with connect(address, "bob", runtime=runtime, rooms=["dev", "nowhere"]) as bob:
            welcome = welcome_of(bob)
            assert [facts.name for facts in welcome.rooms] == ["Dev"]
            assert welcome.refused == (("nowhere", "no-such-room"),)
            assert list(bob.rooms) == ["Dev"]
            assert bob.rooms["Dev"].here == 2
            receipt = bob.send_text("hi", room="dev")
            assert until_answered(bob, receipt)[-1] == event_of(bob, receipt)
            refused = bob.send_text("hi", room="nowhere")
            until_answered(bob, refused)
            assert (refused.status, refused.code) == (Status.REFUSED, "no-such-room")


def event_of(connection: Connection, receipt: Receipt) -> Event:
    """The echo of a text in the room Dev, as its history has it."""
    [text] = connection.history(room="dev").messages
    assert isinstance(text, Text)
    assert (text.room, text.text, text.seq) == ("Dev", receipt.text, 1)
    return Text(
        text.sender, text.timestamp, text.text, own=True, seq=1, nonce=receipt.nonce, room="Dev"
    )


def test_messages_files_and_what_is_found_belong_to_their_room(
    runtime: Runtime, address: str, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(random.Random(1).randbytes(LARGE))
    with (
        connect(address, "alice", runtime=runtime) as alice,
        connect(address, "bob", runtime=runtime, save_directory=tmp_path) as bob,
    ):
        for user in (alice, bob):
            do(user, Verb.JOIN, room="dev")
        alice.send_text("needle in the lobby")
        alice.send_text("needle in dev", room="dev")
        alice.send_file(large, room="dev")
        until_answered(alice, alice.command(Command(Verb.PING.value)))
        heard = [event for event in until_ping(bob) if isinstance(event, Text | Attachment)]
        assert [(each.room, each.seq) for each in heard] == [(None, 1), ("dev", 1), ("dev", 2)]
        offer = heard[-1]
        assert isinstance(offer, Attachment)
        assert bob.fetch(offer).read_bytes() == large.read_bytes()
        assert [each.seq for each in bob.earlier(room="dev")] == [2, 1]
        [found] = bob.search("needle", room="dev")
        assert (found.room, found.seq) == ("dev", 1)
        [found] = bob.search("needle")
        assert found.room is None
        [file] = bob.files(room="dev")
        assert (file.filename, file.room) == ("large.bin", "dev")
        assert not list(bob.files())


def until_ping(connection: Connection) -> list[Event]:
    return until_answered(connection, connection.command(Command(Verb.PING.value)))


def test_a_program_that_knows_no_rooms_hears_the_default_room_alone(
    runtime: Runtime, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir(0o700)
    with running_server("--rate=0", f"--data-directory={data}") as server:
        register(data, "bob", "correct horse")
        address, password = address_of(server), "correct horse"
        with connect(address, "alice", runtime=runtime) as alice:
            do(alice, Verb.JOIN, room="dev")
            for rooms, heard in ((("dev",), 2), (None, 1), ((), 2)):
                with connect(
                    address, "bob", password=password, rooms=rooms, runtime=runtime
                ) as bob:
                    assert len(welcome_of(bob).rooms) == heard - 1, "bob is a member since then"
                    alice.send_text("in dev", room="dev")
                    alice.send_text("to all")
                    until_ping(alice)
                    texts = [event for event in until_ping(bob) if isinstance(event, Text)]
                    assert [text.room for text in texts] == ["dev", None][-heard:]
