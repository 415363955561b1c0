from __future__ import annotations

import pytest

from chat.client.conversation import transfer_list
from chat.client.conversation.requests import RequestError
from chat.client.conversation.transfer_list import Transfer, TransferList, TransferState
from chat.protocol.descriptor import MessageType


def add(transfers: TransferList, state: TransferState = TransferState.WAITING) -> Transfer:
    transfer = transfers.add(MessageType.FILE, "a.txt", 10, outgoing=False, peer="alice")
    transfer.state = state
    return transfer


def test_attachments_are_numbered_from_1_on() -> None:
    transfers = TransferList()
    first, second = add(transfers), add(transfers)
    assert (first.number, second.number) == (1, 2)
    assert transfers[2] is second
    assert transfers.all() == (first, second)


@pytest.mark.parametrize("number", [0, 2])
def test_a_number_that_is_none(number: int) -> None:
    transfers = TransferList()
    add(transfers)
    with pytest.raises(RequestError, match=f"no attachment number {number}"):
        transfers[number]


def test_the_oldest_that_are_not_under_way_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_list, "MAX_ENTRIES", 3)
    transfers = TransferList()
    for state in (
        TransferState.RUNNING,
        TransferState.DONE,
        TransferState.OFFERED,
        TransferState.WAITING,
    ):
        add(transfers, state)
    assert [transfer.number for transfer in transfers.all()] == [1, 3, 4]
    add(transfers)
    assert [transfer.number for transfer in transfers.all()] == [1, 4, 5]
    add(transfers)
    assert [transfer.number for transfer in transfers.all()] == [1, 4, 5, 6]


def test_what_waits_is_cancelled_at_once() -> None:
    transfer = add(TransferList())
    transfer.cancel()
    assert transfer.state is TransferState.CANCELLED


def test_what_runs_is_told_to_stop() -> None:
    transfer = add(TransferList(), TransferState.RUNNING)
    transfer.cancel()
    assert transfer.cancellation.cancelled
    assert not transfer.has_ended


@pytest.mark.parametrize(
    "state",
    [TransferState.OFFERED, TransferState.DONE, TransferState.FAILED, TransferState.CANCELLED],
)
def test_what_is_not_under_way_cannot_be_cancelled(state: TransferState) -> None:
    with pytest.raises(RequestError, match="not under way"):
        add(TransferList(), state).cancel()


def test_another_try_begins_afresh() -> None:
    transfer = add(TransferList(), TransferState.RUNNING)
    transfer.progress(5, 10)
    transfer.cancel()
    transfer.fail("The line broke.")
    transfer.restart()
    assert transfer.state is TransferState.WAITING
    assert transfer.done == 0
    assert transfer.problem is None
    assert not transfer.cancellation.cancelled


def test_a_flood_that_is_under_way_is_forgotten_once_it_has_ended() -> None:
    transfers = TransferList()
    flood = [add(transfers, TransferState.RUNNING) for _ in range(3 * transfer_list.MAX_ENTRIES)]
    assert len(transfers.all()) == 3 * transfer_list.MAX_ENTRIES
    for transfer in flood:
        transfer.state = TransferState.DONE
    for _ in range(transfer_list.MAX_ENTRIES):
        add(transfers, TransferState.DONE)
    assert len(transfers.all()) == transfer_list.MAX_ENTRIES


def test_of_many_that_fit_the_newest_are_listed() -> None:
    transfers = TransferList()
    for _ in range(7):
        add(transfers, TransferState.RUNNING)
    with pytest.raises(RequestError, match=r"these: 2 older ones, 3 \(.*\), .*, 7 \(.*\)\.$"):
        transfers.choose(None, "cancel", lambda transfer: True, "Nothing.")
