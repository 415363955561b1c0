"""Each limit that an operator sets, at one below, exactly, and one above."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from chat.protocol.descriptor import ATTACHMENTS, ByteOrder, MessageType
from tests import homes
from tests.end_to_end.kernel import bytes_in_kernel
from tests.end_to_end.server_process import CHECKOUT, ServerProcess, eventually, running_server
from tests.peers.wire_client import WireClient
from tests.starting.programs import run_program
from tests.tiers import quick_first

UTF8, FILE = MessageType.UTF8, MessageType.FILE
K = 1024
EDGES = "the edges of a limit; tests/server/delivery has them without sockets"


def test_a_text() -> None:
    with (
        running_server("--max-text=2K") as server,
        WireClient.joined(server.address, "alice") as alice,
    ):
        # Bytes, not characters: each of these has two.
        for size in (2 * K - 2, 2 * K):
            alice.say("й" * (size // 2), nonce="n")
            alice.expect_text("й" * (size // 2), "alice", nonce="n")
        alice.send(UTF8, {"nonce": "n"}, b"x" * (2 * K + 1))
        alice.expect_notice("too-large", nonce="n")
        alice.send(UTF8, {"nonce": "n"}, b"x" * (2 * K - 1))
        alice.expect(UTF8, b"x" * (2 * K - 1))


@pytest.mark.parametrize("order", ByteOrder)
def test_a_file_an_image_a_voice_note(order: ByteOrder) -> None:
    limit = 100 * K
    with (
        running_server("--max-file=100K") as server,
        WireClient.joined(server.address, "watcher") as watcher,
    ):
        for type in sorted(ATTACHMENTS):
            with WireClient.joined(server.address, "alice", order=order) as alice:
                watcher.expect_joined("alice")
                for size in (limit - 1, limit):
                    alice.send(type, {"nonce": "n"}, b"\xff" * size)
                    for user in (alice, watcher):
                        user.expect(type, b"\xff" * size, sender="alice", nonce="n")
                # Judged on the 16 bytes alone: nothing more needs to come.
                alice.send_bytes(alice.encode(type, None, content_size=limit + 1))
                alice.expect_notice("too-large")
                alice.expect_closed()
                watcher.expect_left("alice")


def test_a_huge_announcement_is_refused_as_any_over_the_limit() -> None:
    with running_server() as server:
        for size in (1 << 30 | 1, 1 << 63, (1 << 64) - 1):
            with WireClient.joined(server.address, "alice") as alice:
                alice.send_bytes(alice.encode(FILE, {"nonce": "n"}, content_size=size))
                alice.expect_notice("too-large", nonce="n")
                alice.expect_closed()
            server.wait_for_line("alice left")
        assert server.temporary_files() == 0


def test_one_user_has_a_quarter_of_the_temporary_space() -> None:
    with (
        running_server("--max-spool=1M") as server,
        WireClient.joined(server.address, "alice") as alice,
    ):
        for size, fits in ((256 * K - 1, True), (256 * K, True), (256 * K + 1, False)):
            alice.send(FILE, {"nonce": "n"}, b"x" * size)
            if fits:
                alice.expect(FILE, b"x" * size, nonce="n")
            else:
                alice.expect_notice("no-space", nonce="n")
        # Two at once are counted together, whichever way they come.
        with alice.open_transfer(server.address) as transfer:
            upload = begin_upload(transfer, 150 * K)
            eventually(lambda: server.temporary_files() == 1)
            for size, fits in ((106 * K - 1, True), (106 * K, True), (106 * K + 1, False)):
                alice.send(FILE, {"nonce": "n"}, b"x" * size)
                if fits:
                    alice.expect(FILE, b"x" * size)
                else:
                    alice.expect_notice("no-space", nonce="n")
            transfer.send_bytes(upload)
            alice.expect(FILE, b"x" * 150 * K)
            transfer.expect(FILE, b"")


def test_the_temporary_space_of_all_together() -> None:
    with running_server("--max-spool=1M") as server, ExitStack() as stack:
        uploads: list[tuple[WireClient, bytes]] = []
        for number in range(4):
            user = stack.enter_context(WireClient.joined(server.address, f"user{number}"))
            size = 256 * K - (150 * K if number == 3 else 0)
            uploads.append((user, begin_upload(user, size)))
            eventually(lambda: server.temporary_files() == len(uploads))
        alice = stack.enter_context(WireClient.joined(server.address, "alice"))
        for size, fits in ((150 * K + 1, False), (150 * K, True), (150 * K - 1, True)):
            alice.send(FILE, {"nonce": "n"}, b"x" * size)
            if fits:
                alice.expect(FILE, b"x" * size, sender="alice", nonce="n")
            else:
                alice.expect_notice("no-space", nonce="n")
        # The uploads that were under way lost nothing by it.
        for user, rest in uploads:
            user.send_bytes(rest)
            assert alice.expect(FILE, sender=user.name).content.strip(b"x") == b""
        for user, _ in uploads:
            user.close()
        eventually(lambda: server.temporary_files() == 0)


def begin_upload(user: WireClient, size: int) -> bytes:
    """Send all but the last byte of a file of ``size`` bytes; return the last byte."""
    data = user.encode(FILE, None, b"x" * size)
    user.send_bytes(data[:-1])
    return data[-1:]


def test_offered_contents_make_way_for_new_ones_oldest_first() -> None:
    with (
        running_server("--max-spool=400K") as server,
        WireClient.joined(server.address, "alice", inline=0) as alice,
    ):
        ids = []
        for _ in range(3):
            alice.send(FILE, None, b"x" * 100 * K)
            ids.append(alice.expect(FILE, b"", size=100 * K).header["id"])
        assert server.temporary_files() == 1
        with alice.open_transfer(server.address) as transfer:
            for id in ids[:2]:
                transfer.send(FILE, {"fetch": id})
                transfer.expect_notice("gone")
            transfer.send(FILE, {"fetch": ids[2]})
            transfer.expect(FILE, b"x" * 100 * K)


# --- what waits ---


class Feeder:
    """Sends private texts of exact sizes to somebody who reads nothing, and sees each come back."""

    def __init__(self, server: ServerProcess, sender: WireClient, reader: WireClient) -> None:
        self._server = server
        self._sender = sender
        self._reader = reader
        self._fed = 0
        self._seq = 0  # of the reader's last private message

    def feed(self, size: int) -> None:
        """``size`` bytes on the reader's wire, in as many texts as it takes."""
        while size:
            # No rest may be too small for a frame.
            piece = size if size <= 32 * K else min(32 * K, size - K)
            self._seq += 1
            content = b"x" * (piece - self._overhead)
            self._sender.send(UTF8, {"to": self._reader.name}, content)
            self._sender.expect(UTF8, content, sender=self._sender.name, to=self._reader.name)
            self._fed += piece
            size -= piece

    def fill_kernel(self) -> int:
        """Feed until the kernels' queues are full and the rest waits in the server; how many bytes do."""
        ends = self._reader.socket.getsockname(), self._server.address
        held = -1
        while (now := bytes_in_kernel(*ends)) > held:
            held = now
            self.feed(256 * K)
        return self._fed - bytes_in_kernel(*ends)

    @property
    def _overhead(self) -> int:
        """Bytes of descriptor and header."""
        moment = "2026-01-01T00:00:00.000000Z"
        sender, reader = self._sender.name, self._reader.name
        header = f'{{"from":"{sender}","timestamp":"{moment}","to":"{reader}","seq":{self._seq}}}'
        return 16 + len(header)


@pytest.mark.parametrize("excess", quick_first([1, -1, 0], EDGES))
def test_what_waits_for_a_slow_reader(excess: int) -> None:
    with (
        running_server("--rate=0", "--max-backlog=512K") as server,
        WireClient.joined(server.address, "alice") as alice,
        WireClient.joined(server.address, "slow", receive_buffer=4 * K) as slow,
    ):
        alice.expect_joined("slow")
        feeder = Feeder(server, alice, slow)
        waiting = feeder.fill_kernel()
        assert 0 < waiting < 500 * K
        feeder.feed(512 * K + excess - waiting)
        if excess > 0:
            alice.expect_left("slow", "too-slow")
            server.wait_for_line("WARNING slow left: too-slow$")
        else:
            alice.say("nobody left", to="alice")
            alice.expect_text("nobody left", "alice")


@pytest.mark.thorough("test_slow_readers.py stays under the limit of all together")
@pytest.mark.parametrize("excess", quick_first([1, -1, 0], EDGES))
def test_what_waits_for_all_together_and_the_largest_goes_first(excess: int) -> None:
    with (
        running_server("--rate=0", "--max-backlog-total=1M") as server,
        WireClient.joined(server.address, "alice") as alice,
        WireClient.joined(server.address, "slow", receive_buffer=4 * K) as slow,
        WireClient.joined(server.address, "slower", receive_buffer=4 * K) as slower,
    ):
        alice.expect_joined("slow")
        for user in (alice, slow):
            user.expect_joined("slower")
        feeders = [Feeder(server, alice, reader) for reader in (slow, slower)]
        waiting = [feeder.fill_kernel() for feeder in feeders]
        feeders[1].feed(600 * K - waiting[1])
        # It is the one with less whose further byte is too much.
        feeders[0].feed(K * K - 600 * K + excess - waiting[0])
        if excess > 0:
            alice.expect_left("slower", "too-slow")
            alice.say("still here", to="slow")
            alice.expect_text("still here", "alice")
        else:
            alice.say("nobody left", to="alice")
            alice.expect_text("nobody left", "alice")


# --- how fast ---


def test_the_rate_of_messages_delays_and_never_drops() -> None:
    with (
        running_server("--rate=20/5") as server,
        WireClient.joined(server.address, "alice") as alice,
        WireClient.joined(server.address, "bob") as bob,
    ):
        alice.expect_joined("bob")
        started = time.monotonic()
        # Refused ones count as well: 5 of these are the burst, 12 take a twentieth of a second each.
        for number in range(16):
            alice.send(UTF8, {"nonce": str(number)}, b"" if number % 4 == 3 else b"text")
        alice.say("end")
        for number in range(16):
            if number % 4 == 3:
                alice.expect_notice("empty", nonce=str(number))
            else:
                for user in (alice, bob):
                    user.expect_text("text", "alice", nonce=str(number))
        bob.expect_text("end", "alice")
        assert time.monotonic() - started >= 12 / 20 - 0.01


def test_the_rate_of_bytes_delays_texts_and_nothing_else() -> None:
    with (
        running_server("--byte-rate=20K/10K") as server,
        WireClient.joined(server.address, "alice") as alice,
    ):
        alice.send(FILE, {"nonce": "file"}, b"x" * K * K)
        alice.expect(FILE, nonce="file")
        started = time.monotonic()
        for number in range(11):
            alice.say("x" * 2 * K, nonce=str(number))
        for number in range(11):
            alice.expect_text("x" * 2 * K, "alice", nonce=str(number))
        # 5 of the 11 are the burst, the other 12K take 0.6 s.
        assert time.monotonic() - started >= 12 / 20 - 0.01


# --- words of welcome ---


def test_the_words_of_welcome_have_at_most_16_kib(tmp_path: Path) -> None:
    motd = tmp_path / "motd"
    for size in (16 * K - 1, 16 * K):
        motd.write_text("x" * size)
        with (
            running_server(f"--motd={motd}") as server,
            WireClient.joined(server.address, "alice") as alice,
        ):
            assert alice.welcome["motd"] == "x" * size
    motd.write_text("x" * (16 * K + 1))
    command = [sys.executable, "-m", "chat.server.cli", f"--motd={motd}"]
    result = run_program(command, text=True, cwd=CHECKOUT, env=homes.environment())
    assert result.returncode == 2
    assert "the file is too large; expected at most 16 KiB" in result.stderr
