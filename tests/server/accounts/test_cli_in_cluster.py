"""``chat-server users`` in a data directory of a cluster: the running server has the change made by the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO, TextIOWrapper
from pathlib import Path

import gevent
import pytest

from chat.net.engine_url import parse_engine_url
from chat.protocol.names import UserName, parse_user_name
from chat.server import cli
from chat.server.accounts import operator_accounts
from chat.server.accounts.account_problems import AccountProblem
from chat.server.accounts.accounts import Account, add_account
from chat.server.accounts.passwords import matches
from chat.server.control.messages import CommandFailed
from chat.server.replication.stored.founding import CannotFound, found_cluster
from chat.server.storage.database import Database, belongs_to_cluster
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_devices import come
from tests.server.twins import Twins, found_with_account, open_commanded_twins

FIRST, SECOND = "correct horse", "battery staple"

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return the data directory of a server of a cluster, where bob is registered."""
    return found_with_account(tmp_path, "bob", FIRST)


@pytest.fixture
def twins(tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """Return two servers; the first one takes commands."""
    with open_commanded_twins(tmp_path, monkeypatch) as twins:
        yield twins


@pytest.fixture
def types(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Type a command in a thread, since it waits for the server; return its output."""

    def run(*words: str, status: int = 0, password: str = SECOND) -> str:
        stdin = TextIOWrapper(BytesIO(password.encode()))
        monkeypatch.setattr("sys.stdin", stdin)
        arguments = ["users", *words, f"--data-directory={directory}"]
        exit_status = gevent.get_hub().threadpool.apply(partial(cli.main, arguments))
        out, err = capsys.readouterr()
        assert exit_status == status, (out, err)
        assert err.count("\n") == (status != 0)
        return err if status else out

    return run


def account(server: TestServer, name: str) -> Account | None:
    return server.parts.accounts.known.find(name)


def test_the_operator_changes_accounts_on_all_servers(
    twins: Twins, types: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    told = types("add", "Alice", "--moderator")
    assert told == "Alice is registered, a moderator. All servers of the cluster apply this.\n"
    alice = come(twins.berta, "alice", password=SECOND)

    assert types("moderator", "alice", "off").startswith("alice is no longer a moderator. All ")
    alice.expect_notice("account", nonce=None)
    told = types("passwd", "bob")
    assert told == "The password of bob was changed. The change takes effect at the next login.\n"
    for server in twins.both:
        found, bob = account(server, "alice"), account(server, "bob")
        assert found is not None
        assert not found.is_moderator
        assert bob is not None
        assert matches(SECOND, bob.password)

    listed = json.loads(types("list", "--json"))
    assert [(each["name"], each["moderator"]) for each in listed] == [
        ("Alice", False),
        ("bob", False),
    ]
    assert types("remove", "alice").startswith("alice is no longer registered. All ")
    alice.expect_notice("account", nonce=None)
    assert [account(server, "alice") for server in twins.both] == [None, None]
    assert types("list").count("\n") == 1
    assert SECOND not in caplog.text


def test_what_cannot_be_done_is_said_in_one_line(twins: Twins, types: Callable[..., str]) -> None:
    assert "bob is already registered" in types("add", "bob", status=1)
    assert "looks like bob" in types("add", "Ьob", status=1)
    for words in (("remove", "eve"), ("passwd", "eve"), ("moderator", "eve", "on")):
        assert "eve is not registered" in types(*words, status=1)
    assert "8 " in types("add", "eve", status=2, password="short")
    # The file follows the log, so it lacks what was registered a moment ago.
    types("add", "alice")
    assert "alice is already registered" in types("add", "alice", status=1)
    assert account(twins.berta, "eve") is None


def test_many_accounts_are_listed_page_by_page(
    twins: Twins, types: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_accounts, "_PAGE", 2)
    names = ["alice", "bob", "carol", "dave"]
    for name in ("dave", "carol", "alice"):
        types("add", name)
        assert [line.split()[-1] for line in types("list").splitlines()] == [
            each for each in names if account(twins.adam, each) is not None
        ]


def test_no_change_is_made_while_the_server_is_stopped(
    directory: Path, types: Callable[..., str]
) -> None:
    before = (directory / "chat.db").read_bytes()
    for words in (("add", "eve"), ("remove", "bob"), ("passwd", "bob"), ("list",)):
        told = types(*words, status=1)
        assert "belongs to a cluster" in told
        assert "no server runs on it" in told
    assert (directory / "chat.db").read_bytes() == before


def test_the_operator_does_not_wait_for_ever(
    twins: Twins, types: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.server.accounts.account_operations.OPERATOR_PATIENCE", 0.05)
    twins.engine.is_held = True

    for words in (("add", "eve"), ("moderator", "bob", "on"), ("passwd", "bob"), ("remove", "bob")):
        assert "has not committed this yet" in types(*words, status=1)

    twins.engine.release()
    for server in twins.both:
        assert account(server, "eve") is not None
        assert account(server, "bob") is None


def test_a_name_must_be_read_alike_by_all_servers(twins: Twins) -> None:
    name = "\U0001e290"  # a letter of Unicode 14, which Python 3.10 does not know
    with pytest.raises(AccountProblem, match="too new"):
        twins.adam.parts.account_parts.operations.add(UserName(name, name), "hash")


def test_data_with_such_a_name_does_not_begin_a_cluster(tmp_path: Path) -> None:
    database = Database(tmp_path / "single")
    name = UserName("\U0001e290", "\U0001e290")
    url = parse_engine_url("redis://127.0.0.1:1")
    add_account(database, parse_user_name("bob"), "hash")
    with pytest.raises(CannotFound, match=r"127\.0\.0\.1:1"):
        found_cluster(database.path.parent, url)
    add_account(database, name, "hash")

    with pytest.raises(CannotFound, match="Unicode 13"):
        found_cluster(database.path.parent, url)
    assert not belongs_to_cluster(database)


def test_a_broken_request_is_refused(twins: Twins) -> None:
    parts = twins.adam.parts
    handlers = operator_accounts.serve_operator(parts.account_parts.operations, parts.accounts)
    for fields in ({}, {"name": "eve"}, {"name": "\n", "hash": "x", "moderator": False}):
        with pytest.raises(CommandFailed):
            handlers["account-add"](fields)


def test_a_database_tells_whether_it_belongs_to_a_cluster(tmp_path: Path, directory: Path) -> None:
    assert belongs_to_cluster(Database(directory))
    single = Database(tmp_path / "single")
    assert not belongs_to_cluster(single)
    assert not single.path.exists()
    add_account(single, parse_user_name("bob"), "hash")
    assert not belongs_to_cluster(single)
