"""Attachments of earlier messages: nothing is saved unasked, and what is there can be saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.conversation.requests import RequestError
from chat.client.conversation.ui_events import Announced
from tests.client.download_desks import DONE, IMAGE, OFFERED, Desk, wait_until
from tests.client.fake_connection import run_until_idle


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_content_that_came_along_is_saved_on_request(desk: Desk, tmp_path: Path) -> None:
    desk.take(content=b"0123456789", replay=True)
    run_until_idle()
    transfer = desk.transfers[1]
    assert (transfer.state, list(tmp_path.iterdir())) == (OFFERED, [])
    desk.get(1)
    wait_until(lambda: transfer.state is DONE)
    assert (tmp_path / "a.txt").read_bytes() == b"0123456789"


def test_an_offer_is_fetched_on_request(desk: Desk) -> None:
    desk.take(IMAGE, offer="o1", replay=True)
    run_until_idle()
    assert desk.connection.fetched == []
    desk.get(1)
    wait_until(lambda: desk.transfers[1].state is DONE)
    assert desk.connection.fetched == ["o1"]


def test_a_removed_attachment_cannot_be_asked_for(desk: Desk) -> None:
    desk.take(replay=True, purged=True)
    [announced] = desk.audience.of(Announced)
    assert announced.transfer is None
    with pytest.raises(RequestError):
        desk.get(1)
