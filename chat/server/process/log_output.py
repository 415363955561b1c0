"""Send all output of the server to stderr through one queue: log lines, tracebacks, and stray output.

While the server runs, nothing but the log's thread writes to the standard error. Fatal signals are the exception: with
PYTHONFAULTHANDLER set, the interpreter itself writes to the descriptor as the process dies.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO, cast

import gevent

from chat.server.process.log_format import formatter_for
from chat.server.process.log_writer import LogWriter

log = logging.getLogger("chat.server")

FLUSH_TIMEOUT = 1.0  # seconds at the end for the reader to take the queued lines
_MAX_CONTEXT = 200  # characters of the name of a failed greenlet or callback
_MAX_LINE = 64 * 1024  # characters; a longer one is cut


@contextmanager
def logging_to(descriptor: int, level: str) -> Iterator[None]:
    """Log records of ``level`` and above to ``descriptor``, and send ``sys.stderr`` the same way.

    At the end, wait at most ``FLUSH_TIMEOUT`` seconds for the queued lines.
    """
    formatter = formatter_for(descriptor)
    writer = LogWriter(descriptor, lambda count, why: _gap_line(formatter, count, why))
    handler = QueueingHandler(writer)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    old_level, old_stderr = root.level, sys.stderr
    root.addHandler(handler)
    root.setLevel(level.upper())
    sys.stderr = cast(TextIO, _LineStream(writer.write))
    hub: Any = gevent.get_hub()
    hub.print_exception = _log_fault
    try:
        yield
    finally:
        del hub.print_exception
        sys.stderr.flush()
        sys.stderr = old_stderr
        root.removeHandler(handler)
        root.setLevel(old_level)
        writer.close(FLUSH_TIMEOUT)


def flush_log(timeout: float) -> None:
    """Wait up to ``timeout`` seconds for the reader of the log, for an exit that does not return to ``logging_to``."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, QueueingHandler):
            handler.writer.flush(timeout)


class QueueingHandler(logging.Handler):
    """Format records where they are made, and queue them; no record makes its caller wait or fail."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self.writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - handleError logs it
            self.handleError(record)
            return
        self.writer.write(f"{text}\n")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging calls it so
        """Log that a record cannot be formatted; the base class would write to the standard error and wait there."""
        where = f"{record.pathname}:{record.lineno}"
        fault = logging.LogRecord(
            *(record.name, logging.ERROR, record.pathname, record.lineno),
            *("cannot format a log line of %s", (where,), sys.exc_info()),
        )
        self.writer.write(f"{self.format(fault)}\n")


class _LineStream(io.TextIOBase):
    """A text stream that passes on whole lines, for output of libraries and the interpreter to ``sys.stderr``."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, write_lines: Callable[[str], None]) -> None:
        self._write_lines = write_lines
        self._started = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        lines, end, rest = (self._started + text).rpartition("\n")
        # A line that never ends is cut, so that it does not grow for ever.
        if len(rest) > _MAX_LINE:
            lines, end, rest = lines + end + rest, "\n", ""
        self._started = rest
        if end:
            self._write_lines(lines + end)
        return len(text)

    def flush(self) -> None:
        if self._started:
            rest, self._started = self._started, ""
            self._write_lines(rest + "\n")


def _gap_line(formatter: logging.Formatter, count: int, why: str) -> str:
    record = logging.LogRecord(
        log.name, logging.WARNING, __file__, 0, "%d log lines were dropped: %s", (count, why), None
    )
    return formatter.format(record) + "\n"


def _log_fault(
    context: object,
    kind: type[BaseException] | None,
    value: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    """Log an uncaught exception of a greenlet or of a callback of the loop, which gevent would print."""
    if value is None and kind is not None:
        value = kind()
    what = "the event loop" if context is None else str(context)[:_MAX_CONTEXT]
    log.error(
        "%s failed", what, exc_info=None if value is None else (type(value), value, traceback)
    )
