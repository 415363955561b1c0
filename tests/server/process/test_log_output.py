"""All output of the server's process, by the log or by a stream, goes through the queue."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chat.server.process import log_output
from chat.server.process.log_output import QueueingHandler, flush_log, logging_to
from tests.server.process.test_log_writer import Pipe

log = logging.getLogger("chat.server")


class LogFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    @property
    def text(self) -> str:
        return self.path.read_text()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LogFile]:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    file = LogFile(tmp_path / "log")
    yield file
    os.close(file.descriptor)


def test_lines_are_there_once_it_has_ended(file: LogFile) -> None:
    with logging_to(file.descriptor, "warning"):
        log.info("alice joined")
        log.warning("the disk is %s", "full")
    assert file.text.endswith(" WARNING the disk is full\n")
    assert file.text.count("\n") == 1


def test_afterwards_all_is_as_it_was(file: LogFile) -> None:
    root, hub = logging.getLogger(), gevent.get_hub()
    before = (list(root.handlers), root.level, sys.stderr, hub.print_exception)
    with logging_to(file.descriptor, "debug"):
        assert sys.stderr is not before[2]
    assert (list(root.handlers), root.level, sys.stderr, hub.print_exception) == before


def test_a_fault_comes_with_its_traceback_and_in_its_place(file: LogFile) -> None:
    with logging_to(file.descriptor, "info"):
        log.info("before")
        try:
            raise ZeroDivisionError("of ours")
        except ZeroDivisionError:
            log.exception("it failed")
        log.info("after")
    lines = file.text.splitlines()
    assert lines[0].endswith("INFO before")
    assert lines[1].endswith("ERROR it failed")
    assert lines[2] == "Traceback (most recent call last):"
    assert lines[-2] == "ZeroDivisionError: of ours"
    assert lines[-1].endswith("INFO after")


def test_a_greenlet_that_dies_is_an_error_in_the_log(
    file: LogFile, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("of ours")

    with logging_to(file.descriptor, "info"):
        gevent.spawn(fail).join()
        gevent.get_hub().loop.run_callback(fail)
        gevent.sleep(0.01)
        gevent.get_hub().threadpool.spawn(fail).wait()
    assert file.text.count("ERROR") == 3
    assert file.text.count("ZeroDivisionError: of ours") == 3
    assert capfd.readouterr() == ("", "")


def test_so_is_what_libraries_and_the_interpreter_print(
    file: LogFile, capfd: pytest.CaptureFixture[str]
) -> None:
    with logging_to(file.descriptor, "info"):
        print("from a library", file=sys.stderr)
        sys.__excepthook__(ZeroDivisionError, ZeroDivisionError("in an exit handler"), None)
        hook = threading.__excepthook__
        problem = ZeroDivisionError("in a thread")
        hook(threading.ExceptHookArgs((ZeroDivisionError, problem, None, None)))
        sys.stderr.write("without an end")
    for text in ("from a library\n", "in an exit handler", "in a thread", "without an end\n"):
        assert text in file.text
    assert capfd.readouterr() == ("", "")


def test_a_line_that_cannot_be_made_is_told_and_costs_nobody_anything(
    file: LogFile, capfd: pytest.CaptureFixture[str]
) -> None:
    with logging_to(file.descriptor, "info"):
        record = log.makeRecord(log.name, logging.INFO, __file__, 7, "%d users", ("many",), None)
        ours = [each for each in logging.getLogger().handlers if type(each) is QueueingHandler]
        ours[0].handle(record)
        log.info("and on")
    assert "cannot format a log line of " in file.text
    assert "TypeError: %d format" in file.text
    assert file.text.endswith("INFO and on\n")
    assert capfd.readouterr() == ("", "")


def test_a_line_that_never_ends_is_cut(file: LogFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_output, "_MAX_LINE", 10)
    with logging_to(file.descriptor, "info"):
        for _ in range(3):
            sys.stderr.write("12345678")
        assert sys.stderr.writable()
    assert file.text == "1234567812345678\n12345678\n"


def test_the_gap_is_a_line_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    pipe = Pipe()
    filled = pipe.fill()
    with logging_to(pipe.writing, "info"):
        log.info("x" * 3 * 1024**2)
        for _ in range(10):
            log.info("y" * 1024**2)
        data = pipe.read_until(b"read fast enough\n")[filled:]
    pipe.close()
    assert data.count(b"\n") == 3 - 1
    assert data.endswith(b" WARNING 10 log lines were dropped: the log was not read fast enough\n")


def test_an_end_at_once_gives_the_reader_a_moment(file: LogFile) -> None:
    with logging_to(file.descriptor, "info"):
        log.info("the last word")
        flush_log(5.0)
        assert file.text.endswith("the last word\n")
