"""However a reader moves, no message is missing or shown twice, and nothing that is read moves."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chat.client.conversation.requests import FetchEarlier
from chat.client.screen.draw.layout import Size
from tests.client.screen.desks import Desk
from tests.client.screen.earlier_log import EarlierLog, numbers, said

MOVES = {
    "<pageup>": 6,
    "<pagedown>": 3,
    "<shift-up>": 2,
    "<alt-<>": 1,
    "<esc>": 1,
}
STEPS = st.one_of(
    st.sampled_from([key for key, weight in MOVES.items() for _ in range(weight)]),
    st.sampled_from(
        ["answer"] * 4 + ["say", "refuse", "resize", "/clear<enter>", "history", "date"]
    ),
)


def is_reading(desk: Desk) -> bool:
    """Return whether the reader has scrolled up, and waits for nothing that should move the log."""
    requests = [each.request for each in desk.asked[:1]]
    goes_there = any(
        isinstance(request, FetchEarlier) and (request.at is not None or request.limit != 100)
        for request in requests
    )
    return desk.model.shown.anchor is not None and not goes_there


@settings(max_examples=60, deadline=None, phases=[Phase.generate])
@given(
    st.lists(STEPS, min_size=10, max_size=60),
    st.sets(st.integers(1, 400), max_size=60),
    st.integers(1, 50),
    st.integers(0, 40),
)
def test_no_message_is_missing_or_twice_and_nothing_that_is_read_moves(
    steps: list[str], wrapped: set[int], most: int, replayed: int
) -> None:
    desk = Desk()
    log = EarlierLog(desk, 400, oldest=5, lost=(250, 270))
    log.wrapped, log.most = wrapped, most
    log.replay(replayed)
    room = desk.model.default
    does: dict[str, Callable[[], object]] = {
        "say": log.say,
        "refuse": lambda: log.answer(refuse="Not now."),
        "date": lambda: desk.type("/history 2026-11-20 05:00<enter>"),
        "history": lambda: desk.type(f"/history {most}<enter>"),
    }
    for step in steps:
        if step == "answer":
            is_read, before = is_reading(desk), said(desk)
            log.answer()
            # The words about older messages, at the top, may make room for a message or two.
            assert not is_read or said(desk)[-len(before) :] == before
        elif step == "resize":
            width = 40 if desk.controller.size.columns == 60 else 60
            desk.controller.size = Size(width, 12)
        else:
            does.get(step, lambda keys=step: desk.type(keys))()
        for view in filter(None, (room, desk.model.page)):
            shown = numbers(view)
            assert shown == (log.kept(shown[0], shown[-1]) if shown else [])
    assert not re.search("text 2[56][0-9]$", "\n".join(desk.log()), re.MULTILINE)
