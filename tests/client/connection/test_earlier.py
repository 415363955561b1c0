"""Earlier messages by the library: an iterator fetches page after page."""

from __future__ import annotations

from itertools import islice

import pytest

from chat.client import Connection, QueryRefused, Text, connect
from chat.client.connection.queries import pages
from chat.client.runtime.runtime import Runtime
from chat.protocol.descriptor import MessageType
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, ScriptedServer

NEWEST = 450


def answer_queries(peer: Peer) -> None:
    """Be a server with the messages 1 to 450, of which a page has 200; the numbers 100 to 149 were lost."""
    kept = [*range(1, 100), *range(150, NEWEST + 1)]
    peer.welcome()
    peer.say(MessageType.UTF8, "bob", b"live", seq=NEWEST + 1)
    while (frame := peer.read()) is not None and frame.type == MessageType.UTF8:
        query = frame.fields
        assert query["limit"] == 200
        if "after" in query:
            behind = [seq for seq in kept if query["after"] < seq < query.get("before", NEWEST + 1)]
            page, more = behind[:200], len(behind) > 200
        else:
            before = [seq for seq in kept if seq < query.get("before", NEWEST + 1)]
            page, more = before[-200:], len(before) > 200
        if query.get("epoch", "e") != "e":
            peer.notice("bad-place", "Anew.", nonce=query["nonce"])
            continue
        mark = {"for": query["nonce"]}
        for seq in page:
            peer.say(MessageType.UTF8, "bob", b"old", seq=seq, replay=True, **mark)
        found = {"count": len(page), "more": more, "lost": [[100, 149]], "epoch": "e"}
        peer.notice("done", "Here.", nonce=query["nonce"], **found)


@with_both_runtimes
def test_back_to_the_oldest_message_and_forward_again(runtime: Runtime) -> None:
    with (
        ScriptedServer(answer_queries) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        back = [message.seq for message in room.earlier()]
        assert back == [*range(NEWEST, 149, -1), *range(99, 0, -1)]
        forward = [message.seq for message in room.earlier(after=20, before=NEWEST)]
        assert forward == [*range(21, 100), *range(150, NEWEST)]
        assert events_after_welcome(room, 1) == ["live"]


def events_after_welcome(room: Connection, count: int) -> list[str]:
    room.read()
    return [event.text for event in islice(room, count) if isinstance(event, Text)]


@with_both_runtimes
def test_a_program_that_stops_early_asks_for_nothing_more(runtime: Runtime) -> None:
    asked: list[int] = []

    def script(peer: Peer) -> None:
        peer.welcome()
        query = peer.expect(MessageType.UTF8).fields
        asked.append(query["limit"])
        for seq in (8, 9):
            peer.say(
                MessageType.UTF8, "bob", b"old", seq=seq, replay=True, **{"for": query["nonce"]}
            )
        peer.notice("done", "Here.", nonce=query["nonce"], more=True)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        assert [message.seq for message in islice(room.earlier(), 2)] == [9, 8]
        assert asked == [200]


@with_both_runtimes
def test_messages_that_are_numbered_anew_meanwhile(runtime: Runtime) -> None:
    """The numbers of the first page mean nothing to the second."""
    epochs: list[str | None] = []

    def script(peer: Peer) -> None:
        peer.welcome()
        query = peer.expect(MessageType.UTF8).fields
        peer.say(MessageType.UTF8, "bob", b"old", seq=9, replay=True, **{"for": query["nonce"]})
        peer.notice("done", "Here.", nonce=query["nonce"], more=True, epoch="e")
        query = peer.expect(MessageType.UTF8).fields
        epochs.append(query.get("epoch"))
        peer.notice("bad-place", "Anew.", nonce=query["nonce"])
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        messages = room.earlier()
        assert next(messages).seq == 9
        with pytest.raises(QueryRefused, match="Anew"):
            next(messages)
        assert epochs == ["e"]


@with_both_runtimes
@pytest.mark.parametrize("number", [None, 9])
def test_a_server_that_never_comes_to_an_end(runtime: Runtime, number: int | None) -> None:
    """Pages without messages, or always with the same one, lead nowhere."""

    def script(peer: Peer) -> None:
        peer.welcome()
        while (frame := peer.read()) is not None and frame.type == MessageType.UTF8:
            nonce = frame.fields["nonce"]
            if number is not None:
                peer.say(MessageType.UTF8, "bob", b"x", seq=number, replay=True, **{"for": nonce})
            peer.notice("done", "Here.", nonce=nonce, more=True)

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        assert [message.seq for message in room.earlier()] == (
            [] if number is None else [number] * 2
        )


@with_both_runtimes
def test_a_search_goes_on_until_its_end(runtime: Runtime) -> None:
    """A page may be empty, because it took the server long."""
    asked: list[dict[str, object]] = []

    def script(peer: Peer) -> None:
        peer.welcome(search=True)
        for page, goes_on in (((9, 8), 8), ((), 4), ((3,), None)):
            query = peer.expect(MessageType.UTF8).fields
            nonce = query.pop("nonce")
            asked.append(query)
            for seq in page:
                peer.say(MessageType.UTF8, "bob", b"x", seq=seq, replay=True, **{"for": nonce})
            rest = {} if goes_on is None else {"more": True, "seq": goes_on}
            peer.notice("done", "Found.", nonce=nonce, **rest)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        assert room.can_search
        found = room.search("two words", sender="bob", has="link", since="2026-11-20T00:00:00Z")
        assert [message.seq for message in found] == [9, 8, 3]
    first = {
        "command": "search",
        "query": "two words",
        "from": "bob",
        "has": "link",
        "since": "2026-11-20T00:00:00Z",
        "limit": 50,
    }
    assert asked == [first, {**first, "before": 8}, {**first, "before": 4}]


@with_both_runtimes
def test_a_search_that_never_comes_to_an_end(runtime: Runtime) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        while (frame := peer.read()) is not None and frame.type == MessageType.UTF8:
            peer.notice("done", "Found.", nonce=frame.fields["nonce"], more=True, seq=4)

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        assert not room.can_search
        assert [*room.search("x")] == []


@with_both_runtimes
def test_a_page_that_would_fill_the_memory(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_SIZE", 25)

    def script(peer: Peer) -> None:
        peer.welcome()
        for count in (3, 2):
            nonce = peer.expect(MessageType.UTF8).fields["nonce"]
            for seq in range(1, count + 1):
                peer.say(MessageType.UTF8, "bob", b"0123456789", seq=seq, **{"for": nonce})
            peer.notice("done", "Here.", nonce=nonce)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        connect(server.address, "alice", runtime=runtime) as room,
    ):
        with pytest.raises(QueryRefused) as caught:
            room.history()
        assert caught.value.code == "too-large"
        assert len(room.history().messages) == 2, "the connection goes on"
