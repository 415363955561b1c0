"""Moderators of the real server: a ban stays in force when the server stops, crashes or restarts."""

from __future__ import annotations

import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account
from chat.server.moderation.ban_records import read_records
from chat.server.storage.database import FILE_NAME, Database
from tests.cheap_hashes import hash_cheaply
from tests.end_to_end.server_process import ServerProcess
from tests.peers.wire_client import WireClient

PASSWORD = "correct horse"
ROUNDS = 6
BANS = 40  # of a round, at most


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of a server of which bob is a moderator."""
    directory = tmp_path / "data"
    name = parse_user_name("bob")
    add_account(Database(directory), name, hash_cheaply(PASSWORD), is_moderator=True)
    return directory


@contextmanager
def serving(data: Path) -> Iterator[ServerProcess]:
    """A server that is killed in the end."""
    server = ServerProcess(f"--data-directory={data}")
    try:
        yield server
    finally:
        server.end()


def bob_at(server: ServerProcess) -> WireClient:
    bob = WireClient(server.address)
    assert bob.try_login({"to": "bob", "password": PASSWORD}).type == MessageType.LOGIN
    bob.expect(MessageType.LOGIN, sender="bob")
    return bob


def kill_soon(server: ServerProcess, moments: random.Random) -> None:
    gevent.spawn_later(moments.uniform(0.0, 0.15), server.send_signal, signal.SIGKILL)


def ask_to_ban(bob: WireClient, bans: list[dict[str, str]]) -> None:
    """All at once."""
    headers = [{"command": "ban", **ban} for ban in bans]
    with suppress(ConnectionError):
        bob.send_bytes(b"".join(bob.encode(MessageType.UTF8, header) for header in headers))


def answers(bob: WireClient) -> Iterator[str]:
    """The codes of the answers to commands, until the server is no more."""
    try:
        while True:
            notice = bob.read_frame().header.get("notice")
            if notice not in (None, "moderated"):
                yield str(notice)
    except (EOFError, ConnectionError):
        return


@pytest.mark.thorough(
    "kills many servers; tests/server/moderation/test_moderation_kept.py reads back what was done"
)
def test_a_server_that_is_killed_in_the_middle_of_bans_has_all_that_it_said_were_done(
    data: Path,
) -> None:
    moments = random.Random(5)
    number, known = 0, 0
    for _ in range(ROUNDS):
        with serving(data) as server, bob_at(server) as bob:
            asked = [f"user{number + each}" for each in range(BANS)]
            kill_soon(server, moments)
            ask_to_ban(bob, [{"target": name} for name in asked])
            done = sum(code == "done" for code in answers(bob))
        with closing(sqlite3.connect(data / FILE_NAME)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        bans, mutes = read_records(Database(data))
        kept = [ban for ban in bans if ban.target in asked]
        # One at most may have come onto the disk and not been answered any more.
        assert done <= len(kept) <= BANS
        assert {ban.target for ban in kept} == set(asked[: len(kept)])
        assert len(bans) == known + len(kept)
        assert not mutes
        known, number = len(bans), number + len(kept)
    assert known, "it was never given the time for one"


def test_what_is_replaced_is_the_old_or_the_new(data: Path) -> None:
    moments = random.Random(7)
    reasons: set[str | None] = {"r-1"}
    with serving(data) as server, bob_at(server) as bob:
        ask_to_ban(bob, [{"target": "eve", "reason": "r-1"}])
        assert next(answers(bob)) == "done"
    for _ in range(ROUNDS // 2):
        with serving(data) as server, bob_at(server) as bob:
            kill_soon(server, moments)
            asked = [f"r{number}" for number in range(BANS)]
            ask_to_ban(bob, [{"target": "eve", "reason": reason} for reason in asked])
            done = len(list(answers(bob)))
        [ban], _ = read_records(Database(data))
        now = set(asked[done - 1 : done + 1]) if done else {*reasons, asked[0]}
        assert ban.reason in now
        reasons = {ban.reason}
    with serving(data) as server, WireClient(server.address) as eve:
        assert eve.try_login({"to": "eve"}).header["error"] == "banned"
