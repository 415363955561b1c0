"""The log's thread: order, what happens while nobody reads, and what is told of it afterwards."""

from __future__ import annotations

import os
import re
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.server.process.log_writer import LogWriter

PATIENCE = 30.0  # seconds


def gap_line(count: int, why: str) -> str:
    return f"{count} missing: {why}\n"


class Pipe:
    """A pipe that the test reads, or does not."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def read_until(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            ready, _, _ = select.select([self.reading], [], [], PATIENCE)
            assert ready, f"nothing more after {data[-200:]!r}"
            data += os.read(self.reading, 1024**2)
        return data

    def fill(self) -> int:
        """Leave no room in it; return how many bytes are in it."""
        os.set_blocking(self.writing, False)
        filled = 0
        try:
            while True:
                filled += os.write(self.writing, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(self.writing, True)
        return filled

    def close(self) -> None:
        for descriptor in (self.reading, self.writing):
            try:
                os.close(descriptor)
            except OSError:
                continue  # the test has closed it already


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_lines_come_out_in_their_order(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing, gap_line)
    lines = "".join(f"line {number}\n" for number in range(5000))
    for line in lines.splitlines(keepends=True):
        writer.write(line)
    assert pipe.read_until(b"line 4999\n").decode() == lines
    assert writer.close(PATIENCE)


def test_lines_of_several_threads_are_never_mixed(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing, gap_line)

    def talk(letter: str) -> None:
        for _ in range(300):
            writer.write(f"{letter * 100}\n")

    threads = [threading.Thread(target=talk, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.write("end\n")
    lines = pipe.read_until(b"end\n").decode().splitlines()
    assert len(lines) == 901
    assert all(re.fullmatch(r"a{100}|b{100}|c{100}|end", line) for line in lines)
    writer.close(PATIENCE)


def test_nobody_waits_for_a_reader_that_stopped_and_the_gap_is_told_where_it_is(pipe: Pipe) -> None:
    filled = pipe.fill()
    writer = LogWriter(pipe.writing, gap_line, max_queued=1000)
    for number in range(1000):  # would wait for ever, if it waited
        writer.write(f"{number:09}\n")

    assert pipe.read_until(b"read fast enough\n")[filled:].decode().splitlines() == [
        *(f"{number:09}" for number in range(100)),
        "900 missing: the log was not read fast enough",
    ]
    writer.write("and on\n")
    assert pipe.read_until(b"\n") == b"and on\n"
    assert writer.close(PATIENCE)


def test_each_gap_is_told_once(pipe: Pipe) -> None:
    for _ in range(2):
        filled = pipe.fill()
        writer = LogWriter(pipe.writing, gap_line, max_queued=10)
        for text in ("kept\n", "lost\nlost\n", "lost\n"):
            writer.write(text)
        data = pipe.read_until(b"enough\n")[filled:]
        assert data == b"kept\n3 missing: the log was not read fast enough\n"
        writer.close(PATIENCE)


def test_the_end_waits_for_a_reader_only_so_long(pipe: Pipe) -> None:
    pipe.fill()
    writer = LogWriter(pipe.writing, gap_line)
    writer.write("nobody reads this\n")
    assert not writer.close(0.05)
    writer.write("nor is this kept\n")
    assert not writer.flush(PATIENCE), "who has given up once does not wait again"
    pipe.read_until(b"nobody reads this\n")  # lets the thread end


def test_a_slow_reader_gets_all_of_it_before_the_end(pipe: Pipe) -> None:
    pipe.fill()
    writer = LogWriter(pipe.writing, gap_line)
    writer.write("the last word\n")
    reader = threading.Timer(0.05, lambda: heard.append(pipe.read_until(b"word\n")))
    heard: list[bytes] = []
    reader.start()
    assert writer.close(PATIENCE)
    reader.join()
    assert heard[0].endswith(b"the last word\n")


def test_a_full_disk_costs_lines_and_these_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    full = os.open("/dev/full", os.O_WRONLY)
    writer = LogWriter(full, gap_line)
    writer.write("lost\nlost\n")
    writer.write("lost\n")
    writer.flush(PATIENCE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(descriptor, full)  # now there is room
    writer.write("kept\n")
    writer.close(PATIENCE)
    os.close(descriptor)
    os.close(full)
    assert path.read_text().splitlines() == [
        "3 missing: it could not be written (No space left on device)",
        "kept",
    ]


def test_nobody_at_the_other_end_is_no_fault(pipe: Pipe) -> None:
    os.close(pipe.reading)
    writer = LogWriter(pipe.writing, gap_line)
    writer.write("for nobody\n")
    assert writer.close(PATIENCE)


def test_a_line_that_was_cut_off_ends_before_what_follows(pipe: Pipe, tmp_path: Path) -> None:
    """The descriptor takes a part of a batch and then fails, as a disk does that fills up."""
    os.set_blocking(pipe.writing, False)
    writer = LogWriter(pipe.writing, gap_line, max_queued=10 * 1024**2)
    big = "y" * (2 * 1024**2) + "\n"
    writer.write(big)
    while select.select([], [pipe.writing], [], 0)[1]:
        continue  # until it is full, and the thread waits in it
    os.close(pipe.reading)
    writer.flush(PATIENCE)
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(descriptor, pipe.writing)
    os.close(descriptor)
    writer.write("kept\n")
    writer.close(PATIENCE)
    assert path.read_text() == "\n1 missing: it could not be written (Broken pipe)\nkept\n"


def test_half_a_character_is_written_as_what_it_is(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing, gap_line)
    writer.write("a\ud800b\n")
    assert pipe.read_until(b"\n") == b"a\\ud800b\n"
    writer.close(PATIENCE)
