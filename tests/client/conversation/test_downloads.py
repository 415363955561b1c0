from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.conversation import downloads
from chat.client.conversation.requests import RequestError
from chat.client.conversation.transfer_list import TransferState
from chat.client.conversation.ui_events import Announced, Problem
from chat.client.errors import TransferFailed
from chat.protocol.descriptor import MessageType
from tests.client.download_desks import (
    DONE,
    FAILED,
    MAX_SAVE,
    RUNNING,
    Desk,
    wait_until,
)
from tests.client.fake_connection import run_until_idle


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_came_with_its_message_is_announced_and_then_saved(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.take_content(b"0123456789")
    (announced,) = desk.audience.of(Announced)
    assert announced.transfer is desk.transfers[1]
    assert desk.transfers[1].state is TransferState.WAITING
    wait_until(lambda: desk.told == [(1, DONE)])
    assert desk.transfers[1].path == tmp_path / "a.txt"
    assert (tmp_path / "a.txt").read_bytes() == b"0123456789"


def test_what_could_not_be_saved_is_said(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "gone")
    desk.take_content(b"x")
    wait_until(lambda: desk.told == [(1, FAILED)])
    assert "No such file or directory" in (desk.transfers[1].problem or "")


def test_what_is_cancelled_before_it_is_saved_does_not_stay(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.take_content(b"x")
    desk.transfers[1].cancel()
    assert desk.inbox.saver is not None
    assert desk.inbox.saver.wait(20)
    wait_until(lambda: not list(tmp_path.iterdir()))
    assert desk.transfers[1].state is TransferState.CANCELLED
    assert not desk.told  # who cancelled it tells


def test_what_is_too_large_is_said(desk: Desk) -> None:
    desk.take(problem="It is too large.")
    assert desk.transfers[1].state is TransferState.FAILED
    assert desk.audience.of(Problem) == [Problem("It is too large.")]


def test_what_is_our_own_is_neither_numbered_nor_fetched(desk: Desk) -> None:
    desk.take(own=True, offer="x", size=200)
    run_until_idle()
    assert not desk.transfers.all()
    assert not desk.connection.fetched
    assert desk.audience.of(Announced)[0].transfer is None


def test_what_we_sent_is_saved_on_request_when_it_is_listed(desk: Desk) -> None:
    desk.take(own=True, replay=True, offer="x", size=200, seq=7)
    assert not desk.transfers.all()
    [shown] = desk.audience.of(Announced)
    connection = desk.connection.as_connection
    listed = desk.downloads.announce_again(shown.attachment, connection)
    assert desk.downloads.announce_again(shown.attachment, connection) == listed
    assert listed.transfer is not None
    assert listed.transfer.number == 1
    desk.get(1)
    run_until_idle()
    assert desk.connection.fetched == ["x"]


@pytest.mark.parametrize(("size", "fetched"), [(MAX_SAVE, ["x"]), (MAX_SAVE + 1, [])])
def test_an_offer_is_fetched_by_itself_up_to_a_size(
    desk: Desk, size: int, fetched: list[str]
) -> None:
    desk.take(offer="x", size=size)
    run_until_idle()
    assert desk.connection.fetched == fetched
    assert desk.transfers[1].state is (TransferState.DONE if fetched else TransferState.OFFERED)


def test_how_a_download_goes_is_told(desk: Desk) -> None:
    desk.take(offer="x")
    run_until_idle()
    assert desk.told == [(1, TransferState.RUNNING), (1, TransferState.DONE)]
    assert desk.transfers[1].path == Path("in/a.txt")


def test_a_larger_one_is_fetched_when_asked_for(desk: Desk) -> None:
    desk.take(offer="x", size=MAX_SAVE + 1)
    desk.get(1, "tag")
    run_until_idle()
    assert desk.connection.fetched == ["x"]
    assert desk.transfers[1].asked
    assert desk.transfers[1].tag == "tag"


def test_only_a_few_at_a_time(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    for name in "abcde":
        desk.take(offer=name)
    run_until_idle()
    assert desk.connection.fetched == ["a", "b"]
    desk.connection.transfers_wait.set()
    run_until_idle()
    assert desk.connection.fetched == list("abcde")
    assert desk.connection.most_at_once == downloads.AT_ONCE


def test_a_flood_of_offers_is_only_listed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MAX_WAITING", 3)
    for name in "abcde":
        desk.take(offer=name)
    run_until_idle()
    assert desk.connection.fetched == ["a", "b", "c"]
    assert desk.transfers[5].state is TransferState.OFFERED


def test_one_that_failed_can_be_asked_for_again(desk: Desk) -> None:
    desk.connection.refuse_with = TransferFailed("It is gone.")
    desk.take(offer="x")
    run_until_idle()
    assert desk.transfers[1].problem == "It is gone."
    desk.connection.refuse_with = None
    desk.get(1)
    run_until_idle()
    assert desk.told == [(1, state) for state in (RUNNING, FAILED, RUNNING, DONE)]


def test_asking_for_one_that_is_on_its_way_starts_no_other(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    desk.take(offer="x")
    run_until_idle()
    desk.get(1)
    desk.connection.transfers_wait.set()
    run_until_idle()
    assert desk.connection.fetched == ["x"]
    assert desk.transfers[1].asked


def test_each_who_asks_for_one_that_is_on_its_way_is_answered(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    desk.take(offer="x", size=MAX_SAVE + 1)
    desk.get(1, "first")
    for _ in range(2):  # it waits for its turn, and it runs
        with pytest.raises(RequestError, match="Attachment 1 is already being saved"):
            desk.get(1, "second")
        run_until_idle()
    assert desk.transfers[1].tag == "first"


def test_what_is_being_saved_as_it_came_can_be_asked_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.take_content(b"0123456789")
    desk.downloads.get(1, None, "tag")
    wait_until(lambda: desk.told == [(1, DONE)])
    assert desk.transfers[1].tag == "tag"


def test_one_that_runs_is_cancelled(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    desk.take(offer="x")
    run_until_idle()
    desk.transfers[1].cancel()
    run_until_idle()
    assert desk.told == [(1, TransferState.RUNNING), (1, TransferState.CANCELLED)]


def test_one_that_waits_is_cancelled_and_never_begun(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    for name in "abc":
        desk.take(offer=name)
    run_until_idle()
    desk.transfers[3].cancel()
    desk.connection.transfers_wait.set()
    run_until_idle()
    assert desk.connection.fetched == ["a", "b"]
    assert 3 not in [number for number, _ in desk.told]  # who cancelled it tells


def test_one_that_was_cancelled_while_it_waited_is_fetched_once_when_asked_for(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    for name in "abc":
        desk.take(offer=name)
    run_until_idle()
    desk.transfers[3].cancel()
    desk.get(3)
    desk.connection.transfers_wait.set()
    run_until_idle()
    assert desk.connection.fetched == ["a", "b", "c"]


def test_what_cannot_be_fetched(desk: Desk) -> None:
    desk.take()
    desk.transfers[1].finish(Path("in/a.txt"))
    desk.take(problem="It is too large.")
    desk.transfers.add(MessageType.FILE, "b", 5, outgoing=True, peer=None)
    for number, sentence in ((1, "already saved"), (2, "It is too large"), (3, "You sent")):
        with pytest.raises(RequestError, match=sentence):
            desk.get(number)


def test_what_comes_from_somebody_unwanted_waits_to_be_asked_for(desk: Desk) -> None:
    desk.take(offer="one", sender="mallory")
    run_until_idle()
    assert desk.transfers[1].state is TransferState.OFFERED
    desk.get(1)
    run_until_idle()
    assert desk.connection.fetched == ["one"]
