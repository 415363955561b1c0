from __future__ import annotations

import pytest

from chat.client import connect


def test_what_is_no_address() -> None:
    with pytest.raises(ValueError, match="is no address"):
        connect("chat.example.org", "alice")
