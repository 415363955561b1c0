from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.attention.names_in_texts import Mentions, fold


@pytest.mark.parametrize(
    "text", ["bob", "hi Bob!", "bob: look", "(bob)", "say, bob.", "@BOB", "bob's", "я bob"]
)
def test_a_name_is_found_as_a_word(text: str) -> None:
    assert text in Mentions("bob")


@pytest.mark.parametrize("text", ["", "bobby", "abob", "bob-cat", "bob_", "ябоb bоb", "b.o.b"])
def test_a_part_of_a_word_is_no_mention(text: str) -> None:
    assert text not in Mentions("bob")


def test_names_with_dots_and_in_other_scripts() -> None:
    assert "so a.b-c says" in Mentions("a.b-c")
    assert "axb-c" not in Mentions("a.b-c")
    assert "привет, Боб" in Mentions("боб")
    assert "бобёр" not in Mentions("боб")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("小明", "你好小明在吗"),
        ("bob", "你好bob在吗"),
        ("ボブ", "明日ボブさんと"),
        ("สมชาย", "สวัสดีสมชายครับ"),
        ("bob", "สวัสดีbobครับ"),
        ("철수", "철수야 안녕"),
        ("bob", "bob은 어디"),
    ],
)
def test_scripts_without_blanks(name: str, text: str) -> None:
    (found,) = Mentions(name).finditer(text)
    assert text[found.start() : found.end()] == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ボブ", "ボブスレー"),  # bobsleigh: katakana goes on
        ("bob", "你好bobby"),
        ("กา", "กาำ"),
        ("ดี", "ดี่"),  # another tone: a mark goes on
        ("बॉब", "कीबॉब"),  # Hindi writes blanks
        ("ब", "बी"),
    ],
)
def test_a_part_of_a_word_in_other_scripts_is_no_mention(name: str, text: str) -> None:
    assert text not in Mentions(name)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize(
    ("name", "text"), [("José", "hola José!"), ("Tiến", "Tiến: vâng"), ("철수", "철수야")]
)
def test_letters_and_their_marks_in_any_form(form: str, name: str, text: str) -> None:
    normal = unicodedata.normalize
    written = normal(form, text)  # type: ignore[arg-type]
    for typed in ("NFC", "NFD"):
        (found,) = Mentions(normal(typed, name)).finditer(written)
        assert normal("NFC", written[found.start() : found.end()]) == name


@pytest.mark.parametrize(
    ("name", "text", "marked"),
    [
        ("bob", "hi ＢＯＢ!", "ＢＯＢ"),
        ("strasse", "die Straße", "Straße"),
        ("ガク", "ｶﾞｸさん", "ｶﾞｸ"),
        ("ﬁfi", "is FIFI here", "FIFI"),
    ],
)
def test_letters_that_mean_the_same(name: str, text: str, marked: str) -> None:
    (found,) = Mentions(name).finditer(text)
    assert text[found.start() : found.end()] == marked


@pytest.mark.parametrize("text", ["jose\u0323", "bob\u0302 is here", "x\u0302bob", "Ṩ"])
def test_another_letter_is_no_mention(text: str) -> None:
    for name in ("jose", "bob", "s"):
        assert text not in Mentions(name)


def test_an_empty_name_is_nowhere() -> None:
    assert "a b" not in Mentions("")
    assert "你" not in Mentions("")


def test_each_place_is_found() -> None:
    found = Mentions("bob").finditer("bob, bobob 你bob bob")
    assert [place.start() for place in found] == [0, 12, 16]


TEXTS = st.text(st.sampled_from("boB -_.e\u0301é小ガｶﾞﾞก\u0e48ß가\u1100\u1161\u11a8Ｂ\u200d"))


@given(TEXTS, TEXTS)
def test_what_is_found_is_the_name(name: str, text: str) -> None:
    for place in Mentions(name).finditer(text):
        assert fold(text[place.start() : place.end()]) == fold(name)


@given(TEXTS, st.sampled_from(["NFC", "NFD"]))
def test_a_name_alone_is_found(name: str, form: str) -> None:
    if name and not unicodedata.category(name[0]).startswith("M"):
        assert unicodedata.normalize(form, name) in Mentions(name)  # type: ignore[arg-type]
