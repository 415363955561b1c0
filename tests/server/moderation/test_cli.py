"""``chat-server bans``: an operator bans without being in the room."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from chat.server import cli
from chat.server.moderation import cli as bans_cli
from chat.server.moderation.ban_records import read_records, write_records
from chat.server.moderation.bans import NETWORK, OPERATOR, Ban
from chat.server.storage.database import Database


class Operator:
    """Types commands about one data directory."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.database = Database(directory)
        self._capsys = capsys

    def types(self, *words: str, status: int = 0) -> str:
        """Run the command with ``words``; return its output."""
        found = bans_cli.main(["bans", *words, f"--data-directory={self.database.path.parent}"])
        printed = self._capsys.readouterr()
        assert found == status, printed
        assert bool(printed.err) == bool(status)
        return printed.err if status else printed.out


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(tmp_path / "data", capsys)


def test_names_and_addresses_are_banned_listed_and_let_in_again(operator: Operator) -> None:
    assert operator.types("list") == ""
    assert not operator.database.path.exists(), "who only looks makes no file"

    banned = operator.types("add", "Alice", "--reason=spam")
    assert banned.startswith(
        "Alice is banned by the operator, until further notice: spam. "
        f"No server runs on {operator.database.path.parent} now; "
    )
    operator.types("add", "203.0.113.5")
    operator.types("add", "2001:db8::1", "--for=2h")
    operator.types("add", "eve", "--mute")

    [name, wide, address] = sorted(read_records(operator.database)[0], key=lambda ban: ban.target)[
        ::-1
    ]
    assert (name.target, name.name, name.by) == ("alice", "Alice", OPERATOR)
    assert (address.target, wide.target) == ("2001:db8::/64", "203.0.113.5")
    assert address.until is not None
    assert address.until - address.created == 7200
    assert len(operator.types("list").splitlines()) == 4
    listed = json.loads(operator.types("list", "--json"))
    assert sorted(each["kind"] for each in listed) == ["mute", "name", "network", "network"]

    assert operator.types("remove", "ALICE").startswith("removed: Alice is banned")
    operator.types("remove", "2001:db8::ffff")
    operator.types("remove", "203.0.113.5/32")
    operator.types("remove", "EVE", "--mute")
    assert operator.types("list") == ""


def test_a_name_is_let_in_again_with_the_address_that_was_banned_with_it(
    operator: Operator,
) -> None:
    operator.types("add", "alice")
    write_records(
        operator.database, add=[Ban(NETWORK, "203.0.113.5", None, "bob", None, 1, "alice")]
    )
    told = operator.types("remove", "alice").splitlines()
    assert [line.split(" ")[0] for line in told] == ["removed:", "removed:", "No"]
    assert operator.types("list") == ""


def test_what_is_over_is_not_listed(operator: Operator) -> None:
    write_records(operator.database, add=[Ban(NETWORK, "203.0.113.5", 1, "bob", None, 1)])
    assert operator.types("list") == ""
    operator.types("remove", "203.0.113.5", status=1)


@pytest.mark.parametrize(
    "words",
    [
        ("add", "no name!"),
        ("add", "10.0.0.0/8"),
        ("add", "127.0.0.1"),
        ("add", "alice", "--for=soon"),
        ("add", "alice", "--for=0s"),
        ("add", "alice", "--for=999999999w"),
        ("add", "alice", f"--reason={'x' * 201}"),
        ("remove", "no name!"),
        ("add", "server"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(operator: Operator, words: tuple[str]) -> None:
    assert operator.types(*words, status=2).count("\n") == 1
    assert not operator.database.path.exists()


@pytest.mark.parametrize("target", ["300.1.1.1", "10.0.0.0/33", "fe80::zz"])
def test_a_mistyped_address_is_banned_only_if_it_is_said_to_be_a_name(
    operator: Operator, target: str
) -> None:
    told = operator.types("add", target, status=2)
    assert told.startswith(f"chat-server: {target}: This looks like an address, but is none")
    assert "--name" in told
    assert not operator.database.path.exists()


def test_a_user_may_have_a_name_like_an_address(operator: Operator) -> None:
    assert operator.types("add", "1.2.3", "--name").startswith("1.2.3 is banned")
    operator.types("remove", "1.2.3", status=2)
    assert operator.types("remove", "1.2.3", "--name").startswith("removed: 1.2.3 is banned")


def test_an_end_is_in_the_operators_time(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert " JST." in operator.types("add", "alice", "--for=2h")
        assert " JST." in operator.types("list")
        assert " JST." in operator.types("remove", "alice")
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("words", [("remove", "alice"), ("remove", "alice", "--mute")])
def test_a_ban_that_does_not_exist_is_not_lifted(operator: Operator, words: tuple[str]) -> None:
    assert "is not" in operator.types(*words, status=1)


def test_a_broken_file_is_told_of(operator: Operator) -> None:
    operator.database.path.parent.mkdir()
    operator.database.path.write_bytes(b"rubbish" * 1000)
    assert str(operator.database.path) in operator.types("list", status=1)
    operator.types("add", "alice", status=1)


def test_more_than_can_be_kept_is_refused(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bans_cli, "MAX_ENTRIES", 1)
    operator.types("add", "alice")
    operator.types("add", "eve", status=1)


def test_the_server_hands_on_what_begins_with_bans(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = operator.database.path.parent
    assert cli.main(["bans", "add", "alice", f"--data-directory={directory}"]) == 0
    assert "alice is banned" in capsys.readouterr().out
