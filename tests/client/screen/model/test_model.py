from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.screen.model import model as model_module
from chat.client.screen.model.entries import Remark, Said, Shared, Unsent
from chat.client.screen.model.model import Model
from chat.client.screen.model.views import View
from chat.client.screen.text.spans import Span
from chat.client.screen.text.styles import Colours
from chat.protocol.descriptor import MessageType

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)


@pytest.fixture
def model() -> Model:
    model = Model("chat.example:8080", "bob")
    model.people.reset(["bob", "alice", "Carol"])
    return model


def said(sender: str, text: str = "hello", to: str | None = None) -> Said:
    return Said(NINE, sender, text, to, own=sender == "bob")


def texts(view: View) -> list[str]:
    """Return who said what, in a view of messages."""
    said = (entry.what if isinstance(entry, Unsent) else entry for entry in view.entries)
    return [f"{entry.sender} {entry.search_text()}" for entry in said if hasattr(entry, "sender")]


def image(transfer: Transfer | None = None) -> Shared:
    return Shared(NINE, "alice", MessageType.IMAGE, "cat.png", 100, transfer=transfer)


class TestPending:
    def test_own_words_wait_for_their_echo(self, model: Model) -> None:
        model.say(1, "hello", None, NINE)
        waiting = model.pending(1)
        assert waiting is not None
        assert (waiting.sender, waiting.text) == ("bob", "hello")
        assert model.pending(2) is None
        assert model.settle(1)
        assert model.pending(1) is None
        assert not model.settle(1)
        assert not model.default.entries

    def test_a_file_on_its_way(self, model: Model) -> None:
        model.share(1, "cat.png", MessageType.IMAGE, "alice", NINE)
        waiting = model.pending(1)
        assert waiting is not None
        assert (waiting.text, waiting.kind, waiting.to) == ("cat.png", MessageType.IMAGE, "alice")

    def test_what_was_refused_stays_in_the_log(self, model: Model) -> None:
        model.say(1, "hello", None, NINE)
        assert model.settle(1, "It was refused.")
        (entry,) = model.default.entries
        assert isinstance(entry, Unsent)
        assert (entry.what.text, entry.problem) == ("hello", "It was refused.")

    def test_nobody_asked(self, model: Model) -> None:
        model.say(None, "hello", None, NINE)
        assert not model.settle(None)

    def test_private_words_wait_in_their_view(self, model: Model) -> None:
        view = model.query("alice")
        model.say(1, "hello", None, NINE)
        model.say(2, "psst", "Alice", NINE)
        model.say(3, "you too", "carol", NINE)
        assert [pending.tag for pending in model.default.pending] == [1, 3]
        assert [pending.tag for pending in view.pending] == [2]
        assert model.settle(2, "No.")
        assert texts(view) == ["bob psst"]

    def test_everything_may_be_lost(self, model: Model) -> None:
        view = model.query("alice")
        model.say(1, "one", None, NINE)
        model.say(2, "two", None, NINE)
        model.say(3, "three", "alice", NINE)
        model.lose_pending("The connection was lost.")
        assert texts(model.default) == ["bob one", "bob two"]
        assert texts(view) == ["bob three"]
        assert not any(view.pending for view in model.views)


class TestViews:
    def test_there_is_the_room(self, model: Model) -> None:
        assert model.views == [model.default]
        assert model.current is model.default
        assert model.default.is_read

    def test_a_conversation_has_a_view_of_its_own(self, model: Model) -> None:
        view = model.query("carol")
        assert view.peer == "Carol"
        assert model.current is view
        assert model.views == [model.default, view]
        assert view.is_read
        assert not model.default.is_read
        assert model.query("CAROL") is view
        assert model.view_with("carol") is view
        assert model.view_with("alice") is model.default
        assert model.view_with(None) is model.default

    def test_what_was_said_before_is_in_it(self, model: Model) -> None:
        for entry in (
            said("alice", "public"),
            said("alice", "psst", to="bob"),
            said("bob", "yes?", to="Alice"),
            said("carol", "hey", to="bob"),
        ):
            model.default.append(entry)
        view = model.query("alice")
        assert texts(view) == ["alice psst", "bob yes?"]
        assert (view.unread, view.left_off) == (0, None)

    def test_views_are_numbered(self, model: Model) -> None:
        view = model.query("alice")
        assert model.switch(1)
        assert model.current is model.default
        assert model.switch(2)
        assert model.current is view
        assert not model.switch(3)
        assert not model.switch(0)
        assert model.current is view

    def test_each_has_its_own_unread_count(self, model: Model) -> None:
        view = model.query("alice")
        model.default.append(said("carol"))
        view.append(said("alice"))
        assert (model.default.unread, view.unread) == (1, 0)
        model.switch(1)
        assert model.default.unread == 0

    def test_to_the_next_with_something_unread(self, model: Model) -> None:
        alice, carol = model.query("alice"), model.query("carol")
        model.switch(1)
        assert not model.next_unread()
        alice.append(said("alice"))
        carol.append(said("carol", to="bob"))
        assert model.next_unread()
        assert model.current is carol
        assert model.next_unread()
        assert model.current is alice
        assert not model.next_unread()

    def test_what_comes_out_of_focus_is_unread(self, model: Model) -> None:
        model.focus(False)
        model.default.append(said("alice"))
        assert model.default.unread == 1
        model.focus(True)
        assert model.default.unread == 0
        assert model.default.left_off == 0

    def test_a_closed_conversation_goes_on_in_the_room(self, model: Model) -> None:
        view = model.query("alice")
        assert model.close(view)
        assert model.views == [model.default]
        assert model.current is model.default
        assert model.view_with("alice") is model.default

    def test_a_view_closed_from_elsewhere(self, model: Model) -> None:
        alice, carol = model.query("alice"), model.query("carol")
        assert model.close(alice)
        assert model.current is carol

    def test_what_cannot_be_closed(self, model: Model) -> None:
        view = model.query("alice")
        model.say(1, "psst", "alice", NINE)
        assert not model.close(view)
        assert not model.close(model.default)

    def test_a_remark_stands_where_one_looks(self, model: Model) -> None:
        view = model.query("alice")
        model.remark(NINE, "one", "two")
        (entry,) = view.entries
        assert isinstance(entry, Remark)
        assert (entry.lines, entry.style) == (("one", "two"), "dim")


class TestNames:
    def test_those_who_spoke_last_come_first(self, model: Model) -> None:
        model.people.add("dave")
        for entry in (
            said("carol"),
            said("alice"),
            said("bob"),
            Remark(NINE, ("eve",), "dim"),
            said("alice"),
        ):
            model.default.append(entry)
        assert list(model.speakers()) == ["alice", "carol", "Carol", "dave"]

    def test_a_user_who_spoke_long_ago_counts_as_silent(
        self, model: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model_module, "_RECENT", 1)
        model.default.append(said("zoe"))
        model.default.append(said("alice"))
        assert list(model.speakers()) == ["alice", "Carol"]

    def test_another_name(self, model: Model) -> None:
        model.rename("robert")
        assert model.username == "robert"
        assert "hi robert" in model.mentions


class TestPictures:
    PICTURE = ([Span("▀▀", Colours(0xFF0000, 0x0000FF))],)

    def test_an_image_gets_its_picture(self, model: Model) -> None:
        transfer = Transfer(1, MessageType.IMAGE, "cat.png", 100)
        other = Transfer(2, MessageType.IMAGE, "dog.png", 100)
        model.default.append(image(transfer))
        model.default.append(said("alice"))
        model.query("alice").append(image(other))
        entry = model.shared_by(transfer)
        assert entry is model.default[0]
        assert model.shared_by(other) is model.current[0]
        assert entry is not None
        model.set_picture(entry, self.PICTURE)
        assert entry.picture == self.PICTURE

    def test_an_entry_that_is_gone(self, model: Model) -> None:
        assert model.shared_by(Transfer(1, MessageType.IMAGE, "cat.png", 100)) is None

    def test_only_the_last_pictures_are_kept(
        self, model: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model_module, "MAX_PICTURES", 2)
        images = [image() for _ in range(3)]
        for one in images:
            model.set_picture(one, self.PICTURE)
        assert [bool(one.picture) for one in images] == [False, True, True]


def test_time_goes_on(model: Model) -> None:
    transfer = Transfer(1, MessageType.FILE, "a.iso", 1000, state=TransferState.RUNNING)
    model.running[1] = transfer
    model.tick(NINE)
    transfer.done = 500
    model.tick(NINE + timedelta(seconds=1))
    assert model.now == NINE + timedelta(seconds=1)
    assert model.rates.describe(transfer) == "50 %, 500 bytes/s, 0:01 left"


class TestWhatIsCountedDown:
    @pytest.fixture
    def waiting(self, model: Model) -> Model:
        model.tick(NINE)
        model.retry_in, model.lag = 10.0, 5.0
        return model

    def test_by_each_look(self, waiting: Model) -> None:
        for seconds in (1, 2, 4):
            waiting.tick(NINE + timedelta(seconds=seconds))
        assert (waiting.retry_in, waiting.lag) == (6.0, 9.0)

    def test_to_nothing(self, waiting: Model) -> None:
        for seconds in range(20):
            waiting.tick(NINE + timedelta(seconds=seconds))
        assert waiting.retry_in == 0.0

    @pytest.mark.parametrize("hours", [-24, -1, 1, 24])
    def test_a_clock_that_is_set_changes_nothing(self, waiting: Model, hours: int) -> None:
        waiting.tick(NINE + timedelta(hours=hours))
        assert (waiting.retry_in, waiting.lag) == (10.0, 5.0)
        waiting.tick(NINE + timedelta(hours=hours, seconds=1))
        assert (waiting.retry_in, waiting.lag) == (9.0, 6.0)

    def test_nothing_stays_nothing(self, model: Model) -> None:
        model.tick(NINE)
        model.tick(NINE + timedelta(seconds=1))
        assert (model.retry_in, model.lag) == (None, 0.0)
