from __future__ import annotations

import pytest

from chat import __version__
from chat.client.cli import main, read_command_line, usage
from chat.client.commands import COMMANDS, Where
from chat.command_line import UsageError


def test_help_tells_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert not ended.value.code
    shown = capsys.readouterr().out
    for command in (c for c in COMMANDS if c.where & Where.PLAIN):
        assert command.usage in shown
    for option in ("--address", "--save_directory", "--save-directory", "--max-save", "--listen"):
        assert option in shown
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
        ["--username=bob", "hello"],
        ["--username=bob", "--username=eve"],
        ["--username=bob", "--address=x"],
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


@pytest.mark.parametrize("arguments", [[], ["--plain"]])
def test_a_missing_name_is_asked_for_by_its_option(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="--username"):
        read_command_line(arguments)
