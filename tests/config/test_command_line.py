"""Options by docopt, sizes and counts, and ends in one clear line."""

from __future__ import annotations

import pytest

from chat.config.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_count,
    parse_options,
    parse_size,
    report,
)
from tests.tables import table

USAGE = """A program.

Usage:
  program --name=<name> [options]
  program (-h | --help)
  program --version

Options:
  --name=<name>   who
  --size=<size>   how much [default: 64K]
  --plain         plainly
  -h --help       this
  --version       that
"""
EXPECTED = "expected program --name=<name> [options]"


def test_options_with_their_defaults() -> None:
    options = parse_options(USAGE, ["--name=alice"], "program 1.2")
    assert options["--name"] == "alice"
    assert options["--size"] == "64K"
    assert options["--plain"] is False


def test_the_options_of_the_process_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["program", "--name", "bob", "--plain"])
    options = parse_options(USAGE, None, "program 1.2")
    assert (options["--name"], options["--plain"]) == ("bob", True)


@table(
    ("arguments", "sentence"),
    [
        ([], EXPECTED),
        (["--plain"], f"--plain does not fit: {EXPECTED}"),
        (["--name"], "--name requires argument"),
        (["--name=a", "--plain=yes"], "--plain must not have an argument"),
        (["--name=a", "--bogus"], "unknown option --bogus"),
        (["--name=a", "--pain"], "unknown option --pain: did you mean --plain?"),
        (["--name=a", "-z"], "unknown option -z"),
        (["--name=a", "--name=b"], f"--name does not fit: {EXPECTED}"),
        (["--name=a", "x", "it's"], f"'x', \"it's\" does not fit: {EXPECTED}"),
        (["--name=a", "two\nlines"], f"'two\\nlines' does not fit: {EXPECTED}"),
    ],
)
def test_unusable_options_are_one_plain_line(arguments: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_options(USAGE, arguments, "program 1.2")
    assert str(refused.value) == f"{sentence} (see --help)"


@pytest.mark.parametrize(
    ("option", "shown"), [("--help", USAGE.strip()), ("--version", "program 1.2")]
)
def test_help_and_version_are_printed(
    option: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse_options(USAGE, [option], "program 1.2")
    assert not end.value.code
    assert capsys.readouterr().out.strip() == shown


@table(
    ("text", "size"),
    [
        ("0", 0),
        ("1", 1),
        ("512", 512),
        ("64K", 65_536),
        ("64k", 65_536),
        ("10M", 10 * 1024**2),
        ("1G", 1024**3),
        ("007", 7),
        ("9223372036854775807"[:18], 922337203685477580),
        ("8589934591G", 2**63 - 1024**3),
    ],
)
def test_a_size(text: str, size: int) -> None:
    assert parse_size(text, "--max-file") == size


@table(
    "text",
    [
        *("", "K", "-1", "+1", "1.5G", "1T", "1KB", "1 K", "0x10", "1_000", "٣", "1\u212a", "1\n"),
        *("8589934592G", "999999999999999999G", "1" * 19),
    ],
)
def test_what_is_no_size_says_what_is_expected(text: str) -> None:
    with pytest.raises(UsageError, match=r"(?s)^--max-file=.*expected a size such as"):
        parse_size(text, "--max-file")


def test_a_count() -> None:
    assert parse_count("0", "--max-users") == 0
    assert parse_count("999999999", "--max-users") == 999_999_999
    assert parse_count("2", "--max-users", minimum=2) == 2


@pytest.mark.parametrize("text", ["", "1", "-3", "1K", "x", "1000000000", "2.0", "٣", "2\n"])
def test_what_is_no_count_says_what_is_expected(text: str) -> None:
    with pytest.raises(UsageError, match=r"(?s)^--max-users=.*expected a whole number, 2 or more"):
        parse_count(text, "--max-users", minimum=2)


def test_a_report_has_nothing_that_a_terminal_interprets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report("chat-client", "go\x1b[2J away\x9b1m \u202eeht\x07")
    assert capsys.readouterr().err == "chat-client: go\ufffd[2J away\ufffd1m \ufffdeht\ufffd\n"


def test_a_report_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    report("chat-client", "cannot read 'a\nb\r\n\u2028c\x85'  :  gone")
    assert capsys.readouterr() == ("", "chat-client: cannot read 'a b c ' : gone\n")


def test_the_three_ends_of_a_program() -> None:
    assert (EXIT_OK, EXIT_FAILED, EXIT_USAGE) == (0, 1, 2)
