from __future__ import annotations

import os
import select
import stat
import threading
from pathlib import Path

import pytest

from chat.files.opening import NotAFile, open_to_append, read_beginning


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


class TestReading:
    def test_the_beginning_of_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"x" * 200_000)
        data, mode = read_beginning(path, 150_000)
        assert data == b"x" * 150_000
        assert stat.S_ISREG(mode)
        assert len(read_beginning(path, 10**6)[0]) == 200_000

    def test_a_device_without_an_end(self) -> None:
        assert read_beginning("/dev/zero", 100)[0] == b"\0" * 100

    def test_a_fifo_that_nobody_writes_to(self, fifo: Path) -> None:
        with pytest.raises(TimeoutError, match=r"nothing came from it within 0\.01 s"):
            read_beginning(fifo, 100, patience=0.01)

    def test_it_does_not_wait_so_long_that_a_signal_would_seem_lost(
        self, fifo: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A handler does not run in ``select``, if the signal came just before: only afterwards."""
        waits: list[float] = []

        def wait(
            read: object, write: object, other: object, timeout: float
        ) -> tuple[list[int], ...]:
            waits.append(timeout)
            if len(waits) == 20:
                raise KeyboardInterrupt
            return [], [], []

        monkeypatch.setattr(select, "select", wait)
        with pytest.raises(KeyboardInterrupt):
            read_beginning(fifo, 100)
        assert max(waits) <= 0.25

    def test_a_fifo_that_somebody_writes_to_later(self, fifo: Path) -> None:
        writer = threading.Timer(0.05, fifo.write_bytes, [b"one"])
        writer.start()
        assert read_beginning(fifo, 100)[0] == b"one"
        writer.join()

    def test_a_pipe_as_shells_pass_one(self) -> None:
        receiving, sending = os.pipe()
        writer = threading.Timer(0.05, lambda: (os.write(sending, b"secret\n"), None))
        writer.start()
        try:
            # Its writer has not closed it yet.
            assert read_beginning(f"/dev/fd/{receiving}", 100, until=b"\n")[0] == b"secret\n"
        finally:
            writer.join()
            os.close(receiving)
            os.close(sending)

    def test_a_pipe_out_of_which_nothing_comes(self) -> None:
        receiving, sending = os.pipe()
        try:
            with pytest.raises(TimeoutError, match=r"nothing came from it within 0\.01 s"):
                read_beginning(f"/dev/fd/{receiving}", 100, patience=0.01)
        finally:
            os.close(receiving)
            os.close(sending)

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_beginning(tmp_path / "nothing", 1)


class TestAppending:
    def test_to_what_is_there(self, tmp_path: Path) -> None:
        path = tmp_path / "log"
        for line in ("one\n", "zwei é\ud800\n"):
            with open_to_append(path, 0o600) as file:
                file.write(line)
        assert path.read_text(encoding="utf-8") == "one\nzwei é?\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_fifo_that_nobody_reads(self, fifo: Path) -> None:
        with pytest.raises(NotAFile, match="a FIFO, a terminal or a socket, not a file"):
            open_to_append(fifo)

    def test_a_fifo_that_somebody_reads(self, fifo: Path) -> None:
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with pytest.raises(NotAFile):
                open_to_append(fifo)
        finally:
            os.close(reader)

    def test_a_terminal(self) -> None:
        near, far = os.openpty()
        with pytest.raises(NotAFile):
            open_to_append(Path(os.ttyname(far)))
        os.close(near)
        os.close(far)

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(IsADirectoryError):
            open_to_append(tmp_path)
