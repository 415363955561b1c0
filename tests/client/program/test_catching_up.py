"""After a login the user sees what they have not seen yet: once, in order, and before what is new."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.cli import read_command_line
from chat.client.connection.events import Joined, Notice, RoomHistory, Text, Welcome
from chat.client.conversation.ui_events import Earlier
from chat.client.program.catching_up import CatchingUp, Shown, catching_up_of
from chat.structs import replace
from tests.client.fake_connection import NINE

KEPT = RoomHistory("e", 60, last=10)


def text(seq: int, *, replay: bool = True, to: str | None = None) -> Text:
    return Text("alice", NINE, f"text {seq}", to, seq=seq, replay=replay)


def welcome(history: RoomHistory | None = KEPT) -> Welcome:
    return Welcome("bob", NINE, history=history)


class Viewer:
    """A user, and what they see."""

    def __init__(self, first: int = 50, *, for_people: bool = True) -> None:
        self.catching_up = CatchingUp(first, for_people=for_people)

    def log_in(self, history: RoomHistory | None, *numbers: int) -> list[str]:
        """Log in, and return what is shown if the server shows these messages again."""
        return self.see(welcome(history), *map(text, numbers))

    def see(self, *events: Text | Welcome | Joined | Notice) -> list[str]:
        return words([shown for event in events for shown in self.catching_up.take(event)])


def words(shown: list[Shown]) -> list[str]:
    """Return short words for the events."""
    return [_word(each) for each in shown]


def _word(each: Shown) -> str:
    if isinstance(each, Text):
        return str(each.seq)
    if isinstance(each, Earlier):
        kind = "away" if each.away else "earlier"
        missing = f" -{each.missing}" if each.missing else ""
        return f"{kind} {each.number}{missing}" if each.begins else "end"
    return type(each).__name__


@pytest.fixture
def viewer() -> Viewer:
    return Viewer()


def test_a_newcomer_sees_what_was_said_before_and_then_comes_in(viewer: Viewer) -> None:
    assert viewer.catching_up.wanted == 50
    assert viewer.see(welcome(), text(8), text(9)) == []
    assert viewer.see(text(10)) == ["earlier 3", "8", "9", "10", "end", "Welcome"]
    assert viewer.see(text(11, replay=False)) == ["11"]
    assert viewer.catching_up.wanted == 200


def test_a_room_in_which_nothing_was_said(viewer: Viewer) -> None:
    assert viewer.log_in(replace(KEPT, last=0)) == ["Welcome"]
    assert viewer.log_in(replace(KEPT, oldest=11)) == ["Welcome"]
    assert viewer.log_in(replace(KEPT, lost=((1, 10),))) == ["Welcome"]


def test_numbers_that_were_lost_are_not_waited_for(viewer: Viewer) -> None:
    history = replace(KEPT, last=1000, lost=((2, 4), (11, 1000)))
    assert viewer.log_in(history, 9, 10) == ["earlier 2", "9", "10", "end", "Welcome"]


def test_a_user_who_comes_back_sees_only_what_they_have_not_seen(viewer: Viewer) -> None:
    viewer.log_in(KEPT, 9, 10)
    viewer.see(text(11, replay=False), text(2, replay=False, to="bob"))
    back = viewer.log_in(replace(KEPT, last=13), 9, 10, 11, 12, 13)
    assert back == ["away 2", "12", "13", "end", "Welcome"]
    # Nothing was said meanwhile.
    assert viewer.log_in(replace(KEPT, last=13), 12, 13) == ["Welcome"]
    assert viewer.see(text(14, replay=False)) == ["14"]


def test_messages_that_the_server_did_not_show_are_counted(viewer: Viewer) -> None:
    viewer.log_in(KEPT, 10)
    history = replace(KEPT, last=300, lost=((5, 20), (50, 59)))
    back = viewer.log_in(history, *range(101, 301))
    # 11 to 100, without 11 to 20 and 50 to 59.
    assert (back[0], back[1], len(back)) == ("away 200 -70", "101", 203)


def test_under_another_epoch_nothing_counts_as_seen(viewer: Viewer) -> None:
    viewer.log_in(KEPT, 10)
    back = viewer.log_in(RoomHistory("other", last=2), 1, 2)
    assert back == ["Renumbered", "earlier 2", "1", "2", "end", "Welcome"]
    assert viewer.log_in(RoomHistory("third")) == ["Renumbered", "Welcome"]


def test_a_new_epoch_while_the_user_is_here(viewer: Viewer) -> None:
    viewer.log_in(KEPT, 10)
    anew = Notice("epoch", "The messages are counted anew.", NINE, epoch="f")
    assert viewer.see(anew, text(1, replay=False)) == ["Notice", "1"]
    back = viewer.log_in(RoomHistory("f", last=2), 1, 2)
    assert back == ["away 1", "2", "end", "Welcome"]


def test_other_events_do_not_wait_for_messages_that_never_come(viewer: Viewer) -> None:
    assert viewer.log_in(KEPT, 8) == []
    assert viewer.see(Joined("carol", NINE)) == ["earlier 1", "8", "end", "Welcome", "Joined"]
    assert viewer.log_in(replace(KEPT, last=12)) == []
    assert words(viewer.catching_up.flush()) == ["Welcome"]
    assert viewer.catching_up.flush() == []


def test_messages_of_a_connection_that_broke_come_again(viewer: Viewer) -> None:
    assert viewer.log_in(KEPT, 8, 9) == []
    again = viewer.log_in(KEPT, 8, 9, 10)
    assert again == ["earlier 3", "8", "9", "10", "end", "Welcome"]


def test_a_server_that_keeps_nothing(viewer: Viewer) -> None:
    assert viewer.log_in(None) == ["Welcome"]
    assert viewer.see(text(1, replay=False)) == ["1"]
    assert viewer.catching_up.wanted == 50


def test_a_user_who_wants_nothing_old_is_shown_nothing_old() -> None:
    viewer = Viewer(0)
    assert viewer.log_in(KEPT) == ["Welcome"]
    assert viewer.log_in(replace(KEPT, last=20)) == ["Welcome"]
    assert viewer.catching_up.wanted == 0


def test_programs_get_each_event_as_it_comes_and_once() -> None:
    viewer = Viewer(for_people=False)
    assert viewer.log_in(KEPT, 9, 10) == ["Welcome", "9", "10"]
    assert viewer.log_in(replace(KEPT, last=11), 9, 10, 11) == ["Welcome", "11"]
    assert viewer.log_in(RoomHistory("other", last=1), 1) == ["Welcome", "1"]


@pytest.mark.parametrize(
    ("arguments", "is_watched", "wanted"),
    [
        ([], True, 50),
        (["--replay=7"], True, 7),
        (["--replay=0"], True, 0),
        ([], False, 0),
        (["--replay=200"], False, 200),
        (["--json"], True, 0),
        (["--json", "--replay=7"], False, 7),
    ],
)
def test_a_script_asks_for_nothing_unless_it_is_told_to(
    arguments: list[str], is_watched: bool, wanted: int
) -> None:
    settings = read_command_line(["--username=bob", *arguments])
    assert catching_up_of(settings, is_watched=is_watched).wanted == wanted


def test_the_settings_file_speaks_of_people_alone(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text("replay = 20")
    settings = read_command_line(["--username=bob", f"--config={file}"])
    assert catching_up_of(settings, is_watched=True).wanted == 20
    assert catching_up_of(settings, is_watched=False).wanted == 0
