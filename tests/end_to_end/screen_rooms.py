"""Commands that bob types on the screen about rooms. The user bob has an account, and owns the rooms that bob makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chat.client import Connection, Invited, Room, connect
from tests.end_to_end.screen_stage import Stage


@contextmanager
def bob_in(stage: Stage, room: str) -> Iterator[None]:
    """Let bob make a room and look at it; in the end, bob leaves it and closes its view."""
    stage.bob.command(f"/join {room}")
    stage.bob.wait_for(rf"^ {room}, at ", "you are in the room$")
    yield
    stage.bob.command(f"/part {room}")
    stage.bob.wait_for("you have left the room$")
    stage.bob.command("/close")
    stage.bob.wait_until(lambda rows: not any(f"#{room}" in row for row in rows))


@contextmanager
def carol_in(stage: Stage, name: str) -> Iterator[tuple[Connection, Room]]:
    """Let carol join a room."""
    with connect(stage.address, "carol", rooms=()) as carol:
        room = carol.join(name)
        stage.bob.wait_for("carol joined$")
        yield carol, room


def join(stage: Stage) -> None:
    with bob_in(stage, "atelier"), carol_in(stage, "atelier") as (_, room):
        room.send_text("only here")
        stage.bob.wait_for(r"\[carol\]: only here$")
        stage.bob.command("and an answer")
        stage.bob.wait_for(r"\[bob\]: and an answer$")
        stage.say("meanwhile")
        stage.bob.wait_until(lambda rows: not any("meanwhile" in row for row in rows))


def part(stage: Stage) -> None:
    with bob_in(stage, "attic"):
        stage.bob.command("/part")
        stage.bob.wait_for("you have left the room$")
        stage.bob.command("/join attic")
        stage.bob.wait_for("you are in the room$")


def rooms(stage: Stage) -> None:
    with bob_in(stage, "cellar"):
        stage.bob.command("/rooms cell")
        stage.bob.wait_for("rooms:$", r"cellar  1 here \(you are in it\)$")


def topic(stage: Stage) -> None:
    with bob_in(stage, "studio"):
        stage.bob.command("/topic the next record")
        stage.bob.wait_for("bob changed the topic: the next record$")
        stage.bob.command("/topic")
        stage.bob.wait_for("the topic is: the next record$")
        stage.bob.command("/topic -")
        stage.bob.wait_for("bob removed the topic$")


def invite(stage: Stage) -> None:
    with bob_in(stage, "vault"), connect(stage.address, "carol", rooms=()) as carol:
        stage.bob.command("/invite carol")
        assert next(event.room for event in carol if isinstance(event, Invited)) == "vault"
        stage.bob.wait_for(r"carol is invited\.$")


def remove(stage: Stage) -> None:
    with bob_in(stage, "garage"), carol_in(stage, "garage") as (_, room):
        stage.bob.command("/remove carol")
        assert [event.reason for event in room if hasattr(event, "reason")] == ["removed"]
        stage.bob.wait_for(r"carol was removed from garage\.$")


def change(stage: Stage) -> None:
    with bob_in(stage, "library"):
        stage.bob.command("/room kind closed")
        stage.bob.wait_for(r"The room library has changed: kind: closed\.$")
        stage.bob.command("/room")
        stage.bob.wait_for("room library, closed, 1 here, you are an owner$")


def notify(stage: Stage) -> None:
    with bob_in(stage, "shed"):
        stage.bob.command("/notify none")
        stage.bob.wait_for("messages of this room neither ring")


def sidebar(stage: Stage) -> None:
    with bob_in(stage, "loft"):
        stage.bob.wait_for(r"^>2 #loft +│")
        stage.bob.command("/sidebar")
        stage.bob.wait_until(lambda rows: not any(row.startswith(">") for row in rows))
        stage.bob.command("/sidebar")
        stage.bob.wait_for(r"^>2 #loft +│")


SCENARIOS = {
    "join": join,
    "part": part,
    "rooms": rooms,
    "topic": topic,
    "invite": invite,
    "remove": remove,
    "room": change,
    "notify": notify,
    "sidebar": sidebar,
}
