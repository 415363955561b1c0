"""Suggestions for misspelled options and commands, by the usage text."""

from __future__ import annotations

import pytest

from chat.config.mistakes import find_mistake, nearest_form
from tests.tables import table

USAGE = """A program.

Usage:
  program [options] [<server>]
  program users add NAME [--moderator] [--json]
                [--config=<file>]
  program users list [--json]
  program users moderator NAME (on | off)
  program users (-h | --help)

Options:
  -u, --username=<name>  name
  --address=<address>    where, such as
                         --elsewhere
  --save_directory=<d>   where to
  --save-directory=<d>   where to
  --config=<file>        file
  --json                 JSON

  -h --help              this
"""
COMMANDS = USAGE.replace("  program [options] [<server>]\n", "").replace("  --address=", "  --at=")
MEANT = {"port": "--address", "nick": "--username"}


@table(
    ("typed", "sentence"),
    [
        ("--adress=x", "unknown option --adress: did you mean --address?"),
        ("--usrname bob", "unknown option --usrname: did you mean --username?"),
        ("-adress=x", "unknown option -adress: did you mean --address?"),
        ("-username bob", "unknown option -username: did you mean --username?"),
        ("--JSON", "unknown option --JSON: did you mean --json?"),
        ("--port=9000", "unknown option --port: did you mean --address?"),
        ("--json --nick bob", "unknown option --nick: did you mean --username?"),
        ("--elsewhere", "unknown option --elsewhere"),
        ("-z", "unknown option -z"),
        ("--save=x", "the option --save may be --save_directory or --save-directory"),
    ],
)
def test_an_unknown_option_and_the_one_that_may_have_been_meant(typed: str, sentence: str) -> None:
    assert find_mistake(USAGE, typed.split(), MEANT) == sentence


@pytest.mark.parametrize(
    "typed",
    [
        "--username --adress",  # the value of an option is no option
        "-u --adress",
        "-ubob",
        "--user=bob",  # docopt knows unique beginnings
        "chat.example.org",
        "one two",  # a word too many, which docopt names
        "",
    ],
)
def test_what_is_no_unknown_word_is_left_to_docopt(typed: str) -> None:
    usage = USAGE.replace("  program users", "  program people")
    assert find_mistake(usage.replace("--address", "--at"), typed.split(), MEANT) is None


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("usrs list", "unknown command 'usrs': did you mean users?"),
        ("users lst", "unknown command 'lst': did you mean list?"),
        ("users frob", "unknown command 'frob': expected add, list or moderator"),
        ("users moderator bob onn", "unknown word 'onn': did you mean on?"),
        ("users moderator bob yes", "unknown word 'yes': expected off or on"),
        ("users", "a word is missing after 'users': expected add, list or moderator"),
        ("users moderator bob", "a word is missing after 'bob': expected off or on"),
        (
            "users add --config=x",
            "an argument is missing after 'add': expected"
            " program users add NAME [--moderator] [--json] [--config=<file>]",
        ),
    ],
)
def test_an_unknown_or_missing_command(typed: str, sentence: str) -> None:
    assert find_mistake(COMMANDS, typed.split(), MEANT) == sentence


@pytest.mark.parametrize("word", [":8080", "8080", "localhost", "chat.example.org", "unix:/run/x"])
def test_an_address_without_its_option_where_none_is_expected(word: str) -> None:
    usage = USAGE.replace(" [<server>]", "")
    sentence = f"unexpected {word!r}: did you mean --address={word}?"
    assert find_mistake(usage, [word], MEANT) == sentence


def test_the_nearest_form_shares_the_commands() -> None:
    assert nearest_form(USAGE, ["users", "list", "bob"]) == "program users list [--json]"
    assert nearest_form(USAGE, ["--json", "a", "b"]) == "program [options] [<server>]"
