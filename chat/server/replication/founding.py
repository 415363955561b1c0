"""Let the data of a single server be the beginning of a cluster, and the data of a cluster that of a single server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from chat.net.engine_url import EngineUrl
from chat.server.cluster.engine_line import EngineLine, LogKeys
from chat.server.cluster.redis_connection import Dialer, EngineAway
from chat.server.cluster.replication_limits import DEFAULT_LIMITS
from chat.server.history.faults import HistoryFault
from chat.server.history.stored import LogName
from chat.server.history.writer import open_writer
from chat.server.replication.place import (
    AppliedPlace,
    StateChanges,
    drop_tables,
    make_tables,
    read_state,
    write_state,
)
from chat.server.storage.database import Database, DatabaseFault


class CannotFound(Exception):
    """Report that a cluster could not be founded or left. The text is one line for the operator."""


def found_cluster(directory: Path, url: EngineUrl) -> str:
    """Begin a log in the engine at ``url`` with the data in ``directory``; return a line for the operator.

    Numbers and epoch stay, and so do the places of clients. No server may run there. Raises CannotFound.
    """
    database = Database(directory)
    try:
        with database.reading() as connection:
            state = read_state(connection)
        if state is not None:
            raise CannotFound(f"{directory} belongs to a cluster already")
        epoch, heads = _read_history(directory)
        with closing(Dialer(url, DEFAULT_LIMITS.answer).dial()) as opened:
            line = EngineLine(opened, LogKeys(url.prefix))
            if not line.begin(epoch):
                raise CannotFound(
                    f"the engine has a log with the prefix {url.prefix} already; an empty server joins it"
                )
        with database.writing() as connection:
            make_tables(connection)
            write_state(connection, AppliedPlace(epoch), StateChanges(heads, {}, {}))
    except (DatabaseFault, HistoryFault, EngineAway) as problem:
        raise CannotFound(str(problem)) from None
    return f"{directory} is the beginning of a cluster now; start the server with --cluster"


def leave_cluster(directory: Path) -> str:
    """Let ``directory`` be the data of a single server; return a line for the operator.

    No server may run there. Raises CannotFound.
    """
    database = Database(directory)
    try:
        with database.writing() as connection:
            if read_state(connection) is None:
                raise CannotFound(f"{directory} belongs to no cluster")
            drop_tables(connection)
    except DatabaseFault as problem:
        raise CannotFound(str(problem)) from None
    return f"{directory} belongs to no cluster any more; start the server without --cluster"


def _read_history(directory: Path) -> tuple[str, dict[LogName, int | None]]:
    """Return the epoch and the last numbers of the history, which begins now if there is none. Raises HistoryFault."""
    writer = open_writer(directory, bound=0, durable=True)
    opened = writer.opened
    writer.close()
    return opened.epoch, {name: state.head for name, state in opened.logs.items()}
