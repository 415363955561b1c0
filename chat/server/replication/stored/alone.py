"""Let a server without --cluster use data of a cluster that it has not left."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from chat.server.history.writer import open_writer
from chat.server.replication.stored.place import drop_tables
from chat.server.storage.database import Database

log = logging.getLogger("chat.server")


def begin_alone(directory: Path) -> None:
    """Begin a new epoch with the data in ``directory``, which is that of no cluster from then on.

    No server may run there. Raises DatabaseFault and HistoryFault.
    """
    # First the history: if this is interrupted, the next start begins another epoch.
    writer = open_writer(directory, bound=0, durable=True)
    try:
        writer.begin_epoch(secrets.token_urlsafe(12))
    finally:
        writer.close()
    with Database(directory).writing() as connection:
        drop_tables(connection)
    log.warning(
        "the data is that of a cluster, whose other servers may have said more: a new epoch begins here"
    )
