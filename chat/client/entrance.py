"""The way into the room that the settings tell of: the same for every program of the client."""

from __future__ import annotations

from chat.client.connecting import connect
from chat.client.connection import Connection
from chat.client.gevent_runtime import GEVENT
from chat.client.settings import Settings
from chat.protocol.notices import Refusal

# Refusals of a login that another name may help against.
NAME_REFUSALS = frozenset({Refusal.USERNAME_EXISTS.value, Refusal.BAD_USERNAME.value})


def enter(settings: Settings, username: str) -> Connection:
    """A connection as ``username``, for greenlets. Raises ChatError, as ``connect`` does."""
    return connect(
        str(settings.address),
        username,
        byte_order=settings.byte_order,
        save_directory=settings.save_directory,
        max_save=settings.max_save,
        runtime=GEVENT,
    )
