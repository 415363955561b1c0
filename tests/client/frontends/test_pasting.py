from __future__ import annotations

from chat.client.frontends.pasting import ENTER_PAUSE, PASTE_QUIET
from tests.client.screen.terminal.test_keyboard import Typist


def test_nobody_types_so_fast() -> None:
    """World records are about 300 words in a minute: 25 letters in a second, 40 ms each."""
    assert ENTER_PAUSE < 0.04 / 2


def test_a_paste_may_pause_for_longer_than_a_key_after_enter() -> None:
    assert PASTE_QUIET > 10 * ENTER_PAUSE
    typist = Typist()
    typist.type("one\rtwo")
    typist.rest(ENTER_PAUSE * 2)
    typist.type("\r")
    assert "<enter>" not in typist.take()
