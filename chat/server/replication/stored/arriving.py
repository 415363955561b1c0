"""Bring the data directory to a state from which the log of the cluster goes on, before the server starts.

- Data that goes on in the log needs nothing.
- An empty directory gets a copy from another server; without a log in the engine, a new cluster begins here.
- Data that the log has left behind, or that has what the log lacks, is set aside, and a copy takes its place.
- If the engine has lost its log, or the end of it that this server has, and no other server follows what is left,
  this server begins the log again, under a new epoch.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from contextlib import closing, suppress
from enum import Enum
from pathlib import Path
from typing import Protocol

from chat.files.syncing import sync_path
from chat.net.address import Address
from chat.net.engine_url import EngineUrl
from chat.server.cluster.engine_line import EngineLine, EngineVerdict, LogKeys, WriterId
from chat.server.cluster.log_entry import ORIGIN
from chat.server.cluster.redis_connection import Dialer
from chat.server.cluster.replication_limits import DEFAULT_LIMITS
from chat.server.history import copies
from chat.server.history.faults import HistoryFault
from chat.server.history.reader import FILE_NAME as HISTORY_FILE
from chat.server.history.search.index_file import remove_index
from chat.server.replication.leases import read_peers
from chat.server.replication.stored.ended import was_ended
from chat.server.replication.stored.founding import (
    CannotFound,
    begin_again,
    create_log,
    found_cluster,
    has_data,
)
from chat.server.replication.stored.place import SharedState, load_state
from chat.server.storage.database import FILE_NAME as DATABASE_FILE
from chat.server.storage.database import Database, DatabaseFault

log = logging.getLogger("chat.server")


class CannotArrive(Exception):
    """Report that the data cannot be brought to the log. The text is one line for the operator.

    ``is_final``: a later try fails as well.
    """

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


class OperatorNeeded(CannotArrive):
    """Report that the data do not fit to the log, and that only the operator knows what should become of them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, is_final=True)


class CopiedFiles(Protocol):
    """Describe a copy that has arrived: its files, and the server that has made it."""

    @property
    def database(self) -> Path: ...

    @property
    def history(self) -> Path: ...

    @property
    def node(self) -> str: ...

    def remove(self) -> None: ...


# Takes a copy from the server at an address into a directory. Raises OSError or PeerFault.
TakeCopy = Callable[[Address, Path], CopiedFiles]


class Fit(Enum):
    """List how data may stand to the log in the engine."""

    GOES_ON = "goes on"
    NO_LOG = "the engine has no log"
    OTHER_LOG = "the engine has the log of another epoch"
    CUT = "this server has what the log lacks"
    BEHIND = "the log does not reach back to where this server was"


def prepare_data(
    directory: Path, url: EngineUrl, take_copy: TakeCopy, failures: tuple[type[Exception], ...]
) -> None:
    """Bring the data in ``directory`` to the log. ``failures`` are those of ``take_copy``.

    Waits for the engine, and for a copy. Raises CannotArrive and EngineAway.
    """
    database = Database(directory)
    try:
        state = load_state(database)
        if state is None and has_data(directory):
            raise OperatorNeeded(
                f"{directory} has the data of a server alone: empty it to join the cluster; or let it begin one: "
                "chat-server cluster init"
            )
        fit = _compare(url, state)
        if fit is Fit.GOES_ON:
            return
        if fit is Fit.NO_LOG:
            _begin(directory, url, state)
            return
        try:
            _copy(directory, url, take_copy, failures)
            if state is not None:
                log.warning(
                    "the data of this server was set aside, and a copy takes its place: %s",
                    fit.value,
                )
        except CannotArrive:
            if fit is not Fit.CUT or state is None or not _drop(url, state.place.epoch):
                raise
            _begin(directory, url, state)
    except CannotFound as problem:
        # Another server may have begun the log a moment ago: then there is one to copy from.
        raise CannotArrive(str(problem)) from None
    except (DatabaseFault, HistoryFault) as problem:
        raise CannotArrive(str(problem), is_final=True) from None


def _compare(url: EngineUrl, state: SharedState | None) -> Fit:
    """Return how the data stand to the log. Raises EngineAway."""
    with closing(Dialer(url, DEFAULT_LIMITS.answer).dial()) as connection:
        epoch = connection.call("HGET", LogKeys(url.prefix).all[0], "epoch")
        if epoch is None:
            return Fit.NO_LOG
        if state is None or epoch.decode() != state.place.epoch:
            return Fit.OTHER_LOG
        line = EngineLine(connection, LogKeys(url.prefix))
        writer = WriterId(state.place.epoch, "", "")
        verdict = line.read(writer, state.place.applied, 1).verdict
    if verdict is EngineVerdict.OK:
        return Fit.GOES_ON
    return Fit.BEHIND if verdict is EngineVerdict.BEHIND else Fit.CUT


def _begin(directory: Path, url: EngineUrl, state: SharedState | None) -> None:
    """Begin a log with what is in ``directory``. Raises OperatorNeeded if an operator has ended the log."""
    if was_ended(url):
        raise OperatorNeeded(
            "`chat-server cluster leave` has ended the log of the cluster; "
            "`chat-server cluster init` begins another one"
        )
    if state is None:
        found_cluster(directory, url)
        log.info("the engine had no log: the cluster begins here")
        return
    if state.place.applied == ORIGIN:
        # Nothing was said in the log that is lost, so the places of clients stay valid.
        create_log(url, state.place.epoch)
        log.warning("the engine has lost its log, which was empty: it begins again here")
        return
    log.warning("the engine has lost its log: it begins again here, under a new epoch")
    begin_again(directory, url, secrets.token_urlsafe(12))


def _drop(url: EngineUrl, epoch: str) -> bool:
    """Remove a log that lacks entries, and that nobody follows; return whether it is gone. Raises EngineAway."""
    with closing(Dialer(url, DEFAULT_LIMITS.answer).dial()) as connection:
        line = EngineLine(connection, LogKeys(url.prefix))
        return line.drop(epoch).verdict is EngineVerdict.OK


def _copy(
    directory: Path, url: EngineUrl, take_copy: TakeCopy, failures: tuple[type[Exception], ...]
) -> None:
    peers = read_peers(url)
    reasons = []
    for address in peers:
        try:
            copied = take_copy(address, directory)
        except failures as problem:
            reasons.append(str(problem))
            continue
        try:
            _put_in_place(directory, copied)
        finally:
            copied.remove()
        log.info("took a copy of the data from the server %s", copied.node)
        return
    why = "; ".join(reasons) or "no other server of the cluster is there"
    raise CannotArrive(f"this server needs a copy of the data: {why}")


def _put_in_place(directory: Path, copied: CopiedFiles) -> None:
    """Let the files of a copy be the data; set aside what was there. Raises HistoryFault."""
    # If this is interrupted, the place in the database does not fit, or there is none, and the next start copies again.
    with suppress(FileNotFoundError):
        former = copies.keep_former(directory / DATABASE_FILE)
        (directory / DATABASE_FILE).unlink()
        if former is not None:
            log.info("the former data is %s", former)
    remove_index(directory)
    copies.keep_former(directory / HISTORY_FILE)
    _move(copied.history, directory / HISTORY_FILE)
    _move(copied.database, directory / DATABASE_FILE)


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
        sync_path(target.parent)
    except OSError as problem:
        raise HistoryFault(f"cannot use {target}: {problem.strerror}") from None
