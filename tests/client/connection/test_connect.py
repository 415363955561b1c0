from __future__ import annotations

from typing import Any

import pytest

from chat.client import LoginRefused, connect
from chat.client.runtime.runtime import Runtime
from chat.protocol.descriptor import MessageType
from tests.client.runtimes import with_both_runtimes
from tests.peers.scripted_server import Peer, ScriptedServer


def test_what_is_no_address() -> None:
    with pytest.raises(ValueError, match="invalid address"):
        connect("chat.example.org:", "alice")


@with_both_runtimes
def test_back_in_the_place_of_the_last_connection(runtime: Runtime) -> None:
    def first(peer: Peer) -> None:
        peer.welcome(session="the first")
        peer.wait_for_end()

    def second(peer: Peer) -> None:
        login = peer.expect(MessageType.LOGIN).fields
        assert (login["to"], login["session"], login["password"]) == ("alice", "the first", "pw")
        peer.send(MessageType.BAD_LOGIN, {"error": "banned", "message": "Not before Monday."})
        peer.wait_for_end()

    with ScriptedServer(first, second) as server:
        with connect(server.address, "alice", runtime=runtime) as room:
            assert room.is_private
            session = room.session
        with pytest.raises(LoginRefused, match=r"^Not before Monday\.$") as caught:
            connect(server.address, "alice", password="pw", session=session, runtime=runtime)
        assert caught.value.code == "banned"


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_not_the_current_directory(path: str) -> None:
    for option in ("save_directory", "known_hosts"):
        options: dict[str, Any] = {option: path}
        with pytest.raises(ValueError, match="empty path"):
            connect("127.0.0.1:1", "alice", **options)
