"""Remember in the engine that an operator has ended the log, so that no server that is left begins another one."""

from __future__ import annotations

from contextlib import closing

from chat.net.engine_url import EngineUrl
from chat.server.cluster.redis_connection import Dialer, EngineConnection
from chat.server.cluster.replication_limits import DEFAULT_LIMITS

_FIELD = "epoch"


def note_end(connection: EngineConnection, url: EngineUrl, epoch: str) -> None:
    """Note that the log with ``epoch`` was ended. Raises EngineAway."""
    connection.call("HSET", _key(url), _FIELD, epoch)


def forget_end(connection: EngineConnection, url: EngineUrl) -> None:
    """Forget the note: an operator has begun another log. Raises EngineAway."""
    connection.call("DEL", _key(url))


def was_ended(url: EngineUrl) -> bool:
    """Return whether the last log was ended, and no operator has begun another one since. Raises EngineAway."""
    with closing(Dialer(url, DEFAULT_LIMITS.answer).dial()) as connection:
        return connection.call("HGET", _key(url), _FIELD) is not None


def _key(url: EngineUrl) -> str:
    return f"{url.prefix}:ended"
