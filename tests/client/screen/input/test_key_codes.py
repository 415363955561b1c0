"""Keys by the codes that terminals and curses have for them."""

from __future__ import annotations

import pytest

from chat.client.screen.input.key_codes import ESC
from chat.client.screen.input.keys import BINDINGS
from tests.client.screen.input.test_decoder import BEGIN, DOWN, ENTER, MOUSE, decoded


@pytest.mark.parametrize(
    ("number", "key"),
    [
        (259, "<up>"),
        (265, "<f1>"),
        (330, "<delete>"),
        (336, "<shift-down>"),
        (353, "<shift-tab>"),
        (410, "<resize>"),
        (566, "<alt-up>"),
        (567, "<ctrl-delete>"),
        (600, "<focus-in>"),
    ],
)
def test_what_curses_recognized_has_the_same_names(number: int, key: str) -> None:
    assert decoded(b"x", number, b"y", flush=False) == ["x", key, "y"]


def test_what_curses_recognized_after_an_escape_has_alt() -> None:
    assert decoded(b"\x1b", DOWN) == ["<alt-down>"]
    assert decoded(b"\x1b", ENTER) == ["<alt-enter>"]


def test_what_curses_recognized_ends_a_sequence() -> None:
    assert decoded(b"\x1b\x1b", DOWN) == ["<esc>", "<esc>", "<down>"]
    assert decoded(b"\x1b[", DOWN) == ["<alt-[>", "<down>"]
    assert decoded(b"\x1b", BEGIN) == ["<esc>"]
    assert decoded(BEGIN) == []


def test_curses_may_eat_the_beginning_of_a_mouse_report() -> None:
    assert decoded(MOUSE, b"64;10;5M", b"x", flush=False) == ["<wheel-up>", "x"]


SEQUENCES = {
    "<enter>": "\r",
    "<alt-enter>": "\x1b\r",
    "<shift-enter>": "\x1b[13;2u",
    "<tab>": "\t",
    "<shift-tab>": "\x1b[Z",
    "<backspace>": "\x7f",
    "<alt-backspace>": "\x1b\x7f",
    "<esc>": "\x1b",
    "<up>": "\x1b[A",
    "<down>": "\x1b[B",
    "<right>": "\x1b[C",
    "<left>": "\x1b[D",
    "<home>": "\x1b[H",
    "<end>": "\x1b[F",
    "<delete>": "\x1b[3~",
    "<pageup>": "\x1b[5~",
    "<pagedown>": "\x1b[6~",
    "<shift-up>": "\x1b[1;2A",
    "<shift-down>": "\x1b[1;2B",
    "<alt-left>": "\x1b[1;3D",
    "<alt-right>": "\x1b[1;3C",
    "<ctrl-left>": "\x1b[1;5D",
    "<ctrl-right>": "\x1b[1;5C",
    "<ctrl-home>": "\x1b[1;5H",
    "<ctrl-end>": "\x1b[1;5F",
    "<ctrl-delete>": "\x1b[3;5~",
    "<wheel-up>": "\x1b[<64;1;1M",
    "<wheel-down>": "\x1b[<65;1;1M",
    "<f1>": "\x1bOP",
}


def test_every_key_of_the_table_can_be_typed() -> None:
    keys = {key for binding in BINDINGS for key in binding.keys}
    assert {key: decoded(sent_for(key).encode()) for key in keys} == {key: [key] for key in keys}


def sent_for(key: str) -> str:
    """Return the bytes that a terminal sends for a key."""
    if key in SEQUENCES:
        return SEQUENCES[key]
    if key.startswith("<alt-"):
        name = f"<{key.removeprefix('<alt-')}"
        return ESC + SEQUENCES.get(name, key[-2])
    if key.startswith("<ctrl-"):
        return chr(ord(key[-2].upper()) - 0x40)
    return key
