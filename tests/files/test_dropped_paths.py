from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.files.dropped_paths import shell_word


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        (r"/tmp/a\ \(1\).txt", "/tmp/a (1).txt"),  # a Mac, kitty
        ("'/tmp/it'\\''s.txt'", "/tmp/it's.txt"),  # GNOME
        ("'/tmp/it'\"'\"'s.txt'", "/tmp/it's.txt"),
        ('"/tmp/a b.txt"', "/tmp/a b.txt"),  # Windows Terminal
        (r"отчёт\ за\ май.pdf", "отчёт за май.pdf"),
        ("file:///tmp/a%20%281%29.txt", "/tmp/a (1).txt"),
        ("file://localhost/tmp/a", "/tmp/a"),
    ],
)
def test_a_dropped_path_is_read_as_a_shell_reads_it(typed: str, path: str) -> None:
    assert shell_word(typed) == path


@pytest.mark.parametrize(
    "typed", ["a b.txt", "plain.txt", "it's.txt", "'a' 'b'", "a\\", "", "file://elsewhere/tmp/a"]
)
def test_a_text_that_is_no_single_quoted_word_is_left_alone(typed: str) -> None:
    assert shell_word(typed) is None


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_a_shell_quotes_comes_back(path: str) -> None:
    quoted = shlex.quote(path)
    if quoted != path and not path.startswith("file://"):
        assert shell_word(quoted) == path
