"""Texts are folded one by one or together, with the same result, and a part of a text is found in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.server.history.search.folding import fold, fold_joined, has_link

# Marks that combine with what stands before them, letters that do, and what a separator could be taken for.
texts = st.text(
    st.sampled_from("aÅe\u0301\u0327\u1100\u1161ﾊﾟ\0\ufffdß\u0345ᾼΣ\n.")
    | st.characters(codec="utf-8")
)


@given(st.lists(texts, min_size=1))
def test_texts_that_are_folded_together_are_folded_as_each_of_them(several: list[str]) -> None:
    together = fold_joined(b"\xff".join(text.encode() for text in several), b"\xff")
    assert together.split(b"\0") == [fold(text) for text in several]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("STRASSE", "straße"),
        ("ﬁle", "FIL"),
        ("ﾊﾝﾊﾞｰｶﾞｰ", "ハンバーガー"),
        ("Ａｂｃ１２３", "abc123"),
        ("ΟΔΟΣ", "οδος"),
        ("İstanbul", "i̇stanbul"),
        ("한글", "한"),
        ("café", "cafe\u0301"),
        ("a\0b", "a\0"),
    ],
)
def test_case_width_and_composition_make_no_difference(text: str, query: str) -> None:
    assert fold(query) in fold(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see HTTPS://example.org", True),
        ("http://x", True),
        ("http:// no", False),
        ("ftp://x", False),
        ("http://", False),
    ],
)
def test_a_text_has_a_link_or_not(text: str, expected: bool) -> None:
    assert has_link(fold(text)) is expected
