"""The welcome stands behind the earlier messages that the user sees; and which of them the settings ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.attention.read_marks import UserMarks
from chat.client.cli import read_command_line
from chat.client.connection.events import (
    EnteredRoom,
    Joined,
    LeftRoom,
    Notice,
    ReadElsewhere,
    RoomFacts,
    RoomHistory,
    Text,
    Welcome,
)
from chat.client.program.catching_up import CatchingUp, wishes_of
from chat.client.resuming.events import CatchUpBegan, CatchUpEnded, Renumbered, ResumedEvent
from chat.client.state.places import ROOM, room_log
from chat.structs import replace
from tests.client.fake_connection import NINE

WELCOME = Welcome("bob", NINE, history=RoomHistory("e", 60, last=10, read=7))
EARLIER: tuple[ResumedEvent, ...] = (
    CatchUpBegan(ROOM, 1),
    Text("alice", NINE, "one", seq=1, replay=True),
    CatchUpEnded(ROOM, 1),
)
JOINED = Joined("carol", NINE)


def see(catching_up: CatchingUp, *events: ResumedEvent) -> list[ResumedEvent]:
    return [shown for event in events for shown in catching_up.take(event)]


def test_people_see_earlier_messages_before_the_welcome() -> None:
    catching_up = CatchingUp()
    assert see(catching_up, WELCOME, *EARLIER) == list(EARLIER)
    assert catching_up.flush() == [WELCOME]
    assert catching_up.flush() == []


def test_a_room_that_was_left_meanwhile_does_not_bring_the_welcome_forward() -> None:
    catching_up, left = CatchingUp(), LeftRoom("dev", NINE, "no-such-room")
    assert see(catching_up, WELCOME, left, *EARLIER) == [left, *EARLIER]
    assert catching_up.flush() == [WELCOME]


def test_programs_get_each_event_as_it_comes() -> None:
    catching_up = CatchingUp(for_people=False)
    assert see(catching_up, WELCOME, *EARLIER) == [WELCOME, *EARLIER]
    assert catching_up.flush() == []


def test_what_happens_now_waits_for_no_earlier_message() -> None:
    catching_up = CatchingUp()
    assert see(catching_up, WELCOME, EARLIER[0], JOINED) == [EARLIER[0], WELCOME, JOINED]


def test_the_welcome_of_a_connection_that_broke_is_not_shown() -> None:
    catching_up = CatchingUp()
    again = Welcome("bob", NINE)
    assert see(catching_up, WELCOME, again) == []
    assert catching_up.flush() == [again]


def test_the_marks_of_the_server_are_taken() -> None:
    marks = UserMarks()
    catching_up = CatchingUp(marks=marks)
    see(catching_up, WELCOME)
    assert marks.of(None) == 7
    see(catching_up, ReadElsewhere(9, NINE))
    assert marks.of(None) == 9
    see(catching_up, Welcome("bob", NINE, history=RoomHistory("f", last=2, read=1)), Renumbered())
    assert marks.of(None) == 1


def test_the_marks_of_rooms_are_taken() -> None:
    marks = UserMarks()
    catching_up = CatchingUp(marks=marks)
    dev, den = (
        RoomFacts(name, history=RoomHistory("e", last=5, read=3)) for name in ("dev", "den")
    )
    see(catching_up, Welcome("bob", NINE, rooms=(dev,)), EnteredRoom(den, NINE))
    assert (marks.of(None, "dev"), marks.of(None, "den"), marks.of(None)) == (3, 3, None)
    see(catching_up, ReadElsewhere(4, NINE, room="DEV"))
    assert (marks.of(None, "dev"), marks.of(None, "den")) == (4, 3)


def test_a_new_epoch_while_the_user_is_here() -> None:
    marks = UserMarks()
    catching_up = CatchingUp(marks=marks)
    anew = Notice("epoch", "The messages are counted anew.", NINE, epoch="f")
    assert see(catching_up, WELCOME, anew) == [WELCOME, Renumbered(), anew]
    assert marks.of(None) is None
    # The numbers of each room begin anew, too.
    see(catching_up, replace(WELCOME, rooms=(RoomFacts("dev"), RoomFacts("den"))))
    see(catching_up, LeftRoom("dev", NINE), EnteredRoom(RoomFacts("Ops"), NINE))
    den, ops = (Renumbered(room_log(name), name) for name in ("den", "Ops"))
    assert see(catching_up, anew) == [Renumbered(), den, ops, anew]


@pytest.mark.parametrize(
    ("arguments", "is_watched", "replay", "context"),
    [
        ([], True, 50, 50),
        (["--replay=7"], True, 7, 7),
        (["--replay=0"], True, 0, 0),
        ([], False, 0, 0),
        (["--replay=200"], False, 200, 0),
        (["--json"], True, 0, 0),
        (["--json", "--replay=7"], False, 7, 0),
    ],
)
def test_a_script_asks_for_nothing_unless_it_is_told_to(
    arguments: list[str], is_watched: bool, replay: int, context: int
) -> None:
    settings = read_command_line(["--username=bob", *arguments])
    wishes = wishes_of(settings, is_watched=is_watched)
    assert (wishes.replay, wishes.context) == (replay, context)
    assert wishes.follows is (replay > 0)


def test_the_settings_file_speaks_of_people_alone(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text("replay = 20")
    settings = read_command_line(["--username=bob", f"--config={file}"])
    assert wishes_of(settings, is_watched=True).replay == 20
    assert wishes_of(settings, is_watched=False).replay == 0
