"""Run a server as a process: signals, the service manager, the status server, and the exit."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event

from chat.config.command_line import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from chat.files.private_files import make_private_directory
from chat.net.address import Address
from chat.process.signals import STOPPING, install_handler, was_received
from chat.server.composition import Composition
from chat.server.config.options import Config
from chat.server.control.client import CLUSTER_STATUS, RELOAD
from chat.server.control.control_server import ControlServer
from chat.server.control.messages import CommandFailed
from chat.server.control.socket_file import remove_from
from chat.server.history.faults import HistoryFault
from chat.server.membership.room_making import DefaultRoomTaken
from chat.server.net.certificates import CertificateFault
from chat.server.net.listening import why_not_listening
from chat.server.process import systemd
from chat.server.process.log_output import flush_log
from chat.server.process.memory import collect_rarely
from chat.server.reload import CannotReload, Reloading
from chat.server.replication.faults import CannotFollow
from chat.server.server import ChatServer, raise_descriptor_limit
from chat.server.settings import Settings
from chat.server.startup_lines import startup_lines
from chat.server.storage.data_directory import DirectoryInUse, held
from chat.server.storage.database import Database, DatabaseFault, belongs_to_cluster

log = logging.getLogger("chat.server")

# Why a server does not start, each with a line for the operator.
_FAULTS = (CertificateFault, CannotFollow, DatabaseFault, HistoryFault, DefaultRoomTaken)
_LAST_LINES_TIMEOUT = 0.2  # seconds


class CannotStart(Exception):
    """The server cannot start. The text is one line for the operator, and ``status`` the exit status."""

    def __init__(self, reason: str, status: int = EXIT_FAILED) -> None:
        super().__init__(reason)
        self.status = status


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
    with _data_directory(settings):
        _leave_cluster_behind(settings)
        return _serve(settings, stop, read_again or (lambda: Config(settings, "", ())))


def _serve(settings: Settings, stop: Event, read_again: Callable[[], Config]) -> int:
    composition = Composition(settings)
    composition.when_failed(stop.set)
    server = composition.server
    reloading = Reloading(read_again, composition.reload.use, stop, lambda: _status(server))
    try:
        end_watch = _start(composition, settings, stop, reloading)
    except KeyboardInterrupt:
        log.info("stopped before the start was complete")
        return EXIT_OK
    # Not before: gevent handles signals in the event loop, which may not run for a while during the start. Until now
    # ``chat.process.signals`` remembers them.
    _stop_on_signals(stop)
    _reload_on_hangup(reloading)
    # After the start, so that all objects of the start are left out of collections.
    collect_rarely()
    for line in startup_lines(settings, server.addresses):
        log.info("%s", line)
    systemd.ready(_status(server))
    stop.wait()
    systemd.stopping()
    if composition.draining is not None and not composition.has_failed:
        composition.draining.run()
    server.stop()
    end_watch()
    # A service manager starts the server again, and then it follows the log again.
    return EXIT_FAILED if composition.has_failed else EXIT_OK


@contextmanager
def _data_directory(settings: Settings) -> Iterator[None]:
    """Make the data directory, if the server has one, and hold it. Raises CannotStart."""
    directory = settings.data_directory
    if directory is None:
        yield
        return
    try:
        make_private_directory(directory)
    except OSError as problem:
        why = problem.strerror or problem
        raise CannotStart(f"cannot create {directory}: {why}") from None
    with ExitStack() as holding:
        try:
            holding.enter_context(held(directory))
        except DirectoryInUse as problem:
            raise CannotStart(str(problem)) from None
        except OSError as problem:
            why = problem.strerror or problem
            raise CannotStart(f"cannot lock {problem.filename or directory}: {why}") from None
        yield


def _leave_cluster_behind(settings: Settings) -> None:
    """Begin a new epoch with data of a cluster, if this server has none. Raises CannotStart."""
    directory = settings.data_directory
    if directory is None or settings.cluster is not None:
        return
    try:
        if belongs_to_cluster(Database(directory)):
            # Imported only here: other servers do not need it.
            from chat.server.replication.stored.alone import begin_alone

            begin_alone(directory)
    except (DatabaseFault, HistoryFault) as problem:
        raise CannotStart(str(problem)) from None


def _start(
    composition: Composition, settings: Settings, stop: Event, reloading: Reloading
) -> Callable[[], object]:
    """Start the server, the status server if one is wanted, and the control server.

    Return a function that stops all but the server itself. Raises CannotStart, and KeyboardInterrupt for a signal that
    came while the start waited for others.
    """
    with ExitStack() as ends:
        address = settings.address
        watch = control = None
        try:
            if settings.metrics_address is not None:
                address = settings.metrics_address
                watch = composition.make_status_server(
                    address, lambda: "stopping" if stop.is_set() else composition.trouble
                )
            if settings.data_directory is not None:
                # Before the log says that the server listens: scripts wait for that line, and then give commands.
                addresses = watch.addresses if watch is not None else []
                control = _make_control(
                    composition, settings.data_directory, addresses, stop, reloading, ends
                )
            # A server of a cluster may wait for the engine and for others: an operator wants to see that.
            if watch is not None:
                watch.start()
                ends.callback(watch.stop)
            if control is not None:
                control.start(early=(CLUSTER_STATUS,))
            address = settings.address
            composition.server.start()
        except OSError as problem:
            raise CannotStart(why_not_listening(address, problem)) from None
        except _FAULTS as problem:
            # A service manager need not try again what the operator has to change.
            is_lasting = isinstance(problem, CannotFollow) and problem.needs_operator
            status = EXIT_USAGE if is_lasting else EXIT_FAILED
            raise CannotStart(str(problem), status) from None
        if watch is not None:
            watch.show_all()
        if control is not None:
            control.admit_all()
        return ends.pop_all().close


def _make_control(
    composition: Composition,
    directory: Path,
    metrics_addresses: Sequence[Address],
    stop: Event,
    reloading: Reloading,
    ends: ExitStack,
) -> ControlServer | None:
    """Listen for the operator's commands, until ``ends`` is closed; None where that is not possible."""
    try:
        control = composition.make_control_server(
            directory,
            lambda: metrics_addresses,
            stop.set,
            {RELOAD: lambda fields: _reload_command(reloading)},
        )
    except OSError as problem:
        # Not every file system has sockets. The server does its work without.
        why = problem.strerror or problem
        log.warning(
            "cannot listen in %s: %s; `chat-server status` and `say` will not work", directory, why
        )
        return None
    ends.callback(remove_from, directory)
    ends.callback(control.stop)
    return control


def _stop_on_signals(stop: Event) -> None:
    def asked() -> None:
        if stop.is_set():
            # A second signal: end at once. Users are not told, and the log gets little time.
            flush_log(_LAST_LINES_TIMEOUT)
            os._exit(EXIT_FAILED)
        stop.set()

    for number in STOPPING:
        install_handler(number, gevent.signal_handler, asked)


def _reload_on_hangup(reloading: Reloading) -> None:
    def asked() -> None:
        # A greenlet runs this for each signal. The log has the reason.
        with suppress(CannotReload):
            reloading.run()

    # Also under nohup, which makes the program ignore SIGHUP so that it does not end. A reload does not end it.
    install_handler(signal.SIGHUP, gevent.signal_handler, asked, even_ignored=True)


def _reload_command(reloading: Reloading) -> Mapping[str, Any]:
    try:
        return {"told": reloading.run()}
    except CannotReload as problem:
        raise CommandFailed(str(problem)) from None


def _status(server: ChatServer) -> str:
    return f"listening on {', '.join(map(str, server.addresses))}"
