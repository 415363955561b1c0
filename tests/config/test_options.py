"""The table that both programs have of their options."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from chat.config.command_line import UsageError, parse_count
from chat.config.options import (
    Given,
    Kind,
    Option,
    given_on_command_line,
    read_address,
    read_choice,
    read_given,
    read_path,
    read_switch,
    suggestion,
)
from chat.net.address import Address

OPTIONS = (
    Option("max-users", Kind.COUNT, parse_count),
    Option("max_users", Kind.COUNT, parse_count),
    Option("quiet", Kind.SWITCH, read_switch, sets="silent"),
)


def test_an_option_sets_the_field_of_its_name_or_another() -> None:
    assert [option.field for option in OPTIONS] == ["max_users", "max_users", "silent"]


def test_the_words_from_which_a_user_chooses() -> None:
    choice = Option("way", Kind.TEXT, partial(read_choice, values=("a", "b")))
    path = Option("file", Kind.TEXT, partial(read_path, expected="a file"))
    assert choice.values == ("a", "b")
    assert path.values == ()
    assert [option.values for option in OPTIONS] == [(), (), ("on", "off")]


def test_what_docopt_found() -> None:
    found = given_on_command_line({"--size": "1K", "--quiet": True, "--loud": False, "--no": None})
    assert found == {"size": Given("1K", "--size"), "quiet": Given("on", "--quiet")}


def test_an_empty_word_is_given_too() -> None:
    assert given_on_command_line({"--exempt": ""}) == {"exempt": Given("", "--exempt")}


def test_values_go_by_field() -> None:
    problems: list[str] = []
    given = {"max-users": Given("5", "--max-users"), "quiet": Given("on", "--quiet")}
    assert read_given(OPTIONS, given, problems) == {"max_users": 5, "silent": True}
    assert read_given(OPTIONS, given, problems, unless=("silent",)) == {"max_users": 5}
    assert problems == []


def test_every_problem_is_told() -> None:
    problems: list[str] = []
    given = {"max-users": Given("x", "file: max-users"), "quiet": Given("maybe", "--quiet")}
    assert read_given(OPTIONS, given, problems) == {}
    assert problems == [
        "file: max-users=x: expected a whole number, 0 or more",
        "--quiet=maybe: expected on or off",
    ]


def test_two_spellings_may_agree_but_not_disagree() -> None:
    problems: list[str] = []
    given = {"max-users": Given("5", "--max-users"), "max_users": Given("05", "--max_users")}
    assert read_given(OPTIONS, given, problems) == {"max_users": 5}
    assert problems == []
    read_given(OPTIONS, given | {"max_users": Given("6", "--max_users")}, problems)
    assert problems == ["--max-users and --max_users contradict each other: give only one of them"]


def test_what_may_have_been_meant() -> None:
    known = ["max-users", "max-file", "quiet"]
    assert suggestion("max_user", known) == "expected max-users?"
    assert suggestion("QUIET", known) == "expected quiet?"
    assert suggestion("zzz", known) == "expected one of max-users, max-file, quiet"


def test_an_address() -> None:
    assert read_address("host:1", "--address") == Address("host", 1)
    assert read_address("host", "--address") == Address("host", 8080)
    with pytest.raises(UsageError, match=r"^--address: invalid address '/': expected HOST, HOST:"):
        read_address("/", "--address")
    with pytest.raises(UsageError, match=r"^--address: invalid address 'x': expected HOST:PORT"):
        read_address("x", "--address", default_port=None)


def test_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/bob")
    assert read_path("~/x", "--file", "a file") == Path("/home/bob/x")
    for text in ("", " ", "\t\u3000"):  # to pathlib, none at all is the current directory
        with pytest.raises(UsageError, match=r"^--file is empty: expected a file$"):
            read_path(text, "--file", "a file")
    for text in ("a\0b", "~nobody-of-that-name/x"):
        with pytest.raises(UsageError, match=r"^--file=.*expected a file$"):
            read_path(text, "--file", "a file")


def test_a_choice() -> None:
    choose = partial(read_choice, values=("a", "b", "c"))
    assert choose("b", "--way") == "b"
    with pytest.raises(UsageError, match=r"^--way=d: expected a, b or c$"):
        choose("d", "--way")


def test_a_switch() -> None:
    assert (read_switch("on", "--x"), read_switch("off", "--x")) == (True, False)
    with pytest.raises(UsageError, match=r"^--x=yes: expected on or off$"):
        read_switch("yes", "--x")
