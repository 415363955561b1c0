"""Which strings look alike: the examples of UTS #39 and its table's own promises."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol.confusables import _prototypes, skeleton
from tests.tables import table


@table(
    ("one", "other"),
    [
        ("paypal", "pаypаl"),  # Cyrillic a
        ("scope", "ѕсоре"),  # whole-script: Cyrillic
        ("ljeto", "ǉeto"),  # single-script: Latin only
        ("søs", "so̷s"),
        ("toys-я-us", "tоуѕ-я-us"),
        ("m", "rn"),
        ("l", "1"),
        ("I", "l"),
        ("O", "0"),
        ("Circle", "𝖢𝗂𝗋𝖼𝗅𝖾"),
        ("ν", "v"),
        ("é", "e\u0301"),
    ],
)
def test_what_looks_alike_has_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"), [("a", "b"), ("e", "é"), ("rn", "nr"), ("s", "5"), ("", "a")]
)
def test_what_does_not_has_two(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize("letter", "sevr")
def test_the_letters_of_server_are_prototypes(letter: str) -> None:
    assert skeleton(letter) == letter
    assert sum(prototype == letter for prototype in _prototypes().values()) >= 10


def test_a_prototype_stands_for_itself() -> None:
    # UTS #39: the table is closed, so one step is enough.
    table = _prototypes()
    assert len(table) > 6000
    assert not table.keys() & set(table.values())


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_skeleton_is_decomposed(text: str) -> None:
    assert unicodedata.is_normalized("NFD", skeleton(text))
    assert skeleton(unicodedata.normalize("NFC", text)) == skeleton(
        unicodedata.normalize("NFD", text)
    )


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(sorted(_prototypes())))
def test_a_skeleton_is_its_own_skeleton(text: str) -> None:
    assert skeleton(skeleton(text)) == skeleton(text)
