"""Moderators remove messages: nobody is shown the content again, from memory or from the disk."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gevent.event import Event

from chat.protocol.descriptor import MessageType
from chat.server.history.faults import HistoryFault
from chat.server.history.queues.keeping import Keeping
from chat.server.history.writer import Writer
from tests.peers.wire_client import WireClient
from tests.server.moderators import answer_of, ask, bob_who_moderates, command, refused
from tests.server.server_in_test import TestServer
from tests.tiers import quick_first

UTF8, FILE = MessageType.UTF8, MessageType.FILE
SECRET = "a very secret text"


def say(client: WireClient, text: str) -> int:
    client.say(text, nonce="n")
    return int(client.read_until(UTF8, text.encode())[-1].header["seq"])


def shown_at_login(server: TestServer, name: str) -> dict[int, str | None]:
    """Return what a newcomer is shown: texts by number; None for a purged one."""
    with WireClient(server.address) as newcomer:
        newcomer.try_login({"to": name, "replay": 200})
        newcomer.say("end", to=name)
        return dict(_shown(newcomer, lambda frame: frame.text == "end"))


def shown_on_demand(client: WireClient, after: int) -> dict[int, str | None]:
    client.send(UTF8, {"command": "history", "after": after, "limit": 200, "nonce": "q"})
    return dict(_shown(client, lambda frame: frame.header.get("notice") == "done"))


def _shown(client: WireClient, is_last: Callable[[Any], bool]) -> Iterator[tuple[int, str | None]]:
    while not is_last(frame := client.read_frame()):
        if frame.header.get("replay"):
            assert frame.header["nonce"] == "n"
            assert frame.sender == "bob"
            assert (frame.content == b"") == frame.header.get("purged", False)
            yield frame.header["seq"], None if frame.header.get("purged") else frame.text


def test_a_removed_message_is_a_mark_for_all_who_are_shown_it_and_gone_from_the_disk(
    start: Any, tmp_path: Path
) -> None:
    with start() as server:
        bob, carol = bob_who_moderates(server), server.join("carol")
        say(bob, "before")
        number = say(bob, SECRET)
        carol.read_until(UTF8, SECRET.encode())
        assert command(bob, "purge", seq=number) == "Message 2 of bob was removed."
        told = carol.expect(UTF8, b"Message 2 of bob was removed by bob.", sender="server")
        assert (told.header["notice"], told.header["seq"], told.header["purged"]) == (
            "moderated",
            2,
            True,
        )
        assert command(bob, "purge", seq=number) == "Message 2 of bob was removed before."
        assert shown_at_login(server, "dave") == {1: "before", 2: None}
        assert shown_on_demand(bob, 0) == {1: "before", 2: None}
        files = [path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file()]
        assert not any(SECRET.encode() in data for data in files)
        assert any(b"before" in data for data in files)
    with start() as server:
        assert shown_at_login(server, "dave") == {1: "before", 2: None}


@pytest.mark.parametrize("seed", quick_first(range(3), "many seeds"))
def test_nothing_that_was_removed_is_ever_shown_again(start: Any, seed: int) -> None:
    rng = random.Random(seed)
    wanted: dict[int, str | None] = {}
    for _ in range(2):
        with start() as server:
            bob = bob_who_moderates(server)
            for step in range(60):
                match rng.choice(("say", "say", "say", "remove", "join", "ask")):
                    case "say":
                        text = f"text {rng.random()}"
                        wanted[say(bob, text)] = text
                    case "remove" if wanted:
                        # Most of them are still on their way to the disk.
                        number = rng.choice((max(wanted), rng.choice(sorted(wanted))))
                        command(bob, "purge", seq=number)
                        wanted[number] = None
                    case "join":
                        assert shown_at_login(server, f"user{step}") == wanted
                    case "ask":
                        after = rng.randint(0, len(wanted))
                        found = {key: text for key, text in wanted.items() if key > after}
                        assert shown_on_demand(bob, after) == found


def test_a_message_that_waits_for_the_disk_is_shown_no_more_although_the_disk_stands_still(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_goes_on = Event()
    monkeypatch.setattr(Keeping, "_gather", lambda keeping: disk_goes_on.wait())
    with start() as server:
        bob = bob_who_moderates(server)
        number = say(bob, SECRET)
        ask(bob, "purge", seq=number)
        carol = server.join("carol")
        assert shown_on_demand(carol, 0) == {1: None}
        assert shown_at_login(server, "dave") == {1: None}
        disk_goes_on.set()
    with start() as server:
        assert shown_at_login(server, "dave") == {1: None}


def test_the_content_of_a_removed_file_can_be_fetched_no_more(start: Any) -> None:
    with start() as server:
        bob, carol = bob_who_moderates(server), server.connect()
        carol.login("carol", inline=10)
        bob.send(FILE, {"filename": "plan.txt"}, b"x" * 1000)
        offer = carol.expect(FILE).header["id"]
        assert offer
        for number in range(300):  # further than what is in memory
            say(bob, f"text {number}")
        command(bob, "purge", seq=1)
        transfer = server.transfer(carol)
        transfer.send(FILE, {"fetch": offer, "nonce": "f"})
        transfer.expect_notice("gone", nonce="f")
        dave = server.join("dave")
        dave.send(UTF8, {"command": "history", "after": 0, "limit": 1, "nonce": "q"})
        shown = dave.read_until(FILE, b"")[-1].header
        assert shown["purged"]
        assert "filename" not in shown
        assert "id" not in shown


def test_a_purge_is_refused_to_others_and_for_what_is_not_there(start: Any) -> None:
    with start() as server:
        bob, eve = bob_who_moderates(server), server.join("eve")
        say(bob, "text")
        assert refused(eve, "purge", seq=1) == "not-allowed"
        assert refused(bob, "purge", seq=2) == "bad-place"
        assert refused(bob, "purge", seq=0) == "bad-place"
        assert refused(bob, "purge") == "bad-command"
        assert refused(bob, "purge", seq=1, private=True) == "bad-command"
        assert shown_on_demand(eve, 0) == {1: "text"}


def test_a_purge_is_refused_without_history(chat_server: TestServer) -> None:
    assert refused(bob_who_moderates(chat_server), "purge", seq=1) == "no-history"


def test_a_moderator_is_told_that_the_disk_fails(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(writer: Writer) -> None:
        raise HistoryFault("cannot use history.db: disk full")

    with start() as server:
        bob = bob_who_moderates(server)
        say(bob, SECRET)
        monkeypatch.setattr(Writer, "changing", fail)
        ask(bob, "purge", seq=1)
        code, sentence = answer_of(bob)
        assert (code, sentence) == (
            "no-history",
            "The server cannot change its history now; try again later.",
        )
        assert shown_at_login(server, "dave") == {1: None}
