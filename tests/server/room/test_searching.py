"""Users find earlier messages, over real sockets; a search that makes no sense is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gevent.event import Event

from chat.protocol.descriptor import MessageType
from chat.server.history.faults import HistoryFault
from chat.server.history.pages import PageSize
from chat.server.history.search import message_search
from chat.server.history.search.wanted import read_wanted
from chat.server.history.stored import DEFAULT_ROOM
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

TEXT, FILE, IMAGE = MessageType.UTF8, MessageType.FILE, MessageType.IMAGE


def say(client: WireClient, *texts: str) -> list[WireFrame]:
    """Say texts in the room; return their echoes."""
    echoes = []
    for text in texts:
        client.say(text)
        echoes.append(client.expect_text(text, client.name))
    return echoes


def search(client: WireClient, **fields: Any) -> tuple[list[WireFrame], WireFrame]:
    """The messages that are found, and the notice that ends them."""
    fields = {"nonce": "q", **fields}
    client.send(TEXT, {"command": "search", **fields})
    page: list[WireFrame] = []
    while True:
        frame = client.read_frame()
        if frame.sender == "server" and frame.header.get("nonce") == fields["nonce"]:
            return page, frame
        if "replay" in frame.header:
            assert frame.header["for"] == fields["nonce"]
            page.append(frame)


def found(client: WireClient, **fields: Any) -> list[str]:
    page, end = search(client, **fields)
    assert (end.header["notice"], end.header["count"]) == ("done", len(page))
    return [frame.text for frame in page]


@pytest.mark.usefixtures("eager_index")
def test_parts_of_words_are_found_in_any_case_and_width_also_after_a_restart(start: Any) -> None:
    texts = ["The STRASSE is long", "ﾊﾝバーガー 1個", "全文検索する", '100 % "quoted" AND more']
    queries = {
        "straße LON": texts[:1],
        "ハン": texts[1:2],
        "検索": texts[2:3],
        '"quoted" and %': texts[3:],
        "o": [texts[3], texts[0]],
        "nobody": [],
    }
    with start() as server:
        alice = server.join("alice")
        assert alice.welcome["search"] is True
        echoes = say(alice, *texts)
        for query, expected in queries.items():
            assert found(alice, query=query) == expected, query
    with start() as server:
        bob = server.join("bob")
        indexer = server.parts.path.search.indexer
        wait_until(lambda: indexer.is_idle, "the messages to be indexed")
        for query, expected in queries.items():
            assert found(bob, query=query) == expected, query
        [frame], end = search(bob, query="STRASSE")
        assert frame.header == {**echoes[0].header, "replay": True, "for": "q"}
        assert end.header["epoch"] == bob.welcome["epoch"]
        assert "more" not in end.header
        assert "seq" not in end.header


def test_messages_are_found_by_sender_kind_and_time(start: Any) -> None:
    with start() as server:
        alice, bob = server.join("Alice"), server.join("bob")
        alice.expect_joined("bob")
        say(alice, "see HTTPS://example.org", "no link: https")
        alice.send(FILE, {"filename": "Plan.PDF"}, b"content with a word")
        alice.send(IMAGE, {"filename": "cat.png"}, b"pixels")
        alice.expect(FILE)
        time = alice.expect(IMAGE).header["timestamp"]
        bob.read_until(IMAGE, b"pixels")
        say(bob, "a plan")
        assert found(bob, **{"from": "ALICE", "query": "link"}) == ["no link: https"]
        assert found(bob, **{"from": "nobody"}) == []
        assert found(bob, **{"from": "not a name"}) == []
        assert found(bob, has="link") == ["see HTTPS://example.org"]
        assert found(bob, has="image") == ["pixels"]
        assert found(bob, query="plan") == ["a plan", "content with a word"]
        assert found(bob, query="plan", has="file") == ["content with a word"]
        assert found(bob, query="word") == [], "contents are not searched"
        assert found(bob, since=time) == ["a plan", "pixels"]
        assert found(bob, query="pla", until=time) == ["content with a word"]
        # The same moment in another time zone, and more digits than the server has.
        east = time.replace("Z", "999+00:00")
        assert found(bob, query="pla", until=east) == ["content with a word"]


def test_a_search_goes_on_where_its_page_ended(start: Any) -> None:
    with start(rate=None) as server:
        alice = server.join("alice")
        numbers = [
            echo.header["seq"]
            for echo in say(alice, *(f"text {number}" for number in range(70)))
            if "7" in echo.text
        ]
        back: list[int] = []
        page, end = search(alice, query="7", limit=7)
        while True:
            back += [frame.header["seq"] for frame in page]
            if "more" not in end.header:
                break
            assert len(page) == 7
            page, end = search(alice, query="7", limit=7, before=end.header["seq"])
        assert back == numbers[::-1]
        assert len(found(alice, query="text")) == 20
        assert len(found(alice, query="text", limit=1000)) == 50
        assert len(found(alice, query="text", limit=0)) == 1


def test_a_page_has_at_most_256_kib_and_large_contents_come_as_offers(start: Any) -> None:
    with start(byte_rate=None) as server:
        alice = server.join("alice")
        say(alice, *("x" * 60_000 for _ in range(6)))
        page, end = search(alice, query="xxx")
        assert (len(page), end.header["more"]) == (4, True)
        alice.send(FILE, {"filename": "large.bin"}, b"y" * 100_000)
        alice.expect(FILE)
        [frame], _ = search(alice, query="large")
        transfer = server.transfer(alice)
        transfer.send(FILE, {"fetch": frame.header["id"]})
        transfer.expect(FILE, b"y" * 100_000)


@pytest.mark.parametrize(
    ("fields", "notice"),
    [
        ({"query": ""}, "bad-command"),
        ({"query": " ", "limit": 5}, "bad-command"),
        ({"query": "x" * 257}, "bad-command"),
        ({"query": " ".join("abcdefghijklmnopq")}, "bad-command"),
        ({"has": "wings"}, "bad-command"),
        ({"query": "x", "since": "2026-02-31T00:00:00Z"}, "bad-command"),
        ({"query": "x", "until": "0001-01-01T00:00:00+23:59"}, "bad-command"),
        ({"query": "x", "room": "lobby", "private": True}, "bad-command"),
        ({"query": "x", "room": "attic"}, "no-such-room"),
        ({"query": "x", "private": True}, "no-history"),
        ({"query": 5}, "bad-header"),
    ],
)
def test_what_makes_no_sense_is_refused(start: Any, fields: Any, notice: str) -> None:
    with start() as server:
        alice = server.join("alice")
        say(alice, "x")
        assert search(alice, **fields)[1].header["notice"] == notice
        assert found(alice, query="x", room="LOBBY") == ["x"]


def test_a_search_needs_a_nonce(start: Any) -> None:
    with start() as server:
        alice = server.join("alice")
        alice.send(TEXT, {"command": "search", "query": "x"})
        alice.expect_notice("bad-command")


def test_a_second_search_waits_for_the_first_one(start: Any) -> None:
    with start() as server:
        alice = server.join("alice")
        say(alice, "one", "two")
        for nonce, query in (("a", "o"), ("b", "two"), ("c", "x")):
            alice.send(TEXT, {"command": "search", "nonce": nonce, "query": query})
        frames = [alice.read_frame() for _ in range(6)]
        assert [frame.header.get("for", frame.header.get("nonce")) for frame in frames] == [
            *("a", "a", "a"),
            *("b", "b", "c"),
        ]


def test_when_very_many_search_others_are_refused(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = Event()
    with start() as server:
        alice, bob = server.join("alice"), server.join("bob")
        say(bob, "x")
        monkeypatch.setattr(message_search, "MOST_WAITING", 1)
        find = server.parts.path.search._find_between

        def find_later(*arguments: Any) -> Any:
            goes_on.wait(30)
            return find(*arguments)

        monkeypatch.setattr(server.parts.path.search, "_find_between", find_later)
        alice.send(TEXT, {"command": "search", "nonce": "a", "query": "x"})
        wait_until(lambda: server.parts.path.search._waiting, "the search")
        assert search(bob, query="x")[1].header["notice"] == "no-history"
        goes_on.set()
        while alice.read_frame().header.get("nonce") != "a":
            pass
        assert found(bob, query="x") == ["x"]


@pytest.mark.parametrize("changes", [{"search": False}, {"history": False}])
def test_without_search_there_is_no_index(start: Any, changes: Any, tmp_path: Path) -> None:
    with start() as server:
        say(server.join("alice"), "x")
    index = tmp_path / "data" / "search.db"
    index.touch()
    with start(**changes) as server:
        alice = server.join("alice")
        assert alice.welcome.get("search", False) is False
        assert search(alice, query="x")[1].header["notice"] == "no-history"
        assert index.exists() is ("history" in changes)


def test_a_removed_message_is_not_found(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with start() as server:
        alice = server.join("alice")
        say(alice, "a secret", "no secret")
        server.session("alice").moderator = True
        alice.send(TEXT, {"command": "purge", "seq": 1, "nonce": "p"})
        alice.expect_notice("done", nonce="p")
        assert found(alice, query="secret") == ["no secret"]
        assert found(alice, **{"from": "alice"}) == ["no secret"]


@pytest.mark.usefixtures("cheap_hashes")
def test_a_user_who_lost_the_account_during_the_search_gets_nothing(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start() as server:
        alice = server.join("alice")
        alice.send(TEXT, {"command": "register", "password": "correct horse", "nonce": "r"})
        while alice.read_frame().header.get("nonce") != "r":
            pass
        alice.say("to myself", to="alice")
        alice.expect_text("to myself", "alice")
        assert found(alice, private=True, query="myself") == ["to myself"]
        session, find = server.session("alice"), server.parts.path.search.find

        def find_slowly(*arguments: Any, **options: Any) -> Any:
            page = find(*arguments, **options)
            session.lose_name()
            return page

        monkeypatch.setattr(server.parts.path.search, "find", find_slowly)
        page, end = search(alice, private=True, query="myself")
        assert (page, end.header["notice"]) == ([], "gone")


def test_a_history_that_cannot_be_read_is_told(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with start() as server:
        alice = server.join("alice")

        def find(*arguments: Any, **options: Any) -> Any:
            raise HistoryFault("cannot use history.db: disk I/O error")

        monkeypatch.setattr(server.parts.path.search, "find", find)
        assert search(alice, query="x")[1].header["notice"] == "no-history"


def test_a_durable_server_finds_what_was_heard(
    open_durable: Callable[..., TestServer], disk: Any
) -> None:
    server = open_durable()
    alice, history, search = server.join("alice"), server.parts.history, server.parts.path.search
    assert history is not None
    assert search is not None
    say(alice, "heard")
    disk.stand_still(alice)
    assert [run.log for run in history._queue.unwritten] == [DEFAULT_ROOM]
    page = search.find(DEFAULT_ROOM, read_wanted("a"), PageSize(20, 1 << 20))
    assert [run.contents for run in page.runs] == [[b"heard"]]
