"""Let the data of a single server be the beginning of a cluster, and the data of a cluster that of a single server."""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path

from chat.files.private_files import give_to_owner_of_directory
from chat.net.engine_url import EngineUrl
from chat.server.accounts.accounts import read_accounts
from chat.server.cluster.engine_line import EngineLine, EngineVerdict, LogKeys, WriterId
from chat.server.cluster.log_entry import EntryId, parse_entry
from chat.server.cluster.redis_connection import Dialer, EngineAway
from chat.server.cluster.replication_limits import DEFAULT_LIMITS
from chat.server.history.faults import HistoryFault
from chat.server.history.reader import FILE_NAME as HISTORY_FILE
from chat.server.history.reader import Reader
from chat.server.history.stored import GUEST, LogName
from chat.server.history.writer import open_writer
from chat.server.log.unicode_13 import is_in_unicode_13
from chat.server.replication.stored.ended import forget_end, note_end
from chat.server.replication.stored.place import (
    AppliedPlace,
    StateChanges,
    drop_tables,
    make_tables,
    read_state,
    write_state,
)
from chat.server.rooms.room_records import read_rooms
from chat.server.storage.database import Database, DatabaseFault

# Entries that are looked at behind the place of a server that leaves: fences of servers that have stopped.
_MOST_FENCES = 100
_MAY_LACK = "the other servers may have said more"


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
        _require_readable_names(database)
        epoch, heads = _read_history(directory)
        with closing(Dialer(url, DEFAULT_LIMITS.answer).dial()) as opened:
            line = EngineLine(opened, LogKeys(url.prefix))
            if not line.begin(epoch):
                raise CannotFound(
                    f"the engine has a log with the prefix {url.prefix} already; an empty server joins it"
                )
            forget_end(opened, url)
        with database.writing() as connection:
            make_tables(connection)
            write_state(connection, AppliedPlace(epoch), StateChanges(heads, {}, {}))
    except (DatabaseFault, HistoryFault, EngineAway) as problem:
        raise CannotFound(str(problem)) from None
    return f"{directory} is the beginning of a cluster now; start the server with --cluster"


def _require_readable_names(database: Database) -> None:
    """Raise CannotFound if servers with different Pythons could differ about a name."""
    names = [account.name for account in read_accounts(database)]
    names += [room.name.display for room in read_rooms(database).rooms]
    for name in names:
        if not is_in_unicode_13(name):
            raise CannotFound(
                f"the name {name} has a character that is not in Unicode 13, so not all servers of a cluster may know"
                " it; remove the account or the room first"
            )


def begin_again(directory: Path, url: EngineUrl, epoch: str) -> None:
    """Begin the log again with the data in ``directory``, under a new ``epoch``: the engine has lost it.

    No server may run there. Raises CannotFound, DatabaseFault, HistoryFault and EngineAway.
    """
    database = Database(directory)
    with database.reading() as connection:
        state = read_state(connection)
    assert state is not None, "the data belongs to a cluster"
    # First the data: if this is interrupted, the next start finds no log, and begins again.
    writer = open_writer(directory, bound=0, durable=True)
    writer.begin_epoch(epoch)
    heads = {name: log.head for name, log in writer.opened.logs.items()}
    writer.close()
    with database.writing() as connection:
        gone = {(row.home, row.number): None for row in state.sessions}
        guests = {name: None for name in state.heads if name.kind == GUEST}
        changes = StateChanges({**heads, **guests}, gone, {"servers": {}})
        write_state(connection, AppliedPlace(epoch), changes)
    create_log(url, epoch)


def create_log(url: EngineUrl, epoch: str) -> None:
    """Begin a log in the engine. Raises CannotFound if there is one, and EngineAway."""
    with closing(Dialer(url, DEFAULT_LIMITS.answer).dial()) as opened:
        if not EngineLine(opened, LogKeys(url.prefix)).begin(epoch):
            raise CannotFound("another server has begun the log meanwhile; start this one again")


def note_cut(database: Database) -> None:
    """Note a place that no log has, so that the next start finds that the log was cut. Raises DatabaseFault."""
    with database.writing() as connection:
        state = read_state(connection)
        assert state is not None, "the data belongs to a cluster"
        nowhere = EntryId(max(1, state.place.applied.n), "cut", 0)
        place = state.place._replace(applied=nowhere)
        write_state(connection, place, StateChanges({}, {}, {}))


def has_data(directory: Path) -> bool:
    """Return whether ``directory`` has accounts, bans, rooms or messages. Raises DatabaseFault."""
    if (directory / HISTORY_FILE).exists():
        with closing(Reader(directory)) as reader:
            if any(state.head for state in reader.logs().values()):
                return True
    database = Database(directory)
    if database.stamp() is None:
        return False
    with database.reading() as connection:
        tables = ("users", "bans", "mutes", "rooms")
        return any(
            connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables
        )


def leave_cluster(directory: Path, url: EngineUrl | None) -> str:
    """Let ``directory`` be the data of a single server; return a line for the operator.

    The log in the engine at ``url`` ends if no server follows it. Places of clients stay valid if the data has all of
    it; otherwise a new epoch begins. No server may run there. Raises CannotFound.
    """
    database = Database(directory)
    try:
        with database.reading() as connection:
            state = read_state(connection)
        if state is None:
            raise CannotFound(f"{directory} belongs to no cluster")
        doubt = _end_log(url, state.place) if url is not None else _MAY_LACK
        if doubt is not None:
            writer = open_writer(directory, bound=0, durable=True)
            writer.begin_epoch(secrets.token_urlsafe(12))
            writer.close()
        with database.writing() as connection:
            drop_tables(connection)
    except (DatabaseFault, HistoryFault) as problem:
        raise CannotFound(str(problem)) from None
    left = f"{directory} belongs to no cluster any more; start the server without --cluster"
    return left if doubt is None else f"{left}; a new epoch begins: {doubt}"


def _end_log(url: EngineUrl, place: AppliedPlace) -> str | None:
    """Remove the log with the epoch of ``place``; return why something may have been said behind ``place``, or None.

    Raises CannotFound if a server follows the log.
    """
    try:
        with closing(Dialer(url, DEFAULT_LIMITS.answer).dial()) as opened:
            line = EngineLine(opened, LogKeys(url.prefix))
            # A server that says something meanwhile has a lease, which the engine looks for.
            answer = line.read(WriterId(place.epoch, "", ""), place.applied, _MOST_FENCES)
            verdict = line.drop(place.epoch).verdict
            if verdict is EngineVerdict.OK:
                note_end(opened, url, place.epoch)
    except EngineAway as away:
        return f"the engine cannot be asked whether other servers have said more ({away})"
    if verdict is EngineVerdict.HELD:
        raise CannotFound(
            "another server follows the log of the cluster, or has died within the last 15 s; stop it first"
        )
    entries = [parse_entry(packed) for packed in answer.entries]
    # Servers that stop write a fence each.
    has_all = answer.verdict is EngineVerdict.OK and len(entries) == answer.value - place.applied.n
    return None if has_all and all(entry.is_fence for entry in entries) else _MAY_LACK


def _read_history(directory: Path) -> tuple[str, dict[LogName, int | None]]:
    """Return the epoch and the last numbers of the history, which begins now if there is none. Raises HistoryFault."""
    writer = open_writer(directory, bound=0, durable=True)
    opened = writer.opened
    writer.close()
    try:
        # A command that root runs may have made it.
        give_to_owner_of_directory(directory / HISTORY_FILE, directory)
    except OSError as problem:
        raise HistoryFault(f"cannot use {problem.filename}: {problem.strerror}") from None
    return opened.epoch, {name: state.head for name, state in opened.logs.items()}
