"""Earlier messages that the user asks for come in tasks of their own, and nothing is left without an outcome."""

from __future__ import annotations

from pathlib import Path

import pytest
from gevent.queue import Queue

from chat.client.connection.events import MessagePage, Notice, RoomHistory, Text, Welcome
from chat.client.connection.queries.earlier import EarlierMessages
from chat.client.conversation import asking
from chat.client.conversation.commands import Availability
from chat.client.conversation.conversation import Conversation
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.recall import recalls
from chat.client.conversation.requests import (
    FetchEarlier,
    FetchFound,
    Request,
    SearchLog,
    ShowEarlier,
)
from chat.client.conversation.ui_events import (
    Asked,
    EarlierListing,
    Failed,
    FoundListing,
    Tag,
)
from chat.client.errors import ConnectionLost, NotSupported, QueryRefused
from chat.protocol.commands import Command, HistoryQuery, SearchQuery
from tests.client.fake_connection import NINE, Audience, FakeConnection, run_until_idle, spawn


class QueriedConnection(FakeConnection, EarlierMessages):
    """The test answers each query, in any order of time."""

    def __init__(self) -> None:
        super().__init__()
        self.can_search = True
        self.queries: list[HistoryQuery | SearchQuery | None] = []
        self.answers: Queue[MessagePage | Exception] = Queue()

    def ask_page(self, command: Command) -> MessagePage:
        self.queries.append(command.query or command.search)
        answer = self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Desk:
    """Bob's conversation, with a connection that answers queries."""

    def __init__(self) -> None:
        self.audience = Audience()
        self.connection = QueriedConnection()
        self.conversation = Conversation(
            self.audience,
            inbox=Inbox(Path("in"), 500),
            spawn=spawn,
            where=Availability.PLAIN,
            leave=lambda: None,
        )
        self.conversation.connection = self.connection.as_connection

    def do(self, request: Request, tag: Tag = None) -> None:
        self.conversation.do(Asked(request, tag))
        run_until_idle()

    def answer(self, *numbers: int, more: bool = False, goes_on_before: int | None = None) -> None:
        page = MessagePage(
            tuple(map(said, numbers)), more, epoch="e", goes_on_before=goes_on_before
        )
        self.connection.answers.put(page)
        run_until_idle()

    def listed(self) -> list[list[int | None]]:
        """Return the numbers in all answers that were shown."""
        kinds = (EarlierListing, FoundListing)
        listings = [news for news in self.audience.news if isinstance(news, kinds)]
        return [
            [message.seq for message in listing.messages if isinstance(message, Text)]
            for listing in listings
        ]

    def failures(self) -> list[tuple[str, Tag]]:
        return [(failed.code, failed.tag) for failed in self.audience.of(Failed)]


def said(seq: int, sender: str = "alice", to: str | None = None) -> Text:
    return Text(sender, NINE, f"text {seq}", to, sender == "bob", seq=seq, replay=True)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_further_back_each_time(desk: Desk) -> None:
    desk.conversation.handle_event(Welcome("bob", NINE, history=RoomHistory("e", last=90)))
    desk.conversation.handle_event(said(90))
    desk.do(ShowEarlier(2))
    desk.do(ShowEarlier(1))
    desk.answer(88, 89, more=True)
    desk.answer(87, more=True)
    assert desk.listed() == [[88, 89], [87]]
    befores = [query.before for query in desk.connection.queries if query is not None]
    assert befores == [90, 88]


def test_numbers_of_another_epoch_are_forgotten(desk: Desk) -> None:
    desk.conversation.handle_event(Welcome("bob", NINE, history=RoomHistory("e", last=90)))
    desk.conversation.handle_event(said(90))
    desk.conversation.handle_event(Notice("epoch", "Anew.", NINE, epoch="f"))
    desk.do(ShowEarlier(2))
    [query] = desk.connection.queries
    assert isinstance(query, HistoryQuery)
    assert (query.before, query.epoch) == (None, "f")


def test_a_search_begins_anew_under_another_epoch(desk: Desk) -> None:
    desk.conversation.handle_event(Welcome("bob", NINE, history=RoomHistory("e", last=90)))
    desk.do(SearchLog("text"))
    desk.answer(90, goes_on_before=90)
    desk.conversation.handle_event(Notice("epoch", "Anew.", NINE, epoch="f"))
    desk.do(SearchLog())
    query = desk.connection.queries[-1]
    assert isinstance(query, SearchQuery)
    assert (query.words, query.before) == ("text", None)


def test_as_many_pages_as_it_takes(desk: Desk) -> None:
    desk.do(ShowEarlier(5))
    desk.answer(8, 9, more=True)
    desk.answer(5, 6, 7, more=True)
    assert desk.listed() == [[5, 6, 7, 8, 9]]


def test_no_more_than_was_asked_for(desk: Desk) -> None:
    """A server may send more than the limit."""
    desk.do(FetchEarlier(limit=2))
    desk.answer(7, 8, 9)
    [listing] = desk.audience.of(EarlierListing)
    assert (desk.listed(), listing.has_older) == ([[8, 9]], True)


def test_an_answer_has_bounds(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalls, "MOST_CHARACTERS", 10)
    desk.do(ShowEarlier(5))
    desk.answer(8, 9, more=True)
    assert desk.listed() == [[8, 9]]


def test_around_a_message(desk: Desk) -> None:
    desk.do(FetchEarlier(around=5, limit=4))
    desk.answer(4, 5, more=True)
    desk.answer(6)
    [listing] = desk.audience.of(EarlierListing)
    assert (desk.listed(), listing.has_older, listing.has_newer) == ([[4, 5, 6]], True, False)


def test_a_search_goes_on_where_it_ended(desk: Desk) -> None:
    desk.do(SearchLog("text"))
    desk.answer(goes_on_before=70)  # it took the server long
    desk.answer(60, 61, goes_on_before=60)
    desk.do(SearchLog())
    desk.answer(50)
    desk.do(SearchLog(), "t")
    assert desk.listed() == [[61, 60], [50]]
    befores = [query.before for query in desk.connection.queries if query is not None]
    assert befores == [None, 70, 60]
    assert desk.failures() == [("bad-request", "t")]


def test_around_a_match_of_the_last_search(desk: Desk) -> None:
    desk.do(SearchLog("text"))
    desk.answer(60, 61, goes_on_before=60)
    desk.do(SearchLog())
    desk.answer(50)
    assert [listing.first for listing in desk.audience.of(FoundListing)] == [1, 3]
    desk.do(ShowEarlier(found=3))
    desk.answer(49, 50)
    desk.answer(51)
    assert desk.listed()[-1] == [49, 50, 51]
    desk.do(ShowEarlier(found=4), "t")
    desk.do(SearchLog("other"))
    desk.answer()
    desk.do(ShowEarlier(found=1), "u")
    assert desk.failures() == [("bad-request", "t"), ("bad-request", "u")]


def test_only_private_messages_with_one_user(desk: Desk) -> None:
    desk.do(FetchFound("x", private=True, partner="Alice"))
    messages = (said(4, "carol", "bob"), said(5, "alice", "bob"), said(6, "bob", "alice"))
    desk.connection.answers.put(MessagePage(messages))
    run_until_idle()
    assert desk.listed() == [[6, 5]]


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (QueryRefused("no-history", "Nothing is kept."), "no-history"),
        (ConnectionLost("Gone."), "lost"),
        (NotSupported("An original server."), "not-supported"),
    ],
)
@pytest.mark.parametrize("request_", [ShowEarlier(), FetchEarlier(), SearchLog("x"), FetchFound()])
def test_what_goes_wrong_is_the_outcome(
    desk: Desk, problem: Exception, code: str, request_: Request
) -> None:
    desk.do(request_, "t")
    desk.connection.answers.put(problem)
    run_until_idle()
    assert desk.failures() == [(code, "t")]
    assert desk.conversation.failures == 1


@pytest.mark.parametrize("request_", [ShowEarlier(), FetchEarlier(), SearchLog("x"), FetchFound()])
def test_without_a_connection(desk: Desk, request_: Request) -> None:
    desk.conversation.connection = None
    desk.do(request_, "t")
    assert desk.failures() == [("bad-request", "t")]


def test_a_connection_that_is_lost_before_the_turn_of_a_request(desk: Desk) -> None:
    desk.do(ShowEarlier(), 1)
    desk.do(ShowEarlier(), 2)
    desk.conversation.connection = None
    desk.connection.answers.put(ConnectionLost("Gone."))
    run_until_idle()
    assert desk.failures() == [("lost", 1), ("bad-request", 2)]


def test_a_server_without_search(desk: Desk) -> None:
    desk.connection.can_search = False
    desk.do(SearchLog("x"), "t")
    assert desk.failures() == [("bad-request", "t")]
    assert desk.connection.queries == []


@pytest.mark.parametrize("request_", [ShowEarlier(), FetchEarlier()])
def test_the_end_of_the_input_waits_for_the_answers(desk: Desk, request_: Request) -> None:
    desk.do(request_)
    waiting = spawn(desk.conversation.wait_idle, 60.0)
    run_until_idle()
    assert not waiting.ready()
    desk.answer(1)
    assert waiting.get(timeout=20) is True


def test_so_many_questions_at_a_time(desk: Desk) -> None:
    questions = [
        spawn(desk.conversation.do, Asked(FetchEarlier())) for _ in range(asking.AT_ONCE + 1)
    ]
    run_until_idle()
    assert [question.ready() for question in questions] == [True] * asking.AT_ONCE + [False]
    desk.answer(1)
    assert questions[-1].ready()
