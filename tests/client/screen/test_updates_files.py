from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.conversation.transfer_list import TransferState
from chat.client.conversation.ui_events import (
    Announced,
    TransferChanged,
)
from chat.client.screen.model.entries import Remark, Shared
from chat.client.screen.updates.message_updates import Alert
from tests.client.screen.intake_bench import Bench, download, file, text, upload


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestFiles:
    def test_one_for_everyone(self, bench: Bench) -> None:
        transfer = download(TransferState.OFFERED)
        assert bench.take(Announced(file(), transfer)) == [None]
        assert isinstance(bench.last, Shared)
        assert bench.last.transfer is transfer

    def test_a_private_one(self, bench: Bench) -> None:
        view = bench.model.query("alice")
        (alert, nothing) = bench.take(
            Announced(file(to="bob"), download()), Announced(file("alice", "bob"), None)
        )
        assert alert == Alert(view, view[0])  # type: ignore[arg-type]
        assert nothing is None
        assert len(view.entries) == 2

    def test_the_end_shows_where_the_file_stands(self, bench: Bench) -> None:
        transfer = download()
        bench.take(Announced(file(), transfer), TransferChanged(transfer))
        assert bench.model.running == {3: transfer}
        transfer.state, transfer.path = TransferState.DONE, Path("/home/bob/a.txt")
        bench.take(TransferChanged(transfer))
        assert not bench.model.running
        assert bench.lines() == [
            "-- alice sent a file: a.txt (100 bytes), number 3: saved as /home/bob/a.txt"
        ]

    @pytest.mark.parametrize(
        ("state", "words", "style"),
        [
            (TransferState.DONE, "saved as a.txt", "dim"),
            (TransferState.FAILED, "failed, it could not be saved", "error"),
            (TransferState.CANCELLED, "cancelled", "dim"),
        ],
    )
    def test_and_is_told_again_if_that_is_far_up(
        self, bench: Bench, state: TransferState, words: str, style: str
    ) -> None:
        transfer = download()
        bench.take(Announced(file(), transfer), TransferChanged(transfer))
        bench.take(*[text()] * 21)
        transfer.state, transfer.path = state, Path("a.txt")
        bench.take(TransferChanged(transfer))
        assert bench.lines()[-1] == f"-- number 3, a.txt: {words}"
        assert isinstance(bench.last, Remark)
        assert bench.last.style == style

    def test_one_that_was_asked_for_long_after_it_was_announced(self, bench: Bench) -> None:
        transfer = download(TransferState.OFFERED)
        bench.take(Announced(file(), transfer), *[text()] * 21)
        for state in (TransferState.RUNNING, TransferState.DONE):
            transfer.state, transfer.path = state, Path("a.txt")
            bench.take(TransferChanged(transfer))
        assert bench.lines()[-1] == "-- number 3, a.txt: saved as a.txt"

    def test_one_whose_line_is_in_a_view_of_its_own(self, bench: Bench) -> None:
        bench.model.query("alice")
        transfer = download(TransferState.WAITING)
        bench.take(Announced(file(to="bob"), transfer), *[text()] * 21)
        transfer.state, transfer.path = TransferState.DONE, Path("a.txt")
        bench.take(TransferChanged(transfer))
        assert "number 3, a.txt" not in "".join(bench.lines())

    def test_one_that_never_began(self, bench: Bench) -> None:
        bench.take(TransferChanged(download(TransferState.WAITING)))
        assert bench.lines() == []
        bench.take(TransferChanged(download(TransferState.CANCELLED)))
        assert bench.lines() == ["-- number 3, a.txt: cancelled"]

    def test_what_was_sent_is_told_by_its_echo(self, bench: Bench) -> None:
        transfer = upload(1)
        transfer.state = TransferState.DONE
        bench.take(TransferChanged(transfer))
        assert bench.lines() == []
