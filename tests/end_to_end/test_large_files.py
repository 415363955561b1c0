"""A large file goes through the server from disk to disk: memory stays flat, and the chat goes on.

``CHAT_TEST_LARGE=1`` makes it one of 1 GiB.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from tests.end_to_end.server_process import eventually, running_server
from tests.peers.wire_client import WireClient

UTF8, FILE = MessageType.UTF8, MessageType.FILE
K, M = 1024, 1024**2
LARGE = bool(os.environ.get("CHAT_TEST_LARGE"))
SIZE = (1024 if LARGE else 64) * M
PIECE = 256 * K
FLAT = 16 * M  # what the memory of the server may grow by, whatever the size


def pieces() -> Iterator[bytes]:
    """The file, of which no two pieces are alike."""
    noise = random.Random(1).randbytes(2 * PIECE)
    for number in range(SIZE // PIECE):
        start = number * 97 % PIECE
        yield noise[start : start + PIECE - 8] + number.to_bytes(8, "big")


def checksum_of_file() -> str:
    digest = hashlib.sha256()
    for piece in pieces():
        digest.update(piece)
    return digest.hexdigest()


class Download:
    """The content of one frame on its way in, in two halves, only its checksum being kept."""

    def __init__(self, client: WireClient, sender: str) -> None:
        type, header, size = client.read_opening()
        assert (type, header["from"], size) == (FILE, sender, SIZE)
        self._client = client
        self._left = size
        self._digest = hashlib.sha256()

    def read_until_left(self, left: int) -> None:
        while self._left > left:
            data = self._client.receive_some(min(PIECE, self._left - left))
            assert data, "it ended early"
            self._left -= len(data)
            self._digest.update(data)

    def checksum(self) -> str:
        self.read_until_left(0)
        return self._digest.hexdigest()


def side_by_side(*tasks: Callable[[], object]) -> None:
    greenlets = [gevent.spawn(task) for task in tasks]
    try:
        for greenlet in greenlets:
            greenlet.get()
    finally:
        gevent.killall(greenlets)


def chat(*people: WireClient) -> None:
    """Let each user say something that all hear, and something that only the next one hears."""
    for number, person in enumerate(people):
        person.say(f"{person.name} is here")
        for other in people:
            other.expect_text(f"{person.name} is here", person.name)
        neighbour = people[(number + 1) % len(people)]
        person.say("psst", to=neighbour.name)
        for one in (person, neighbour):
            one.expect_text("psst", person.name, to=neighbour.name)


@pytest.mark.thorough("a huge file; test_transfers.py has all sizes up to it")
@pytest.mark.timeout(300 if LARGE else 60)
def test_one_file_to_five_who_fetch_it_and_one_raw_peer() -> None:
    with running_server("--rate=0") as server, ExitStack() as stack:
        names = ["sender", "one", "two", "three", "four", "five"]
        people: list[WireClient] = []
        for name in names:
            newcomer = WireClient.joined(server.address, name, inline=64 * K, timeout=60)
            for person in people:
                person.expect_joined(name)
            people.append(stack.enter_context(newcomer))
        raw = stack.enter_context(WireClient.joined(server.address, "raw", raw=True, timeout=60))
        for person in people:
            person.expect_joined("raw")
        sender, *readers = people
        chat(*people)
        raw.read_until(UTF8, b"five is here")
        memory = server.resident_memory()

        upload = stack.enter_context(sender.open_transfer(server.address))
        upload.send_bytes(upload.encode(FILE, "large.bin", content_size=SIZE))
        for number, piece in enumerate(pieces()):
            if number == SIZE // PIECE // 2:
                chat(*people)
                raw.read_until(UTF8, b"five is here")
            upload.send_bytes(piece)
        upload.expect(FILE, b"")
        offers = [person.expect(FILE, b"", sender="sender", size=SIZE) for person in people]
        (id,) = {offer.header["id"] for offer in offers}

        transfers = [stack.enter_context(each.open_transfer(server.address)) for each in readers]
        for transfer in transfers:
            transfer.send(FILE, {"fetch": id})
        downloads = [Download(client, "sender") for client in [*transfers, raw]]
        half = SIZE // 2
        side_by_side(*[lambda each=each: each.read_until_left(half) for each in downloads])
        # All of them are in the middle of it, and the sender's chat and theirs goes on.
        chat(*people)
        side_by_side(*[each.checksum for each in downloads])
        assert {each.checksum() for each in downloads} == {checksum_of_file()}
        # For the raw peer, texts sent meanwhile waited behind the file.
        raw.read_until(UTF8, b"five is here")
        assert server.peak_memory() - memory < FLAT


@pytest.mark.parametrize("way", ["transfer", "main"])
def test_a_sender_cut_off_in_the_middle_reaches_nobody_and_gives_back_the_space(way: str) -> None:
    # Room for just one such file.
    with (
        running_server(f"--max-spool={4 * SIZE}", "--rate=0") as server,
        WireClient.joined(server.address, "watcher") as watcher,
        WireClient.joined(server.address, "sender", inline=0) as sender,
    ):
        watcher.expect_joined("sender")
        with ExitStack() as stack:
            line = sender
            if way == "transfer":
                line = stack.enter_context(sender.open_transfer(server.address))
            line.send_bytes(line.encode(FILE, "large.bin", content_size=SIZE))
            for _, piece in zip(range(40), pieces(), strict=False):
                line.send_bytes(piece)
            eventually(lambda: server.temporary_files() == 1)
            line.reset()
        if way == "main":
            watcher.expect_left("sender", "disconnected")
        eventually(lambda: server.temporary_files() == 0)
        if way == "transfer":
            # The user's share of the space is free again.
            with sender.open_transfer(server.address) as again:
                again.send_bytes(again.encode(FILE, "large.bin", content_size=SIZE))
                eventually(lambda: server.temporary_files() == 1)
        watcher.say("nothing came")
        watcher.expect_text("nothing came", "watcher")


def trickle(client: WireClient) -> None:
    """A byte now and then, of a file that was announced, until the server has enough of it."""
    with suppress(OSError):
        while True:
            client.send_bytes(b"x")
            gevent.sleep(0.2)


def test_uploads_that_trickle_do_not_keep_a_file_out() -> None:
    # Ten of them take it all, none more than its user's quarter.
    size = 400 * K
    with running_server(f"--max-spool={10 * size}") as server, ExitStack() as stack:
        watcher = stack.enter_context(WireClient.joined(server.address, "watcher"))
        alice = stack.enter_context(WireClient.joined(server.address, "alice"))
        watcher.expect_joined("alice")
        for number in range(10):
            name = f"slow{number}"
            line = slow = stack.enter_context(WireClient.joined(server.address, name))
            if number >= 5:
                line = stack.enter_context(slow.open_transfer(server.address))
            line.send_bytes(line.encode(FILE, None, content_size=size))
            stack.callback(gevent.spawn(trickle, line).kill)
            watcher.expect_joined(name)
        eventually(lambda: server.temporary_files() == 10)

        alice.send(FILE, {"nonce": "n"}, b"y" * size)

        frames = watcher.read_until(FILE, b"y" * size)
        # They give way, the oldest at least: a session if it is on its main connection, ...
        while not (left := [frame for frame in frames if frame.type == MessageType.LOGOUT]):
            frames.append(watcher.read_frame())
        assert {frame.header["reason"] for frame in left} == {"timed-out"}
        # ... and nothing but the transfer if it is on one of its own.
        assert {frame.sender for frame in left} <= {f"slow{number}" for number in range(5)}
        for number in range(5, 10):
            watcher.say("still here?", to=f"slow{number}")
            watcher.read_until(UTF8, b"still here?")
