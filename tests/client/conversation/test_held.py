from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chat.client.connection.saver import Saving
from chat.client.conversation.disk import held
from chat.client.conversation.disk.held import HeldContents
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.errors import SaveFailed
from chat.client.runtime.gevent_runtime import GEVENT
from chat.protocol.descriptor import MessageType


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory in which temporary directories are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def call(function: Callable[[], object]) -> None:
    function()


def put(
    store: HeldContents, number: int, size: int = 1, state: TransferState = TransferState.OFFERED
) -> list[int]:
    """Hold one more; the numbers of those that are dropped for it."""
    part = store.open("same.txt")
    part.write(b"x")
    saving = Saving(GEVENT.lock(), GEVENT.event())
    saving.settle(part.finish())
    transfer = Transfer(number, MessageType.FILE, "same.txt", size, state=state)
    return [dropped.number for dropped in store.add(transfer, saving)]


def files(temporary: Path) -> int:
    return sum(path.is_file() for path in temporary.rglob("*"))


def test_nothing_is_made_before_something_comes(temporary: Path) -> None:
    HeldContents(call).close()
    assert list(temporary.iterdir()) == []


def test_nobody_else_can_look_into_it(temporary: Path) -> None:
    store = HeldContents(call)
    put(store, 1)
    (directory,) = temporary.iterdir()
    assert directory.stat().st_mode & 0o777 == 0o700
    store.close()


def test_it_is_gone_in_the_end_whatever_is_in_it(temporary: Path) -> None:
    store = HeldContents(call)
    put(store, 1)
    part = store.open("half")  # a thread is still at it
    part.write(b"ha")
    store.close()
    store.close()
    assert list(temporary.iterdir()) == []
    with pytest.raises(SaveFailed):
        part.finish()
    with pytest.raises(SaveFailed, match="about to end"):
        store.open("late")
    assert list(temporary.iterdir()) == []


def test_the_oldest_make_room(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MAX_FILES", 3)
    store = HeldContents(call)
    assert [put(store, number) for number in range(1, 6)] == [[], [], [], [1], [2]]
    assert files(temporary) == 3
    store.close()


def test_a_large_one_takes_the_room_of_several(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "MAX_SIZE", 100_000)
    store = HeldContents(call)
    assert [put(store, number, 20_000) for number in range(1, 5)] == [[]] * 4
    assert put(store, 5, 60_000) == [1, 2, 3]
    assert files(temporary) == 2
    store.close()


def test_what_is_being_saved_stays(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MAX_FILES", 2)
    store = HeldContents(call)
    put(store, 1, state=TransferState.RUNNING)
    put(store, 2)
    assert put(store, 3) == [2]
    store.close()


def test_dropping_twice_gives_back_the_room_once(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "MAX_SIZE", 3 * 5000)
    store = HeldContents(call)
    transfer = Transfer(1, MessageType.FILE, "a", 900, state=TransferState.OFFERED)
    saving = Saving(GEVENT.lock(), GEVENT.event())
    store.add(transfer, saving)
    store.drop(transfer)
    store.drop(transfer)
    saving.settle(None, "The disk is full.")  # and there is nothing to remove
    assert [put(store, number, 900) for number in range(2, 6)] == [[], [], [], [2]]
    store.close()
