from __future__ import annotations

import pytest

from chat.protocol.strict_json import decode_json
from tests.tables import table


@pytest.mark.parametrize(
    ("text", "value"),
    [('{"to": "bob", "n": [1, null, 2.5]}', {"to": "bob", "n": [1, None, 2.5]}), (" 7 ", 7)],
)
def test_reads_what_the_rfc_has(text: str, value: object) -> None:
    assert decode_json(text) == value


@table(
    "text",
    [
        "",
        "{",
        "{}x",
        "[01]",
        "[-]",
        "[NaN]",
        "[-Infinity]",
        '["\t"]',
        "{'to': 1}",
        "[1,]",
        '{"to": "bob", "to": null}',
        '{"a": {"to": 1, "to": 1}}',
        "[" * 100_000 + "]" * 100_000,
        "[" + "9" * 5000 + "]",
    ],
)
def test_refuses_everything_else(text: str) -> None:
    with pytest.raises(ValueError):
        decode_json(text)
