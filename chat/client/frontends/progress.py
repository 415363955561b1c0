"""Progress bars for running transfers on a terminal, drawn by tqdm.

One greenlet draws all bars a few times a second. It never draws while lines are being written, which would tear them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TextIO

import gevent

from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import Frontend, TransferChanged, UiEvent
from chat.sanitize import sanitize

if TYPE_CHECKING:
    from tqdm import tqdm

INTERVAL = 0.2  # seconds between two drawings; a shorter transfer needs no bar
_MAX_NAME = 24  # characters


class ProgressBars:
    """A frontend that draws bars on ``stream`` (None: stderr), and passes all events on to ``frontend``."""

    def __init__(
        self, frontend: Frontend, spawn: Callable[..., object], stream: TextIO | None = None
    ) -> None:
        self._frontend = frontend
        self._spawn = spawn
        self._stream = sys.stderr if stream is None else stream
        self._running: dict[int, Transfer] = {}
        self._bars: dict[int, tqdm[NoReturn]] = {}
        self._is_drawing = False
        self._writers = 0

    def show(self, event: UiEvent) -> None:
        """Add or remove the bar of a transfer, and pass the event on."""
        if isinstance(event, TransferChanged):
            self._watch(event.transfer)
        self._frontend.show(event)

    def around(self, write: Callable[[], None]) -> None:
        """Write lines to the terminal of the bars: clear the bars first, and draw them again after."""
        if not self._bars:
            write()
            return
        from tqdm import tqdm

        self._writers += 1
        try:
            with tqdm.external_write_mode(file=self._stream, nolock=True):
                write()
        finally:
            self._writers -= 1

    def close(self) -> None:
        """Remove all bars."""
        self._running.clear()
        self._draw()

    def _watch(self, transfer: Transfer) -> None:
        if transfer.state is not TransferState.RUNNING:
            self._running.pop(transfer.number, None)
            if not self._writers:
                self._draw()  # remove its bar before the line about its end is written
            return
        self._running[transfer.number] = transfer
        if not self._is_drawing:
            self._is_drawing = True
            self._spawn(self._draw_while_running)

    def _draw_while_running(self) -> None:
        while self._running or self._bars:
            gevent.sleep(INTERVAL)
            if not self._writers:
                self._draw()
        self._is_drawing = False

    def _draw(self) -> None:
        for number in [number for number in self._bars if number not in self._running]:
            self._bars.pop(number).close()
        for number, transfer in self._running.items():
            if number not in self._bars:
                self._bars[number] = _bar(transfer, self._stream)
            bar = self._bars[number]
            bar.total = transfer.size
            bar.update(transfer.done - bar.n)


def _bar(transfer: Transfer, stream: TextIO) -> tqdm[NoReturn]:
    from tqdm import tqdm  # takes a while to import, and most sessions need no bar

    # tqdm would start a monitor thread and make a lock for several processes: useless here, and slow.
    tqdm.monitor_interval = 0
    tqdm.set_lock(threading.RLock())
    name = sanitize(transfer.filename)
    if len(name) > _MAX_NAME:
        name = name[: _MAX_NAME - 1] + "…"
    return tqdm(
        total=transfer.size,
        desc=f"{transfer.number}. {name}",
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        leave=False,
        file=stream,
        dynamic_ncols=True,
    )
