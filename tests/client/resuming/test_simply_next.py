"""The fast path of a text that is simply the next one does what the long way does."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from chat.client.connection.events import RoomHistory, Text
from chat.client.resuming.following import LogFollower, Output
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.state.places import ROOM, LogPlace
from tests.client.fake_connection import NINE

texts = st.builds(
    lambda seq, replay: Text("carol", NINE, f"text {seq}", seq=seq, replay=replay),
    st.none() | st.integers(1, 9),
    st.booleans(),
)
follows = st.lists(texts | st.sampled_from(["page", "flush"]), max_size=12)


def shown(
    follower: LogFollower, steps: Sequence[Text | str], *, hurries: bool
) -> list[tuple[Output, LogPlace | None]]:
    """Return what ``follower`` shows at each step, and its place behind it."""
    result = []
    for step in steps:
        if step == "flush":
            output = follower.flush()
        elif isinstance(step, str):
            page = [] if follower.query is None else [Text("dave", NINE, "missed", seq=4)]
            output = follower.answer(page, more=False, lost=()) if page else []
        else:
            output = [step] if hurries and follower.passes(step) else follower.take(step)
        result.append((output, follower.place))
    return result


@given(
    st.none() | st.just(LogPlace("e", 2, None)),
    st.booleans(),
    st.none() | st.integers(0, 4).map(lambda last: RoomHistory("e", last=last, oldest=1)),
    follows,
)
def test_the_fast_path_changes_nothing(
    place: LogPlace | None, follows: bool, facts: RoomHistory | None, steps: list[Text | str]
) -> None:
    wishes = CatchUpWishes(3, follows=follows)
    fast, slow = (LogFollower(ROOM, place, wishes) for _ in range(2))
    assert fast.enter(facts) == slow.enter(facts)
    assert shown(fast, steps, hurries=True) == shown(slow, steps, hurries=False)
