"""A first login with a device: the last private messages are asked for, once, also if the connection breaks."""

from __future__ import annotations

from chat.client.connection.events import RoomHistory, Text
from chat.client.resuming.events import CatchUpBegan, CatchUpEnded
from chat.client.resuming.following import LogFollower
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.state.places import MAILBOX, LogPlace
from chat.protocol.commands import HistoryQuery
from tests.client.fake_connection import NINE

WISHES = CatchUpWishes(50, context=20, most=100, follows=True)
FACTS = RoomHistory("e", last=7)


def message(seq: int) -> Text:
    return Text("carol", NINE, f"message {seq}", "bob", seq=seq, answers="q")


def test_the_last_private_messages_are_shown_at_the_first_login() -> None:
    follower = LogFollower(MAILBOX, None, WISHES)
    for _ in range(2):  # the first connection breaks before the answer
        assert follower.enter(FACTS) == []
        assert follower.query == HistoryQuery(private=True, limit=20)
    live = message(8)
    assert follower.take(live) == []  # it waits, since it is newer
    page = [message(6), message(7)]
    shown = follower.answer(page, more=True, lost=())
    assert shown == [CatchUpBegan(MAILBOX, 2), *page, CatchUpEnded(MAILBOX, 2), live]
    # From now on, what is missing is fetched from the place on.
    follower.enter(RoomHistory("e", last=9))
    query = follower.query
    assert query is not None
    assert (query.after, query.private) == (8, True)


def test_nothing_is_asked_for_where_nothing_old_is_wanted_or_kept() -> None:
    for wishes, facts in ((CatchUpWishes(), FACTS), (WISHES, RoomHistory("e")), (WISHES, None)):
        follower = LogFollower(MAILBOX, None, wishes)
        follower.enter(facts)
        assert follower.query is None
    # A user who registers has seen the messages of this run.
    follower = LogFollower(MAILBOX, None, WISHES)
    follower.enter(None)
    follower.enter(FACTS)
    assert follower.query is None
    assert follower.place == LogPlace("e", 7)
