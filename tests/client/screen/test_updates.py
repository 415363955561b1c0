from __future__ import annotations

import time
from datetime import timedelta
from typing import get_args

import pytest

from chat.client.connection.events import BadFrame, Joined, Left, Notice, Welcome
from chat.client.conversation.transfer_list import TransferState
from chat.client.conversation.ui_events import (
    Announced,
    Done,
    EarlierListing,
    Explanation,
    Failed,
    FoundListing,
    Lag,
    Preview,
    Problem,
    TransferChanged,
    TransferListing,
    UiEvent,
    UserList,
)
from chat.client.frontends.wording import DISCONNECTED
from chat.client.resuming.events import Disconnected
from chat.client.screen.draw.lines import entry_lines
from chat.client.screen.model.entries import Remark, Said
from chat.client.screen.model.model import Model
from chat.client.screen.text.spans import text_of
from chat.client.screen.updates.message_updates import Alert
from chat.client.screen.updates.model_updates import ModelUpdater
from chat.protocol.descriptor import MessageType
from tests.client.screen.intake_bench import NINE, Bench, download, file, shown_status, text, upload


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_every_kind_of_event_is_taken(bench: Bench) -> None:
    # The frontend draws what the user only looks at.
    # It also takes what it has asked for itself.
    assert set(bench._intake._takers) == set(get_args(UiEvent)) - {
        *(Preview, EarlierListing, FoundListing)
    }


class TestTexts:
    def test_one_for_everyone(self, bench: Bench) -> None:
        assert bench.take(text()) == [None]
        assert bench.lines() == ["[alice]: hello"]

    def test_one_with_our_name_in_it(self, bench: Bench) -> None:
        assert bench.take(text("hi Bob")) == [Alert(bench.model.default, bench.last)]  # type: ignore[arg-type]
        assert isinstance(bench.last, Said)
        assert bench.last.mentions

    def test_our_own_name_in_our_own_words(self, bench: Bench) -> None:
        assert bench.take(text("I am bob", sender="bob")) == [None]

    def test_a_private_one(self, bench: Bench) -> None:
        (alert,) = bench.take(text("psst", to="bob"))
        assert alert is not None
        assert alert.view is bench.model.default
        assert bench.lines() == ["[alice -> bob]: psst"]

    def test_a_private_one_has_its_place_in_a_view_of_its_own(self, bench: Bench) -> None:
        view = bench.model.query("alice")
        (alert, nothing) = bench.take(text("psst", to="bob"), text("yes?", "alice", "bob"))
        assert alert is not None
        assert alert.view is view
        assert nothing is None
        assert bench.lines(view) == ["[alice -> bob]: psst", "[bob -> alice]: yes?"]
        assert bench.lines() == []

    def test_what_is_for_us_is_counted_apart(self, bench: Bench) -> None:
        bench.model.focus(False)
        bench.take(text(), text("bob?"), text(to="bob"))
        assert (bench.model.default.unread, bench.model.default.calls) == (3, 2)

    def test_the_name_is_kept_once(self, bench: Bench) -> None:
        for _ in range(2):
            bench.take(text(sender="".join(["ali", "ce"])))
        first, second = bench.model.default.entries
        assert isinstance(first, Said)
        assert isinstance(second, Said)
        assert first.sender is second.sender

    def test_a_user_who_speaks_is_here(self, bench: Bench) -> None:
        bench.take(text(sender="dave"), Announced(file(sender="eve"), None))
        assert {"dave", "eve"} <= bench.model.people.names.keys()

    def test_an_ignored_user_is_not_heard(self, bench: Bench) -> None:
        bench.model.attention.ignored.add("ALICE")
        heard = bench.take(
            text("bob!"),
            text("bob!", to="bob"),
            Announced(file(), None),
            Left("alice", NINE),
            Joined("alice", NINE),
            text("hi", sender="carol"),
        )
        assert heard == [None] * 6
        assert bench.lines() == ["[carol]: hi"]
        assert "alice" in bench.model.people.names


class TestOwnWords:
    def test_they_become_normal_when_they_come_back(self, bench: Bench) -> None:
        bench.model.say(1, "hello", None, NINE)
        bench.take(text(sender="bob"), Done(1))
        assert bench.lines() == ["[bob]: hello"]
        assert not bench.model.default.pending

    def test_refused_ones_are_marked(self, bench: Bench) -> None:
        bench.model.say(1, "hello", "dave", NINE)
        bench.take(Failed("no-such-user", "There is no dave.", 1))
        assert bench.lines() == ["[bob -> dave]: hello", "not sent: There is no dave."]

    def test_another_failure_is_told(self, bench: Bench) -> None:
        bench.take(Failed("bad-request", "Unknown command /x."), Done(7))
        assert bench.lines() == ["-- Unknown command /x."]
        assert isinstance(bench.last, Remark)
        assert bench.last.style == "error"

    def test_the_answer_to_a_command_is_told_where_it_was_given(self, bench: Bench) -> None:
        view = bench.model.query("alice")
        bench.take(Done(7, "Kept out:\nmallory, for 2 h"))
        assert bench.lines(view) == [
            "-- the server says: Kept out:",
            "mallory, for 2 h",
        ]
        assert bench.lines() == []

    def test_an_upload_shows_how_far_it_is(self, bench: Bench) -> None:
        bench.model.share(1, "a.txt", MessageType.FILE, None, NINE)
        transfer = upload(1)
        bench.take(TransferChanged(transfer))
        waiting = bench.model.pending(1)
        assert waiting is not None
        assert waiting.transfer is transfer
        transfer.state = TransferState.DONE
        bench.take(Announced(file(sender="bob"), None), TransferChanged(transfer), Done(1))
        assert bench.lines() == ["-- bob sent a file: a.txt (100 bytes)"]
        assert not bench.model.running
        assert not bench.model.default.pending

    def test_an_upload_of_which_nobody_knows(self, bench: Bench) -> None:
        bench.take(TransferChanged(upload(1)))
        assert bench.model.running.keys() == {4}


class TestPeople:
    def test_joins_and_leaves_are_folded(self, bench: Bench) -> None:
        bench.take(Joined("dave", NINE), Left("carol", NINE, "timed-out"), Joined("eve", NINE))
        assert bench.lines() == ["-- dave and eve joined; carol left (timed out)"]
        assert list(bench.model.people.names) == ["alice", "bob", "dave", "eve"]

    def test_not_over_what_was_said_between_them(self, bench: Bench) -> None:
        bench.take(Joined("dave", NINE), text(), Joined("eve", NINE))
        assert bench.lines() == ["-- dave joined", "[alice]: hello", "-- eve joined"]

    def test_not_over_hours(self, bench: Bench) -> None:
        bench.take(Joined("dave", NINE), Joined("eve", NINE + timedelta(hours=2)))
        assert len(bench.model.default.entries) == 2

    def test_a_user_leaves_a_private_conversation(self, bench: Bench) -> None:
        view = bench.model.query("alice")
        bench.take(Left("alice", NINE), Left("carol", NINE))
        assert bench.lines() == ["-- alice and carol left"]
        assert bench.lines(view) == ["-- alice left"]

    def test_a_user_who_has_talked_did_not_just_come_and_go(self, bench: Bench) -> None:
        view = bench.model.query("dave")
        bench.take(Joined("dave", NINE), text(sender="dave"), Left("dave", NINE, "quit"))
        assert bench.lines() == ["-- dave joined", "[dave]: hello", "-- dave left"]
        assert bench.lines(view) == ["-- dave joined", "-- dave left"]

    def test_who_is_here(self, bench: Bench) -> None:
        bench.take(UserList(("bob", "alice"), True), UserList(("bob",), False))
        assert bench.lines() == ["-- 2 in the room: alice, bob", "-- seen in the room so far: bob"]


class TestConnection:
    def test_welcome(self) -> None:
        model = Model("chat.example:8080", "Bob")
        intake = ModelUpdater(model)
        assert not model.is_online
        intake.update(Welcome("bob", NINE, ("alice", "bob"), motd="Be nice.\nOr else.\x1b"), NINE)
        assert model.is_online
        assert model.username == "bob"
        (entry,) = model.default.entries
        assert [text_of(line) for line in entry_lines(entry)] == [
            "<21:04:05> -- you are in the room as bob, with alice",
            "Be nice.",
            "Or else.␛",
        ]

    def test_alone(self) -> None:
        model = Model("chat.example:8080", "bob")
        ModelUpdater(model).update(Welcome("bob", NINE, ("bob",)), NINE)
        (entry,) = model.default.entries
        assert entry.search_text() == "you are in the room as bob"

    @pytest.mark.parametrize(
        ("seconds", "words"), [(8, "8 s"), (72, "1 min 12 s"), (3 * 3600 + 300, "3 h 5 min")]
    )
    def test_a_lost_connection_and_another(self, bench: Bench, seconds: int, words: str) -> None:
        bench.model.encrypted = True
        bench.take(Disconnected("The server is gone.", 2.0))
        assert not bench.model.is_online
        assert bench.model.encrypted is None
        assert not bench.model.people.are_complete
        assert bench.model.retry_in == 2.0
        bench.take(Disconnected("The server is gone.", 4.0), at=2)
        bench.take(Disconnected("Nobody listens there.", 8.0), at=6)
        bench.take(Welcome("bob", NINE, ("bob", "eve")), at=seconds)
        assert bench.model.is_online
        assert bench.model.retry_in is None
        assert [line.partition("-- ")[2] for line in bench.lines()] == [
            "The server is gone. Trying again.",
            "Nobody listens there. Trying again.",
            f"back in the room as bob after {words}",
        ]
        assert list(bench.model.people.names) == ["bob", "eve"]
        assert bench.model.people.are_complete

    def test_a_countdown_begins_with_the_loss_not_with_the_last_look_at_the_clock(
        self, bench: Bench
    ) -> None:
        """The screen does not look at the clock while all is well."""
        bench.model.tick(NINE)
        bench.take(Disconnected("The server is gone.", 1.0), at=120)
        assert shown_status(bench.model) == " no connection, next try in 1 s │ [1 room]"

    def test_a_lag_is_shown_until_something_is_heard(self, bench: Bench) -> None:
        bench.model.is_online = True
        bench.model.tick(NINE)
        bench.take(Lag(5.0), at=300)
        assert shown_status(bench.model) == " no answer for 5 s │ [1 room]"
        bench.model.tick(NINE + timedelta(seconds=302))
        assert shown_status(bench.model) == " no answer for 7 s │ [1 room]"
        bench.take(Lag(0.0), at=303)
        assert shown_status(bench.model) == " [1 room]"

    @pytest.mark.parametrize(
        "end", [Disconnected("Silent.", 1.0), Welcome("bob", NINE, ("bob",))], ids=repr
    )
    def test_a_lag_ends_with_its_connection(self, bench: Bench, end: UiEvent) -> None:
        bench.take(Lag(5.0), end)
        assert bench.model.lag == 0.0

    def test_one_that_was_given_up_for_another(self, bench: Bench) -> None:
        bench.take(Disconnected("Reconnecting.", 0.0))
        assert [line.partition("-- ")[2] for line in bench.lines()] == ["Reconnecting."]

    def test_a_user_who_was_told_to_leave_is_asked_whether_to_come_back(self, bench: Bench) -> None:
        told = Notice("moderated", "You were kicked by eve.", NINE, dismisses=True)
        bench.take(told, Disconnected("You were kicked by eve.", None))
        assert bench.model.is_dismissed
        bench.take(Disconnected("Reconnecting.", 0.0))
        assert not bench.model.is_dismissed
        assert [line.partition("-- ")[2] for line in bench.lines()] == [
            "the server says: You were kicked by eve.",
            DISCONNECTED,
            "Reconnecting.",
        ]

    def test_what_nobody_told_yet_is_told_also_in_the_private_view_that_is_open(
        self, bench: Bench
    ) -> None:
        bench.model.query("carol")
        bench.take(Disconnected("Another key.\nRemove line 1 of known_hosts.", None))
        told = ("Another key.", "Remove line 1 of known_hosts.", DISCONNECTED)
        for view in bench.model.views:
            assert [entry.lines for entry in view.entries if isinstance(entry, Remark)] == [told]

    @pytest.mark.parametrize("place", ["room", "private view"])
    def test_each_refused_attempt_to_come_back_tells_the_reason(
        self, bench: Bench, place: str
    ) -> None:
        if place != "room":
            bench.model.query("carol")
        banned = Disconnected("You are banned until further notice.", None)
        attempt = Disconnected("Reconnecting.", 0.0)
        bench.take(banned, attempt, banned, attempt, banned)
        for view in bench.model.views:
            told = [entry.lines for entry in view.entries if isinstance(entry, Remark)]
            refused = (banned.reason, DISCONNECTED)
            assert told == [refused, (attempt.reason,), refused, (attempt.reason,), refused]

    def test_the_end_of_a_ban_is_told_once_and_in_local_time(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        sentence = "You are banned until 2026-11-24 14:35:00 UTC."
        try:
            bench.take(Notice("moderated", sentence, NINE), Disconnected(sentence, None))
            bench.model.query("carol")
            bench.take(Disconnected(sentence, None))
        finally:
            monkeypatch.undo()
            time.tzset()
        local = "You are banned until 2026-11-24 23:35:00."
        first, second = (view.entries for view in bench.model.views)
        assert [entry.lines for entry in first if isinstance(entry, Remark)][:2] == [
            (f"the server says: {local}",),
            (DISCONNECTED,),
        ]
        assert [entry.lines for entry in second if isinstance(entry, Remark)] == [
            (local, DISCONNECTED)
        ]

    def test_the_stop_of_the_server_is_told_once(self, bench: Bench) -> None:
        told = Notice("shutting-down", "The server is shutting down.", NINE)
        bench.take(told, Disconnected("The server is shutting down.", 1.0))
        assert [line.partition("-- ")[2] for line in bench.lines()] == [
            "The server is shutting down. Trying again."
        ]

    def test_the_next_loss_is_told_again(self, bench: Bench) -> None:
        for _ in range(2):
            bench.take(Disconnected("Gone.", 1.0), Welcome("bob", NINE, ("bob",)))
        assert (
            bench.lines() == ["-- Gone. Trying again.", "-- back in the room as bob after 0 s"] * 2
        )


@pytest.mark.parametrize(
    ("news", "lines"),
    [
        (Notice("new", "One.\nTwo.", NINE), ["-- the server says: One.", "Two."]),
        (
            Notice("announcement", "One.\nTwo.", NINE),
            ["-- the operator announces: One.", "Two."],
        ),
        (
            BadFrame("It makes no sense."),
            ["-- The server sent an invalid frame: It makes no sense."],
        ),
        (Problem("The disk is full."), ["-- The disk is full."]),
        (TransferListing(()), ["-- no attachments yet"]),
        (
            TransferListing((download(),)),
            ["-- attachments:", "3. a.txt from alice, 100 bytes: 0 %"],
        ),
        (Explanation(("/quit  leave",)), ["-- help:", "/quit  leave"]),
    ],
)
def test_what_is_told(bench: Bench, news: UiEvent, lines: list[str]) -> None:
    assert bench.take(news) == [None]
    assert bench.lines() == lines


def test_answers_stand_where_one_asked(bench: Bench) -> None:
    view = bench.model.query("alice")
    bench.take(TransferListing(()), Explanation(("x",)), UserList((), True), Failed("x", "No."))
    assert len(view.entries) == 4
    assert bench.lines() == []
