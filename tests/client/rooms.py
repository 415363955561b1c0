"""The client's side of tests about transfers: a connection to a scripted server, and what it is offered there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chat.client import Attachment, Connection, Welcome, connect
from chat.client.runtime.runtime import Runtime
from tests.peers.scripted_server import ScriptedServer


@contextmanager
def room_at(server: ScriptedServer, runtime: Runtime) -> Iterator[Connection]:
    with connect(server.address, "alice", runtime=runtime) as room:
        assert isinstance(room.read(), Welcome)
        yield room


def the_offer(room: Connection) -> Attachment:
    event = room.read()
    assert isinstance(event, Attachment)
    return event
