"""The words that a shell can complete, from usage texts and a table of options."""

from __future__ import annotations

from functools import partial

import pytest

from chat.config.completion import CompletedCommand, CompletedOption, completed_commands
from chat.config.completion_scripts import completion_script
from chat.config.options import Kind, Option, read_choice

USAGE = """A program.

Usage:
  program [options]
  program users (--help | add) ...

Options:
  -w, --way=<way>     the way: left or
                      right (default: left)
  --bell=<on|off>     ring
  --file=<file>       a file. And more
  --to=<directory>    where
  -h --help           this
"""
USERS = """Users.

Usage:
  program users add NAME (on | off) [--way=<way>]
  program users (-h | --help)

Options:
  --way=<way>     the way
  -h --help       this
"""
TABLE = (Option("way", Kind.TEXT, partial(read_choice, values=("left", "right"))),)
WAY = ("left", "right")
HELP = CompletedOption(("-h", "--help"), "", (), "", "this")


def test_the_commands_with_their_options_and_arguments() -> None:
    program, users, add = completed_commands([USAGE, USERS], TABLE)
    assert program == CompletedCommand(
        (),
        (
            CompletedOption(("-w", "--way"), "way", WAY, "", "the way"),
            CompletedOption(("--bell",), "on or off", ("on", "off"), "", "ring"),
            CompletedOption(("--file",), "file", (), "file", "a file"),
            CompletedOption(("--to",), "directory", (), "directory", "where"),
            HELP,
        ),
        (("users",),),
    )
    assert users == CompletedCommand(("users",), (HELP,), (("add",),))
    way = CompletedOption(("--way",), "way", WAY, "", "the way")
    assert add == CompletedCommand(("users", "add"), (way, HELP), ((), ("on", "off")))


def test_a_choice_of_commands_is_a_form_for_each() -> None:
    both = "Both.\n\nUsage:\n  program say [TEXT...]\n  program (say | stop) (-h | --help)\n"
    program, say, stop = completed_commands([f"{both}\n  -h --help  this\n"], ())
    assert program.arguments == (("say", "stop"),)
    assert (say.words, say.arguments) == (("say",), ((),))
    assert (stop.words, stop.options, stop.arguments) == (("stop",), (HELP,), ())


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_an_option_with_two_meanings_is_a_mistake_of_ours(shell: str) -> None:
    other = USERS.replace("--way=<way> ", "--file=<x> ").replace("[--way=<way>]", "[--file=<x>]")
    with pytest.raises(ValueError, match="--file has different values in two commands"):
        completion_script(shell, "program", [USAGE, other], TABLE)
