"""The views over restarts of the client: rooms, drafts, how loud each room is, and what is unread."""

from __future__ import annotations

from chat.client.connection.events import EnteredRoom, RoomFacts, RoomHistory, Text, Welcome
from chat.client.resuming.events import CatchUpBegan, CatchUpEnded, Renumbered
from chat.client.screen.kept_views import KeptViews
from chat.client.state.memory import Memory
from chat.client.state.places import room_log
from tests.client.screen.desks import NINE, Desk

HISTORY = RoomHistory("epoch", last=9)
WELCOME = Welcome(
    "bob",
    NINE,
    ("bob",),
    history=HISTORY,
    rooms=(RoomFacts("dev"), RoomFacts("den")),
    default_room="lobby",
)


def started(memory: Memory) -> tuple[Desk, KeptViews]:
    desk = Desk()
    kept = KeptViews(desk.model, desk.controller, lambda: memory, lambda: None)
    kept.restore()
    return desk, kept


def text(seq: int, room: str | None, *, replay: bool = False) -> Text:
    return Text("alice", NINE, f"message {seq}", seq=seq, room=room, replay=replay)


def test_what_a_run_leaves_the_next_one_finds() -> None:
    memory = Memory()
    memory.keep_rooms(["den", "dev"], by_server=False)
    desk, kept = started(memory)
    assert [view.room_name for view in desk.model.views] == [None, "den", "dev"], "in this order"
    desk.take(WELCOME)
    desk.take(text(5, "den"))
    desk.type(
        "<alt-2>/notify none<enter>in den<alt-3>in dev<alt-1>/query carol<enter>to carol<alt-1>"
    )
    for seq in (6, 7):
        desk.take(text(seq, "den"))
    kept.keep()

    desk, kept = started(memory)
    drafts = {desk.model.name_of(view): desk.controller.draft_of(view) for view in desk.model.views}
    assert drafts == {"lobby": "", "den": "in den", "dev": "in dev", "carol": "to carol"}
    assert desk.model.current is desk.model.default
    log = room_log("den")
    desk.take(CatchUpBegan(log, 3))
    for seq in (5, 6, 7):
        desk.take(text(seq, "den", replay=True))
    desk.take(CatchUpEnded(log, 3))
    desk.take(WELCOME)
    den = desk.model.views[1]
    assert den.unread == 2
    assert den.badge == (0, 0)
    desk.type("<alt-2>")
    assert desk.draft() == "in den"


def test_numbers_that_mean_nothing_any_more_are_forgotten() -> None:
    memory = Memory()
    memory.keep_rooms(["den"], by_server=False)
    desk, kept = started(memory)
    desk.take(WELCOME)
    desk.take(text(5, "den"))
    desk.type("<alt-3>")
    kept.keep()
    desk, kept = started(memory)
    desk.model.attention.read_marks.forget()  # as with the event
    desk.take(Renumbered(room_log("den")))
    # Under the new numbers it is the first message, and nobody knows whether it was read.
    desk.take(text(9, "den", replay=True))
    assert desk.model.views[1].unread == 0


def test_what_looks_like_a_password_is_not_kept() -> None:
    memory = Memory()
    desk, kept = started(memory)
    desk.type("/identify secret")
    kept.keep()
    assert dict(memory.drafts) == {}
    desk.type("<ctrl-u>hello")
    kept.keep()
    assert list(memory.drafts.values()) == ["hello"]
    desk.type("<enter>")
    kept.keep()
    assert dict(memory.drafts) == {}


def test_a_draft_of_this_run_stays() -> None:
    memory = Memory()
    memory.keep_draft(room_log(None), "old")
    desk = Desk()
    desk.type("new")
    KeptViews(desk.model, desk.controller, lambda: memory, lambda: None).restore()
    assert desk.draft() == "new"


def test_another_user_of_this_run_has_another_memory() -> None:
    memories = [Memory(), Memory()]
    memories[1].keep_notify(room_log("dev"), "all")
    desk = Desk()
    kept = KeptViews(desk.model, desk.controller, lambda: memories[-1], lambda: None)
    memories.append(memories.pop(0))
    kept.restore()
    desk.type("hello")
    kept.keep()
    memories.append(memories.pop(0))
    kept.keep()
    assert dict(memories[-1].drafts) == {}, "not before the login is restored"
    kept.restore()
    desk.take(EnteredRoom(RoomFacts("dev"), NINE))
    room = desk.model.views[1].room
    assert room is not None
    assert room.notify.value == "all"
