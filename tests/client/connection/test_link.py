from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from chat.client.connection.link import Link, open_link
from chat.client.runtime.runtime import PLAIN, Pulse
from chat.client.trust.connector import Connector, TrustPolicy
from chat.framing import LATE, STALL_WINDOW, DeadlineExceeded, StalledFrame
from chat.net.address import Address
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType


class SlowStream:
    """A stream that takes ``rate`` bytes a second, by a clock of its own."""

    def __init__(self, rate: float) -> None:
        self.now = 0.0
        self.sent = b""
        self._rate = rate
        self._timeout: float | None = None

    def send(self, data: memoryview, timeout: float, /) -> int:
        if timeout * self._rate < 1:
            self.now += timeout
            raise TimeoutError("timed out")
        taken = data[: max(1, int(self._rate))]
        self.now += len(taken) / self._rate
        self.sent += bytes(taken)
        return len(taken)

    def recv_into(self, buffer: memoryview, /) -> int:
        assert self._timeout is not None
        self.now += self._timeout
        raise TimeoutError("timed out")

    def settimeout(self, value: float | None, /) -> None:
        """This clock only runs when it is waited for."""
        self._timeout = value

    def pulse(self) -> Pulse:
        return Pulse(0, False, False)

    def readable(self) -> bool:
        return False

    def finish(self) -> None:
        self.sent += b"<end>"

    def shut(self) -> None:
        self.sent += b"<shut>"

    def close(self) -> None:
        self.sent += b"<closed>"


def link_over(stream: SlowStream) -> Link:
    return Link(stream, ByteOrder.BIG, PLAIN, clock=lambda: stream.now)


def test_a_frame_as_it_travels() -> None:
    stream = SlowStream(1e9)
    link_over(stream).send(MessageType.FILE, b"header", b"content")
    assert stream.sent == Descriptor(8, 6, 7).encode(ByteOrder.BIG) + b"headercontent"


def test_large_contents_go_piece_by_piece() -> None:
    stream = SlowStream(1e9)
    seen: list[int] = []

    def pieces() -> Iterator[bytes]:
        for _ in range(3):
            seen.append(len(stream.sent))
            yield bytes(50_000)

    link_over(stream).send_pieces(MessageType.FILE, b"", 150_000, pieces())
    assert seen == [16, 50_016, 100_016]


def test_slow_but_fast_enough() -> None:
    stream = SlowStream(2048)
    link_over(stream).send(MessageType.FILE, b"", bytes(400_000))
    assert len(stream.sent) == 400_016


@pytest.mark.parametrize("rate", [0, 0.5, 1000])
def test_a_server_that_takes_too_little_is_given_up(rate: float) -> None:
    stream = SlowStream(rate)
    with pytest.raises(StalledFrame):
        link_over(stream).send(MessageType.FILE, b"", bytes(400_000))
    assert stream.now < 130


class FreezingStream(SlowStream):
    """Takes nothing any more once it has taken ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(1e9)
        self._limit = limit

    def send(self, data: memoryview, timeout: float, /) -> int:
        left = self._limit - len(self.sent)
        if not left:
            self.now += timeout
            raise TimeoutError("timed out")
        return super().send(data[:left], timeout)


def test_a_server_that_takes_nothing_any_more_is_given_up_after_a_minute() -> None:
    """However much it had taken before."""
    stream = FreezingStream(300_016)
    link = link_over(stream)
    began = 0.0

    def pieces() -> Iterator[bytes]:
        nonlocal began
        for _ in range(4):
            stream.now += 14
            began = stream.now
            yield bytes(100_000)

    with pytest.raises(StalledFrame):
        link.send_pieces(MessageType.FILE, b"", 400_000, pieces())
    assert stream.now - began == pytest.approx(STALL_WINDOW, abs=15)


class FullStream(SlowStream):
    """A stream that is never called writable, and yet takes some bytes whenever a sender offers any."""

    def __init__(self) -> None:
        super().__init__(0)
        self._is_offered = False

    def send(self, data: memoryview, timeout: float, /) -> int:
        self._is_offered = not self._is_offered
        if self._is_offered:
            self.sent += bytes(data[:100_000])
            return min(len(data), 100_000)
        self.now += timeout
        raise TimeoutError("timed out")


def test_one_that_is_never_called_writable_and_takes_some_is_not_given_up() -> None:
    stream = FullStream()
    link_over(stream).send(MessageType.FILE, b"", bytes(400_000))
    assert len(stream.sent) == 400_016


def test_a_stop_of_this_program_is_not_the_servers() -> None:
    stream = SlowStream(1e9)

    def pieces() -> Iterator[bytes]:
        for _ in range(3):
            stream.now += STALL_WINDOW + LATE
            yield bytes(10_000)

    link_over(stream).send_pieces(MessageType.FILE, b"", 30_000, pieces())
    assert len(stream.sent) == 30_016


def test_what_gives_it_up_says_why_once() -> None:
    stream = SlowStream(1e9)
    link = link_over(stream)
    link.give_up("It is silent.")
    link.give_up("It has vanished.")
    assert link.given_up == "It is silent."
    assert stream.sent == b"<shut><shut>"


def test_a_deadline_holds_between_frames_too() -> None:
    stream = SlowStream(1)
    link = link_over(stream)
    link.set_deadline(30)
    with pytest.raises(DeadlineExceeded):
        link.reader.read_descriptor()


def test_the_last_word() -> None:
    stream = SlowStream(1e9)
    link_over(stream).send_last(MessageType.LOGOUT, 1)
    assert stream.sent == Descriptor(2).encode(ByteOrder.BIG) + b"<end>"
    stream = SlowStream(0)
    link_over(stream).send_last(MessageType.LOGOUT, 1)
    assert stream.sent == b"<end>"
    stream = SlowStream(1e9)
    link = link_over(stream)
    link.send_last(None, 1)
    link.close()
    assert stream.sent == b"<end><shut><closed>"


@pytest.mark.parametrize(
    ("host", "is_private"), [("127.0.0.1", True), ("localhost", True), ("0x7f.1", False)]
)
def test_what_is_not_encrypted_is_private_on_this_machine(host: str, is_private: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(host, listener.getsockname()[1])
        connector = Connector(PLAIN, address, TrustPolicy(tls="off"))
        connector.probe(5)
        link = open_link(connector, ByteOrder.BIG, 5)
        link.close()
    assert (link.is_private, link.is_encrypted) == (is_private, False)
