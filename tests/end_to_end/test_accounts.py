"""Accounts with the real programs: beside a running server, on a terminal, and killed in the middle of it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.accounts.accounts import Account, read_accounts
from chat.server.accounts.passwords import matches
from chat.server.storage.database import Database
from tests import homes
from tests.end_to_end.server_process import CHECKOUT, PATIENCE, ServerProcess
from tests.peers.wire_client import WireClient
from tests.starting.programs import Program, run_program, take_terminal

SERVER = [sys.executable, "-m", "chat.server.cli"]
OLD, NEW = "correct horse", "battery staple"
LOGIN, BAD_LOGIN, UTF8 = MessageType.LOGIN, MessageType.BAD_LOGIN, MessageType.UTF8


def command(directory: Path, *words: str) -> list[str]:
    return [*SERVER, "users", *words, f"--data-directory={directory}"]


def users(directory: Path, *words: str, password: str = "") -> str:
    """Run ``chat-server users`` to its end; return its output."""
    done = run_program(
        command(directory, *words),
        cwd=CHECKOUT,
        env=homes.environment(),
        input=password,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def try_login(server: ServerProcess, name: str, password: str | None = None) -> int:
    with WireClient(server.address) as client:
        return client.try_login({"to": name, "password": password}).type


def test_what_the_command_does_counts_for_the_next_login(running: ServerProcess) -> None:
    data = running.data_directory
    assert try_login(running, "alice") == LOGIN

    users(data, "add", "alice", password=OLD)
    assert try_login(running, "alice") == BAD_LOGIN
    assert try_login(running, "alice", NEW) == BAD_LOGIN
    assert try_login(running, "alice", OLD) == LOGIN

    users(data, "passwd", "alice", password=NEW)
    assert try_login(running, "alice", OLD) == BAD_LOGIN
    assert try_login(running, "alice", NEW) == LOGIN

    users(data, "remove", "alice")
    assert try_login(running, "alice") == LOGIN
    assert OLD not in running.log
    assert NEW not in running.log


def test_an_account_outlives_the_server(tmp_path: Path) -> None:
    option = f"--data-directory={tmp_path / 'data'}"
    first = ServerProcess(option)
    with WireClient.joined(first.address, "alice") as alice:
        alice.send(UTF8, {"command": "register", "password": OLD})
        alice.expect_notice("done")
        first.end()

    second = ServerProcess(option)
    try:
        assert try_login(second, "alice") == BAD_LOGIN
        assert try_login(second, "alice", OLD) == LOGIN
    finally:
        second.end()


def test_a_server_whose_accounts_cannot_be_read_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_bytes(b"no database" * 1000)

    server = run_program(
        [*SERVER, "--address=127.0.0.1:0", "--tls=off", f"--data-directory={tmp_path}"],
        cwd=CHECKOUT,
        env=homes.environment(),
        text=True,
        timeout=PATIENCE,
    )

    assert server.returncode == 1
    last = server.stderr.splitlines()[-1]
    assert last == f"chat-server: cannot use {tmp_path}/chat.db: file is not a database"
    assert "Traceback" not in server.stderr


# On a terminal


def test_at_a_terminal_the_password_is_not_seen(tmp_path: Path) -> None:
    near, far = pty.openpty()

    with Program(
        command(tmp_path, "add", "alice"),
        cwd=CHECKOUT,
        env=homes.environment(),
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
        preexec_fn=take_terminal,
    ) as process:
        os.close(far)
        shown = read_until(near, b"password (8 characters or more): ")
        os.write(near, OLD.encode() + b"\n")
        shown += read_until(near, b"again: ")
        os.write(near, OLD.encode() + b"\n")
        shown += read_until(near, b"registered.")
        assert process.wait(PATIENCE) == 0
    os.close(near)

    assert OLD.encode() not in shown
    [alice] = read_accounts(Database(tmp_path))
    assert matches(OLD, alice.password)


def read_until(terminal: int, end: bytes) -> bytes:
    shown = b""
    while end not in shown:
        shown += os.read(terminal, 1000)
    return shown


# Killed


DELAYS = [0.0, 0.001, 0.002, 0.004]  # seconds after the first byte of a change is on the disk


def kill_while_writing(process: Program[str], directory: Path, delay: float) -> None:
    """Kill the program ``delay`` after it has begun to write, or after it has written, if this test was too slow."""
    database, journal = Database(directory), directory / "chat.db-journal"
    before, deadline = database.stamp(), time.monotonic() + PATIENCE
    while not journal.exists() and process.poll() is None:
        if before is not None and database.stamp() != before:
            break
        assert time.monotonic() < deadline
        time.sleep(0.0002)  # much less than a write takes
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()


def accounts_after(directory: Path) -> list[Account]:
    """Return the accounts in the file, which must be whole."""
    database = Database(directory)
    with database.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return read_accounts(database)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program[str]]]:
    """Begin a command with a password."""
    started: list[Program[str]] = []

    def begin(*words: str, password: str) -> Program[str]:
        file = tmp_path / "password"
        file.write_text(password)
        arguments = command(tmp_path, *words, f"--password-file={file}")
        process = Program(
            arguments, cwd=CHECKOUT, env=homes.environment(), stdout=subprocess.DEVNULL, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_users_add_that_is_killed_has_added_or_not(
    tmp_path: Path, start: Callable[..., Program[str]]
) -> None:
    users(tmp_path, "add", "user", password=OLD)
    known = {"user"}
    for number, delay in enumerate(DELAYS):
        process = start("add", f"user{number}", password=NEW)
        kill_while_writing(process, tmp_path, delay)

        accounts = {account.name: account for account in accounts_after(tmp_path)}
        assert accounts.keys() - known <= {f"user{number}"}
        assert known <= accounts.keys()
        if f"user{number}" in accounts:
            assert matches(NEW, accounts[f"user{number}"].password)
        known = set(accounts)


def test_the_very_first_that_is_killed_leaves_a_file_that_can_be_used(
    tmp_path: Path, start: Callable[..., Program[str]]
) -> None:
    process = start("add", "alice", password=NEW)
    kill_while_writing(process, tmp_path, 0.0)

    assert [account.name for account in accounts_after(tmp_path)] in ([], ["alice"])


def test_passwd_that_is_killed_leaves_the_old_or_the_new(
    tmp_path: Path, start: Callable[..., Program[str]]
) -> None:
    users(tmp_path, "add", "alice", password=OLD)
    for number, delay in enumerate(DELAYS):
        [before] = accounts_after(tmp_path)
        process = start("passwd", "alice", password=f"password {number}")
        kill_while_writing(process, tmp_path, delay)

        [after] = accounts_after(tmp_path)
        assert after == before or matches(f"password {number}", after.password)


def test_a_server_that_is_killed_while_a_password_changes(tmp_path: Path) -> None:
    for delay in DELAYS[1:3]:
        directory = tmp_path / str(delay)
        server = ServerProcess(f"--data-directory={directory}")
        with WireClient.joined(server.address, "alice") as alice:
            alice.send(UTF8, {"command": "register", "password": OLD})
            alice.expect_notice("done")
            alice.send(UTF8, {"command": "passwd", "password": OLD, "new_password": NEW})
            kill_while_writing(server._process, directory, delay)
            server.end()

        [after] = accounts_after(directory)
        assert (after.name, matches(OLD, after.password) or matches(NEW, after.password)) == (
            "alice",
            True,
        )
