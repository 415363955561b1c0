"""A user who stops reading slows down nobody else, and takes no more memory than the limits allow.

``CHAT_TEST_LARGE=1`` runs the tests with the server's default limit instead of a small one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zlib
from contextlib import ExitStack, suppress

import gevent
import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from tests.end_to_end.kernel import bytes_in_kernel
from tests.end_to_end.server_process import CHECKOUT, ServerProcess, eventually, running_server
from tests.peers.wire_client import WireClient, WireFrame

UTF8 = MessageType.UTF8
K, M = 1024, 1024**2
LARGE = bool(os.environ.get("CHAT_TEST_LARGE"))

# Logs in, says where it is, and reads on until it is stopped or closed.
READER = """
import sys
from tests.peers.wire_client import WireClient
with WireClient.joined((sys.argv[1], int(sys.argv[2])), sys.argv[3], receive_buffer=4096, timeout=60) as client:
    print(*client.socket.getsockname(), flush=True)
    while client.receive_some(65536):
        pass
"""


class Listener:
    """A user whose greenlet reads all that comes and keeps only what a comparison needs."""

    def __init__(self, client: WireClient) -> None:
        self.client = client
        self.checksum = 0
        self._tail = b""
        self._reader = gevent.spawn(self._read)

    def has_just_heard(self, content: bytes) -> bool:
        return content in self._tail

    def stop(self) -> None:
        self._reader.kill()

    def _read(self) -> None:
        while data := self.client.receive_some(M):
            self.checksum = zlib.crc32(data, self.checksum)
            self._tail = (self._tail + data)[-500:]


class Talker:
    """Says texts of 1,000 bytes as fast as the server takes them, and notes who leaves."""

    def __init__(self, client: WireClient) -> None:
        self.client = client
        self.left: list[WireFrame] = []
        self._said = 0

    def talk(self, number: int) -> bytes:
        """Say so many, 50 at a time, and see them all come back; how the last one ends."""
        content = b""
        for _ in range(number // 50):
            data = bytearray()
            for _ in range(50):
                self._said += 1
                content = b" text %d." % self._said
                data += self.client.encode(UTF8, None, content.rjust(1000, b"."))
            self.client.send_bytes(bytes(data))
            self._hear_until(content.rjust(1000, b"."))
        return content

    def _hear_until(self, content: bytes) -> None:
        for frame in self.client.read_until(UTF8, content):
            if frame.type == MessageType.LOGOUT:
                self.left.append(frame)


def join_listeners(stack: ExitStack, server: ServerProcess, number: int) -> list[Listener]:
    """Connect users of both byte orders; none of them has a frame left to read when this returns."""
    orders = list(ByteOrder)
    clients = [
        stack.enter_context(
            WireClient.joined(
                server.address, f"listener{n}", raw=n % 3 == 0, order=orders[n % 2], timeout=60
            )
        )
        for n in range(number)
    ]
    clients[0].say("all here")
    for client in clients:
        client.read_until(UTF8, b"all here")
    listeners = [Listener(client) for client in clients]
    for listener in listeners:
        stack.callback(listener.stop)
    return listeners


@pytest.mark.thorough("a hundred users; test_limits.py has one slow reader")
def test_one_of_a_hundred_is_stopped() -> None:
    options = ["--rate=0"] if LARGE else ["--rate=0", "--max-backlog=256K"]
    with running_server(*options) as server, ExitStack() as stack:
        command = [sys.executable, "-c", READER, *map(str, server.address), "stopped"]
        stopped = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
        )
        stack.callback(stopped.kill)
        assert stopped.stdout is not None
        host, port = stopped.stdout.readline().split()
        talker = Talker(stack.enter_context(WireClient.joined(server.address, "talker")))
        listeners = join_listeners(stack, server, 98)
        talker.client.read_until(UTF8, b"all here")

        def wait_until_all_have_heard(content: bytes) -> None:
            eventually(lambda: all(listener.has_just_heard(content) for listener in listeners))

        wait_until_all_have_heard(talker.talk(1000))
        memory = server.resident_memory()

        stopped.send_signal(signal.SIGSTOP)
        ends = (host, int(port)), server.address
        rounds_waiting = held = 0
        while not talker.left:
            with suppress(LookupError):  # the connection may be cut at any time now
                before, held = held, bytes_in_kernel(*ends)
                rounds_waiting += held == before  # the kernel takes no more: the server keeps it
            # Nobody else waits for the stopped user, whether the kernel or the server holds the frames.
            wait_until_all_have_heard(talker.talk(100))
        assert rounds_waiting > 0
        (left,) = talker.left
        assert (left.sender, left.header["reason"]) == ("stopped", "too-slow")
        for order in ByteOrder:
            heard = {each.checksum for each in listeners if each.client.order is order}
            assert len(heard) == 1
        server.wait_for_line("WARNING stopped left: too-slow$")
        eventually(lambda: server.resident_memory() < memory * 1.1)
        assert server.log.count("too-slow") == 1


def test_sixty_who_do_not_read_stay_under_the_limit_of_all_together() -> None:
    total = (64 if LARGE else 8) * M
    users = 60
    with (
        running_server("--rate=0", "--max-backlog=1G", f"--max-backlog-total={total}") as server,
        ExitStack() as stack,
        WireClient.joined(server.address, "alice") as alice,
    ):
        slow = [
            stack.enter_context(WireClient.joined(server.address, f"slow{n}", receive_buffer=4 * K))
            for n in range(users)
        ]
        memory = peak = server.resident_memory()
        gone: set[str] = set()
        while len(gone) < 10:
            for user in slow:
                if user.name not in gone:
                    gone |= feed(alice, user.name, 8 * 60 * K)
                    peak = max(peak, server.resident_memory())
        # 16M for what the allocator keeps, and for batches under way.
        assert peak - memory < total + 16 * M
        alice.say("who is left is served", to="alice")
        frames = alice.read_until(UTF8, b"who is left is served")
        gone |= {str(frame.sender) for frame in frames if frame.type == MessageType.LOGOUT}
        # Everyone who was closed is announced, some of them only now.
        while len(gone) < server.log.count(" left: too-slow"):
            gone.add(str(alice.expect(MessageType.LOGOUT).sender))


def feed(sender: WireClient, to: str, size: int) -> set[str]:
    """Send ``size`` bytes of private texts to ``to``, who reads nothing; return the users who left as too slow."""
    content = b"x" * 60 * K
    number = size // len(content)
    sender.send_bytes(sender.encode(UTF8, {"to": to}, content) * number)
    gone = set()
    while number:
        frame = sender.read_frame()
        if frame.type == UTF8:
            number -= 1  # an echo; or a notice, once the user is gone
        elif frame.type == MessageType.LOGOUT:
            assert frame.header["reason"] == "too-slow"
            gone.add(str(frame.sender))
    return gone
