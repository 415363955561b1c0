"""Earlier messages on the screen: marked, and of no other effect."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chat.client.connection.events import RoomHistory, UnreadPartner, Welcome
from chat.client.conversation.ui_events import Announced, Doubted, DoubtSettled, OtherAccount
from chat.client.frontends.wording import RENUMBERED
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    Disconnected,
    LineRestored,
    MissingMessages,
    Renumbered,
)
from chat.client.screen.draw.layout import Renderer, Size
from chat.client.screen.draw.lines import entry_lines
from chat.client.screen.model.entries import Said
from chat.client.screen.model.model import Model
from chat.client.screen.text.spans import text_of
from chat.client.screen.text.styles import EARLIER, PERHAPS, TEXT
from chat.client.screen.updates.message_updates import MAX_VIEWS_OPENED
from chat.client.screen.updates.model_updates import ModelUpdater
from chat.client.state.places import MAILBOX, ROOM
from chat.client.state.unanswered_line import UnansweredLine
from chat.structs import replace
from tests.client.screen.intake_bench import NINE, Bench, download, file, text


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_earlier_messages_are_marked_and_have_no_other_effect(bench: Bench) -> None:
    bench.model.focus(False)
    gone = replace(text("hi Bob", sender="dora"), replay=True)
    attachment = Announced(replace(file(sender="dora"), replay=True), download())
    events = (CatchUpBegan(ROOM, 2), gone, attachment, CatchUpEnded(ROOM, 2))
    assert bench.take(*events) == [None] * 4
    assert bench.lines() == [
        "[dora]: hi Bob",
        "-- dora sent a file: a.txt (100 bytes), number 3: 0 %".replace(
            ": 0 %", ": [----------] 0 %"
        ),
        "-- above: 2 earlier messages",
    ]
    said, shared, _ = bench.model.default.entries
    assert {span.style for span in entry_lines(said)[0][-2:]} == {EARLIER}
    assert entry_lines(shared)[0][1].style == EARLIER
    assert (bench.model.default.unread, bench.model.default.calls) == (0, 0)
    assert not bench.model.attention.mentions
    assert "dora" not in bench.model.people.names
    assert "dora" in list(bench.model.speakers())  # for Tab


def test_what_is_said_after_them_counts(bench: Bench) -> None:
    bench.model.focus(False)
    _, alert = bench.take(replace(text("bob?"), replay=True), text("bob!"))
    assert alert is not None
    assert (bench.model.default.unread, bench.model.default.calls) == (1, 1)
    assert entry_lines(bench.last)[0][-1].style == TEXT


def test_removed_messages_say_so(bench: Bench) -> None:
    purged = replace(text(""), replay=True, purged=True)
    bench.take(purged, Announced(replace(file(), replay=True, purged=True, size=0), None))
    assert bench.lines() == ["[alice]: (removed)", "-- alice sent a file: a.txt (removed)"]


def test_ignored_users_stay_hidden(bench: Bench) -> None:
    bench.model.attention.ignored.add("alice")
    bench.take(replace(text(), replay=True))
    assert bench.lines() == []


def test_a_user_who_comes_back_hears_what_is_missing(bench: Bench) -> None:
    bench.take(
        CatchUpBegan(ROOM, 1, NINE),
        MissingMessages(ROOM, 5, 6, "skipped"),
        replace(text(), replay=True),
        CatchUpEnded(ROOM, 1),
    )
    assert bench.lines() == [
        "-- 2 messages are not shown here: only the newest of what you missed are fetched",
        "[alice]: hello",
        "-- above: 1 message since 21:04",
    ]


def test_what_was_missed_is_new_and_rings_for_nobody(bench: Bench) -> None:
    read = replace(text("old"), seq=1)
    missed = [
        replace(text(words, sender=sender), seq=seq, replay=True)
        for seq, (sender, words) in enumerate(
            [("alice", "one"), ("bob", "mine"), ("alice", "bob, are you there?")], 2
        )
    ]
    psst = replace(text("psst", to="bob", sender="dora"), seq=1, replay=True)
    bench.take(read, Disconnected("It broke.", 1.0))
    alerts = bench.take(
        CatchUpBegan(ROOM, 3, NINE),
        *missed,
        CatchUpEnded(ROOM, 3),
        CatchUpBegan(MAILBOX, 1, NINE),
        psst,
        CatchUpEnded(MAILBOX, 1),
    )
    assert set(alerts) == {None}
    room, dora = bench.model.views
    said = [entry for entry in room.entries if isinstance(entry, Said)]
    assert not any(entry.earlier for entry in said)
    assert [entry.mentions for entry in said] == [False, False, False, True]
    assert room.left_off is not None
    assert room[room.left_off] is said[1]
    assert (room.fresh, room.called, room.unread) == (2, 1, 0)
    assert (dora.peer, dora.unread, dora.calls) == ("dora", 1, 1)
    assert bench.model.current is room
    assert len(bench.model.attention.mentions) == 1
    assert "── 2 new since 21:04, 1 for you ─" in drawn(bench)


def test_the_mark_of_another_device_decides_what_is_new(bench: Bench) -> None:
    bench.model.attention.read_marks.enter(
        RoomHistory("e", last=5, read=4),
        RoomHistory("e", last=9, read=7, partners=(UnreadPartner("alice", 8),)),
    )
    messages = [replace(text(f"text {seq}"), seq=seq, replay=True) for seq in (3, 4, 5)]
    private = [
        replace(text("psst", to="bob", sender=sender), seq=seq, replay=True)
        for seq, sender in ((7, "carol"), (8, "alice"), (9, "alice"))
    ]
    bench.take(CatchUpBegan(ROOM, 3), *messages, CatchUpEnded(ROOM, 3))
    bench.take(CatchUpBegan(MAILBOX, 3), *private, CatchUpEnded(MAILBOX, 3))
    room, alice = bench.model.views
    # Nothing was missed of carol, and only the second message of alice.
    assert [entry.seq for entry in room.entries if isinstance(entry, Said)] == [3, 4, 5, 7, 8]
    assert room.left_off is not None
    assert (room[room.left_off].seq, room.fresh) == (5, 1)
    assert (alice.peer, alice.unread, len(alice.entries)) == ("alice", 1, 2)


def test_not_every_stranger_opens_a_view(bench: Bench) -> None:
    bench.take(CatchUpBegan(MAILBOX, 20, NINE))
    for number in range(20):
        bench.take(
            replace(text("psst", to="bob", sender=f"s{number}"), replay=True, seq=number + 1)
        )
    assert len(bench.model.views) == MAX_VIEWS_OPENED
    assert "[s19 -> bob]: psst" in bench.lines()


def test_what_waited_for_a_hole_to_be_filled_counts_after_it(bench: Bench) -> None:
    bench.take(CatchUpBegan(ROOM, 1, NINE), replace(text(), seq=2, replay=True))
    bench.take(CatchUpEnded(ROOM, 1), replace(text("live"), seq=3))
    assert bench.model.default.fresh == 1


class TestPerhapsSaid:
    LINE = UnansweredLine("n1", "buy milk", None, NINE)

    def test_a_line_of_an_earlier_run_waits_as_it_did(self, bench: Bench) -> None:
        bench.take(LineRestored(self.LINE))
        assert [pending.tag for pending in bench.model.default.pending] == ["n1"]

    def test_a_line_that_was_perhaps_said_is_marked(self, bench: Bench) -> None:
        bench.take(LineRestored(self.LINE), Doubted(self.LINE, "The server began anew.", 1))
        assert not bench.model.default.pending
        assert bench.lines() == [
            "[bob]: buy milk",
            "perhaps said: The server began anew. /again 1 says it again, /drop 1 drops it",
        ]
        assert entry_lines(bench.last)[1][0].style == PERHAPS

    @pytest.mark.parametrize(
        ("outcome", "words"),
        [
            ("said-again", "you said it again"),
            ("dropped", "you dropped it"),
            ("found", "it was said after all"),
        ],
    )
    def test_what_became_of_it(self, bench: Bench, outcome: str, words: str) -> None:
        bench.model.say(7, "buy milk", None, NINE)
        bench.take(Doubted(self.LINE, "It is lost.", 1, 7), DoubtSettled(1, self.LINE, outcome))
        assert bench.lines() == ["[bob]: buy milk", f"perhaps said: {words}"]


def test_a_name_that_belongs_to_another_account(bench: Bench) -> None:
    view = bench.model.query("carol")
    bench.take(OtherAccount("carol"))
    assert bench.lines(view) == ["-- carol is another account than the carol of before"]
    bench.model.attention.ignored.add("carol")
    bench.take(OtherAccount("carol"))
    assert len(view.entries) == 1


def drawn(bench: Bench) -> str:
    rows = Renderer().render(bench.model, Size(60, 20)).rows
    return "\n".join(text_of(row) for row in rows)


def test_a_history_that_began_anew(bench: Bench) -> None:
    bench.take(Renumbered())
    assert bench.lines() == [f"-- {RENUMBERED}"]


@pytest.mark.parametrize(
    ("keep", "line"),
    [
        (30 * 86400, "messages are kept for 30 days on this server"),
        (86400, "messages are kept for 1 day on this server"),
        (90 * 60, "messages are kept for 90 minutes on this server"),
        (None, "messages are kept on this server"),
    ],
)
def test_recording_is_announced_once(keep: float | None, line: str) -> None:
    event = Welcome("bob", NINE + timedelta(0), ("bob",), history=RoomHistory("e", keep))
    model = Model("chat.example:8080", "bob")
    updater = ModelUpdater(model)
    for each in (event, Disconnected("It broke.", 1.0), event):
        updater.update(each, NINE)
    lines = [text_of(row) for entry in model.default.entries for row in entry_lines(entry)]
    assert sum(line in each for each in lines) == 1
