from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from chat.client.connection.events import Attachment, Text
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.conversation.ui_events import Announced, Done, Failed, Preview, TransferChanged
from chat.client.program.settings import Mode, Settings
from chat.client.screen import frontend as frontend_module
from chat.client.screen.frontend import ScreenFrontend
from chat.client.screen.model.entries import Shared
from chat.client.screen.pictures import pictures
from chat.client.screen.text.spans import Row, Span
from chat.protocol.descriptor import MessageType
from chat.structs import replace
from tests.client.screen.desks import NINE, Desk

IMAGE = MessageType.IMAGE
SETTINGS = Settings(username="bob", mode=Mode.SCREEN)


class Sight:
    """A desk with a frontend."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.desk = Desk()
        self.now = 100.0
        desk = self.desk
        self.frontend = ScreenFrontend(
            desk.model, desk.controller, desk.local, desk, settings, lambda: NINE
        )

    def hear(self, text: str, to: str | None = None) -> list[bytes]:
        """And what the terminal is sent because of it."""
        self.frontend.show(Text("alice", NINE, text, to))
        self.desk.run_spawned()
        return list(self.frontend.signals())

    def receive_image(
        self, path: Path | None, state: TransferState = TransferState.DONE
    ) -> Transfer:
        transfer = Transfer(1, IMAGE, "a.png", 10, peer="alice", state=state, path=path)
        attachment = Attachment(IMAGE, "alice", NINE, "a.png", 10)
        self.frontend.show(Announced(attachment, transfer))
        self.desk.run_spawned()
        return transfer

    @property
    def shared(self) -> Shared:
        (entry,) = (e for e in self.desk.model.default.entries if isinstance(e, Shared))
        return entry


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The last value is the time now."""
    times = [100.0]
    monkeypatch.setattr(frontend_module, "time", SimpleNamespace(monotonic=lambda: times[-1]))
    return times


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int, int, int]]:
    """Record the pictures that are to be drawn; each becomes one row."""
    asked: list[tuple[Path, int, int, int]] = []

    def draw(
        path: Path, columns: int, rows: int, colours: int, file: BinaryIO | None = None
    ) -> tuple[Row, ...]:
        assert file is None or not file.closed
        asked.append((path, columns, rows, colours))
        if path.name == "broken.png":
            raise pictures.PictureError("Can't draw 'broken.png': it is damaged.")
        return ([Span("▀▀")],)

    monkeypatch.setattr(pictures, "draw", draw)
    return asked


class TestSignals:
    def test_the_bell_rings_for_what_is_for_us(self, clock: list[float]) -> None:
        sight = Sight()
        assert sight.hear("hello") == []
        assert sight.hear("hello bob") == [b"\a"]
        clock.append(103.0)
        assert sight.hear("psst", to="bob") == [b"\a"]

    def test_a_flood_rings_now_and_then(self, clock: list[float]) -> None:
        sight = Sight()
        assert [sight.hear("bob!") for _ in range(3)] == [[b"\a"], [], []]
        clock.append(102.0)
        assert sight.hear("bob!") == [b"\a"]

    def test_it_can_be_turned_off(self, clock: list[float]) -> None:
        sight = Sight()
        sight.desk.local.bell = False
        assert sight.hear("bob!") == []

    def test_the_desktop_is_told_while_the_terminal_is_out_of_sight(
        self, clock: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TMUX", raising=False)
        sight = Sight(replace(SETTINGS, notify="osc777"))
        assert sight.hear("bob!") == [b"\a"]
        sight.desk.model.focus(False)
        clock.append(103.0)
        ring, notification = sight.hear("bob: look\x1b]0;evil")
        assert ring == b"\a"
        assert notification.startswith(b"\x1b]777;notify;alice at chat.example:8080;bob: look")
        assert notification.count(b"\x1b") == 1
        clock.append(106.0)
        sight.frontend.show(Text("alice", NINE, "bob?", room="dev"))
        sight.desk.run_spawned()
        assert b";alice in dev at chat.example:8080;bob?" in b"".join(sight.frontend.signals())

    def test_a_desktop_without_notifications_is_told_of_once(
        self, clock: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        sight = Sight(replace(SETTINGS, notify="notify-send"))
        sight.desk.model.focus(False)
        for moment in (110.0, 120.0):
            clock.append(moment)
            sight.hear("bob!")
        assert sum("Notifications are off from now on." in line for line in sight.desk.log()) == 1


class TestPictures:
    def test_what_came_is_drawn_where_it_is_announced(
        self, drawn: list[tuple[Path, int, int, int]]
    ) -> None:
        sight = Sight()
        sight.receive_image(Path("a.png"))
        assert drawn == [(Path("a.png"), 40, 4, 256)]
        assert sight.shared.picture == ([Span("▀▀")],)

    def test_what_is_fetched_is_drawn_once_it_is_here(
        self, drawn: list[tuple[Path, int, int, int]]
    ) -> None:
        sight = Sight()
        transfer = sight.receive_image(None, TransferState.RUNNING)
        assert drawn == []
        transfer.state, transfer.path = TransferState.DONE, Path("a.png")
        sight.frontend.show(TransferChanged(transfer))
        sight.desk.run_spawned()
        assert sight.shared.picture

    def test_a_broken_one_is_said_and_nothing_else(
        self, drawn: list[tuple[Path, int, int, int]]
    ) -> None:
        sight = Sight()
        sight.receive_image(Path("broken.png"))
        assert sight.shared.picture == ()
        assert sight.desk.log()[-1] == "-- no picture: Can't draw 'broken.png': it is damaged."

    def test_what_is_not_saved_can_be_looked_at(
        self, drawn: list[tuple[Path, int, int, int]]
    ) -> None:
        sight = Sight()
        transfer = sight.receive_image(None, TransferState.OFFERED)
        assert drawn == []
        files = [BytesIO(b"1"), BytesIO(b"2")]
        for file in files:  # a second look is not needed
            sight.frontend.show(Preview(transfer, file))
            sight.desk.run_spawned()
        assert drawn == [(Path("a.png"), 40, 4, 256)]
        assert sight.shared.picture
        assert all(file.closed for file in files)
        assert transfer.state is TransferState.OFFERED

    def test_what_is_no_picture_is_looked_at_in_vain(
        self, drawn: list[tuple[Path, int, int, int]]
    ) -> None:
        sight = Sight()
        transfer = sight.receive_image(None, TransferState.OFFERED)
        sight.shared.filename = "broken.png"
        file = BytesIO()
        sight.frontend.show(Preview(transfer, file))
        sight.desk.run_spawned()
        assert file.closed
        assert sight.desk.log()[-1] == "-- no picture: Can't draw 'broken.png': it is damaged."

    def test_none_on_request(self, drawn: list[tuple[Path, int, int, int]]) -> None:
        Sight(replace(SETTINGS, pictures=False)).receive_image(Path("a.png"))
        assert drawn == []

    def test_none_without_colours(self, drawn: list[tuple[Path, int, int, int]]) -> None:
        sight = Sight()
        sight.desk.colours = 0
        sight.receive_image(Path("a.png"))
        assert drawn == []

    def test_none_where_there_is_no_room(self, drawn: list[tuple[Path, int, int, int]]) -> None:
        sight = Sight()
        sight.desk.controller.size = sight.desk.controller.size._replace(rows=8)
        sight.receive_image(Path("a.png"))
        assert drawn == []


def test_a_refused_text_is_marked_and_stays_out_of_the_input() -> None:
    sight = Sight()
    sight.desk.type("one<enter>two<enter>")
    first, second = sight.desk.asked
    sight.frontend.show(Done(first.tag))
    sight.frontend.show(Failed("refused", "No.", second.tag))
    assert sight.desk.draft() == ""
    assert sight.desk.log()[-2:] == ["[bob]: two", "not sent: No."]


def test_a_cancelled_transfer_is_marked_as_well() -> None:
    sight = Sight()
    sight.desk.type("/file a.bin<enter>")
    (asked,) = sight.desk.asked
    sight.frontend.show(
        Failed(TransferState.CANCELLED.value, "The transfer was cancelled.", asked.tag)
    )
    assert sight.desk.draft() == ""
    assert sight.desk.log()[-1] == "not sent: The transfer was cancelled."


class TestNothingToDraw:
    """No picture, and nothing said about it."""

    def test_what_is_no_image(self, drawn: list[tuple[Path, int, int, int]]) -> None:
        sight = Sight()
        path = Path("a.png")
        transfer = Transfer(1, MessageType.FILE, "a.png", 10, state=TransferState.DONE, path=path)
        attachment = Attachment(MessageType.FILE, "alice", NINE, "a.png", 10)
        sight.frontend.show(Announced(attachment, transfer))
        sight.frontend.show(TransferChanged(transfer))
        sight.desk.run_spawned()
        assert drawn == []

    def test_an_image_that_is_not_in_the_log_any_more(
        self, drawn: list[tuple[Path, int, int, int]]
    ) -> None:
        sight = Sight()
        transfer = sight.receive_image(None, TransferState.RUNNING)
        sight.desk.type("/clear<enter>")
        transfer.state, transfer.path = TransferState.DONE, Path("a.png")
        sight.frontend.show(TransferChanged(transfer))
        sight.desk.run_spawned()
        assert drawn == []

    def test_an_image_of_somebody_who_is_ignored(
        self, drawn: list[tuple[Path, int, int, int]]
    ) -> None:
        sight = Sight()
        sight.desk.model.attention.ignored.add("alice")
        sight.receive_image(Path("a.png"))
        assert drawn == []
