"""Check that the engine keeps what it has confirmed, as ``--durable`` demands."""

from __future__ import annotations

import logging
from contextlib import closing

from chat.net.engine_url import EngineUrl
from chat.server.cluster.redis_connection import Dialer, EngineRefused
from chat.server.cluster.replication_limits import DEFAULT_LIMITS
from chat.server.replication.faults import CannotFollow

log = logging.getLogger("chat.server")

# What the engine must be set to.
_DEMANDED = {"appendonly": "yes", "appendfsync": "always"}


def require_durable_engine(url: EngineUrl) -> None:
    """Raise CannotFollow if the engine may lose what it has confirmed when its machine dies.

    An engine that does not tell its settings, as those of some providers, is believed. Raises EngineAway.
    """
    with closing(Dialer(url, DEFAULT_LIMITS.answer).dial()) as connection:
        for name, demanded in _DEMANDED.items():
            try:
                answer = connection.call("CONFIG", "GET", name)
            except EngineRefused as refused:
                log.warning("cannot check whether the engine keeps what it confirms: %s", refused)
                return
            value = answer[1].decode() if len(answer) > 1 else ""
            if value != demanded:
                raise CannotFollow(
                    f"--durable demands {name} {demanded} of the engine, which has {name} {value or 'no'}"
                )
