from __future__ import annotations

import pytest

from chat.client.screen.input.editor import Editor
from chat.client.screen.input.keys import Action
from chat.client.screen.input.kill_ring import KillRing
from tests.tables import table

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
CLUSTERS = ["中", "é", "e\u0301", "👍🏽", "🇫🇷", FAMILY, SCOTLAND, "❤\ufe0f", "किं", "각"]
NEW_LINE = "<alt-enter>"


def typed(keys: str, text: str = "") -> str:
    """The text after ``keys``, with the cursor in it as ``|``."""
    editor = Editor(text)
    editor.type(keys)
    return f"{editor.text[: editor.cursor]}|{editor.text[editor.cursor :]}"


@table(
    ("keys", "text"),
    [
        ("", "|"),
        ("hello", "hello|"),
        ("hi<home>x", "x|hi"),
        ("hi<ctrl-a>x<ctrl-e>y", "xhiy|"),
        ("ab<left>x", "ax|b"),
        ("ab<ctrl-b><ctrl-b><ctrl-b>x<ctrl-f>y", "xay|b"),
        ("a<right><right>b", "ab|"),
        ("one two<alt-b>x", "one x|two"),
        ("one, two<alt-b><alt-b>x", "x|one, two"),
        ("one two<ctrl-left><ctrl-left><ctrl-left>x", "x|one two"),
        ("one, two<home><alt-f>x<alt-f>y", "onex, twoy|"),
        ("a_b c<home><ctrl-right>x<alt-right><alt-right>", "a_bx c|"),
        ("привет мир<alt-b>x", "привет x|мир"),
        ("👍🏽 ok<alt-b><alt-b>", "|👍🏽 ok"),
    ],
)
def test_typing_and_moving(keys: str, text: str) -> None:
    assert typed(keys) == text


@table(
    ("keys", "text"),
    [
        ("abc<backspace>", "ab|"),
        ("<backspace><delete>", "|"),
        ("abc<home><delete>", "|bc"),
        ("abc<left><ctrl-d>", "ab|"),
        ("one two<ctrl-w>", "one |"),
        ("one, two!  <ctrl-w>x", "one, x|"),
        ("one-two<alt-backspace>", "one-|"),
        ("one <ctrl-w><ctrl-w>", "|"),
        ("   <ctrl-w>", "|"),
        ("one two<home><alt-d>", "| two"),
        ("one two<home><alt-d><ctrl-delete>", "|"),
        ("one two<alt-b><ctrl-u>", "|two"),
        ("one two<alt-b><ctrl-k>", "one |"),
        ("one<ctrl-k><home><ctrl-u>", "|one"),
        ("one two<left><ctrl-c>", "|"),
    ],
)
def test_taking_out(keys: str, text: str) -> None:
    assert typed(keys) == text


@table(
    ("keys", "text"),
    [
        ("<ctrl-y>", "|"),
        ("one two<ctrl-w><home><ctrl-y>", "two|one "),
        ("one two<ctrl-w><ctrl-w>x<ctrl-y>", "xone two|"),
        ("one two<home><alt-d><alt-d><ctrl-y>", "one two|"),
        ("b<ctrl-u>a<ctrl-u><ctrl-y>", "a|"),
        ("b<ctrl-u>a<ctrl-u><ctrl-y><alt-y>", "b|"),
        ("b<ctrl-u>a<ctrl-u><ctrl-y><alt-y><alt-y>", "a|"),
        ("a<ctrl-u>a<ctrl-u>b<ctrl-u><ctrl-y><alt-y><alt-y><alt-y>", "b|"),
        ("b<ctrl-u>a<ctrl-u>(<ctrl-y>)<left><alt-y>", "(a|)"),  # not after a yank any more
        ("b<ctrl-u>a<ctrl-u>()<left><ctrl-y><alt-y>", "(b|)"),
        ("lost<ctrl-c><ctrl-y>", "lost|"),
        ("<alt-y>", "|"),
    ],
)
def test_what_was_cut_can_be_put_in_again(keys: str, text: str) -> None:
    assert typed(keys) == text


def test_another_piece_replaces_only_what_the_yank_put_in() -> None:
    editor = Editor("🇷")
    editor.type("x<ctrl-w>")  # cuts the whole word
    editor.set_text("🇫")
    editor.type("<ctrl-u>")
    editor.set_text("🇷")
    editor.type("<home><ctrl-y>")
    assert (editor.text, editor.cursor) == ("🇫🇷", 2)  # they became one flag
    editor.type("<alt-y>")
    assert editor.text == "🇷x🇷"


def test_what_was_cut_in_one_editor_can_be_put_in_another() -> None:
    kills = KillRing()
    Editor("shared", kills).type("<ctrl-u>")
    other = Editor(kills=kills)
    other.type("<ctrl-y>")
    assert other.text == "shared"


@table(
    ("keys", "text"),
    [
        ("<ctrl-t>", "|"),
        ("a<ctrl-t>", "a|"),
        ("ab<ctrl-t>", "ba|"),
        ("ab<home><ctrl-t>", "|ab"),
        ("abc<left><ctrl-t>", "acb|"),
        ("abc<home><right><ctrl-t>", "ba|c"),
        ("中👍🏽<ctrl-t>", "👍🏽中|"),
        (f"a{NEW_LINE}b<ctrl-t>", "a\nb|"),
        (f"a{NEW_LINE}b<left><ctrl-t>", "a\n|b"),
        (f"ab{NEW_LINE}c<left><left><ctrl-t>", "ba|\nc"),
    ],
)
def test_transposing(keys: str, text: str) -> None:
    assert typed(keys) == text


@table("cluster", CLUSTERS)
def test_a_cluster_moves_and_goes_as_one_character(cluster: str) -> None:
    text = f"a{cluster}b"
    assert typed("<left><left>", text) == f"a|{cluster}b"
    assert typed("<home><right><right>", text) == f"a{cluster}|b"
    assert typed("<left><backspace>", text) == "a|b"
    assert typed("<home><right><delete>", text) == "a|b"
    assert typed(cluster) == f"{cluster}|"  # typed in pieces
    assert typed(f"{cluster}<backspace>") == "|"


@pytest.mark.parametrize(
    ("keys", "start", "text"),
    [
        ("<home><right>\u0301", "e b", "e\u0301| b"),
        ("<home>🇫", "🇷!", "🇫🇷|!"),
        ("<left><left><backspace>", "e\n\u0301b", "e\u0301|b"),
        ("<left><left><backspace>", "🇫x🇷y", "🇫🇷|y"),
        ("<left><left><left><left><ctrl-k><ctrl-k>", "👍!\n🏽y", "👍🏽|y"),
    ],
)
def test_what_becomes_one_character_is_never_parted(keys: str, start: str, text: str) -> None:
    assert typed(keys, start) == text


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (f"one{NEW_LINE}two", "one\ntwo|"),
        ("one<shift-enter>two", "one\ntwo|"),
        (f"one{NEW_LINE}two<home>x", "one\nx|two"),
        (f"one{NEW_LINE}two<left><left><left><left>x<end>y", "onexy|\ntwo"),
        (f"one{NEW_LINE}two<ctrl-u><ctrl-u>", "one|"),
        (f"one{NEW_LINE}two<home><backspace>", "one|two"),
        (f"one{NEW_LINE}two<ctrl-u><left><ctrl-k>", "one|"),
    ],
)
def test_several_lines(keys: str, text: str) -> None:
    assert typed(keys) == text


def test_up_and_down_keep_the_column() -> None:
    editor = Editor("longer line\nab\nanother line")
    assert editor.up()
    assert editor.cursor == len("longer line\nab")
    assert editor.up()
    assert editor.cursor == len("longer line")
    assert not editor.up()
    editor.type("<left><left>")
    assert editor.down()
    assert editor.down()
    assert editor.cursor == len("longer line\nab\nanother l")
    assert not editor.down()


def test_up_and_down_go_by_rows_of_the_screen() -> None:
    editor = Editor("abcdefgh")
    assert editor.up(width=5)
    assert editor.cursor == 3
    assert not editor.up(width=5)


@pytest.mark.parametrize(
    ("keys", "texts"),
    [
        ("hello", [""]),
        ("hello world", ["hello ", ""]),
        ("hello  world ok", ["hello  world ", "hello  ", ""]),
        ("ab<backspace><backspace>", ["ab", ""]),
        ("a<left>b<right>c", ["ba", "a", ""]),
        ("one two<ctrl-w><ctrl-w>", ["one ", "one two", "one ", ""]),
        ("ab<ctrl-t>", ["ab", ""]),
        ("lost<ctrl-c>", ["lost", ""]),
        ("x<ctrl-u><ctrl-y>", ["", "x", ""]),
    ],
)
def test_undo_goes_back_step_by_step_and_redo_forth(keys: str, texts: list[str]) -> None:
    editor = Editor()
    editor.type(keys)
    end = (editor.text, editor.cursor)
    for text in texts:
        editor.type("<ctrl-_>")
        assert editor.text == text
    editor.type("<ctrl-_>")
    assert editor.text == texts[-1]
    for text in [*texts[-2::-1], end[0]]:
        editor.type("<alt-_>")
        assert editor.text == text
    assert (editor.text, editor.cursor) == end


def test_undo_brings_the_cursor_back() -> None:
    assert typed("one two<alt-b><ctrl-k><home><ctrl-_>") == "one |two"


def test_changes_after_an_undo_begin_anew() -> None:
    assert typed("ab<ctrl-_>cd<ctrl-_>") == "|"
    assert typed("ab<ctrl-_>cd<alt-_>") == "cd|"


def test_a_yank_and_what_replaced_it_are_undone_at_once() -> None:
    assert typed("b<ctrl-u>a<ctrl-u><ctrl-y><alt-y><ctrl-_>") == "|"


def test_replacements_in_a_row_are_undone_at_once() -> None:
    editor = Editor("hello al")
    editor.replace(6, 8, "alice")
    editor.replace(6, 11, "alina")
    assert (editor.text, editor.cursor) == ("hello alina", 11)
    editor.undo()
    assert editor.text == "hello al"
    editor.replace(0, 5, "hi")
    assert (editor.text, editor.cursor) == ("hi al", 2)


def test_another_text_can_be_undone() -> None:
    editor = Editor("draft")
    editor.set_text("from history")
    assert editor.cursor == len("from history")
    editor.undo()
    assert editor.text == "draft"
    editor.set_text("one 🇫🇷", 2)
    assert editor.cursor == 2
    editor.set_text("🇫🇷!", 1)
    assert editor.cursor == 2  # never inside a character
    editor.set_text("short", 99)
    assert editor.cursor == 5


def test_a_text_that_is_taken_is_gone() -> None:
    editor = Editor()
    editor.type("hello")
    assert editor.pop_text() == "hello"
    assert editor.text == ""
    editor.type("<ctrl-_><alt-_>")
    assert editor.text == ""


@pytest.mark.parametrize(
    ("put_in", "text"),
    [
        ("one\r\ntwo\rthree\nfour", "one\ntwo\nthree\nfour"),
        ("half \ud83d", "half \ufffd"),
        (
            "\t\x1b[31m\x00",
            "\t\x1b[31m\x00",
        ),  # sent as it is; every client sanitizes the text that it shows
    ],
)
def test_what_is_pasted_is_kept_if_it_can_be_sent(put_in: str, text: str) -> None:
    editor = Editor()
    editor.insert(put_in)
    assert editor.text == text
    assert editor.cursor == len(text)
    assert Editor(put_in).text == text
    editor.set_text(put_in)
    assert editor.text == text
    editor.undo()
    assert editor.text == ""


def test_a_single_line_stays_one() -> None:
    editor = Editor("one\ntwo", single_line=True)
    editor.type(f"{NEW_LINE}x")
    assert editor.text == "one two x"


def test_a_paste_is_a_step_of_its_own() -> None:
    editor = Editor()
    editor.type("see ")
    editor.insert("one two three")
    editor.type("!<ctrl-_>")
    assert editor.text == "see one two three"
    editor.undo()
    assert editor.text == "see "


def test_other_keys_are_left_to_others() -> None:
    editor = Editor("text")
    for key in ("<pageup>", "<enter>", "<tab>", "<up>", "<f12>", "<ctrl-o>"):
        assert not editor.press(key)
    assert not editor.do(Action.SUBMIT)
    assert editor.press("x")
    assert editor.press("<home>")
    assert (editor.text, editor.cursor) == ("textx", 0)


def test_the_layout_is_that_of_text_and_cursor() -> None:
    editor = Editor("abcdef")
    editor.type("<left>")
    layout = editor.layout(4)
    assert (layout.rows, layout.row, layout.column) == (("abcd", "ef"), 1, 1)
