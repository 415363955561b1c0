from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.local_time import clock_time
from chat.sanitize import lines_of, sanitize
from tests.tables import table


@table(
    "text",
    [
        "hello",
        "привет, мир",
        "مرحبا بالعالم",
        "नमस्ते",
        "👩\u200d👩\u200d👧 and ❤\ufe0f",  # joined by ZWJ, and a variation selector
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # the flag of Scotland is made of tags
        "می\u200cخواهم",  # Persian needs ZWNJ
        "\u0600١٢",  # a format character by category that is drawn
        "e\u0301",
        "a\u00a0b",
        "\ue0b0 \uf8ff",  # symbols of fonts, which no terminal interprets
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert sanitize(text) == text


@table(
    ("text", "shown"),
    [
        ("\x1b[2J", "␛[2J"),
        ("\x1b]0;owned\x07", "␛]0;owned␇"),
        ("\x9b31m", "<U+009B>31m"),
        ("a\rb", "a␍b"),
        ("a\nb", "a␊b"),
        ("\x00\x7f", "␀␡"),
        ("\u202egnp.exe", "<U+202E>gnp.exe"),
        ("\u2066x\u2069", "<U+2066>x<U+2069>"),
        ("\u2028", "<U+2028>"),
        ("\ud800", "<U+D800>"),
        ("\ufeff", "<U+FEFF>"),
        ("a\U000e0061b", "a<U+E0061>b"),  # a tag outside a flag hides writing
        ("a\tb", "a    b"),
        # Where kitty and Ghostty place pictures, with the row and the column as marks.
        ("a\U0010eeee\u0305\u030db", "a�\u0305\u030db"),
        ("\U000f0000\U000ffffd\U00100000\U0010fffd", "����"),
    ],
)
def test_characters_that_a_terminal_would_interpret_are_shown(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@given(st.text(st.characters(codec=None)))
def test_nothing_harmful_is_left(text: str) -> None:
    shown = sanitize(text)
    categories = {unicodedata.category(c) for c in shown}
    assert not categories & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(shown) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
    )


@given(st.text())
def test_sanitizing_twice_changes_nothing(text: str) -> None:
    assert sanitize(sanitize(text)) == sanitize(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one", ["one"]),
        ("one\ntwo\r\nthree\rfour", ["one", "two", "three", "four"]),
        ("one\n\ntwo", ["one", "", "two"]),
        ("one\n", ["one"]),
        ("\n", [""]),
        # Tabs lead to the columns that the sender saw, also after wide characters and replaced ones.
        ("a\tb\n1234567\t8\n12345678\t9", ["a       b", "1234567 8", "12345678        9"]),
        ("漢字\tx\n\x1b\tx\n\u202e\tx", ["漢字    x", "␛       x", "<U+202E>        x"]),
        (
            "one\x0btwo\x85three",
            ["one␋two<U+0085>three"],
        ),  # a terminal does not take these for line ends
    ],
)
def test_lines_of_a_text(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines


@pytest.fixture
def in_moscow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "MSK-3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2024, 5, 1, 21, 4, 5, tzinfo=timezone.utc), "00:04:05"),
        (datetime(2024, 5, 1, 23, 4, 5, tzinfo=timezone(timedelta(hours=2))), "00:04:05"),
        (datetime.max.replace(tzinfo=timezone.utc), "--:--:--"),
    ],
)
@pytest.mark.usefixtures("in_moscow")
def test_the_time_is_shown_in_the_readers_zone(moment: datetime, shown: str) -> None:
    assert clock_time(moment) == shown
