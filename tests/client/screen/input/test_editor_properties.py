"""Properties of the editor that hold for any input."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from chat.client.screen.input.editor import Editor
from chat.client.screen.input.keys import BINDINGS
from chat.client.screen.text.cells import cells, clusters

PIECES = [
    "a",
    "word",
    " ",
    "\n",
    "中",
    "\u0301",
    "👍",
    "🏽",
    "\u200d",
    "🇫",
    "🇷",
    "\ufe0f",
    "क",
    "्",
    "ष",
]
CHARACTERS = st.sampled_from([c for piece in PIECES for c in piece]) | st.characters(codec=None)
KEYS = st.lists(
    CHARACTERS | st.sampled_from(sorted({key for b in BINDINGS for key in b.keys})), max_size=40
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def is_between_clusters(editor: Editor) -> bool:
    boundaries = [0]
    for cluster in clusters(editor.text):
        boundaries.append(boundaries[-1] + len(cluster))
    return editor.cursor in boundaries


@given(TEXTS, KEYS, st.integers(0, 9))
@example("🇫x🇷", ["<left>", "<backspace>"], 1)
def test_no_keys_are_too_much_and_the_cursor_stays_between_clusters(
    text: str, keys: list[str], width: int
) -> None:
    editor = Editor(text)
    for key in keys:
        editor.press(key)
        assert is_between_clusters(editor)
        layout = editor.layout(width)
        assert 0 <= layout.column < max(1, width)
        assert layout.column <= cells(layout.rows[layout.row])
    editor.up(width)
    assert is_between_clusters(editor)
    editor.down(width)
    assert is_between_clusters(editor)
    editor.text.encode()


@given(TEXTS, KEYS)
def test_undo_returns_to_what_was_and_redo_to_what_is(text: str, keys: list[str]) -> None:
    editor = Editor(text)
    for key in keys:
        editor.press(key)
    for _ in keys:  # to the end of what was undone on the way
        editor.redo()
    end = editor.text
    for _ in range(len(keys) + 1):
        editor.undo()
    assert editor.text == text
    for _ in range(len(keys) + 1):
        editor.redo()
    assert editor.text == end


@given(TEXTS, st.lists(CHARACTERS, min_size=1, max_size=8))
def test_what_is_typed_can_be_deleted_again(text: str, typed: list[str]) -> None:
    editor = Editor(text + "\n")  # nothing joins a line end
    before = editor.text
    for key in typed:
        editor.press(key)
    while editor.cursor > len(before):
        editor.delete_left()
    assert editor.text == before


@given(
    TEXTS, st.lists(st.sampled_from(["<ctrl-k>", "<ctrl-u>", "<ctrl-w>", "<alt-d>"]), max_size=6)
)
def test_what_was_cut_in_a_row_is_put_back_at_once(text: str, cuts: list[str]) -> None:
    editor = Editor(text)
    editor.type("<home>" + "".join(cuts))
    editor.type("<ctrl-y>")
    assert sorted(editor.text) == sorted(text)
