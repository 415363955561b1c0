"""The sequences that a terminal is sent for its modes and its title. Real terminals get them in test_terminal."""

from __future__ import annotations

from chat.client.screen.terminal.modes import PrivateModes, takes_strings
from tests.tables import table


def test_only_changes_are_sent() -> None:
    modes = PrivateModes()
    modes.title = "chat"
    assert b"\x1b[22;2t\x1b]2;chat\x1b\\" in modes.due()
    assert modes.due() == b""
    modes.title = "(1) chat"
    assert modes.due() == b"\x1b]2;(1) chat\x1b\\"  # the first title is kept already
    modes.mouse = True
    assert modes.due() == b"\x1b[?1000h\x1b[?1006h"


def test_the_title_is_set_back_once() -> None:
    modes = PrivateModes()
    modes.title = "chat"
    modes.due()
    assert modes.undo().endswith(b"\x1b]2;\x1b\\\x1b[23;2t")
    assert modes.undo() == b""
    assert b"]2;chat" in modes.due()  # after a suspension
    assert b"\x1b[23;2t" in modes.undo()


def test_a_title_that_was_never_set_is_not_touched() -> None:
    modes = PrivateModes()
    assert b"t" not in modes.due() + modes.undo()
    without = PrivateModes(has_strings=False)
    without.title = "chat"
    assert b"chat" not in without.due()


def test_after_a_stop_everything_is_sent_again_but_nothing_is_saved_twice() -> None:
    modes = PrivateModes()
    modes.title = "chat"
    first = modes.due()
    modes.forget()
    again = modes.due()
    assert again == first.replace(b"\x1b[?1007s", b"").replace(b"\x1b[22;2t", b"")


@table(
    ("term", "takes"),
    [
        *[(term, True) for term in ("xterm-256color", "tmux-256color", "screen", "foot", "rxvt")],
        *[(term, False) for term in ("linux", "linux-16color", "vt100", "vt220", "cons25")],
    ],
)
def test_a_terminal_that_would_print_a_string_gets_none(term: str, takes: bool) -> None:
    assert takes_strings(term) is takes
