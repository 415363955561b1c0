"""Users who join hear what was said before, and fetch what is older: over real sockets, and over restarts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from tests.peers.wire_client import WireClient, WireFrame

TEXT, FILE = MessageType.UTF8, MessageType.FILE


def say(client: WireClient, *texts: str) -> list[int]:
    """Say texts in the room, and return their numbers, when the echoes are here."""
    numbers = []
    for text in texts:
        client.say(text)
        numbers.append(client.expect_text(text, client.name).header["seq"])
    return numbers


def query(client: WireClient, **fields: Any) -> tuple[list[WireFrame], WireFrame]:
    """The messages of a page, and the notice that ends it."""
    fields = {"nonce": "q", **fields}
    client.send(TEXT, {"command": "history", **fields})
    page: list[WireFrame] = []
    while True:
        frame = client.read_frame()
        if frame.sender == "server":
            return page, frame
        if frame.header.get("replay") is None:
            continue  # said or announced meanwhile
        assert frame.header["for"] == fields["nonce"]
        page.append(frame)


def texts(page: list[WireFrame]) -> list[str]:
    return [frame.text for frame in page]


def test_a_user_who_joins_after_a_restart_hears_the_last_messages(start: Any) -> None:
    with start() as server:
        alice = server.join("alice")
        say(alice, *(f"text {number}" for number in range(60)))
        epoch = alice.welcome["epoch"]
    with start() as server:
        bob = server.connect()
        assert bob.try_login({"to": "bob", "replay": 5}).type == MessageType.LOGIN
        bob.welcome = bob.expect(MessageType.LOGIN).header
        for number in range(55, 60):
            bob.expect_text(f"text {number}", "alice", seq=number + 1, replay=True)
        carol = server.join("carol")
        room = carol.welcome["rooms"]["lobby"]
        assert (carol.welcome["epoch"], carol.welcome["history"]) == (epoch, True)
        assert (room["seq"], room["oldest"], room["lost"], room["here"]) == (60, 1, [], 2)
        assert say(carol, "now") == [61]


def test_a_client_that_asks_for_nothing_hears_nothing_old_unless_it_is_raw(start: Any) -> None:
    with start(replay=2) as server:
        alice = server.join("alice")
        say(alice, "1", "2", "3")
        alice.send(FILE, {"filename": "a.bin"}, b"content")
        alice.expect(FILE, b"content")
        bob, carol = server.join("bob"), server.connect()
        carol.login("carol", raw=True)
        carol.expect_text("3", "alice")
        say(alice_with(alice, 2), "now")
        bob.expect_joined("carol")
        bob.expect_text("now", "alice")
        carol.expect_text("now", "alice")


def alice_with(alice: WireClient, joins: int) -> WireClient:
    for _ in range(joins):
        alice.expect(MessageType.LOGIN)
    return alice


def test_pages_go_back_to_the_first_message_and_forward_to_the_last(start: Any) -> None:
    with start() as server:
        alice = server.join("alice")
        numbers = say(alice, *(str(number) for number in range(1, 131)))
        back: list[int] = []
        before = None
        while True:
            page, end = query(alice, **({} if before is None else {"before": before}))
            back = [frame.header["seq"] for frame in page] + back
            assert end.header["count"] == len(page)
            if not end.header.get("more"):
                break
            before = back[0]
        assert back == numbers
        page, end = query(alice, after=100, limit=10)
        assert texts(page) == [str(number) for number in range(101, 111)]
        assert end.header["more"] is True
        page, end = query(alice, after=127, before=130)
        assert texts(page) == ["128", "129"]
        time = alice_time(alice)
        page, _ = query(alice, at=time, limit=1)
        assert texts(page) == ["130"]
        moment = datetime.fromisoformat(time.replace("Z", "+00:00"))
        elsewhere = moment.astimezone(timezone(timedelta(hours=-5)))
        page, _ = query(alice, at=elsewhere.isoformat(), limit=1)
        assert texts(page) == ["130"], "another zone"
        page, _ = query(alice, at=f"{time[:19]}Z", limit=200)
        assert "130" in texts(page), "a whole second begins before its fractions"
        page, _ = query(alice, at="0500-01-01T00:00:00Z", limit=1)
        assert texts(page) == ["1"]
        assert query(alice, at="2026-02-30T00:00:00Z")[1].header["notice"] == "bad-command"


def alice_time(alice: WireClient) -> str:
    page, _ = query(alice, limit=1)
    return str(page[0].header["timestamp"])


@pytest.mark.parametrize(
    "place",
    [
        {"after": 3, "epoch": "another"},
        {"after": 1000},
        {"after": 2, "time": "2020-01-01T00:00:00Z"},
    ],
)
def test_a_place_that_the_server_does_not_know_is_refused(start: Any, place: Any) -> None:
    with start() as server:
        alice = server.join("alice")
        say(alice, "1", "2", "3")
        page, end = query(alice, **place)
        assert (page, end.header["notice"]) == ([], "bad-place")


def test_users_who_ask_for_the_same_page_get_it_under_their_own_nonces(start: Any) -> None:
    with start() as server:
        alice = server.join("alice")
        numbers = say(alice, "1", "2", "3")
        alice.send(FILE, {"filename": "a.bin"}, b"content")
        numbers.append(alice.expect(FILE).header["seq"])
        clients = [
            server.join("big"),
            server.join("little", order=ByteOrder.LITTLE),
            server.join("careful", inline=0),
            server.join("shorter"),
        ]
        for client, length in zip(clients, (24, 24, 24, 16), strict=True):
            expected, _ = query(client, after=0)  # under a nonce that is too short to be replaced
            for letter in "ab":
                nonce = letter * length
                page, end = query(client, after=0, nonce=nonce)
                assert end.header["nonce"] == nonce
                assert page == [
                    frame._replace(header={**frame.header, "for": nonce}) for frame in expected
                ]
                assert [frame.header["seq"] for frame in page] == numbers
        later = say(alice_with(alice, len(clients)), "later")
        for client in clients:
            client.read_until(TEXT, b"later")
            page, _ = query(client, after=3, nonce="c" * 24)
            assert [frame.header["seq"] for frame in page] == [*numbers[3:], *later]


def test_a_place_that_fits_is_gone_on_from(start: Any) -> None:
    with start() as server:
        alice = server.join("alice")
        say(alice, "1", "2", "3")
        [second], _ = query(alice, after=1, before=3)
        place = {"after": 2, "epoch": alice.welcome["epoch"], "time": second.header["timestamp"]}
        page, _ = query(alice, **place)
        assert texts(page) == ["3"]


def test_small_contents_are_shown_whole_and_large_ones_offered(start: Any) -> None:
    with start(max_file=1 << 20, keep_files=0) as server:
        alice = server.join("alice")
        large = b"x" * 100_000
        for content in (b"small", large):
            alice.send(FILE, {"filename": "../a.bin"}, content)
            alice.expect(FILE, content)
        bob = server.join("bob")
        page, _ = query(bob)
        assert [(frame.content, frame.header["filename"]) for frame in page] == [
            (b"small", "a.bin"),
            (b"", "a.bin"),
        ]
        transfer = server.transfer(bob)
        transfer.send(FILE, {"fetch": page[1].header["id"]})
        transfer.expect(FILE, large)
    with start() as server:
        page, _ = query(server.join("bob"))
        assert page[0].content == b"small"
        assert (page[1].header["size"], page[1].header["id"]) == (100_000, "gone")


def test_without_history_nothing_is_kept(start: Any, tmp_path: Path) -> None:
    with start(history=False) as server:
        alice = server.join("alice")
        say(alice, "1")
        assert alice.welcome["history"] is False
        _, end = query(alice)
        assert end.header["notice"] == "no-history"
        assert not (tmp_path / "data" / "history.db").exists()


def test_a_guest_has_no_kept_private_messages(start: Any) -> None:
    with start() as server:
        alice = server.join("alice")
        alice.say("to myself", to="alice")
        alice.expect_text("to myself", "alice")
        _, end = query(alice, private=True)
        assert end.header["notice"] == "no-history"
        _, end = query(alice, nonces=["n"])
        assert (end.header["notice"], end.header["count"]) == ("done", 0)
