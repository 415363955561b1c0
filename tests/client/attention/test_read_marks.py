"""How far the user has read: each mark is told to the server once, and none moves back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.client.attention.read_marks import ReadUpTo, UserMarks
from chat.client.connection.events import RoomFacts, RoomHistory, UnreadPartner

PARTNERS = st.sampled_from(["alice", "ALICE", "carol"])
ROOMS = st.sampled_from([None, "alice", "dev", "DEV"])
MARKS = st.builds(ReadUpTo, st.integers(1, 9), PARTNERS, st.none()) | st.builds(
    ReadUpTo, st.integers(1, 9), st.none(), ROOMS
)


def test_a_mark_is_told_once() -> None:
    marks = UserMarks()
    assert marks.take_new() == []
    for seq in (3, 7, 5):
        marks.note(ReadUpTo(seq))
    marks.note(ReadUpTo(2, "alice"))
    assert marks.take_new() == [ReadUpTo(7), ReadUpTo(2, "alice")]
    assert marks.take_new() == []


def test_what_is_on_the_screen_is_looked_at_when_somebody_asks() -> None:
    seen = [ReadUpTo(1)]
    marks = UserMarks()
    marks.look = lambda: seen
    assert marks.take_new() == [ReadUpTo(1)]
    seen.append(ReadUpTo(4))
    assert marks.take_new() == [ReadUpTo(4)]


def test_what_no_person_reads_is_not_told() -> None:
    marks = UserMarks()
    marks.counts = False
    marks.note(ReadUpTo(3))
    assert marks.take_new() == []


def test_under_another_epoch_numbers_mean_nothing() -> None:
    marks = UserMarks()
    marks.note(ReadUpTo(9))
    marks.take_new()
    marks.forget()
    assert marks.of(None) is None
    marks.note(ReadUpTo(2))
    assert marks.take_new() == [ReadUpTo(2)]


@given(st.lists(st.tuples(st.booleans(), MARKS)))
def test_the_server_hears_nothing_that_it_knows(steps: list[tuple[bool, ReadUpTo]]) -> None:
    marks = UserMarks()
    known: dict[tuple[str | None, str | None], int] = {}
    for is_here, mark in steps:
        log = log_of(mark)
        if is_here:
            marks.note(mark)
        else:
            marks.heard(mark)
            known[log] = max(known.get(log, 0), mark.seq)
        for told in marks.take_new():
            log = log_of(told)
            assert told.seq > known.get(log, 0)
            known[log] = told.seq
        assert all(marks.of(*log) == seq for log, seq in known.items())


def log_of(mark: ReadUpTo) -> tuple[str | None, str | None]:
    return mark.partner and mark.partner.lower(), mark.room and mark.room.lower()


def test_the_marks_at_a_login() -> None:
    marks = UserMarks()
    mailbox = RoomHistory("e", last=9, read=3, partners=(UnreadPartner("Alice", 5),))
    dev = RoomFacts("dev", history=RoomHistory("e", last=20, read=11))
    marks.enter(RoomHistory("e", last=40, read=30), mailbox, [dev, RoomFacts("den")])
    assert [marks.of(name) for name in (None, "alice", "carol")] == [30, 5, 9]
    assert [marks.of(None, room) for room in ("dev", "Dev", "den")] == [11, 11, None]
    for mark in (
        ReadUpTo(30),
        ReadUpTo(9, "carol"),
        ReadUpTo(6, "alice"),
        ReadUpTo(11, room="dev"),
    ):
        marks.note(mark)
    assert marks.take_new() == [ReadUpTo(6, "alice")]


def test_a_server_that_stores_no_marks() -> None:
    marks = UserMarks()
    marks.enter(RoomHistory("e", last=40), None)
    assert (marks.of(None), marks.of("alice")) == (None, None)
