"""Remember signals that arrive before a program can act on them.

Loading takes up to a second, and the default action of most signals is to kill the process. From ``hold`` on, signals
are remembered instead. ``take_over`` passes each signal to the part of the program that handles it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)
ENDING = (*STOPPING, signal.SIGHUP)

_came: set[int] = set()
_held: set[int] = set()
_wakes: dict[int, Callable[[], object]] = {}


def hold(numbers: Iterable[signal.Signals], ignored: Iterable[signal.Signals] = ()) -> None:
    """Remember ``numbers`` from now on, and ignore ``ignored``. Call this in the main thread.

    A signal that is already ignored stays ignored: nohup and a shell's ``&`` want that. A second signal of one kind has
    its default action, so a start that hangs can still be ended.
    """
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            _held.add(number)
            signal.signal(number, _remember)
    # bin/chat-server and bin/chat-client block these signals. Signals that came since are delivered here.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*numbers, *ignored})


def was_received(*numbers: signal.Signals) -> bool:
    """Return whether one of ``numbers`` is remembered."""
    return not _came.isdisjoint(numbers)


@contextmanager
def interruptible(numbers: Collection[signal.Signals]) -> Iterator[None]:
    """Let each held signal of ``numbers`` raise KeyboardInterrupt, also if it came before.

    Use it for a step that may wait, such as reading a file that is a FIFO.
    """
    with waking(numbers, _interrupt):
        yield


@contextmanager
def waking(numbers: Collection[signal.Signals], wake: Callable[[], object]) -> Iterator[None]:
    """Call ``wake`` for each held signal of ``numbers``, also if it came before. It may interrupt any function."""
    _wakes.update(dict.fromkeys(numbers, wake))
    try:
        if was_received(*numbers):
            wake()
        yield
    finally:
        _wakes.clear()


def install_handler(
    number: signal.Signals,
    install: Callable[..., object],
    function: Callable[..., object],
    *arguments: object,
    even_ignored: bool = False,
) -> None:
    """Install a handler by ``install(number, function, *arguments)``; call ``function`` if the signal came before.

    A signal that is ignored stays ignored unless ``even_ignored``.
    """
    if signal.getsignal(number) is signal.SIG_IGN and not even_ignored:
        return
    install(number, function, *arguments)
    _held.discard(number)
    if number in _came:
        _came.discard(number)
        function(*arguments)


def release() -> None:
    """Give held signals their usual actions, for short commands; remembered signals act now.

    Raises KeyboardInterrupt for a remembered SIGINT; any other remembered signal ends the process.
    """
    for number in sorted(_held):
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, default)
    waiting = sorted(_came)
    _held.clear()
    _came.clear()
    for number in waiting:
        signal.raise_signal(number)


def _interrupt() -> None:
    raise KeyboardInterrupt


def _remember(number: int, frame: FrameType | None) -> None:
    _came.add(number)
    if number in _wakes:
        _wakes[number]()
    # A second SIGHUP does not mean that the user insists: a closing terminal may send several.
    if number != signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)
