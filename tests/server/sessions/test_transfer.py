"""Transfer connections: large contents of one user, beside his chat."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event

from chat import framing
from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.notices import LeaveReason
from chat.server.attachments import spool as spool_module
from chat.server.attachments.spool import SpooledFile
from chat.server.sessions import session as session_module
from chat.server.sessions.session import ServerStopping
from chat.server.sessions.transfer import Transfer
from chat.server.settings import Rate
from tests.peers.wire_client import WireClient
from tests.server.fakes import run_ready_greenlets, wait_until
from tests.server.house import House

FILE, IMAGE, UTF8 = MessageType.FILE, MessageType.IMAGE, MessageType.UTF8
M = 1024**2
LARGE = os.urandom(300_000)

OpenAHouse = Callable[..., House]


def upload(house: House, name: str = "alice") -> tuple[WireClient, WireClient]:
    """Somebody, and his transfer connection with half of a large file on it."""
    client = house.join(name)
    transfer = house.transfer(client)
    transfer.send_bytes(transfer.encode(FILE, None, LARGE[:150_000], content_size=len(LARGE)))
    house.upload_begins(len(LARGE))
    return client, transfer


def offer(house: House, content: bytes) -> tuple[WireClient, WireClient, str]:
    """Somebody who was offered ``content``, his transfer connection, and the id of the offer."""
    client = house.join("alice", inline=0)
    transfer = house.transfer(client)
    transfer.send(FILE, {"filename": "a.bin"}, content)
    transfer.expect(FILE)
    return client, transfer, client.expect(FILE, size=len(content)).header["id"]


# Sending


@pytest.mark.parametrize("type", [FILE, IMAGE, MessageType.VOICE])
@pytest.mark.parametrize("content", [b"", b"small", LARGE])
@pytest.mark.parametrize("order", list(ByteOrder))
def test_what_is_sent_here_is_said_in_the_room(
    house: House, type: MessageType, content: bytes, order: ByteOrder
) -> None:
    bob = house.join("bob", raw=True)
    alice = house.join("alice", order=order)
    bob.expect_joined("alice")
    transfer = house.transfer(alice)

    transfer.send(type, {"filename": "a.bin", "nonce": "n"}, content)

    assert transfer.read_frame() == (type, {}, b"")
    alice.expect(type, content, sender="alice", filename="a.bin", nonce="n")
    bob.expect(type, content, sender="alice", filename="a.bin")


def test_it_may_be_private(house: House) -> None:
    alice, bob, carol = house.join("alice"), house.join("bob"), house.join("carol")
    transfer = house.transfer(alice)
    transfer.send(FILE, {"to": "bob"}, b"secret")
    transfer.expect(FILE)
    transfer.send(FILE, None, b"for all")

    for guest in (bob, alice):
        guest.read_until(FILE, b"secret")
    carol.expect(FILE, b"for all")


@pytest.mark.parametrize(
    ("type", "header", "content", "notice"),
    [
        (UTF8, {"nonce": "n"}, b"hello", "bad-type"),
        (UTF8, {"nonce": "n"}, b"", "empty"),
        (77, {"nonce": "n"}, b"", "bad-type"),
        (FILE, {"nonce": "n", "to": "nobody"}, b"content", "no-such-user"),
        (FILE, {"nonce": "n", "fetch": "no-id"}, b"", "gone"),
        (FILE, {"nonce": "n", "fetch": "no-id"}, b"content", "bad-header"),
        (IMAGE, {"nonce": "n", "fetch": "no-id"}, b"", "bad-header"),
        (FILE, {"nonce": "n"}, b"x" * 300_000, "no-space"),
    ],
)
def test_what_is_refused_is_told_here_and_the_connection_goes_on(
    open_a_house: OpenAHouse, type: int, header: dict[str, Any], content: bytes, notice: str
) -> None:
    house = open_a_house(max_spool=M)
    alice = house.join("alice")
    transfer = house.transfer(alice)
    transfer.name = "alice"

    transfer.send(type, header, content)
    transfer.send(FILE, None, b"next")

    transfer.expect_notice(notice, nonce="n")
    transfer.expect(FILE)
    alice.expect(FILE, b"next")


def test_more_than_a_file_may_have_is_answered_then_closed(open_a_house: OpenAHouse) -> None:
    house = open_a_house(max_file=1000)
    alice = house.join("alice")
    transfer = house.transfer(alice)
    transfer.name = "alice"

    transfer.send_bytes(transfer.encode(FILE, content_size=1001))

    transfer.expect_notice("too-large")
    transfer.expect_closed()
    alice.say("still here")
    alice.expect_text("still here", "alice")


def test_the_room_goes_on_while_a_transfer_comes_in(house: House) -> None:
    alice, transfer = upload(house)

    alice.say("meanwhile")
    alice.expect_text("meanwhile", "alice")
    transfer.send_bytes(LARGE[150_000:])

    transfer.expect(FILE)
    alice.expect(FILE, LARGE)


# Fetching


@pytest.mark.parametrize("content", [b"a small content", LARGE])
@pytest.mark.parametrize("offset", [0, 1, 7])
def test_an_offer_is_fetched_from_an_offset_on(house: House, content: bytes, offset: int) -> None:
    _, transfer, id = offer(house, content)

    transfer.send(FILE, {"fetch": id, "offset": offset, "nonce": "n"})

    frame = transfer.expect(
        FILE, content[offset:], sender="alice", filename="a.bin", nonce="n", id=id, offset=offset
    )
    assert frame.header["size"] == len(content)


@pytest.mark.parametrize("content", [b"a small content", LARGE])
def test_an_offset_at_the_end_fetches_nothing_and_one_after_it_is_refused(
    house: House, content: bytes
) -> None:
    _, transfer, id = offer(house, content)
    transfer.name = "alice"

    transfer.send(FILE, {"fetch": id, "offset": len(content)})
    transfer.expect(FILE, b"", size=len(content))
    transfer.send(FILE, {"fetch": id, "offset": len(content) + 1})
    transfer.expect_notice("bad-header")


def test_only_who_was_offered_it_may_fetch(house: House) -> None:
    _, _, id = offer(house, b"content")
    late = house.join("late")
    transfer = house.transfer(late)
    transfer.name = "late"

    transfer.send(FILE, {"fetch": id})

    transfer.expect_notice("gone")


def test_who_fetches_faster_than_he_takes_is_served_one_at_a_time(house: House) -> None:
    _, transfer, id = offer(house, os.urandom(10 * M))
    found = house.parts.shelf.find(id, house.session("alice").serial)
    assert found is not None
    content = found.content
    assert isinstance(content, SpooledFile)

    transfer.send_bytes(transfer.encode(FILE, {"fetch": id}) * 20)
    wait_until(lambda: content.holders == 2, "the first to be on its way")
    run_ready_greenlets()
    assert content.holders == 2  # the shelf, and one on its way

    for _ in range(3):
        transfer.expect(FILE)
        run_ready_greenlets()
        assert content.holders <= 2
    transfer.close()
    wait_until(lambda: content.holders == 1, "the last to be let go")


def test_a_fetch_that_is_cut_off_leaves_the_offer(house: House) -> None:
    alice, transfer, id = offer(house, os.urandom(10 * M))
    transfer.send(FILE, {"fetch": id})
    transfer.receive_exactly(1000)
    transfer.reset()

    again = house.transfer(alice)
    again.send(FILE, {"fetch": id, "offset": 10 * M - 5})

    assert len(again.expect(FILE, offset=10 * M - 5).content) == 5


def test_an_offer_that_made_way_is_gone(open_a_house: OpenAHouse) -> None:
    house = open_a_house(max_spool=8 * len(LARGE))
    alice, transfer, id = offer(house, LARGE)
    transfer.name = "alice"
    for _ in range(2):  # two are a user's share
        transfer.send(FILE, None, LARGE)
        transfer.expect(FILE)

    transfer.send(FILE, {"fetch": id})

    transfer.expect_notice("gone")
    assert alice.expect(FILE).header["size"] == len(LARGE)


# Ends


def test_a_transfer_ends_by_logout_or_by_closing(house: House) -> None:
    alice = house.join("alice")
    session = house.session("alice")
    first, second = house.transfer(alice), house.transfer(alice)
    assert len(session.transfers) == 2

    first.leave()
    first.expect_closed()
    first.close()
    second.close()

    wait_until(lambda: not session.transfers, "the transfers to end")
    alice.say("still here")
    alice.expect_text("still here", "alice")


@pytest.mark.parametrize("end", [WireClient.leave, WireClient.close, WireClient.reset])
def test_transfers_end_with_their_session(house: House, end: Callable[[WireClient], None]) -> None:
    bob = house.join("bob")
    alice, uploading = upload(house)
    bob.expect_joined("alice")
    idle = house.transfer(alice)

    end(alice)

    bob.expect_left("alice")
    assert uploading.at_end()
    assert idle.at_end()
    house.space_is_given_back()


@pytest.mark.parametrize("end", [WireClient.close, WireClient.reset])
def test_an_upload_that_is_cut_off_reaches_nobody(
    house: House, end: Callable[[WireClient], None]
) -> None:
    alice, uploading = upload(house)

    end(uploading)
    house.space_is_given_back()

    alice.say("next")
    alice.expect_text("next", "alice")


def test_an_upload_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    monkeypatch.setattr(framing, "STALL_WINDOW", 0.05)
    alice, uploading = upload(house)

    assert uploading.at_end()

    house.space_is_given_back()
    alice.say("still here")
    alice.expect_text("still here", "alice")


@pytest.mark.parametrize("exception", [gevent.GreenletExit, ServerStopping])
def test_a_transfer_that_is_killed_gives_everything_back(
    house: House, exception: type[gevent.GreenletExit]
) -> None:
    alice = house.join("alice")
    before = set(house.connections)
    transfer = house.transfer(alice)
    transfer.send_bytes(transfer.encode(FILE, None, b"x", content_size=len(LARGE)))
    house.upload_begins()
    [greenlet] = set(house.connections) - before

    greenlet.kill(exception, timeout=5)

    assert greenlet.dead
    house.space_is_given_back()
    assert not house.session("alice").transfers
    assert transfer.at_end()


def test_a_slow_upload_makes_way_and_only_it(
    monkeypatch: pytest.MonkeyPatch, open_a_house: OpenAHouse
) -> None:
    monkeypatch.setattr(spool_module, "_GRACE", 0.0)
    house = open_a_house(max_spool=4 * len(LARGE))
    slow = []
    for number in range(4):
        client = house.join(f"slow{number}")
        slow.append((client, house.transfer(client)))
        slow[-1][1].send_bytes(slow[-1][1].encode(FILE, None, b"x", content_size=len(LARGE)))
    wait_until(lambda: house.parts.spool.files == 4, "the uploads to begin")
    alice = house.join("alice")

    alice.send(FILE, {"to": "alice"}, LARGE)

    alice.expect(FILE, LARGE)
    for client, transfer in slow:
        assert transfer.at_end()
        client.say("still here")
        client.read_until(UTF8, b"still here")


class SlowDisk:
    """Writes begin at once and end when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_write = threading.Event()
        self.begun = threading.Event()
        write_all = spool_module._write_all

        def write(fd: int, data: memoryview) -> OSError | None:
            self.begun.set()
            assert self.may_write.wait(5)
            return write_all(fd, data)

        monkeypatch.setattr(spool_module, "_write_all", write)


def test_an_upload_that_is_whole_when_its_user_has_left_is_said_by_nobody(
    monkeypatch: pytest.MonkeyPatch, house: House
) -> None:
    bob, alice = house.join("bob"), house.join("alice")
    bob.expect_joined("alice")
    transfer = house.transfer(alice)
    disk = SlowDisk(monkeypatch)
    transfer.send(FILE, None, b"x" * 70_000)
    wait_until(disk.begun.is_set, "the disk to be written to")

    alice.leave()
    bob.expect_left("alice", "quit")
    disk.may_write.set()

    assert transfer.at_end()
    house.space_is_given_back()
    bob.say("next")
    bob.expect_text("next", "bob")


def test_an_upload_of_one_who_can_be_served_no_longer_is_not_confirmed(
    monkeypatch: pytest.MonkeyPatch, open_a_house: OpenAHouse
) -> None:
    house = open_a_house(rate=Rate(1, 1), byte_rate=None)
    alice = house.join("alice")
    transfer = house.transfer(alice)
    transfer.name = "alice"
    disk = SlowDisk(monkeypatch)
    transfer.send(FILE, None, b"x" * 70_000)
    wait_until(disk.begun.is_set, "the disk to be written to")
    asleep, may_wake = Event(), Event()

    def sleep(seconds: float) -> None:
        asleep.set()
        may_wake.wait(5)

    # The session is held back by its rate, so it does not see at once that it has ended.
    monkeypatch.setattr(session_module, "gevent", SimpleNamespace(sleep=sleep))
    alice.say("too fast")
    assert asleep.wait(5)
    house.session("alice").outbox.fail(LeaveReason.TOO_SLOW)
    disk.may_write.set()

    transfer.expect_notice("gone")
    transfer.expect_closed()
    may_wake.set()
    house.connections_end()


def test_ending_a_transfer_twice_is_ending_it(house: House) -> None:
    alice = house.join("alice")
    transfer = house.transfer(alice)
    [ours] = house.session("alice").transfers
    assert isinstance(ours, Transfer)

    ours.end()
    ours.end()

    assert transfer.at_end()
    wait_until(lambda: not house.session("alice").transfers, "the transfer to end")
