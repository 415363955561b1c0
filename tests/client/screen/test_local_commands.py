from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from chat.client.connection.events import Joined
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.screen.draw.layout import Renderer, Size
from chat.client.screen.log_file import AT_ONCE
from chat.client.screen.text.styles import Layered, Style
from tests.client.screen.desks import NINE, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(log_path=tmp_path / "logs" / "room.log")


def test_clearing_the_log(desk: Desk) -> None:
    desk.hear("hello")
    desk.type("/clear<enter>")
    assert desk.log() == []


class TestSaving:
    def test_the_log_as_text(self, desk: Desk, tmp_path: Path) -> None:
        desk.hear("hello\nworld", *["x"] * 300)
        path = tmp_path / "my log.txt"
        desk.type(f"/save {path}<enter>")
        desk.run_spawned()
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[1:4] == [
            "2026-11-24 21:04:05 [alice]:",
            "                    | hello",
            "                    | world",
        ]
        assert len(lines) == 304
        assert desk.log()[-1] == f"-- the log is saved as {path} (302 entries)"

    def test_nothing_is_overwritten(self, desk: Desk, tmp_path: Path) -> None:
        path = tmp_path / "precious"
        path.write_text("gold", encoding="utf-8")
        desk.type(f"/save {path}<enter>")
        assert path.read_text(encoding="utf-8") == "gold"
        assert "nothing is overwritten" in desk.log()[-1]
        assert desk.draft() == ""

    def test_where_it_cannot_be(self, desk: Desk, tmp_path: Path) -> None:
        desk.type(f"/save {tmp_path}/none/log<enter>")
        desk.run_spawned()
        assert "can't be written: No such file or directory." in desk.log()[-1]

    def test_a_name_that_no_file_can_have(self, desk: Desk, tmp_path: Path) -> None:
        desk.type(f"/save {tmp_path}/{'x' * 300}<enter>")
        desk.run_spawned()
        assert "File name too long" in " ".join(desk.log()[-1].split())


class TestLogging:
    def test_as_it_goes(self, desk: Desk, tmp_path: Path) -> None:
        path = tmp_path / "logs" / "room.log"
        desk.hear("before")
        desk.type("/log on<enter>/log on<enter>/log<enter>")
        assert desk.log()[-1] == f"-- the log is written to {path}"
        desk.hear("one")
        desk.local.write_log()
        assert path.read_text(encoding="utf-8").splitlines()[-1].endswith("[alice]: one")
        desk.hear("two")
        desk.type("/log off<enter>")
        desk.hear("after")
        desk.local.write_log()
        text = path.read_text(encoding="utf-8")
        assert "two" in text
        assert "before" not in text
        assert "after" not in text
        desk.type("/log<enter>")
        assert desk.log()[-1] == "-- the log is off"

    def test_where_it_cannot_be(self, desk: Desk, tmp_path: Path) -> None:
        (tmp_path / "logs").write_text("a file", encoding="utf-8")
        desk.type("/log on<enter>")
        assert "can't be written" in desk.log()[-1]

    def test_for_a_user_without_a_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("platformdirs.user_log_path", lambda name, **_: Path("~") / name)
        desk = Desk()
        desk.type("/log on<enter>")
        assert desk.log()[-1].endswith(
            "the log can't be written: no home directory is known; set HOME."
        )

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    def test_a_full_disk_ends_it(self) -> None:
        desk = Desk(log_path=Path("/dev/full"))
        desk.type("/log on<enter>")
        desk.hear("hello")
        desk.local.write_log()
        assert "The log is no longer written: No space left on device." in desk.log()[-1]
        desk.type("/log<enter>")
        assert desk.log()[-1] == "-- the log is off"


def test_a_log_may_be_closed_while_a_flood_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "room.log"
    desk = Desk(path)
    desk.type("/log on<enter>")
    desk.hear(*(f"text {number}" for number in range(3 * AT_ONCE)))
    written: list[int] = []

    def close_after_a_slice() -> None:
        written.append(path.read_text(encoding="utf-8").count("text"))
        desk.type("/log off<enter>")

    monkeypatch.setattr(GEVENT, "pause", close_after_a_slice)
    desk.local.write_log()
    assert written[0] < 3 * AT_ONCE
    assert len(written) == 1
    assert path.read_text(encoding="utf-8").count("text") == 3 * AT_ONCE


def test_the_bell(desk: Desk) -> None:
    desk.type("/bell<enter>/bell off<enter>")
    assert desk.log()[-2:] == ["-- the bell is on", "-- the bell is off"]
    assert not desk.local.bell


def test_the_mouse(desk: Desk) -> None:
    desk.type("/mouse<enter>")
    assert desk.modes.mouse
    assert "hold Shift to select text" in desk.log()[-1]
    desk.type("/mouse<enter>")
    assert not desk.modes.mouse
    desk.type("/mouse on<enter>/mouse on<enter>")
    assert desk.modes.mouse


def test_texts_without_styles(desk: Desk) -> None:
    renderer = Renderer()

    def styles() -> set[Style]:
        rows = renderer.render(desk.model, Size(80, 24)).rows
        return {span.style for row in rows for span in row if span.text == "b"}

    desk.hear("a *b*")
    assert styles() == {Layered("text", ("emphasis",))}
    desk.type("/raw<enter>")
    assert desk.log()[-1] == "-- texts are shown without the styles of their markup"
    assert styles() == set()
    desk.type("/raw on<enter>")
    assert styles() == set()
    desk.type("/raw off<enter>")
    assert styles() == {Layered("text", ("emphasis",))}


def test_the_column_of_names(desk: Desk) -> None:
    desk.type("/names<enter>")
    assert any(row.endswith("│ carol") for row in desk.screen())
    desk.type("/names<enter>")
    assert not any("│ carol" in row for row in desk.screen())


def test_a_private_conversation_is_opened_and_closed(desk: Desk) -> None:
    desk.type("/query alice<enter>psst<enter>/close<enter>")
    assert (
        desk.log()[-1]
        == "not done: A message from here is still being sent; try again in a moment."
    )
    desk.model.settle(desk.asked[0].tag)
    desk.type("<up><enter>")
    assert desk.model.current.peer is None
    desk.type("/close<enter>")
    assert desk.log()[-1] == "not done: The room can't be closed; /quit leaves it."


def test_keys(desk: Desk) -> None:
    desk.type("/keys<enter>")
    assert desk.model.page is not None
    assert desk.model.page.title == "keys"


class TestCopying:
    @pytest.fixture(autouse=True)
    def terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("TMUX", "STY"):
            monkeypatch.delenv(name, raising=False)

    def copied(self, desk: Desk, command: str) -> str:
        desk.sent.clear()
        desk.type(f"{command}<enter>")
        (sequence,) = desk.sent
        return b64decode(sequence.removeprefix(b"\x1b]52;c;").removesuffix(b"\x07")).decode()

    def test_the_text_of_a_message_alone(self, desk: Desk) -> None:
        desk.hear("one", "if x:\n\treturn", "/me waves")
        desk.take(Joined("eve", NINE))
        assert self.copied(desk, "/copy") == "waves"
        assert desk.log()[-1].startswith("-- copied 5 characters of alice, if the terminal allows")
        assert self.copied(desk, "/copy 2") == "if x:\n\treturn"
        assert self.copied(desk, "/copy 3") == "one"

    def test_in_a_private_view_its_own_messages(self, desk: Desk) -> None:
        desk.type("/query alice<enter>")
        desk.hear("psst", to="bob")
        desk.hear("in public")
        assert self.copied(desk, "/copy") == "psst"

    def test_what_is_not_there(self, desk: Desk) -> None:
        desk.type("/copy<enter>")
        assert desk.sent == []
        assert (
            desk.log()[-1]
            == "not done: There is no such message here: /copy 1 copies the last one."
        )

    def test_what_is_too_long(self, desk: Desk) -> None:
        desk.hear("x" * 80_000)
        desk.type("/copy<enter>")
        assert desk.sent == []
        assert "/save FILE writes the whole log" in desk.log()[-1]
