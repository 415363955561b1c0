"""Pages such as the help: they stand in place of the log, and the input stays with the conversation."""

from __future__ import annotations

import pytest

from chat.client.connection.events import Text
from chat.client.conversation.ui_events import Explanation
from chat.client.program.settings import Mode, Settings
from chat.client.screen.draw.layout import Size
from chat.client.screen.frontend import ScreenFrontend
from chat.client.screen.input.keys import BINDINGS, KeyContext, help_lines
from tests.client.screen.desks import NINE, Desk

ROOM = " chat.example:8080 │ bob │ 3 here"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def title(desk: Desk) -> str:
    return desk.screen()[0]


class TestKeys:
    def test_all_keys_are_on_the_page(self, desk: Desk) -> None:
        desk.controller.size = Size(100, 100)
        desk.type("<f1>")
        shown = "\n".join(desk.screen())
        assert all(binding.help in shown for binding in BINDINGS)
        assert all(where.value in shown for where in KeyContext)
        assert "you are in the room" not in shown

    @pytest.mark.parametrize("columns", [24, 40, 60])
    def test_it_can_be_read_on_a_narrow_screen(self, desk: Desk, columns: int) -> None:
        desk.controller.size = Size(columns, 400)
        desk.type("<f1>")
        shown = desk.screen()
        assert max(map(len, shown)) <= columns
        joined = " ".join(" ".join(shown).split())
        assert all(" ".join(line.split()) in joined for line in help_lines())
        # What a key does begins a row, unless all of it stands beside the key.
        for binding in BINDINGS:
            words = " ".join(binding.help.split()[:2])
            rows = [row for row in shown if words in row]
            assert any(row.startswith(f"    {words}") or row.endswith(binding.help) for row in rows)

    def test_what_a_key_does_stays_in_its_column_if_there_is_room(self, desk: Desk) -> None:
        width = max(len(binding.labels) for binding in BINDINGS)
        column = 2 + width + 2
        desk.controller.size = Size(2 * column, 400)
        desk.type("<f1>")
        rows = [row for row in desk.screen()[1:-2] if row.startswith(" " * 4)]
        assert rows
        assert all(len(row) - len(row.lstrip()) == column for row in rows)

    def test_it_begins_at_the_first_line_and_can_be_paged(self, desk: Desk) -> None:
        lines = help_lines()
        desk.controller.size = Size(100, 12)
        desk.type("<f1>")
        assert desk.screen()[1:3] == lines[:2]
        assert "more below" in desk.screen()[-2]
        desk.type("<pagedown>")
        # The screen has nine rows for the page. Two pages share a row.
        assert desk.screen()[1] == lines[8]
        desk.type("<ctrl-end>")
        assert desk.screen()[-3] == lines[-1]
        assert "more below" not in desk.screen()[-2]
        desk.type("<ctrl-home>")
        assert desk.screen()[1] == lines[0]
        desk.type("<end>")
        assert desk.screen()[-3] == lines[-1]
        desk.type("<home>")
        assert desk.screen()[1] == lines[0]

    def test_it_can_be_searched(self, desk: Desk) -> None:
        desk.hear("undo")
        desk.type("<f1><ctrl-r>undo<enter>")
        assert any("Ctrl-_" in row for row in desk.screen())
        assert "search: 1 of 1" in desk.screen()[-2]
        desk.type("<esc>")
        assert (title(desk), desk.model.search) == (ROOM, None)

    @pytest.mark.parametrize("keys", ["<esc>", "q", "<f1>", "/close<enter>", "<alt-1>"])
    def test_it_can_be_closed(self, desk: Desk, keys: str) -> None:
        desk.type("<f1>")
        assert title(desk).startswith(" keys │ Esc closes │ Page Up")
        desk.type(keys)
        assert title(desk) == ROOM
        assert "you are in the room as bob" in "\n".join(desk.screen())

    def test_the_draft_stays_and_the_log_where_it_was(self, desk: Desk) -> None:
        desk.hear(*(f"text {number}" for number in range(30)))
        desk.type("a dra<pageup>")
        before = desk.screen()
        desk.type("<f1><pagedown>ft<esc>")
        assert desk.draft() == "a draft"
        assert desk.screen()[:-1] == before[:-1]

    def test_what_comes_meanwhile_is_unread(self, desk: Desk) -> None:
        desk.type("<f1>")
        desk.hear("hello")
        assert desk.model.default.unread == 1
        desk.type("<alt-a>")
        assert title(desk) == ROOM
        assert desk.model.default.unread == 0

    @pytest.mark.parametrize("line", ["hello", "/nonsense", "/names"])
    def test_what_a_line_does_is_seen_in_the_log(self, desk: Desk, line: str) -> None:
        desk.type(f"<f1>{line}<enter>")
        assert title(desk) == ROOM

    def test_a_search_by_command_looks_in_the_page(self, desk: Desk) -> None:
        desk.type("<f1>/search undo<enter>")
        assert title(desk).startswith(" keys")
        assert "search: 1 of 1" in desk.screen()[-2]

    def test_no_names_stand_beside_it(self, desk: Desk) -> None:
        desk.type("/names<enter>")
        assert any("│ carol" in row for row in desk.screen())
        desk.type("<f1>")
        assert not any("│ carol" in row for row in desk.screen())

    def test_a_question_brings_the_log_back(self, desk: Desk) -> None:
        desk.type("<f1>")
        desk.paste("\n".join(map(str, range(50))))
        assert desk.question() is not None
        assert title(desk) == ROOM

    def test_a_narrow_screen_still_says_how_to_leave_it(self, desk: Desk) -> None:
        desk.controller.size = Size(20, 5)
        desk.type("<f1>")
        assert title(desk) == " keys │ Esc closes"


class TestCommands:
    @pytest.fixture
    def frontend(self, desk: Desk) -> ScreenFrontend:
        settings = Settings(username="bob", mode=Mode.SCREEN)
        return ScreenFrontend(desk.model, desk.controller, desk.local, desk, settings, lambda: NINE)

    def test_the_commands_are_a_page(self, desk: Desk, frontend: ScreenFrontend) -> None:
        frontend.show(Explanation(("/get N  save", "/quit   leave")))
        assert desk.screen()[:4] == [
            " commands │ Esc closes │ Page Up and Page Down move",
            "Commands:",
            "  /get N  save",
            "  /quit   leave",
        ]
        assert "more below" not in desk.screen()[-2]
        # Another page takes its place.
        desk.type("<f1>")
        assert title(desk).startswith(" keys")

    def test_one_command_is_a_line_of_the_log(self, desk: Desk, frontend: ScreenFrontend) -> None:
        frontend.show(Explanation(("/quit  leave",)))
        frontend.show(Text("alice", NINE, "hi"))
        assert desk.log()[-3:] == ["-- help:", "/quit  leave", "[alice]: hi"]
