from __future__ import annotations

import os
import pty
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.frontends import line_io
from chat.client.frontends.line_io import (
    Line,
    LineReader,
    LineWriter,
    OutputClosed,
    PassingStream,
    count_lines,
    unseen,
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = list(os.pipe())
    yield ends[0], ends[1]
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue  # the test closed it


def lines_from(data: bytes, limit: int = 1000) -> list[Line]:
    """Return the lines that a reader reads from a pipe with ``data`` in it."""
    receiving, sending = os.pipe()
    with open(receiving, "rb", buffering=0), open(sending, "wb") as sender:
        sender.write(data)
        sender.close()
        return list(LineReader(receiving, lambda: limit))


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"one\r\ntwo", [b"one", b"two"]),
        (b"\n\n", [b"", b""]),
        (b"one\rtwo\n", [b"one\rtwo"]),
        (b"\xff\x00\n", [b"\xff\x00"]),
    ],
)
def test_lines_without_their_ends(data: bytes, lines: list[bytes]) -> None:
    assert lines_from(data) == [Line(line) for line in lines]


def test_an_overlong_line_comes_in_pieces() -> None:
    assert lines_from(b"abcdefghijkl\nx\n", limit=5) == [
        Line(b"abcde", cut=True),
        Line(b"fghij", cut=True, continued=True),
        Line(b"kl", continued=True),
        Line(b"x"),
    ]


def test_no_character_is_torn_apart() -> None:
    pieces = lines_from("жжжжжжж\n".encode(), limit=5)
    assert [piece.data.decode() for piece in pieces] == ["жж", "жж", "жж", "ж"]


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b""))))
def test_pieces_make_the_line(lines: list[bytes]) -> None:
    whole: list[bytes] = []
    for piece in lines_from(b"".join(line + b"\n" for line in lines), limit=8):
        assert len(piece.data) <= 9
        if piece.continued:
            whole[-1] += piece.data
        else:
            whole.append(piece.data)
    assert whole == lines


def test_waiting_for_input_lets_others_run(pipe: tuple[int, int]) -> None:
    receiving, sending = pipe
    reader = gevent.spawn(LineReader(receiving, lambda: 100).read)
    gevent.sleep(0)
    assert not reader.ready()
    os.write(sending, b"half a ")
    gevent.sleep(0)
    os.write(sending, b"line\n")
    assert reader.get(timeout=30) == Line(b"half a line")


def test_files_and_devices_that_are_always_ready(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"one\ntwo\n")
    with open(path, "rb") as file, open(os.devnull, "rb") as device:
        assert [line.data for line in LineReader(file.fileno(), lambda: 9)] == [b"one", b"two"]
        assert list(LineReader(device.fileno(), lambda: 9)) == []


def test_reading_leaves_the_descriptor_blocking(pipe: tuple[int, int]) -> None:
    receiving, sending = pipe
    os.write(sending, b"one\n")
    LineReader(receiving, lambda: 9).read()
    assert os.get_blocking(receiving)


def test_two_greenlets_never_mix_their_lines(pipe: tuple[int, int]) -> None:
    receiving, sending = pipe
    writer = LineWriter(sending)
    long_lines = [letter * 300_000 for letter in "ab"]
    tasks = [gevent.spawn(writer.write, [line]) for line in long_lines]
    received: list[bytes] = []

    def drain() -> None:
        with open(receiving, "rb", closefd=False) as lines:
            received.extend(lines)

    reader = threading.Thread(target=drain)
    reader.start()
    gevent.joinall(tasks, timeout=30, raise_error=True)
    os.close(sending)
    reader.join()
    assert sorted(received) == [line.encode() + b"\n" for line in long_lines]


def test_a_slow_reader_of_the_output_does_not_keep_others_from_running(
    pipe: tuple[int, int],
) -> None:
    _, sending = pipe
    writing = gevent.spawn(LineWriter(sending).write, ["x" * 1_000_000])
    gevent.sleep(0.01)  # we are here again: the process is not blocked
    assert not writing.ready()
    writing.kill()


def test_output_that_nobody_reads(pipe: tuple[int, int]) -> None:
    receiving, sending = pipe
    os.close(receiving)
    with pytest.raises(OutputClosed):
        LineWriter(sending).write(["anyone?"])


def test_what_is_no_character_is_written_all_the_same(tmp_path: Path) -> None:
    with open(tmp_path / "output", "wb") as file:
        LineWriter(file.fileno()).write(["\ud800", "ж"])
    assert (tmp_path / "output").read_bytes() == "?\nж\n".encode()


class TestUnseen:
    """Lines typed on a pseudo-terminal, whose keyboard is ``keyboard``."""

    @pytest.fixture
    def terminal(self) -> Iterator[tuple[int, int]]:
        keyboard, fd = pty.openpty()
        yield keyboard, fd
        os.close(keyboard)
        os.close(fd)

    def test_what_is_typed_is_not_shown(self, terminal: tuple[int, int]) -> None:
        keyboard, fd = terminal
        before = termios.tcgetattr(fd)
        reader = LineReader(fd, lambda: 1000)
        with unseen(fd):
            os.write(keyboard, b"secret\n")
            assert reader.read() == Line(b"secret")
        os.write(fd, b"after")
        assert os.read(keyboard, 100) == b"after"
        assert termios.tcgetattr(fd) == before

    def test_what_was_typed_before_is_none_of_it(self, terminal: tuple[int, int]) -> None:
        keyboard, fd = terminal
        reader = LineReader(fd, lambda: 1000)
        os.write(keyboard, b"one\ntwo\nthree\n")
        assert reader.read() == Line(b"one")
        with unseen(fd):
            reader.discard()
            os.write(keyboard, b"secret\n")
            assert reader.read() == Line(b"secret")

    def test_the_terminal_is_as_before_whatever_happens(self, terminal: tuple[int, int]) -> None:
        _, fd = terminal
        before = termios.tcgetattr(fd)
        asking = gevent.spawn(self._ask, fd)
        gevent.sleep(0)
        assert termios.tcgetattr(fd) != before
        asking.kill()
        assert termios.tcgetattr(fd) == before

    def _ask(self, fd: int) -> None:
        with unseen(fd):
            LineReader(fd, lambda: 1000).read()


class TestLinesThatComeTogether:
    def test_a_line_alone(self, pipe: tuple[int, int]) -> None:
        reader = LineReader(pipe[0], lambda: 1000)
        os.write(pipe[1], b"one\n")
        assert reader.read_together() == [Line(b"one")]
        os.write(pipe[1], b"two\nthree")
        os.close(pipe[1])
        assert reader.read_together() == [Line(b"two"), Line(b"three")]
        assert reader.read_together() == []

    def test_a_paste_in_pieces(
        self, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(line_io, "PASTE_QUIET", 20.0)
        reading = gevent.spawn(LineReader(pipe[0], lambda: 1000).read_together)
        os.write(pipe[1], b"one\ntwo\n")
        gevent.sleep(0.05)  # longer than after a line alone
        os.write(pipe[1], b"three\n")
        os.close(pipe[1])
        assert reading.get(timeout=30) == [Line(b"one"), Line(b"two"), Line(b"three")]

    def test_an_overlong_line_is_one(self, pipe: tuple[int, int]) -> None:
        os.write(pipe[1], b"abcdefgh\n")
        lines = LineReader(pipe[0], lambda: 4).read_together()
        assert lines == [Line(b"abcd", cut=True), Line(b"efgh", continued=True)]
        assert count_lines(lines) == 1

    def test_too_much_is_left_for_the_next_time(
        self, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(line_io, "MAX_PASTE", 6)
        os.write(pipe[1], b"one\ntwo\nthree\n")
        reader = LineReader(pipe[0], lambda: 1000)
        assert reader.read_together() == [Line(b"one"), Line(b"two")]
        assert reader.read_together() == [Line(b"three")]


def test_what_is_not_taken_at_once_is_dropped(pipe: tuple[int, int]) -> None:
    stream = PassingStream(pipe[1])
    for _ in range(1000):
        assert stream.write("▏" * 1000) == 1000
    os.close(pipe[0])
    assert stream.write("to nobody") == 9
    assert (stream.fileno(), stream.encoding) == (pipe[1], "utf-8")
