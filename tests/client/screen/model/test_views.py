from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.attention.read_marks import ReadUpTo
from chat.client.screen.model import views
from chat.client.screen.model.entries import Movement, Pending, Said, Step
from chat.client.screen.model.views import Position, View

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)


def said(
    text: str = "hello", to: str | None = None, seq: int | None = None, sender: str = "alice"
) -> Said:
    return Said(NINE, sender, text, to, own=sender == "bob", seq=seq)


def pending(tag: int) -> Pending:
    return Pending(NINE, tag, "bob", f"text {tag}")


@pytest.fixture
def view() -> View:
    """Return a view that the user looks at."""
    view = View()
    view.show(True)
    return view


def test_an_empty_view(view: View) -> None:
    assert (view.first, view.end, view.last) == (0, 0, -1)


def test_entries_are_numbered(view: View) -> None:
    entries = [said(), said()]
    for entry in entries:
        view.append(entry)
    assert [view[0], view[1]] == entries
    assert (view.first, view.end, view.last) == (0, 2, 1)


def test_the_oldest_go_and_the_numbers_stay(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MAX_ENTRIES", 3)
    entries = [said() for _ in range(5)]
    for entry in entries:
        view.append(entry)
    assert list(view.entries) == entries[2:]
    assert (view.first, view.end) == (2, 5)
    assert view[4] is entries[4]


def test_long_texts_leave_room_for_fewer(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MAX_WEIGHT", 1100)
    for _ in range(10):
        view.append(said("x" * 400))
    assert (view.first, view.end) == (8, 10)
    view.append(said("x" * 4000))  # the last one is kept in any case
    assert (view.first, view.end) == (10, 11)
    view.append(said())
    assert (view.first, view.end) == (11, 12)


def test_what_is_seen_is_not_unread(view: View) -> None:
    view.append(said(to="bob"))
    assert (view.unread, view.calls, view.left_off) == (0, 0, None)


def test_what_comes_while_nobody_looks(view: View) -> None:
    view.append(said())
    view.show(False)
    view.append(Movement(Step(NINE, "alice", joined=True)))
    assert (view.unread, view.left_off) == (0, None)  # that is nothing to come back for
    view.append(said())
    view.append(said(to="bob"))
    assert (view.unread, view.calls, view.left_off) == (2, 1, 2)


def test_the_marker_stays_until_the_next_absence(view: View) -> None:
    view.show(False)
    view.append(said())
    view.show(True)
    assert (view.unread, view.calls, view.left_off) == (0, 0, 0)
    view.append(said())
    assert view.left_off == 0
    view.show(False)
    view.append(said())
    assert (view.unread, view.left_off) == (1, 2)


def test_a_user_who_has_scrolled_up_does_not_see_new_entries(view: View) -> None:
    view.append(said())
    view.scroll_to(Position(0, 0))
    assert not view.is_read
    view.append(said())
    assert (view.unread, view.left_off) == (1, 1)
    view.scroll_to(None)
    assert view.is_read
    assert view.unread == 0


def test_coming_back_to_a_view_that_is_scrolled_up(view: View) -> None:
    view.append(said())
    view.scroll_to(Position(0, 0))
    view.append(said())
    view.show(False)
    view.show(True)
    assert view.unread == 1


def test_what_is_pending_stands_below_all_entries(view: View) -> None:
    first, second = pending(1), pending(2)
    view.await_echo(first)
    view.await_echo(second)
    view.append(said())
    assert [view[1], view[2]] == [first, second]
    assert (view.end, view.last) == (1, 2)


def test_what_was_answered_is_not_pending(view: View) -> None:
    first, second = pending(1), pending(2)
    view.await_echo(first)
    view.await_echo(second)
    assert view.pop_pending(2) is second
    assert view.pop_pending(2) is None
    assert view.pending == [first]


def test_a_user_who_speaks_has_caught_up(view: View) -> None:
    view.append(said())
    view.scroll_to(Position(0, 0))
    view.append(said())
    view.await_echo(pending(1))
    assert (view.anchor, view.unread, view.left_off) == (None, 0, None)


def test_a_cleared_view(view: View) -> None:
    waiting = pending(1)
    view.await_echo(waiting)
    view.append(said())
    view.scroll_to(Position(0, 0))
    view.append(said())
    view.clear()
    assert (view.first, view.end, view.last) == (2, 2, 2)
    assert (view.anchor, view.unread, view.left_off) == (None, 0, None)
    assert view[2] is waiting


def test_what_the_user_writes_is_not_unread(view: View) -> None:
    view.show(False)
    view.append(said(sender="bob"), is_new=False)
    assert (view.unread, view.left_off) == (0, None)


def test_an_absence_is_told_in_full_after_it(view: View) -> None:
    view.append(said(seq=1))
    view.show(False)
    view.append(said(seq=2))
    view.append(said(to="bob", seq=1))
    view.show(True)
    view.append(said(seq=3))
    assert (view.left_off, view.fresh, view.called, view.unread) == (1, 2, 1, 0)


def test_what_was_missed_is_new_although_the_user_looks(view: View) -> None:
    view.append(said(seq=1))
    view.begin_absence(view.end, NINE)
    for seq in (5, 6):
        view.append(said(seq=seq), missed=True)
    assert (view.left_off, view.fresh, view.since, view.unread) == (1, 2, NINE, 0)


def test_what_was_missed_continues_an_absence(view: View) -> None:
    view.append(said(seq=1))
    view.show(False)
    view.append(said(seq=2))
    view.begin_absence(view.end, NINE)
    view.append(said(seq=3), missed=True)
    assert (view.left_off, view.fresh, view.since, view.unread) == (1, 2, None, 2)


def test_the_newest_number_of_each_log_is_known(view: View) -> None:
    for entry in (
        said(seq=4),
        said(to="bob", seq=2),
        said(seq=3),
        said(),
        said("x", "Carol", 5, "bob"),
    ):
        view.append(entry)
    assert view.newest == {
        None: ReadUpTo(4),
        "alice": ReadUpTo(2, "alice"),
        "carol": ReadUpTo(5, "Carol"),
    }


def test_numbers_of_another_epoch_are_forgotten(view: View) -> None:
    view.show(False)
    view.append(said(seq=9))
    view.renumber()
    assert view.newest == {}
    view.append(said(seq=1))
    view.read_elsewhere(ReadUpTo(1))
    assert (view.unread, view.left_off) == (1, 0)


MESSAGES = st.lists(st.sampled_from(["alice", "carol", "bob", "alice to bob"]), max_size=12)


@given(before=MESSAGES, absent=MESSAGES, after=MESSAGES, mark=st.integers(0, 30), data=st.data())
def test_the_rule_moves_to_what_no_device_has_shown(
    before: list[str], absent: list[str], after: list[str], mark: int, data: st.DataObject
) -> None:
    view = View()
    view.show(True)
    seqs = {"room": 0, "private": 0}
    unread: list[int] = []  # what the user has not seen on another device either

    def hear(senders: list[str]) -> None:
        for sender in senders:
            is_private = " to " in sender
            log = "private" if is_private else "room"
            seqs[log] += 1
            own = sender == "bob"
            entry = said(sender, "bob" if is_private else None, seqs[log], sender.split()[0])
            view.append(entry, is_new=not own)
            if not view.is_read and not own and (is_private or seqs[log] > mark):
                unread.append(view.end - 1)

    hear(before)
    view.show(False)
    hear(absent)
    is_back = data.draw(st.booleans())
    if is_back:
        view.show(True)
        hear(after)
    view.read_elsewhere(ReadUpTo(mark))
    assert view.left_off == (unread[0] if unread else None)
    assert view.fresh == len(unread)
    assert view.unread == (0 if is_back else len(unread))


@given(st.lists(st.sampled_from(["room", "private", "look", "away"]), max_size=30))
def test_what_is_read_ends_before_the_first_unread_message_of_the_room(steps: list[str]) -> None:
    view = View()
    unread: list[int] = []
    newest, is_looking = None, False
    for number, step in enumerate(steps, 1):
        if step == "room":
            view.append(said(seq=number))
            newest = number
            unread += [] if is_looking else [number]
        elif step == "private":
            view.append(said(to="bob", seq=1000 - number))
        else:
            is_looking = step == "look"
            view.show(is_looking)
            unread = [] if is_looking else unread
        if unread:
            assert view.read_up_to == unread[0] - 1
        elif not view.unread:
            assert view.read_up_to == newest


def test_what_another_device_has_read_is_read() -> None:
    view = View()
    for seq in (4, 5, 6):
        view.append(said(seq=seq))
    assert view.read_up_to == 3
    view.read_elsewhere(ReadUpTo(5))
    assert view.read_up_to == 5
    view.renumber()
    assert view.read_up_to is None
