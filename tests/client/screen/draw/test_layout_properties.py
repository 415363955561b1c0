"""Properties of the layout: a screen of any size shows any sequence of events, with each part in its place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chat.client.connection.events import (
    Attachment,
    BadFrame,
    EnteredRoom,
    HereCount,
    Invited,
    Joined,
    Left,
    LeftRoom,
    Notice,
    RoomChanged,
    RoomFacts,
    Text,
    TopicChanged,
    Welcome,
)
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import (
    Announced,
    Done,
    Explanation,
    Failed,
    Problem,
    TransferChanged,
    TransferListing,
    UserList,
)
from chat.client.resuming.events import Disconnected
from chat.client.screen.draw.layout import Renderer, Size, input_width
from chat.client.screen.model.entries import Shared
from chat.client.screen.model.model import Model, Question
from chat.client.screen.model.search import Search
from chat.client.screen.model.switcher import Switcher
from chat.client.screen.model.views import Draft
from chat.client.screen.save import Follower, saved_lines
from chat.client.screen.text.spans import Row, Span, row_width, text_of
from chat.client.screen.text.styles import LOOKS, Colours, Layered, Style
from chat.client.screen.updates.model_updates import ModelUpdater
from chat.protocol.descriptor import ATTACHMENTS
from chat.sanitize import sanitize

EPOCH = datetime(2026, 11, 24, tzinfo=timezone.utc)
PICTURE: tuple[Row, ...] = ([Span("▀" * 30, Colours(0xFF0000, 0x0000FF))],) * 3

moments = st.one_of(
    st.integers(0, 300_000).map(lambda seconds: EPOCH + timedelta(seconds=seconds)),
    st.sampled_from(
        [datetime.min.replace(tzinfo=timezone.utc), datetime.max.replace(tzinfo=timezone.utc)]
    ),
)
texts = st.one_of(
    st.text(st.characters(codec=None), max_size=80),
    st.text(
        st.sampled_from("ab 漢字👩\u200d👧🏽🇩🇪e\u0301אبन\u093f\x1b\t\n\u202e\u2028//:http<>"),
        max_size=80,
    ),
    st.sampled_from(["https://chat.example/" + "x" * 90, "/me waves", "word " * 30, "\n" * 20]),
)
names = st.one_of(st.sampled_from(["alice", "bob", "Алиса", "漢字"]), texts)
nobody = st.none()
rooms = st.one_of(nobody, names.filter(bool))
facts = st.builds(
    RoomFacts,
    names.filter(bool),
    st.sampled_from(["open", "closed", "announcements", "other"]),
    st.one_of(nobody, texts),
    st.one_of(nobody, st.integers(0, 99)),
    users=st.lists(names).map(tuple),
)
transfers = st.builds(
    Transfer,
    st.integers(1, 9),
    st.sampled_from(sorted(ATTACHMENTS)),
    texts,
    st.integers(0, 2**40),
    outgoing=st.booleans(),
    peer=st.one_of(nobody, names),
    state=st.sampled_from(TransferState),
    done=st.integers(0, 2**40),
    path=st.one_of(nobody, st.just(Path("/home/bob/a.txt"))),
    problem=st.one_of(nobody, texts),
    tag=st.one_of(nobody, st.integers(0, 3)),
)
attachments = st.builds(
    Attachment,
    st.sampled_from(sorted(ATTACHMENTS)),
    names,
    moments,
    texts,
    st.integers(0, 2**63),
    to=st.one_of(nobody, names),
    own=st.booleans(),
    room=rooms,
)
tags = st.integers(0, 3)
news = st.one_of(
    st.builds(
        Welcome,
        names,
        moments,
        st.lists(names).map(tuple),
        motd=st.one_of(nobody, texts),
        rooms=st.lists(facts).map(tuple),
        invited=st.lists(names.filter(bool)).map(tuple),
        topic=st.one_of(nobody, texts),
    ),
    st.builds(Joined, names, moments, room=rooms),
    st.builds(Left, names, moments, st.one_of(nobody, texts), room=rooms),
    st.builds(Text, names, moments, texts, st.one_of(nobody, names), st.booleans()),
    st.builds(Text, names, moments, texts, room=rooms),
    st.builds(EnteredRoom, facts, moments),
    st.builds(LeftRoom, names.filter(bool), moments, st.sampled_from([None, "removed"])),
    st.builds(TopicChanged, st.one_of(nobody, texts), st.one_of(nobody, names), moments, rooms),
    st.builds(RoomChanged, st.one_of(nobody, names), texts, moments, rooms),
    st.builds(Invited, names.filter(bool), st.one_of(nobody, names), texts, moments),
    st.builds(HereCount, st.integers(0, 10**6), moments, room=rooms),
    st.builds(Notice, texts, texts, moments),
    st.builds(BadFrame, texts),
    st.builds(Announced, attachments, st.one_of(nobody, transfers)),
    st.builds(TransferChanged, transfers),
    st.builds(Done, tags),
    st.builds(Failed, texts, texts, tags),
    st.builds(Problem, texts),
    st.builds(Disconnected, texts, st.floats(0, 1e6)),
    st.builds(UserList, st.lists(names).map(tuple), st.booleans()),
    st.builds(TransferListing, st.lists(transfers).map(tuple)),
    st.builds(Explanation, st.lists(texts, min_size=1).map(tuple)),
)
sizes = st.one_of(
    st.sampled_from([Size(80, 24), Size(20, 5), Size(1, 1), Size(200, 60)]),
    st.builds(Size, st.integers(0, 130), st.integers(0, 30)),
)

Deed = Callable[[Model, Renderer, Size], object]


def _draft(text: str, at: int) -> Draft:
    return Draft(text, min(at, len(text)))


def _search(model: Model, renderer: Renderer, size: Size, needle: str) -> None:
    model.search = Search(model.current)
    model.search.find(needle)
    model.search.older()
    renderer.scroll_to_match(model, size)


def _switch(model: Model, needle: str, step: int, *, goes: bool) -> None:
    model.switcher = Switcher(model.destinations())
    model.switcher.find(needle)
    model.switcher.move(step)
    if goes and model.switcher.chosen is not None:
        model.go(model.switcher.chosen)
        model.switcher = None


def _paint(model: Model) -> None:
    for entry in model.default.entries:
        if isinstance(entry, Shared):
            model.set_picture(entry, PICTURE)


deeds: st.SearchStrategy[Deed] = st.one_of(
    st.builds(lambda by: lambda m, r, s: r.scroll(m, by, s), st.integers(-90, 90)),
    st.builds(lambda by: lambda m, r, s: r.scroll_pages(m, by, s), st.integers(-2, 2)),
    st.just(lambda m, r, s: r.scroll_to_top(m, s)),
    st.just(lambda m, r, s: r.scroll_to_bottom(m)),
    st.builds(lambda text: lambda m, r, s: _search(m, r, s, text), texts),
    st.just(lambda m, r, s: setattr(m, "search", None)),
    st.builds(lambda number: lambda m, r, s: m.switch(number), st.integers(0, 4)),
    st.just(lambda m, r, s: m.next_unread()),
    st.builds(lambda by: lambda m, r, s: m.step(by), st.integers(-2, 2)),
    st.builds(
        lambda on: lambda m, r, s: setattr(m, "shows_sidebar", on),
        st.sampled_from([None, True, False]),
    ),
    st.builds(
        lambda text, step, goes: lambda m, r, s: _switch(m, text, step, goes=goes),
        st.one_of(st.just(""), texts),
        st.integers(-3, 3),
        st.booleans(),
    ),
    st.builds(lambda name: lambda m, r, s: m.query(name), names),
    st.just(lambda m, r, s: m.close(m.current)),
    st.just(lambda m, r, s: m.current.clear()),
    st.builds(lambda on: lambda m, r, s: m.focus(on), st.booleans()),
    st.builds(lambda on: lambda m, r, s: setattr(m, "shows_names", on), st.booleans()),
    st.builds(
        lambda text, at: lambda m, r, s: setattr(m.current, "draft", _draft(text, at)),
        texts,
        st.integers(0, 80),
    ),
    st.builds(
        lambda prompt, text: (
            lambda m, r, s: setattr(m, "question", Question(prompt, _draft(text, 3)))
        ),
        texts,
        texts,
    ),
    st.builds(lambda name: lambda m, r, s: m.attention.ignored.add(name), names),
    st.builds(
        lambda tag, text, to, now: lambda m, r, s: m.say(tag, text, to, now),
        tags,
        texts,
        st.one_of(nobody, names),
        moments,
    ),
    st.builds(
        lambda tag, text, kind: lambda m, r, s: m.share(tag, text, kind, None, EPOCH),
        tags,
        texts,
        st.sampled_from(sorted(ATTACHMENTS)),
    ),
    st.just(lambda m, r, s: m.lose_pending("It was lost.")),
    st.builds(lambda now: lambda m, r, s: m.tick(now), moments),
    st.just(lambda m, r, s: _paint(m)),
)


def _has_look(style: Style) -> bool:
    if isinstance(style, Layered):
        return {style.base, *style.over} <= LOOKS.keys()
    return isinstance(style, Colours) or style in LOOKS


def check(model: Model, renderer: Renderer, size: Size) -> None:
    screen = renderer.render(model, size)
    assert len(screen.rows) == size.rows
    for row in screen.rows:
        assert row_width(row) <= size.columns
        assert sanitize(text_of(row)) == text_of(row)
        assert all(_has_look(span.style) for span in row)
    if screen.cursor is None:
        assert 0 in size
    else:
        assert 0 <= screen.cursor.row < size.rows
        assert 0 <= screen.cursor.column < size.columns
        assert input_width(model, size) >= 1


@given(st.lists(st.tuples(st.one_of(news, news, deeds), sizes), max_size=25))
def test_any_events_on_any_screen(steps: list) -> None:
    model, renderer = Model("chat.example:8080", "bob"), Renderer()
    intake, follower = ModelUpdater(model), Follower(model.default)
    followed: list[str] = []
    for step, size in steps:
        if callable(step):
            step(model, renderer, size)
        else:
            intake.update(step, EPOCH)
        check(model, renderer, size)
        followed += follower.new_lines(1000)
    for view in model.views:
        assert not [line for line in saved_lines(view.entries) if sanitize(line) != line]
    assert not [line for line in followed if sanitize(line) != line]
