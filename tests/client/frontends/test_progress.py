from __future__ import annotations

import io
from collections.abc import Iterator

import gevent
import pytest

from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import Done, TransferChanged, UiEvent
from chat.client.frontends import progress
from chat.client.frontends.progress import ProgressBars
from chat.protocol.descriptor import MessageType
from tests.client.fake_connection import Audience, spawn


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return the bytes that the terminal receives."""
    monkeypatch.setattr(progress, "INTERVAL", 0.001)
    return io.StringIO()


@pytest.fixture
def bars(screen: io.StringIO) -> Iterator[ProgressBars]:
    made = ProgressBars(Audience(), spawn, screen)
    yield made
    made.close()


def running(name: str = "a.txt") -> Transfer:
    return Transfer(1, MessageType.FILE, name, 1024, state=TransferState.RUNNING)


def wait_for(screen: io.StringIO, text: str) -> None:
    with gevent.Timeout(30):
        while text not in screen.getvalue():
            gevent.sleep(0.001)


def test_everything_is_passed_on() -> None:
    audience = Audience()
    bars = ProgressBars(audience, spawn)
    news: list[UiEvent] = [Done(1), TransferChanged(running())]
    for each in news:
        bars.show(each)
    assert audience.news == news
    bars.close()


def test_a_running_transfer_has_a_bar(bars: ProgressBars, screen: io.StringIO) -> None:
    transfer = running()
    bars.show(TransferChanged(transfer))
    wait_for(screen, "1. a.txt:   0%")
    transfer.progress(512, 1024)
    wait_for(screen, " 50%")
    transfer.state = TransferState.DONE
    bars.show(TransferChanged(transfer))
    bars.close()
    last_line = screen.getvalue().rpartition("\r")[2]
    assert not last_line.strip()


def test_names_are_short_and_sanitized(bars: ProgressBars, screen: io.StringIO) -> None:
    bars.show(TransferChanged(running("\x1b[2J" + "x" * 100)))
    wait_for(screen, "1. ␛[2J" + "x" * 19 + "…:")


def test_a_line_is_not_written_into_a_bar(bars: ProgressBars, screen: io.StringIO) -> None:
    bars.show(TransferChanged(running()))
    wait_for(screen, "1. a.txt")
    before = len(screen.getvalue())
    bars.around(lambda: print("a line", file=screen))
    cleared, _, after = screen.getvalue()[before:].partition("a line\n")
    assert cleared.endswith("\r")
    assert not cleared.strip()
    assert "1. a.txt" in after


def test_nothing_is_drawn_while_a_line_waits_to_be_written(
    bars: ProgressBars, screen: io.StringIO
) -> None:
    transfer = running()
    bars.show(TransferChanged(transfer))
    wait_for(screen, "1. a.txt")

    def write() -> None:
        print("half a ", end="", file=screen)
        transfer.progress(512, 1024)
        gevent.sleep(0.02)
        print("line", file=screen)

    bars.around(write)
    assert "half a line\n" in screen.getvalue()


def test_without_transfers_nothing_is_drawn(bars: ProgressBars, screen: io.StringIO) -> None:
    bars.around(lambda: print("a line", file=screen))
    assert screen.getvalue() == "a line\n"
