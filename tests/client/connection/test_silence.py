"""For how long a silent server is waited for: less if there are others."""

from __future__ import annotations

import pytest

from chat.client.connection.connect import connect_through
from chat.client.connection.connection import Connection
from chat.client.connection.liveness import SILENCE, SILENCE_OF_ONE_OF_SEVERAL, Silence
from chat.client.runtime.runtime import PLAIN
from chat.client.trust.connector import Connector
from chat.net.address import parse_address
from tests.peers.scripted_server import Peer, ScriptedServer


@pytest.mark.parametrize(
    ("servers", "given", "expected"),
    [
        (None, None, SILENCE),
        ([], None, SILENCE),
        (["unix:/run/x"], None, SILENCE),
        (["b.example:8080"], None, SILENCE_OF_ONE_OF_SEVERAL),
        (["b.example:8080"], SILENCE, SILENCE),
    ],
)
def test_a_server_that_is_one_of_several_is_given_up_sooner(
    monkeypatch: pytest.MonkeyPatch,
    servers: list[str] | None,
    given: Silence | None,
    expected: Silence,
) -> None:
    watched: list[Silence] = []
    monkeypatch.setattr(Connection, "watch", lambda self, silence, *, ping: watched.append(silence))

    def script(peer: Peer) -> None:
        peer.welcome(servers=servers)
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        connector = Connector(PLAIN, parse_address(server.address))
        connect_through(connector, "bob", silence=given).close()
    assert watched == [expected]
    assert SILENCE_OF_ONE_OF_SEVERAL.ping_after == SILENCE.ping_after
    assert SILENCE_OF_ONE_OF_SEVERAL.give_up_after < SILENCE.give_up_after
