"""A durable server: nothing is heard, echoed or answered before the disk has it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.history.faults import HistoryFault
from chat.server.history.pages import PageSize
from chat.server.history.stored import DEFAULT_ROOM
from chat.server.sessions import answers
from chat.server.sessions.answers import MAX_OPEN
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.disk import Disk
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer
from tests.tiers import quick_first

UTF8, FILE = MessageType.UTF8, MessageType.FILE
K = 1024
FULL = HistoryFault("cannot use history.db: database or disk is full")


@pytest.fixture
def durable(open_durable: Callable[..., TestServer]) -> TestServer:
    return open_durable()


def pair(chat_server: TestServer) -> tuple[WireClient, WireClient]:
    alice, bob = chat_server.join("alice"), chat_server.join("bob")
    alice.expect_joined("bob")
    return alice, bob


def ping(client: WireClient, nonce: str) -> WireFrame:
    """Ask the server for a sign of life; the next frame must be the answer."""
    client.send(UTF8, {"command": "ping", "nonce": nonce})
    return client.expect_notice("done", nonce=nonce)


def test_nobody_hears_a_text_before_the_disk_has_it(durable: TestServer, disk: Disk) -> None:
    alice, bob = pair(durable)
    disk.stand_still(alice, nonce="on-its-way")
    ping(bob, "1")

    disk.goes_on.set()

    for guest in (alice, bob):
        guest.expect_text("on its way", "alice", seq=1)


@pytest.mark.parametrize("seed", quick_first(range(4), "many seeds"))
def test_all_hear_what_the_disk_has_in_one_order_and_each_answer_has_its_turn(
    durable: TestServer, disk: Disk, seed: int
) -> None:
    rng = random.Random(seed)
    disk.pause = lambda: rng.choice((0, 0, 0.002, 0.02))
    guests = [durable.join(f"guest{number}") for number in range(4)]
    heard: dict[str, list[WireFrame]] = {guest.name: [] for guest in guests}
    asked: dict[str, list[str]] = {guest.name: [] for guest in guests}

    def read(guest: WireClient) -> None:
        while not guest.at_end():
            frame = guest.read_frame()
            if frame.type == UTF8 and "seq" in frame.header and "to" not in frame.header:
                assert frame.content in disk.written, f"heard before the disk has it: {frame}"
            heard[guest.name].append(frame)

    reading = [gevent.spawn(read, guest) for guest in guests]
    passing = gevent.spawn(pass_by, durable, rng)
    for number in range(200):
        guest = rng.choice(guests)
        nonce = f"{guest.name}-{number}"
        asked[guest.name].append(nonce)
        header, content = rng.choice(
            (
                ({}, b"text %d" % number),
                ({}, b"text %d" % number),
                ({"to": "guest0"}, b"private %d" % number),
                ({"to": "nobody"}, b"private"),
                ({}, b""),
                ({"command": "ping"}, b""),
                ({"command": "bans"}, b""),
            )
        )
        guest.send(UTF8, {**header, "nonce": nonce}, content)
        if rng.random() < 0.1:
            gevent.sleep(0.003)
    passing.join()
    for guest in guests:
        guest.leave()
    gevent.joinall(reading, timeout=30, raise_error=True)

    orders = []
    for guest in guests:
        frames = heard[guest.name]
        nonces = [frame.header.get("nonce", "") for frame in frames]
        assert [each for each in nonces if each.startswith(guest.name)] == asked[guest.name]
        public = [frame for frame in frames if frame.type == UTF8 and is_public(frame)]
        orders.append([(frame.header["seq"], frame.content) for frame in public])
    longest = max(orders, key=len)
    # The users leave one after the other, and hear no more than that.
    assert all(order == longest[: len(order)] for order in orders)
    assert [seq for seq, _ in longest] == list(range(1, len(longest) + 1))
    page = durable.parts.history.after(DEFAULT_ROOM, 0, None, PageSize(1000, 1 << 20))  # type: ignore[union-attr]
    assert longest == [(m.first, m.contents[0]) for run in page.runs for m in run.messages()]


def is_public(frame: WireFrame) -> bool:
    return "seq" in frame.header and "to" not in frame.header


def pass_by(chat_server: TestServer, rng: random.Random) -> None:
    """Join again and again, and check that the first frames fit to what follows: nothing missing, nothing twice."""
    for number in range(10):
        guest = WireClient(chat_server.address)
        guest.send(UTF8.LOGIN, {"to": f"passer{number}", "replay": 5})
        assert guest.read_frame().header == {}
        welcome = guest.read_frame()
        assert welcome.sender == f"passer{number}"
        guest.say("bye", nonce="bye")
        guest.leave()
        head = _head(welcome)
        public = [frame.header["seq"] for frame in guest.read_to_end() if is_public(frame)]
        begin = max(1, head - 4)
        assert public == list(range(begin, begin + len(public)))
        assert len(public) > head - begin + 1
        guest.close()
        gevent.sleep(rng.random() / 100)


def _head(welcome: WireFrame) -> int:
    head: int = json.loads(welcome.content)["rooms"]["lobby"]["seq"]
    return head


def test_a_user_is_heard_before_they_leave_and_before_others_come(
    durable: TestServer, disk: Disk
) -> None:
    alice, bob = pair(durable)
    disk.stand_still(alice, nonce="on-its-way")
    durable.session("alice").eject(LeaveReason.KICKED, NoticeCode.MODERATED, "You were kicked.")
    carol = WireClient(durable.address)
    durable.remember(carol)
    carol.send(MessageType.LOGIN, {"to": "carol"})
    wait_until(lambda: "carol" in durable.here(), "carol")
    ping(bob, "1")

    disk.goes_on.set()

    bob.expect_text("on its way", "alice")
    bob.expect_left("alice", "kicked")
    bob.expect_joined("carol")
    # Also the user who was thrown out hears everything up to that point.
    alice.expect_text("on its way", "alice")
    alice.expect_notice("moderated")
    carol.expect(MessageType.LOGIN, b"")
    assert _head(carol.expect(MessageType.LOGIN, sender="carol")) == 1


def test_a_failed_disk_refuses_messages_and_the_chat_goes_on(
    durable: TestServer, disk: Disk
) -> None:
    alice, bob = pair(durable)
    alice.say("one", nonce="1")
    for guest in (alice, bob):
        guest.expect_text("one", "alice", seq=1)
    epoch = durable.parts.history.epoch  # type: ignore[union-attr]
    disk.stand_still(alice, nonce="on-its-way")
    alice.say("behind", nonce="behind")
    bob.say("psst", to="alice", nonce="private")
    carol = durable.remember(WireClient(durable.address))
    carol.send(MessageType.LOGIN, {"to": "carol"})
    wait_until(lambda: "carol" in durable.here(), "carol")
    disk.fault = FULL
    disk.goes_on.set()

    alice.expect_notice("no-space", nonce="on-its-way")
    alice.expect_notice("no-space", nonce="behind")
    bob.expect_notice("no-space", nonce="private")
    for guest in (alice, bob):
        guest.expect_joined("carol")
    carol.expect(MessageType.LOGIN, b"")
    assert _head(carol.expect(MessageType.LOGIN, sender="carol")) == 1
    alice.say("not now", nonce="2")
    alice.expect_notice("no-space", nonce="2")
    ping(alice, "3")
    carol.leave()
    for guest in (alice, bob):
        guest.expect_left("carol")

    disk.fault = None
    wait_until(lambda: not durable.parts.history.is_suspended, "the disk to be used again")  # type: ignore[union-attr]
    bob.say("again", nonce="4")
    for guest in (alice, bob):
        guest.expect_text("again", "bob", seq=2)
    alice.say("psst", to="bob")
    for guest in (alice, bob):
        guest.expect_text("psst", "alice", seq=1)
    assert durable.parts.history.epoch == epoch  # type: ignore[union-attr]
    assert disk.written == [b"one", b"again"]


def test_a_user_whose_message_waits_is_told_so(
    durable: TestServer, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_LOOK", 0.01)
    alice = durable.join("alice")
    raw = durable.join("raw", raw=True)
    alice.expect_joined("raw")
    disk.stand_still(alice, nonce="on-its-way")
    raw.say("raw")

    for _ in range(2):
        alice.expect_notice("waiting", nonce=None)

    disk.goes_on.set()
    frames = alice.read_until(UTF8, b"raw")
    assert [frame.text for frame in frames if "notice" not in frame.header] == ["on its way", "raw"]
    # Clients that do not know JSON headers would take the notice for a text.
    raw.expect(UTF8, b"on its way")
    raw.expect(UTF8, b"raw")


def test_what_one_client_says_while_the_disk_stands_still_is_bounded(
    durable: TestServer, disk: Disk
) -> None:
    alice, bob = pair(durable)
    disk.stand_still(alice, nonce="on-its-way")
    text = b"x" * (60 * K)
    frames = b"".join(alice.encode(UTF8, {"nonce": str(n)}, text) for n in range(60))
    sending = gevent.spawn(alice.send_bytes, frames)
    unwritten = durable.parts.history._queue.unwritten  # type: ignore[union-attr]
    wait_until(lambda: sum(len(run.content) for run in unwritten) > MAX_OPEN, "the texts")
    for number in range(50):
        ping(bob, str(number))
    assert sum(len(run.content) for run in unwritten) <= MAX_OPEN + 2 * 64 * K

    disk.goes_on.set()
    nonces = [bob.read_frame().header["nonce"] for _ in range(61)]
    assert nonces == ["on-its-way", *(str(n) for n in range(60))]
    sending.join()
    alice.close()


def test_messages_that_come_together_share_a_transaction(durable: TestServer, disk: Disk) -> None:
    guests = [durable.join(f"guest{number}") for number in range(5)]
    disk.stand_still(guests[0], nonce="on-its-way")
    for guest in guests:
        guest.say("hello")
    unwritten = durable.parts.history._queue.unwritten  # type: ignore[union-attr]
    wait_until(lambda: len(unwritten) == 6, "the texts to be appended")
    disk.goes_on.set()
    guests[4].read_until(UTF8, b"on its way")
    for _ in guests:
        guests[4].expect(UTF8, b"hello")
    assert disk.groups == [1, 5]


def test_a_user_who_resets_the_connection_gives_the_name_back(
    durable: TestServer, disk: Disk
) -> None:
    alice, bob = pair(durable)
    disk.stand_still(alice, nonce="on-its-way")
    alice.reset()
    wait_until(lambda: durable.here() == ["bob"], "alice to leave")
    disk.goes_on.set()
    bob.expect_text("on its way", "alice")
    bob.expect_left("alice")


def test_a_server_whose_disk_stands_still_stops_all_the_same(
    durable: TestServer, disk: Disk
) -> None:
    alice, bob = pair(durable)
    disk.stand_still(alice, nonce="on-its-way")
    durable.parts.log.close(0.05)
    stopping = gevent.spawn(durable.server.stop)
    for guest in (alice, bob):
        guest.expect_notice("shutting-down")
        guest.close()
    disk.goes_on.set()
    stopping.join()


def test_a_server_that_stops_says_what_waits(durable: TestServer, disk: Disk) -> None:
    alice, bob = pair(durable)
    disk.stand_still(alice, nonce="on-its-way")
    stopping = gevent.spawn(durable.server.stop)
    wait_until(lambda: durable.parts.log._apply is None, "the log to close")  # type: ignore[attr-defined]
    disk.goes_on.set()
    for guest in (alice, bob):
        guest.expect_text("on its way", "alice")
        guest.expect_notice("shutting-down")
        guest.close()
    stopping.join()
