from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from chat import __version__
from chat.client.cli import main, read_command_line, usage
from chat.client.conversation.commands import COMMANDS, Availability
from chat.client.program.settings import OPTIONS
from chat.config.command_line import UsageError


def test_help_tells_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert not ended.value.code
    shown = capsys.readouterr().out
    for command in (c for c in COMMANDS if c.where & Availability.PLAIN):
        assert command.usage in shown
    for option in OPTIONS:
        assert (f"--{option.name}" if option.on_command_line else f"[{option.name}]") in shown
    for document in ("/help", "/keys", "docs/client.md"):
        assert document in shown
    assert "Exit status" in shown


def test_help_fits_a_terminal() -> None:
    assert max(map(len, usage().splitlines())) <= 80


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"chat-client {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--username"],
        ["--username=bob", "--bogus"],
        ["--username=bob", "one", "two"],
        ["--username=bob", "--username=eve"],
        ["--username=bob", "--address=x:"],
        ["--username=bob", "--commands=yes"],
    ],
)
def test_a_senseless_command_line_is_one_line_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert not output.out
    assert output.err.startswith("chat-client: ")
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("--adress=x", "--address"), ("--nick=x", "--username"), ("-username=x", "--username")],
)
def test_a_misspelled_option_gets_a_suggestion(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([typed]) == 2
    name = typed.partition("=")[0]
    sentence = f"chat-client: unknown option {name}: did you mean {meant}? (see --help)\n"
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize("arguments", [[], ["--plain"]])
def test_a_missing_name_is_asked_for_by_its_option(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="--username"):
        read_command_line(arguments)


MODE = "from chat.client.cli import read_command_line as r; print(r(['--username=bob']).mode.name)"


def mode_on_a_terminal(term: str | None, *, input_too: bool = True) -> str:
    """The mode of a client whose output is a terminal, and its input if not said otherwise."""
    environment = {**os.environ, "TERM": term or ""}
    if term is None:
        del environment["TERM"]
    near, far = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", MODE],
        env=environment,
        stdin=far if input_too else subprocess.DEVNULL,
        stdout=far,
    )
    assert process.wait(20) == 0
    said = os.read(near, 100).decode().strip()
    os.close(near)
    os.close(far)
    return said


def test_the_screen_needs_a_terminal_that_can_do_it() -> None:
    assert mode_on_a_terminal("xterm") == "SCREEN"
    assert mode_on_a_terminal("xterm", input_too=False) == "PLAIN"
    assert mode_on_a_terminal("dumb") == "PLAIN"
    assert mode_on_a_terminal("") == "PLAIN"
    assert mode_on_a_terminal(None) == "PLAIN"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--completion={shell}"]) == 0
    output = capsys.readouterr()
    assert "save-directory" in output.out
    assert not output.err


def test_an_unknown_shell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--completion=csh"]) == 2
    sentence = "chat-client: --completion=csh: expected bash, zsh or fish\n"
    assert capsys.readouterr().err == sentence
