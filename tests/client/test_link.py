from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.address import Address
from chat.client.errors import ConnectError
from chat.client.link import Link, open_link
from chat.client.runtime import PLAIN
from chat.framing import DeadlineExceeded, StalledFrame
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType


class SlowStream:
    """Takes ``rate`` bytes a second, by a clock of its own."""

    def __init__(self, rate: float) -> None:
        self.now = 0.0
        self.sent = b""
        self._rate = rate

    def send(self, data: memoryview, timeout: float, /) -> int:
        if timeout * self._rate < 1:
            self.now += timeout
            raise TimeoutError("timed out")
        taken = data[: max(1, int(self._rate))]
        self.now += len(taken) / self._rate
        self.sent += bytes(taken)
        return len(taken)

    def recv_into(self, buffer: memoryview, /) -> int:
        self.now += 1000
        raise TimeoutError("timed out")

    def settimeout(self, value: float | None, /) -> None:
        """This clock only runs when it is waited for."""

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
    ("address", "sentence"),
    [
        (Address("127.0.0.1", 1), r"Can't connect to 127.0.0.1:1: Connection refused\."),
        (
            Address(path="/no/socket"),
            r"Can't connect to unix:/no/socket: No such file or directory\.",
        ),
        (Address("x" * 64, 1), r"Can't connect to x{64}:1: .+\."),
    ],
)
def test_nobody_there(address: Address, sentence: str) -> None:
    with pytest.raises(ConnectError, match=f"^{sentence}$"):
        open_link(PLAIN, address, ByteOrder.BIG, 5)


def test_no_answer() -> None:
    class Silence(type(PLAIN)):  # type: ignore[misc]
        def connect(self, address: Address, timeout: float) -> None:
            raise TimeoutError("timed out")

    with pytest.raises(ConnectError, match=r"^10.0.0.1:1 does not answer\.$"):
        open_link(Silence(), Address("10.0.0.1", 1), ByteOrder.BIG, 5)
