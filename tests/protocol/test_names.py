"""Which user names there are, and when two are the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol import names
from chat.protocol.errors import UserNameError
from chat.protocol.headers import encode_json
from chat.protocol.names import (
    MAX_NAME_LENGTH,
    UserName,
    enforce_profiles,
    looks_like_server,
    looks_of,
    name_key,
    parse_user_name,
)
from tests.tables import table

# Mostly characters that are allowed in names, so that many pass; the rest is anything, surrogates included.
letters = st.characters(categories=["Ll", "Lo", "Lm", "Nd", "Mn", "Mc"])
raw_names = st.one_of(
    st.text(letters | st.sampled_from("_-.AaÅİßΣς"), min_size=1, max_size=40),
    st.text(st.characters(exclude_categories=[]), max_size=140),
)


@table(
    "name",
    [
        "alice",
        "Борис",
        "محمد",
        "王小明",
        "たろう",
        "José",
        "a",
        "7",
        "x_1-2.3",
        "राम",
        "Ünal",
        "Σίσυφος",
    ],
)
def test_a_name_is_shown_as_it_was_chosen(name: str) -> None:
    assert parse_user_name(name).display == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice", "Alice"),
        ("alice", "ＡＬＩＣＥ"),
        ("БОРИС", "борис"),
        ("José", "Jose\u0301"),
        ("Å", "A\u030a"),
        ("ガ", "ｶﾞ"),
    ],
)
def test_two_names_that_are_the_same(one: str, other: str) -> None:
    assert parse_user_name(one).key == parse_user_name(other).key
    assert name_key(one) == name_key(other) == parse_user_name(one).key


@pytest.mark.parametrize(("one", "other"), [("alice", "alice1"), ("Jose", "José"), ("a.b", "a_b")])
def test_two_names_that_differ(one: str, other: str) -> None:
    assert parse_user_name(one).key != parse_user_name(other).key


@table(
    ("name", "sentence"),
    [
        ("", "must not be empty"),
        ("_a", "starts with a letter or a digit"),
        ("-a", "starts with a letter or a digit"),
        (".a", "starts with a letter or a digit"),
        ("a b", "made of letters and digits"),
        (" a", "made of letters and digits"),
        ("a\n", "made of letters and digits"),
        ("a\0", "made of letters and digits"),
        ("a\x1b[31m", "made of letters and digits"),
        ('a"b', "made of letters and digits"),
        ("a\\b", "made of letters and digits"),
        ("a/b", "made of letters and digits"),
        ("a@b", "made of letters and digits"),
        ("a\u200db", "made of letters and digits"),
        (
            "क्\u200dष",
            "made of letters and digits",
        ),  # PRECIS allows a joiner here, our letters do not
        ("a\u202eb", "made of letters and digits"),
        ("a\ufeff", "made of letters and digits"),
        ("a😀", "made of letters and digits"),
        ("a\ud800", "made of letters and digits"),
        ("Ⅳ", "made of letters and digits"),
        ("\u0301a", "starts with a letter or a digit"),
        ("a·b", "made of letters and digits"),
        ("server", "reserved"),
        ("SERVER", "reserved"),
    ],
)
def test_what_is_no_name(name: str, sentence: str) -> None:
    with pytest.raises(UserNameError, match=sentence):
        parse_user_name(name)
    assert name_key(name) is None


@pytest.mark.parametrize("letter", ["a", "я", "王", "𐌰"])
@pytest.mark.parametrize("size", [1, MAX_NAME_LENGTH - 1, MAX_NAME_LENGTH])
def test_a_name_has_up_to_32_characters(letter: str, size: int) -> None:
    assert parse_user_name(letter * size).display == letter * size


@pytest.mark.parametrize("size", [33, 34, 128, 129, 65_535])
def test_a_longer_name_is_refused(size: int) -> None:
    with pytest.raises(UserNameError, match="at most 32"):
        parse_user_name("a" * size)
    assert name_key("a" * size) is None


def test_the_length_is_that_after_composition() -> None:
    # ᾂ is what takes most: one character of four.
    decomposed = unicodedata.normalize("NFD", "ᾂ")
    assert len(decomposed) == 4
    assert parse_user_name(decomposed * 32).display == "ᾂ" * 32
    with pytest.raises(UserNameError, match="at most 32"):
        parse_user_name(decomposed * 32 + "a")


@given(raw_names)
def test_an_accepted_name_is_plain(raw: str) -> None:
    try:
        name = parse_user_name(raw)
    except UserNameError as refused:
        sentence = str(refused)
    else:
        assert 1 <= len(name.display) <= MAX_NAME_LENGTH
        for part in name:
            assert encode_json(part) == f'"{part}"'.encode()  # the original client reads no escapes
            assert not any(c.isspace() or unicodedata.category(c)[0] in "CZ" for c in part)
        assert parse_user_name(name.display) == name
        assert name_key(raw) == name_key(name.display) == name.key
        return
    assert sentence.endswith(".")
    assert name_key(raw) is None


@given(st.text(st.characters(max_codepoint=127), min_size=1, max_size=32))
def test_a_plain_name_is_what_the_profiles_make_of_it(raw: str) -> None:
    try:
        accepted = parse_user_name(raw)
    except UserNameError:
        return
    assert tuple(accepted) == enforce_profiles(raw)


@given(raw_names)
def test_a_key_is_its_own_key(raw: str) -> None:
    key = name_key(raw)
    if key is not None and len(key) <= MAX_NAME_LENGTH:  # İ in small letters takes two
        assert parse_user_name(key) == UserName(key, key)


@table(
    "name",
    [
        "Server",
        "sErVeR",
        "ｓｅｒｖｅｒ",  # full width
        "ѕerver",  # Cyrillic dze
        "sеrvеr",  # Cyrillic ie
        "seгvег",  # Cyrillic ghe
        "serνer",  # Greek nu
        "serᴠer",  # small capital v
        "ꜱerver",  # small capital s
        "ЅЕRVЕR",  # Cyrillic capitals
        "SERVΕR",  # Greek capital epsilon
        "SᎬRVᎬR",  # Cherokee
        "ѕегѵег",
    ],
)
def test_what_looks_like_the_server_is_reserved(name: str) -> None:
    with pytest.raises(UserNameError, match="reserved"):
        parse_user_name(name)


@pytest.mark.parametrize("name", ["servers", "serve", "s.erver", "observer", "sërver", "сервер"])
def test_what_only_reminds_of_it_is_free(name: str) -> None:
    assert not looks_like_server(name)
    assert parse_user_name(name).display == name


def test_keys_are_remembered_but_not_at_any_length() -> None:
    # A cache is visible only in its own figures.
    names._cached_key.cache_clear()
    for _ in range(2):
        assert name_key("Alice") == "alice"
        assert name_key("x" * 60_000) is None
    assert names._cached_key.cache_info()[:2] == (1, 1)
    assert names._cached_key.cache_info().currsize == 1


@pytest.mark.parametrize("other", ["alice", "ALICE", "a1ice", "aIice", "аlice", "AІice", "Аlісе"])
def test_names_that_are_drawn_alike_have_a_look_in_common(other: str) -> None:
    assert looks_of("Alice") & looks_of(other)


@pytest.mark.parametrize("other", ["alicia", "alic", "alice1", "bob"])
def test_names_that_are_drawn_otherwise_have_none(other: str) -> None:
    assert not looks_of("Alice") & looks_of(other)
