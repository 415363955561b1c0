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
    Joined,
    Left,
    LeftRoom,
    Notice,
    QueryRefused,
    Receipt,
    Room,
    Status,
    Text,
    TopicChanged,
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
            assert (bob.rooms["Dev"].here, bob.rooms["Dev"].users) == (2, [])
            assert bob.room("DEV") is bob.rooms["Dev"]
            assert bob.room("nowhere") is None
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


def test_a_room_is_joined_read_and_left(runtime: Runtime, address: str) -> None:
    with (
        connect(address, "alice", runtime=runtime) as alice,
        connect(address, "bob", runtime=runtime, rooms=()) as bob,
    ):
        dev = alice.join("Dev")
        assert (dev.name, dev.users, dev.here) == ("Dev", ["alice"], 1)
        assert (dev.kind, dev.topic, dev.is_owner, dev.is_member) == ("open", None, False, True)
        assert [(room.name, room.is_joined) for room in bob.list_rooms()] == [
            ("Dev", False),
            ("lobby", True),
        ]
        assert [room.name for room in bob.list_rooms("d")] == ["Dev"]
        with pytest.raises(QueryRefused) as refused:
            bob.part("dev")
        assert refused.value.code == "not-in-room"
        with pytest.raises(ValueError, match="default room"):
            bob.join("lobby")

        his = bob.join("DEV")
        assert his.users == ["alice", "bob"]
        assert [*his.names()] == [*bob.names()] == ["alice", "bob"]
        assert [*his.names("b")] == ["bob"]
        alice.send_text("in the lobby")
        alice.send_text("in dev", room="dev")
        assert [*alice.names("b")] == ["bob"], "the server has both texts now"
        his.send_text("hi")
        his.part()
        with pytest.raises(QueryRefused):
            his.set_topic("mine")
        assert (his.is_member, his.users, his.here) == (False, [], None)
        assert [short(event) for event in his] == [
            "EnteredRoom Dev",
            "alice: in dev",
            "bob: hi",
            "LeftRoom Dev",
        ]
        assert [short(event) for event in until_ping(alice)] == [
            "Welcome",
            "Joined bob",
            "EnteredRoom Dev",
            "Joined bob",
            "alice: in the lobby",
            "alice: in dev",
            "bob: hi",
            "Left bob",
            "Notice done",
        ]
        assert not [*his], "he is not in the room any more"


def short(event: object) -> str:
    """An event in few words."""
    match event:
        case Text():
            return f"{event.sender}: {event.text}"
        case Joined() | Left():
            return f"{type(event).__name__} {event.username}"
        case EnteredRoom():
            return f"EnteredRoom {event.facts.name}"
        case LeftRoom():
            return f"LeftRoom {event.room}"
    return f"{type(event).__name__} {getattr(event, 'code', '')}".strip()


def test_rooms_are_read_side_by_side(runtime: Runtime, address: str) -> None:
    """Each task hears its room, in order, and none hears what is for another."""
    count = 30
    with (
        connect(address, "alice", runtime=runtime) as alice,
        connect(address, "bob", runtime=runtime) as bob,
    ):
        rooms = [bob.join(name) for name in ("one", "two", "three")]
        heard: dict[str | None, list[str]] = {None: []}

        def read(room: Room) -> None:
            heard[room.name] = []
            for event in room:
                if isinstance(event, Text):
                    heard[room.name].append(event.text)

        tasks = [runtime.spawn(read, room) for room in rooms]
        for room in rooms:
            alice.join(room.name)
        for number in range(count):
            for name in (None, "one", "two", "three"):
                alice.send_text(f"{number}", room=name)
        until_ping(alice)
        for room in rooms[1:]:
            room.part()
        for event in bob:
            if isinstance(event, Text):
                heard[None].append(event.text)
                if len(heard[None]) == count:
                    break
        bob.close()
        for task in tasks:
            task.join(30)
        said = [f"{number}" for number in range(count)]
        assert heard == {name: said for name in (None, "one", "two", "three")}  # noqa: C420


def test_what_owners_do_and_a_user_who_is_removed_while_they_read(
    runtime: Runtime, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir(0o700)
    with running_server("--rate=0", f"--data-directory={data}") as server:
        register(data, "alice", "correct horse")
        address = address_of(server)
        with (
            connect(address, "alice", password="correct horse", runtime=runtime) as alice,
            connect(address, "bob", runtime=runtime, rooms=()) as bob,
        ):
            den = alice.join("den")
            assert den.is_owner
            den.change(kind="closed", keep=86400)
            assert den.kind == "closed"
            with pytest.raises(QueryRefused) as refused:
                bob.join("den")
            assert refused.value.code == "not-invited"
            den.invite("bob")
            his = bob.join("den")
            den.set_topic(" All about \t bears ")
            assert den.topic == "All about bears"
            heard: list[object] = []
            reader = runtime.spawn(lambda: heard.extend(his))
            den.send_text("bye")
            den.remove("bob")
            reader.join(30)
            assert [type(event) for event in heard] == [EnteredRoom, TopicChanged, Text, LeftRoom]
            left = heard[-1]
            assert isinstance(left, LeftRoom)
            assert (left.reason, left.sentence) == ("removed", "alice removed you from den.")
            assert den.users == ["alice"] or until_ping(alice)
            assert den.users == ["alice"]
            with pytest.raises(QueryRefused, match="closed"):
                bob.join("den")
            den.mark_read(1)
            [told] = [event for event in until_ping(bob) if type(event).__name__ == "Invited"]
            assert told.room == "den"  # type: ignore[union-attr]


def test_a_room_with_very_many_users(runtime: Runtime) -> None:
    with running_server("--announce-up-to=2") as server:
        address = address_of(server)
        with connect(address, "alice", runtime=runtime) as alice:
            dev = alice.join("dev")
            others = [
                connect(address, name, runtime=runtime, rooms=["dev"]) for name in ("b1", "b2")
            ]
            try:
                while dev.here != 3:
                    alice.read()
                assert not dev.users
                assert [*dev.names()] == ["alice", "b1", "b2"]
                assert [*dev.names("b")] == ["b1", "b2"]
            finally:
                for other in others:
                    other.close()


def test_a_default_room_with_very_many_users(runtime: Runtime) -> None:
    with running_server("--announce-up-to=2", "--default-room=hall") as server:
        address = address_of(server)
        others = [connect(address, f"b{number}", runtime=runtime) for number in range(3)]
        with connect(address, "alice", runtime=runtime, rooms=()) as alice:
            welcome = welcome_of(alice)
            assert (welcome.default_room, welcome.here, welcome.users) == ("hall", 4, ())
            assert (alice.here, alice.users) == (4, [])
            assert [*alice.names("b")] == ["b0", "b1", "b2"]
            for other in others:
                other.close()
            while alice.here != 1:
                alice.read()
            assert [room.here for room in alice.list_rooms()] == [1]


def test_a_guest_who_comes_back_with_the_token_is_in_the_rooms(
    runtime: Runtime, address: str
) -> None:
    with connect(address, "alice", runtime=runtime, rooms=()) as alice:
        alice.join("dev")
        with connect(
            address, "alice", runtime=runtime, rooms=["dev"], session=alice.session
        ) as again:
            assert [facts.name for facts in welcome_of(again).rooms] == ["dev"]
            dev = again.rooms["dev"]
            dev.send_text("still here")
            [text] = [event for event in [dev.read()] if isinstance(event, Text)]
            assert text.text == "still here"


def test_messages_keep_their_order_across_rooms(runtime: Runtime, address: str) -> None:
    """Rooms, private messages and refusals: answers come as was sent, and another user hears the same order."""
    chance = random.Random(5)
    with (
        connect(address, "alice", runtime=runtime) as alice,
        connect(address, "bob", runtime=runtime) as bob,
    ):
        for user in (alice, bob):
            for name in ("dev", "ops"):
                user.join(name)
        places = [(None, None), (None, "dev"), (None, "ops"), ("bob", None), (None, "nowhere")]
        targets = [chance.choice(places) for _ in range(300)]
        receipts = [
            alice.send_text(f"{number}", to, room=room) for number, (to, room) in enumerate(targets)
        ]
        events = until_ping(alice)
        answers = [event for event in events if isinstance(event, Text | Notice)][:-1]
        assert [answer.receipt for answer in answers] == receipts
        assert [answer.room for answer in answers] == [room for _, room in targets]
        heard = [event for event in until_ping(bob) if isinstance(event, Text)]
        assert [(text.text, text.to, text.room) for text in heard] == [
            (f"{number}", to, room)
            for number, (to, room) in enumerate(targets)
            if room != "nowhere"
        ]
