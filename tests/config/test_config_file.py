"""Configuration files of both programs. The tests of each program cover its own options."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.config.command_line import UsageError, parse_count, parse_size
from chat.config.config_file import read_config_file
from chat.config.options import Given, Kind, Option, read_switch

OPTIONS = (
    Option("users", Kind.COUNT, parse_count),
    Option("size", Kind.SIZE, parse_size),
    Option("rate", Kind.RATE, parse_size),
    Option("quiet", Kind.SWITCH, read_switch),
    Option("words", Kind.TEXT, lambda text, where: text),
    Option("names", Kind.NAMES, lambda text, where: text),
    Option("table", Kind.TABLE, lambda text, where: text),
    Option("exempt", Kind.NETWORKS, lambda text, where: text),
    Option("keys", Kind.ENTRIES, lambda text, where: text, on_command_line=False),
    Option("check", Kind.SWITCH, read_switch, in_file=False),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.toml"


def read(file: Path, text: str) -> tuple[dict[str, Given], list[str]]:
    file.write_text(text, encoding="utf-8")
    problems: list[str] = []
    return read_config_file(file, OPTIONS, "users = 5", problems), problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("users = 5", "5"),
        ("size = 1024", "1024"),
        ("size = '1K'", "1K"),
        ("rate = 50", "50"),
        ("rate = '50/200'", "50/200"),
        ("quiet = true", "on"),
        ("quiet = false", "off"),
        ("words = 'привет'", "привет"),
        ("names = ['bob', 'eve']", "bob,eve"),
        ("exempt = []", ""),
        ("keys = {'Alt-N' = 'next', F2 = 3}", "Alt-N\tnext\nF2\t3"),
        ("keys = {}", ""),
    ],
)
def test_values_become_the_words_of_the_command_line(file: Path, text: str, words: str) -> None:
    key = text.partition(" ")[0]
    assert read(file, text) == ({key: Given(words, f"{file}: {key}")}, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("users = '5'", "users: expected a whole number"),
        ("keys = 'one'", "keys: expected a table with a text for each key"),
        ("keys = {a = true}", "keys: 'a': expected a text in quotes on one line"),
        ("keys = {\"a\\tb\" = 'x'}", "keys: 'a\\tb': expected a text in quotes on one line"),
        ('keys = {a = "x\\ny"}', "keys: 'a': expected a text in quotes on one line"),
        ("users = true", "users: expected a whole number"),
        ("size = 1.5", 'size: expected a number of bytes or a text such as "64K"'),
        ("rate = [1]", 'rate: expected a number or a text such as "50/200"'),
        ("quiet = 'on'", "quiet: expected true or false"),
        ("words = 1", "words: expected a text in quotes"),
        ("names = 'bob'", 'names: expected a list of names such as ["bob"]'),
        ("exempt = [1]", 'exempt: expected a list of networks such as ["10.0.0.0/8"]'),
        (
            "table = {a = 1}",
            'table: expected a table of texts such as {"image/*" = "feh"}, without ";"',
        ),
        (
            "table = {a = 'x;y'}",
            'table: expected a table of texts such as {"image/*" = "feh"}, without ";"',
        ),
        ("check = true", "check: expected on the command line only, as --check"),
        ("word = 'x'", "word: no such setting; expected words?"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_the_rest_is_read(
    file: Path, text: str, problem: str
) -> None:
    given, problems = read(file, f"{text}\n" + ("quiet = true" if "quiet" not in text else ""))
    assert problems == [f"{file}: {problem}"]
    assert "quiet" in text or given == {"quiet": Given("on", f"{file}: quiet")}


def test_what_cannot_be_read_at_all(file: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory; expected a file of settings"):
        read_config_file(file, OPTIONS, "users = 5", [])
    with pytest.raises(UsageError, match=r"expected TOML such as users = 5$"):
        read(file, "users: 5")
    with pytest.raises(UsageError, match=r"expected TOML such as users = 5$"):
        read(file, f"users = {'[' * 5000}")
    file.write_bytes(b"words = '\xff'")
    with pytest.raises(UsageError, match="expected a text in UTF-8"):
        read_config_file(file, OPTIONS, "users = 5", [])
    with pytest.raises(UsageError, match="too long; expected at most 64 KiB"):
        read_config_file(Path("/dev/zero"), OPTIONS, "users = 5", [])
