"""Run a server as a process: signals, the service manager, the status server, and the exit."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from chat.config.command_line import EXIT_FAILED, EXIT_OK, UsageError
from chat.files.private_files import make_private_directory
from chat.process.offload import run_in
from chat.process.signals import STOPPING, install_handler, was_received
from chat.server.composition import Composition
from chat.server.config.options import Config
from chat.server.net.certificates import CertificateFault
from chat.server.net.listening import why_not_listening
from chat.server.process import systemd
from chat.server.process.log_output import flush_log
from chat.server.process.memory import collect_rarely
from chat.server.server import ChatServer, raise_descriptor_limit
from chat.server.settings import Settings
from chat.server.storage.database import DatabaseFault

log = logging.getLogger("chat.server")

_LAST_LINES_TIMEOUT = 0.2  # seconds


class CannotStart(Exception):
    """The server cannot start. The text is one line for the operator."""


def run(settings: Settings, read_again: Callable[[], Config] | None = None) -> int:
    """Serve until a signal asks to stop, and return the exit status. Raises CannotStart.

    ``read_again`` reads the options again for a reload. It may wait, and raises UsageError. None: a reload keeps the
    settings.
    """
    raise_descriptor_limit()
    # gevent's tree of greenlets helps only in a debugger, and takes a kilobyte for every three users.
    gevent.config.track_greenlet_tree = False
    stop = Event()
    if was_received(*STOPPING):
        return EXIT_OK  # nothing has been started yet
    _make_data_directory(settings)
    composition = Composition(settings)
    server = composition.server
    end_watch = _start(composition, settings, stop)
    # Not before: gevent handles signals in the event loop, which may not run for a while during the start. Until now
    # ``chat.process.signals`` remembers them.
    _stop_on_signals(stop)
    _reload_on_hangup(composition, read_again or (lambda: Config(settings, "", ())))
    # After the start, so that all objects of the start are left out of collections.
    collect_rarely()
    systemd.ready(_status(server))
    stop.wait()
    systemd.stopping()
    server.stop()
    end_watch()
    return EXIT_OK


def _make_data_directory(settings: Settings) -> None:
    if settings.data_directory is None:
        return
    try:
        make_private_directory(settings.data_directory)
    except OSError as problem:
        why = problem.strerror or problem
        raise CannotStart(f"cannot create {settings.data_directory}: {why}") from None


def _start(composition: Composition, settings: Settings, stop: Event) -> Callable[[], object]:
    """Start the server, and the status server if one is wanted. Return a function that stops the status server."""
    address = settings.address
    watch = None
    try:
        if settings.metrics_address is not None:
            address = settings.metrics_address
            watch = composition.make_status_server(address, lambda: not stop.is_set())
        address = settings.address
        composition.server.start()
    except OSError as problem:
        raise CannotStart(why_not_listening(address, problem)) from None
    except (CertificateFault, DatabaseFault) as problem:
        raise CannotStart(str(problem)) from None
    if watch is None:
        return lambda: None
    watch.start()
    return watch.stop


def _stop_on_signals(stop: Event) -> None:
    def asked() -> None:
        if stop.is_set():
            # A second signal: end at once. Users are not told, and the log gets little time.
            flush_log(_LAST_LINES_TIMEOUT)
            os._exit(EXIT_FAILED)
        stop.set()

    for number in STOPPING:
        install_handler(number, gevent.signal_handler, asked)


def _reload_on_hangup(composition: Composition, read_again: Callable[[], Config]) -> None:
    one_at_a_time = BoundedSemaphore(1)

    def asked() -> None:
        # A greenlet runs this for each signal. With each, the operator may have changed the file again.
        with one_at_a_time:
            systemd.reloading()
            _reload(composition, read_again)
            systemd.ready(_status(composition.server))

    # Also under nohup, which makes the program ignore SIGHUP so that it does not end. A reload does not end it.
    install_handler(signal.SIGHUP, gevent.signal_handler, asked, even_ignored=True)


def _reload(composition: Composition, read_again: Callable[[], Config]) -> None:
    """Read the options again, and use what can change. A mistake changes nothing, and is one line of the log."""
    try:
        # In a thread: a disk, or a FIFO in place of a file, may make the reader wait.
        config = run_in(gevent.get_hub().threadpool, read_again)
        composition.reload.use(config.settings)
    except (UsageError, CertificateFault) as problem:
        log.error("cannot read the settings again; nothing was changed: %s", problem)
        return
    for warning in config.warnings:
        log.warning(warning)
    if config.log_level:
        logging.getLogger().setLevel(config.log_level.upper())


def _status(server: ChatServer) -> str:
    return f"listening on {', '.join(map(str, server.addresses))}"
