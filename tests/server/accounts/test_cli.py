"""``chat-server users``: its effects, its output, and its errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from chat.server import cli
from chat.server.accounts import cli as users_cli
from chat.server.accounts.accounts import read_accounts
from chat.server.accounts.passwords import matches
from chat.server.storage.database import Database

RIGHT, OTHER = "correct horse", "battery staple"

pytestmark = pytest.mark.usefixtures("cheap_hashes")


class Operator:
    """Types commands, and sees what comes of them."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.database = Database(directory, busy_timeout=0.05)
        self._directory = directory
        self._capsys = capsys

    def types(self, *words: str, fails: int = 0) -> str:
        """The one line, or the output, of a command, which must end with that status."""
        arguments = ["users", *words, f"--data-directory={self._directory}"]
        assert cli.main(arguments) == fails
        out, err = self._capsys.readouterr()
        if fails:
            assert out == ""
            assert err.startswith("chat-server: ")
            assert err.count("\n") == 1
            return err
        assert err == ""
        return out

    def accounts(self) -> list[tuple[str, bool]]:
        return [(each.name, each.is_moderator) for each in read_accounts(self.database)]

    def opens(self, password: str, number: int = 0) -> bool:
        """Tell whether ``password`` is that of account number ``number``, in the order of names."""
        return matches(password, read_accounts(self.database)[number].password)


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(tmp_path / "data", capsys)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """The standard input of the next command."""

    def fill(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(data)))

    return fill


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of answers that a user types, unseen, at a terminal."""
    answers: list[str] = []

    class Terminal(TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(BytesIO()))
    monkeypatch.setattr(users_cli, "getpass", lambda prompt: answers.pop(0))
    return answers


# Effects


def test_an_account_from_its_beginning_to_its_end(
    operator: Operator, pipe: Callable[[bytes], None]
) -> None:
    pipe(RIGHT.encode() + b"\n")
    assert operator.types("add", "Alice").startswith(
        f"Alice is registered. No server runs on {operator.database.path.parent} now; to change a running one, "
    )
    assert operator.opens(RIGHT)

    pipe(OTHER.encode() + b"\r\n")
    operator.types("passwd", "alice")
    assert operator.opens(OTHER)

    operator.types("moderator", "alice", "on")
    assert operator.accounts() == [("Alice", True)]
    operator.types("moderator", "ALICE", "off")
    assert operator.accounts() == [("Alice", False)]

    assert operator.types("remove", "alice").startswith(
        "alice is no longer registered. No server runs on /"
    )
    assert operator.accounts() == []


def test_a_moderator_from_the_start(operator: Operator, pipe: Callable[[bytes], None]) -> None:
    pipe(RIGHT.encode())

    told = operator.types("add", "--moderator", "Alice")
    assert told.startswith("Alice is registered, a moderator. ")

    assert operator.accounts() == [("Alice", True)]


def test_the_password_can_be_in_a_file(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{RIGHT}\nand a remark\n")

    operator.types("add", "alice", f"--password-file={file}")

    assert operator.opens(RIGHT)


def test_at_a_terminal_it_is_typed_twice(operator: Operator, answers: list[str]) -> None:
    answers += [RIGHT, RIGHT]
    operator.types("add", "alice")
    assert operator.opens(RIGHT)


def test_at_a_terminal_it_is_asked_for_until_it_is_usable(
    operator: Operator, answers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    answers += ["short", OTHER, OTHER + "!", RIGHT, RIGHT]

    assert cli.main(["users", "add", "alice", f"--data-directory={operator._directory}"]) == 0

    told = capsys.readouterr().err
    assert told == "A password must have 8 to 1024 bytes.\nThe two passwords differ.\n"
    assert operator.opens(RIGHT)


def test_nobody_types_a_password_for_nothing(operator: Operator, answers: list[str]) -> None:
    answers += [RIGHT, RIGHT]
    operator.types("add", "alice")

    # No answer is left to be asked for.
    assert "alice is already registered" in operator.types("add", "alice", fails=1)
    assert "a1ice looks like alice" in operator.types("add", "a1ice", fails=1)
    assert "bob is not registered" in operator.types("passwd", "bob", fails=1)


@pytest.mark.parametrize("problem", [KeyboardInterrupt, EOFError])
def test_one_who_thinks_better_of_it_changes_nothing(
    operator: Operator,
    answers: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    problem: type[BaseException],
) -> None:
    def interrupted(prompt: str) -> str:
        raise problem

    monkeypatch.setattr(users_cli, "getpass", interrupted)

    assert cli.main(["users", "add", "alice", f"--data-directory={operator._directory}"]) == 1
    assert capsys.readouterr().err == "\nchat-server: nothing was changed\n"
    assert operator.accounts() == []


# The list


def test_the_list(operator: Operator, pipe: Callable[[bytes], None]) -> None:
    for name in ("борис", "Alice"):
        pipe(RIGHT.encode())
        operator.types("add", name)
    operator.types("moderator", "alice", "on")

    today = time.strftime("%Y-%m-%d")
    assert operator.types("list").splitlines() == [
        f"{today}  moderator  Alice",
        f"{today}             борис",
    ]
    [alice, boris] = json.loads(operator.types("list", "--json"))
    assert (alice["name"], alice["moderator"]) == ("Alice", True)
    assert (boris["name"], boris["moderator"]) == ("борис", False)
    assert time.strptime(boris["created"], "%Y-%m-%dT%H:%M:%SZ")
    assert set(alice) == {"name", "moderator", "created"}


def test_an_empty_list_makes_no_file(operator: Operator) -> None:
    assert operator.types("list") == ""
    assert json.loads(operator.types("list", "--json")) == []
    assert not operator.database.path.exists()


# Errors


@pytest.mark.parametrize("command", [["remove"], ["moderator", "on"], ["moderator", "off"]])
def test_a_name_that_is_not_registered(operator: Operator, command: list[str]) -> None:
    verb, *rest = command

    assert "bob is not registered" in operator.types(verb, "bob", *rest, fails=1)


@pytest.mark.parametrize("name", ["a b", "", "server", "x" * 33])
def test_what_is_no_name(operator: Operator, name: str) -> None:
    assert "name" in operator.types("add", name, fails=2)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the standard input: its first line is empty"),
        (b"\nsecond line\n", "the standard input: its first line is empty"),
        (b"\xff\xfe12345678\n", "the standard input: expected a text in UTF-8"),
        (b"short\n", "8 to 1024 bytes"),
        (b"x" * 1025 + b"\n", "8 to 1024 bytes"),
        (b"x" * 100_000, "8 to 1024 bytes"),
        (b"tab\tinside", "must not contain control characters"),
    ],
)
def test_what_is_no_password(
    operator: Operator, pipe: Callable[[bytes], None], data: bytes, problem: str
) -> None:
    pipe(data)

    assert problem in operator.types("add", "alice", fails=2)


def test_a_password_file_that_is_not_there(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "nowhere"

    said = operator.types("add", "alice", f"--password-file={file}", fails=2)

    assert f"--password-file={file}: cannot read it (No such file" in said


def test_a_file_that_is_busy(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users_cli, "Database", lambda directory: operator.database)

    with operator.database.writing():
        assert "kept it locked" in operator.types("remove", "alice", fails=1)


@pytest.mark.parametrize(
    "words",
    [[], ["add"], ["list", "alice"], ["moderator", "alice"], ["moderator", "alice", "maybe"]],
)
def test_what_makes_no_sense(operator: Operator, words: list[str]) -> None:
    assert "(see --help)" in operator.types(*words, fails=2)


def test_the_password_has_no_place_on_the_command_line(operator: Operator) -> None:
    for words in (["add", "alice", RIGHT], ["add", "alice", f"--password={RIGHT}"]):
        operator.types(*words, fails=2)


def test_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["users", "--help"])

    assert not caught.value.code
    assert capsys.readouterr().out.strip() == (users_cli.__doc__ or "").strip()


# Where


def test_the_directory_can_come_from_the_servers_own_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pipe: Callable[[bytes], None]
) -> None:
    file, data = tmp_path / "chat.toml", tmp_path / "there"
    file.write_text(f'data-directory = "{data}"\nmax-users = 5\n')
    pipe(RIGHT.encode())

    assert cli.main(["users", "add", "alice", f"--config={file}"]) == 0

    assert [each.name for each in read_accounts(Database(data))] == ["alice"]
    file.write_text("data-directory = 7\n")
    assert cli.main(["users", "list", f"--config={file}"]) == 2
    assert "data-directory" in capsys.readouterr().err


def test_by_default_it_is_that_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipe: Callable[[bytes], None]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    pipe(RIGHT.encode())

    assert cli.main(["users", "add", "alice"]) == 0

    assert [each.name for each in read_accounts(Database(tmp_path / "state"))] == ["alice"]
