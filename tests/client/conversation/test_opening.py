"""``/open``: saved files go to a program, others are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chat.client.conversation.requests import OpenFile
from chat.client.conversation.transfer_list import TransferState
from chat.client.conversation.ui_events import Done, Failed
from chat.client.desktop.open_rules import parse_rules
from chat.protocol.descriptor import MessageType
from tests.client.conversation.test_conversation_commands import Room
from tests.client.desktop.programs import Programs


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room(open_rules=parse_rules("*.txt=less"))
    yield made
    made.sender.kill()


def share(room: Room, path: Path | None, *, outgoing: bool = False) -> None:
    transfers = room.conversation.transfers
    transfer = transfers.add(MessageType.FILE, "a.txt", 1, outgoing=outgoing, peer="alice")
    transfer.path, transfer.state = path, TransferState.DONE


def outcome(room: Room) -> Done | Failed:
    with gevent.Timeout(30):
        while not (news := [e for e in room.audience.news if isinstance(e, Done | Failed)]):
            gevent.sleep(0.005)
    assert len(news) == 1
    return news[0]


def test_a_saved_file_goes_to_the_program_of_its_type(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = Programs(tmp_path, monkeypatch)
    programs.install("less")
    (tmp_path / "a.txt").write_text("hello", encoding="utf-8")
    share(room, tmp_path / "a.txt")
    room.do(OpenFile(1), tag=7)
    assert programs.called_with() == [str(tmp_path / "a.txt")]
    assert outcome(room) == Done(7)


def test_a_file_that_is_gone(room: Room, tmp_path: Path) -> None:
    share(room, tmp_path / "gone.txt")
    room.do(OpenFile(1), tag=7)
    failed = outcome(room)
    assert isinstance(failed, Failed)
    assert (failed.tag, failed.sentence) == (
        7,
        "Can't open 'gone.txt': No such file or directory.",
    )


def test_without_a_number_the_only_saved_file_is_opened(room: Room, tmp_path: Path) -> None:
    share(room, None)
    share(room, tmp_path / "gone.txt")
    room.do(OpenFile(), tag=7)
    failed = outcome(room)
    assert isinstance(failed, Failed)
    assert failed.sentence == "Can't open 'gone.txt': No such file or directory."


def test_a_file_that_waits_to_be_asked_for(room: Room) -> None:
    share(room, None)
    room.conversation.transfers[1].state = TransferState.OFFERED
    room.do(OpenFile(1))
    failed = outcome(room)
    assert isinstance(failed, Failed)
    assert failed.sentence == "Attachment 1 is not saved here; /get 1 saves it."


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_file_that_is_not_here(room: Room, number: int) -> None:
    share(room, None)
    share(room, Path("a.txt"), outgoing=True)
    room.do(OpenFile(number))
    assert isinstance(outcome(room), Failed)
