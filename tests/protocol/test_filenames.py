"""Names under which a file may be saved, for any name that a peer sent."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat.protocol.filenames import MAX_FILENAME_SIZE, clean_filename
from chat.protocol.headers import encode_json
from tests.tables import table

# Any text, surrogates included, with more of what is dangerous than chance would bring.
names = st.text(
    st.one_of(
        st.characters(exclude_categories=[]),
        st.sampled_from(
            './\\:*?"<>|-+@ \t\n\0\x7f\x85\u202e\u200b\u2028\ufeff\ud800.é😀'
            "\u200c\u200d\u0645\u06cc\u0915\u094d\u0937\U0001f469\U0001f680\ufe0f\U0001f3f4\U000e0067\U000e007f"
        ),
    ),
    max_size=300,
)


@table(
    ("sent", "cleaned"),
    [
        ("notes.txt", "notes.txt"),
        ("отчёт за май.pdf", "отчёт за май.pdf"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\win.ini", "win.ini"),
        ("C:win.ini", "C_win.ini"),
        ('a"b\\c', "c"),
        ('a"b|c<d>e?f*g', "a_b_c_d_e_f_g"),
        (".", "file"),
        ("..", "file"),
        ("", "file"),
        ("dir/", "file"),
        ("dir/..", "file"),
        (" ", "file"),
        (".bashrc", "bashrc"),
        (" .. .bashrc", "bashrc"),
        ("\u2003.\u00a0.profile", "profile"),
        ("two\nlines.txt", "twolines.txt"),
        ("\x1b[31mred", "[31mred"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("..\u200b/x", "x"),
        ("a\u2028b\u2029c", "abc"),
        ("\ud83d\ude00.txt", "txt"),
        ("-rf", "_-rf"),
        ("--checkpoint-action=exec=sh x", "_--checkpoint-action=exec=sh x"),
        ("dir/--use-compress-program=x", "_--use-compress-program=x"),
        (" .-\u200b-x", "_--x"),
        ("+!sh x", "_+!sh x"),
        ("@options", "_@options"),
        ("_-rf", "_-rf"),
        ("a-b+c@d", "a-b+c@d"),
        ("trailing.txt  ", "trailing.txt"),
        ("a.", "a."),
        ("tar.gz", "tar.gz"),
    ],
)
def test_a_name_is_cleaned(sent: str, cleaned: str) -> None:
    assert clean_filename(sent) == cleaned


@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt",  # Persian: mi-khaham (A.1, a letter on both sides)
        "\u0628\u064e\u200c\u0651\u0628",  # marks between the letters and the non-joiner
        "\u0915\u094d\u200c\u0937.pdf",  # Devanagari: a non-joiner after a virama (A.1)
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3.pdf",  # Sinhala: Sri, a joiner after a virama (A.2)
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 family.png",
        "\U0001f3f3\ufe0f\u200d\U0001f308.png",  # a sign of an emoji before the joiner
        "\U0001f469\U0001f3fd\u200d\U0001f680.png",  # a colour of skin before the joiner
        "\u2764\ufe0f\u200d\U0001f525",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f.png",  # the flag of Scotland
    ],
)
def test_joiners_stay_where_scripts_and_emoji_need_them(name: str) -> None:
    assert clean_filename(name) == name


@table(
    ("sent", "cleaned"),
    [
        ("inv\u200doice.e\u200cxe", "invoice.exe"),
        ("\u200d\u200ca", "a"),
        ("\u200c.bashrc", "bashrc"),
        ("\u0645\u200c", "\u0645"),  # nothing after it
        ("\u0627\u200c\u0628", "\u0627\u0628"),  # alef never joins the letter after it
        ("\u0628\u200d\u0628", "\u0628\u0628"),  # a joiner between letters that join anyway
        ("\u0915\u094d\u200d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("\U0001f469\u200dx", "\U0001f469x"),
        ("x\u200d\U0001f469", "x\U0001f469"),
        ("\U0001f3f4\U000e0067\U000e0062.png", "\U0001f3f4.png"),  # tags without an end
        (
            "x" * 192 + "\U0001f469\u200d\U0001f680",
            "x" * 192 + "\U0001f469",
        ),  # cut within a sequence
    ],
)
def test_other_joiners_are_dropped(sent: str, cleaned: str) -> None:
    assert clean_filename(sent) == cleaned


def test_a_name_of_joiners_alone_does_not_hold_up_the_server() -> None:
    before = time.process_time()
    clean_filename("\u0628\u200c" * 16_000)
    assert time.process_time() - before < 0.5


def test_what_stands_for_a_name_with_nothing_left_is_the_callers() -> None:
    assert clean_filename("...", default="image") == "image"
    assert clean_filename("a", default="image") == "a"


@pytest.mark.parametrize("size", [MAX_FILENAME_SIZE - 1, MAX_FILENAME_SIZE])
def test_a_name_within_the_limit_keeps_its_length(size: int) -> None:
    name = "x" * (size - 4) + ".txt"
    assert clean_filename(name) == name


@table(
    ("sent", "cleaned"),
    [
        ("x" * 197 + ".txt", "x" * 196 + ".txt"),
        ("x" * 201, "x" * 200),
        ("😀" * 300, "😀" * 50),
        ("é" * 99 + "x.txt", "é" * 98 + ".txt"),
        ("a." + "y" * 198, "a." + "y" * 198),
        ("a" * 100 + "." + "y" * 99, "a" * 100 + "." + "y" * 99),
        # An extension of 100 bytes with its dot is kept, one of 101 is a part of the name.
        ("a" * 200 + "." + "y" * 99, "a" * 100 + "." + "y" * 99),
        ("a" * 200 + "." + "y" * 100, "a" * 200),
        # A space that the cut leaves at the end goes too.
        ("a" * 199 + " b", "a" * 199),
        ("-" * 200, "_" + "-" * 199),
    ],
)
def test_an_overlong_name_is_cut_before_its_extension(sent: str, cleaned: str) -> None:
    assert clean_filename(sent) == cleaned


def assert_harmless(cleaned: str) -> None:
    assert 1 <= len(cleaned.encode()) <= MAX_FILENAME_SIZE
    assert not set(cleaned) & set('<>:"/\\|?*')
    assert cleaned[0] not in ".-+@"
    assert cleaned == cleaned.strip()
    hidden = {c for c in cleaned if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert all(c in "\u200c\u200d" or "\U000e0030" <= c <= "\U000e007f" for c in hidden)
    if "\U0001f3f4" not in cleaned:
        assert not any(c >= "\U000e0030" for c in hidden)
    assert clean_filename(cleaned) == cleaned


@given(names)
@example("a" * 199 + " b")
@example("." * 300)
@example("." * 300 + "-" * 300)
@example("x" * 300 + ". .")
def test_a_cleaned_name_is_safe(name: str) -> None:
    assert_harmless(clean_filename(name))


@pytest.mark.thorough("each character there is; test_a_cleaned_name_is_safe draws some")
def test_names_of_all_characters_are_safe() -> None:
    for start in range(0, sys.maxunicode + 1, 60):
        codes = range(start, min(start + 60, sys.maxunicode + 1))
        assert_harmless(clean_filename("".join(map(chr, codes))))


@given(names)
def test_a_cleaned_name_needs_no_escape_in_json(name: str) -> None:
    assert b"\\" not in encode_json(clean_filename(name))


@given(st.text("abc😀é .", max_size=300), st.from_regex(r"\.[a-zé]{1,30}", fullmatch=True))
def test_the_extension_is_kept(stem: str, extension: str) -> None:
    assert clean_filename("x" + stem + extension).endswith(extension)
