from __future__ import annotations

import pytest

from chat.client.screen.input.emoji import TABLE
from scripts.emoji_names import table


def test_the_table_is_made_by_the_script() -> None:
    pytest.importorskip("emoji", reason="the library emoji is not installed: make install")
    assert TABLE.read_text(encoding="utf-8") == table(), "python -m scripts.emoji_names"
