"""A log that is followed over a change of its epoch, and over holes."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from chat.client.connection.events import RoomHistory, Text
from chat.client.resuming.events import CatchUpBegan, CatchUpEnded, MissingMessages, Renumbered
from chat.client.resuming.following import LogFollower
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.state.places import ROOM, LogPlace
from chat.protocol.notices import NoticeCode

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
BAD_PLACE = NoticeCode.BAD_PLACE.value


def message(seq: int) -> Text:
    return Text("alice", NOON, f"text {seq}", seq=seq, replay=True)


def messages(first: int, last: int) -> list[Text]:
    return [message(seq) for seq in range(first, last + 1)]


def follower(*, seq: int, context: int = 0) -> LogFollower:
    """A follower that an earlier run has left at ``seq`` of epoch e1."""
    return LogFollower(ROOM, LogPlace("e1", seq), CatchUpWishes(follows=True, context=context))


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_change_of_the_epoch_does_not_end_a_catch_up(is_refused: bool) -> None:
    followed = follower(seq=5)
    assert followed.enter(RoomHistory("e1", last=8)) == [CatchUpBegan(ROOM, 3)]
    assert followed.query is not None

    followed.renumber("e2")

    if is_refused:
        # The server had the new epoch when it read the query.
        assert followed.refuse(BAD_PLACE) == []
        query = followed.query
        assert query is not None
        assert (query.after, query.epoch) == (5, "e2")
    output = followed.answer(messages(6, 8), more=False, lost=())
    assert output == [*messages(6, 8), CatchUpEnded(ROOM, 3)]
    assert followed.place == LogPlace("e2", 8, "2026-11-24T12:00:00.000000Z")


def test_a_place_that_the_server_does_not_know_is_told() -> None:
    followed = follower(seq=5)
    followed.enter(RoomHistory("e1", last=8))
    followed.renumber("e2")
    assert followed.refuse(BAD_PLACE) == []
    assert Renumbered(ROOM) in followed.refuse(BAD_PLACE)


def test_the_page_before_the_place_is_fetched_although_the_first_connection_is_lost() -> None:
    followed = follower(seq=20, context=50)
    for last in (22, 23):
        assert followed.enter(RoomHistory("e1", last=last)) == []
        query = followed.query
        assert query is not None
        assert (query.before, query.limit) == (21, 50)
    output = followed.answer(messages(1, 20), more=False, lost=())
    assert output[-2:] == [CatchUpEnded(ROOM, 20), CatchUpBegan(ROOM, 3)]
    # The page has come, so the next connection goes on at the place.
    assert followed.enter(RoomHistory("e1", last=24)) == [CatchUpBegan(ROOM, 4)]


def test_lost_numbers_do_not_count_as_messages_that_were_missed() -> None:
    lost = ((300, 9000),)
    followed = LogFollower(ROOM, LogPlace("e1", 0), CatchUpWishes(follows=True, most=250))
    followed.enter(RoomHistory("e1", last=9100, lost=lost))
    # 99 before the hole, and 100 behind it: not too many.
    assert followed.answer(messages(1, 200), more=True, lost=()) == messages(1, 200)

    followed = LogFollower(ROOM, LogPlace("e1", 0), CatchUpWishes(follows=True, most=150))
    followed.enter(RoomHistory("e1", last=9100, lost=lost))
    output = followed.answer(messages(1, 200), more=True, lost=())
    assert output == [*messages(1, 200), MissingMessages(ROOM, 201, 249, "skipped")]


def test_the_page_before_the_place_has_the_holes() -> None:
    followed = follower(seq=20, context=50)
    followed.enter(RoomHistory("e1", last=20, lost=((4, 9), (13, 20))))
    output = followed.answer(
        [*messages(1, 3), *messages(10, 12)], more=False, lost=((4, 9), (13, 20))
    )
    assert output == [
        CatchUpBegan(ROOM, 6),
        *messages(1, 3),
        MissingMessages(ROOM, 4, 9, "lost"),
        *messages(10, 12),
        MissingMessages(ROOM, 13, 20, "lost"),
        CatchUpEnded(ROOM, 6),
    ]
