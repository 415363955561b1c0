"""A room may keep its messages for a shorter time than the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chat.server.history.retention import Retention
from chat.server.history.stored import ROOM, LogName
from tests.server.membership.visitors import come, register
from tests.server.server_in_test import open_chat_server

pytestmark = pytest.mark.usefixtures("cheap_hashes")


def test_a_room_keeps_its_messages_for_the_time_that_its_owner_sets(tmp_path: Path) -> None:
    options: dict[str, Any] = {"data_directory": tmp_path / "data"}
    with open_chat_server(tmp_path, **options) as server:
        alice = register(server, "alice")
        alice.do("join", room="dev")
        alice.say_in("dev", "old")
        alice.say_in(None, "old")
        history, recording = server.parts.history, server.parts.recording
        assert history is not None
        assert recording is not None
        history._queue.wait_until_written()
        soon = Retention(history, None, None, lambda: 4e9, shorter=recording._kept_shorter)

        soon.sweep()
        assert alice.page(room="dev") == ["old"]
        alice.do("room", room="dev", keep=3600)
        soon.sweep()

        assert history.state(LogName(ROOM, "dev")).oldest == 2
        assert (alice.page(room="dev"), alice.page()) == ([], ["old"])
        bob = come(server, "bob", join=["dev"])
        assert (bob.welcome["rooms"]["dev"]["seq"], bob.welcome["rooms"]["dev"]["oldest"]) == (1, 2)
