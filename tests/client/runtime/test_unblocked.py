"""A terminal or a pipe that takes nothing, and a writer that does not wait for it."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import tty
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chat.client.runtime import unblocked
from chat.client.runtime.unblocked import UnblockedWriter

MUCH = memoryview(bytes(10**6))


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    near, far = pty.openpty()
    tty.setraw(far)
    yield near, far
    for end in (near, far):
        os.close(end)


@pytest.fixture(params=["anew", "a byte at a time"])
def writer(
    request: pytest.FixtureRequest, terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[UnblockedWriter]:
    """By its own description of the terminal, and where that is not to be had."""
    if request.param != "anew":
        monkeypatch.setattr(unblocked, "_paths", lambda fd: iter(["/dev/null", "/no/such/file"]))
    made = UnblockedWriter(terminal[1])
    yield made
    made.close()


def written(writer: UnblockedWriter, data: memoryview) -> int:
    """Write until the pipe takes no more; return how much it took."""
    total = 0
    while taken := writer.write_some(data[total:]):
        total += taken
    return total


def test_a_terminal_takes_what_it_takes(writer: UnblockedWriter, terminal: tuple[int, int]) -> None:
    near, _ = terminal
    taken = written(writer, MUCH)
    assert 0 < taken < len(MUCH)
    while taken:  # all of it came
        taken -= len(os.read(near, 65536))
    writer.wait()
    assert writer.write_some(memoryview(b"again")) > 0


def test_others_run_while_it_waits(writer: UnblockedWriter, terminal: tuple[int, int]) -> None:
    written(writer, MUCH)
    waiting = gevent.spawn(writer.wait)
    gevent.sleep(0)
    assert not waiting.ready()
    while select.select([terminal[0]], [], [], 0)[0]:
        os.read(terminal[0], 65536)
    waiting.get(timeout=30)


def test_the_descriptor_of_others_stays_as_it_is(
    writer: UnblockedWriter, terminal: tuple[int, int]
) -> None:
    written(writer, MUCH)
    assert not fcntl.fcntl(terminal[1], fcntl.F_GETFL) & os.O_NONBLOCK


def test_a_terminal_that_is_gone() -> None:
    near, far = pty.openpty()
    writer = UnblockedWriter(far)
    os.close(near)
    hung_up = select.poll()
    hung_up.register(far, select.POLLHUP)
    # A program that another thread is starting may have both for a moment.
    assert hung_up.poll(30_000)
    with pytest.raises(OSError) as problem:
        writer.write_some(memoryview(b"x"))
    assert problem.value.errno == errno.EIO
    writer.close()
    os.close(far)


def test_a_pipe_that_nobody_reads() -> None:
    receiving, sending = os.pipe()
    writer = UnblockedWriter(sending)
    assert 0 < written(writer, MUCH) < len(MUCH)
    os.close(receiving)
    with pytest.raises(BrokenPipeError):
        writer.write_some(MUCH)
    os.close(sending)


def test_a_file_takes_all(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        writer = UnblockedWriter(file.fileno())
        writer.wait()
        assert writer.write_some(MUCH) == len(MUCH)
        writer.close()
