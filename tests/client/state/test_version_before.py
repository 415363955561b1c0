"""State files of the version before, which knew no rooms."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.state.contents import DamagedState, parse_whole
from chat.client.state.finding import open_given
from chat.client.state.pending_upload import PendingUpload
from chat.client.state.places import MAILBOX, ROOM, LogPlace
from chat.client.state.unanswered_line import FirstSending, UnansweredLine
from tests.client.state.test_state_file import BOB, NOW, line

# Written by the client of the version before, which knew no rooms.
BEFORE_ROOMS = (
    b'{"chat-client-state":1,"server":"chat.example:8080","user":"bob","device":"dddddddddddddddddddddddddddddddd"}\n'
    b'{"places":{"lobby":["e",7,"2026-11-29T05:00:00.000000Z"]},"add":[["n1","hi",null,"2026-11-29T05:00:00.123456+00:00"],'
    b'["n2","you","eve","2026-11-29T05:00:00.123456+00:00"]],"sent":[["device",["e",7,"2026-11-29T05:00:00.000000Z"],["n1"]]],'
    b'"perhaps":["n2"],"accounts":{"eve":"a"},"uploads":[["u1","/tmp/a",8,null,3,1000000000000000000]]}\n'
    b'{"places":{"private":["e",3,null]},"drop":["n2"]}\n'
    b'{"add":[["torn'
)


def test_a_file_of_the_version_before_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "bob"
    path.write_bytes(BEFORE_ROOMS)
    for _ in range(2):  # the second time it is a file of this version
        opened = open_given(path, BOB)
        memory = opened.memory
        assert opened.warning is None
        assert memory.device == "d" * 32
        assert memory.place(ROOM) == LogPlace("e", 7, "2026-11-29T05:00:00.000000Z")
        assert memory.place(MAILBOX) == LogPlace("e", 3)
        first = FirstSending(LogPlace("e", 7, "2026-11-29T05:00:00.000000Z"), "device")
        assert memory.lines() == [UnansweredLine("n1", "hi", None, NOW, first)]
        assert memory.uploads() == [PendingUpload("u1", "/tmp/a", 8, None, 3, 10**18)]
        assert memory.account("eve") == "a"
        assert memory.rooms == ()
        memory.close()
        assert path.read_bytes().startswith(b'{"chat-client-state":2,')


def test_a_short_file_of_the_version_before_takes_records_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "bob"
    path.write_bytes(b"".join(BEFORE_ROOMS.splitlines(keepends=True)[:2]))
    memory = open_given(path, BOB).memory
    memory.keep(line("n3", room="Dev"))
    memory.close()
    assert open_given(path, BOB).memory.lines()[-1] == line("n3", room="Dev")


@pytest.mark.parametrize("record", [b'{"add":[1]}', b'{"uploads":1}', b'{"add":[["n"]]}'])
def test_a_damaged_file_of_the_version_before(record: bytes) -> None:
    with pytest.raises(DamagedState):
        parse_whole(BEFORE_ROOMS[: BEFORE_ROOMS.index(b"\n") + 1] + record + b"\n")
