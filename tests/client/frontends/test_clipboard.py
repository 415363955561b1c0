from __future__ import annotations

import re
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.frontends.clipboard import MAX_COPY, NotCopied, clipboard_sequence, copyable

TMUX = {"TMUX": "socket,1,0"}
SCREEN = {"STY": "1.pts"}


def content(sequence: bytes) -> str:
    """Return the text that a terminal puts into its clipboard."""
    (data,) = re.fullmatch(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", sequence).groups()  # type: ignore[union-attr]
    return b64decode(data).decode()


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_what_a_terminal_gets(text: str) -> None:
    assert content(clipboard_sequence(text, {})) == text


def test_code_keeps_its_tabs_and_lines_but_no_control_characters() -> None:
    assert copyable("if x:\r\n\treturn\n") == "if x:\n\treturn"
    assert copyable("ls\x1b[2J\u202e\x03") == "ls␛[2J<U+202E>␃"


def test_tmux_gets_it_for_itself_and_for_the_terminal() -> None:
    own, _, wrapped = clipboard_sequence("hé", TMUX).partition(b"\x1bPtmux;")
    assert content(own) == "hé"
    assert wrapped == b"\x1b" + own + b"\x1b\\"


def test_screen_gets_it_in_pieces() -> None:
    sequence = clipboard_sequence("x" * 1000, SCREEN)
    pieces = re.findall(rb"\x1bP(.*?)\x1b\\", sequence, re.DOTALL)
    assert all(len(piece) <= 240 for piece in pieces)
    assert sequence == b"".join(b"\x1bP" + piece + b"\x1b\\" for piece in pieces)
    assert content(b"".join(pieces)) == "x" * 1000


def test_a_terminal_gets_only_so_much() -> None:
    assert len(clipboard_sequence("x" * MAX_COPY, {})) < 100_000
    with pytest.raises(NotCopied, match="has more than 72 KiB"):
        clipboard_sequence("é" * (MAX_COPY // 2) + "x", {})
