"""An operator's tasks: write and check a configuration file, use a service manager, a watchdog and metrics."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from prometheus_client import parser

from chat.protocol.descriptor import MessageType
from tests import homes
from tests.end_to_end.server_process import CHECKOUT, ServerProcess, running_server
from tests.peers.wire_client import WireClient
from tests.starting.programs import run_program


def fetch(url: str) -> tuple[int, str]:
    """Fetch in a thread, since the clients of the test are greenlets of this thread."""

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, timeout=30) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as problem:
            return problem.code, problem.read().decode()

    answer: tuple[int, str] = gevent.get_hub().threadpool.apply(ask)
    return answer


def watched(server: ServerProcess) -> str:
    port = server.wait_for_line(r"metrics are on 127\.0\.0\.1:(\d+)$")[1]
    return f"http://127.0.0.1:{port}"


def test_metrics_follow_what_happens() -> None:
    with running_server("--metrics-address=127.0.0.1:0") as server:
        url = watched(server)
        assert fetch(f"{url}/healthz") == (200, "ok\n")
        with WireClient.joined(server.address, "alice") as alice:
            alice.say("hello")
            alice.expect_text("hello", "alice")
            status, text = fetch(f"{url}/metrics")
    assert status == 200
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["chat_users", "json", "none"] == 1
    assert samples["chat_messages_total", "text"] == 1
    assert samples["process_open_fds",] > 3


def test_a_watchdog_sees_that_it_stops() -> None:
    with running_server("--metrics-address=127.0.0.1:0") as server:
        url = watched(server)
        with WireClient.joined(server.address, "alice") as alice:
            server.send_signal(signal.SIGTERM)
            alice.expect_notice("shutting-down")  # it waits for her to close
            assert fetch(f"{url}/healthz") == (503, "stopping\n")
        assert server.wait() == 0


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield manager


def test_the_service_manager_is_told_of_every_step(manager: socket.socket) -> None:
    with running_server() as server:
        host, port = server.address
        ready = f"READY=1\nSTATUS=listening on {host}:{port}"
        assert manager.recv(4096).decode() == ready
        server.send_signal(signal.SIGHUP)
        assert manager.recv(4096).startswith(b"RELOADING=1\n")
        assert manager.recv(4096).decode() == ready
    assert manager.recv(4096).startswith(b"STOPPING=1\n")


def chat_server(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chat.server.cli", *arguments]
    return run_program(command, cwd=CHECKOUT, env=homes.environment(), text=True, timeout=30)


def test_settings_are_looked_at_before_they_are_used(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(
        f"""
        address = "127.0.0.1:0"
        data-directory = "{tmp_path}/data"
        max-users = 1
        rate = "fast"
        motd = "/no/such/file"
        """
    )
    done = chat_server(f"--config={file}", "--check")
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.removeprefix(f"chat-server: {file}: ") for line in done.stderr.splitlines()] == [
        "motd=/no/such/file: cannot read it (No such file or directory)",
        "rate=fast: expected 0, RATE or RATE/BURST such as 50, 50/200 or 256K/1M",
    ]
    assert chat_server(f"--config={file}").stderr == done.stderr  # it would not have started

    file.write_text(file.read_text().replace('"fast"', "5").replace("/no/such/file", "/dev/null"))
    done = chat_server(f"--config={file}", "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "chat-server: all is well\n", "")
    assert not (tmp_path / "data").exists()

    with (
        running_server(f"--config={file}", f"--data-directory={tmp_path}/data") as server,
        WireClient.joined(server.address, "alice"),
        WireClient(server.address) as bob,
    ):
        assert bob.try_login({"to": "bob"}).header["error"] == "server-full"
    assert (tmp_path / "data").is_dir()


def test_a_hangup_reads_the_settings_and_the_words_of_welcome_again(tmp_path: Path) -> None:
    file, motd = tmp_path / "server.toml", tmp_path / "motd"
    motd.write_text("old")
    file.write_text(f'motd = "{motd}"\nmax-users = 5\nspool-directory = "{tmp_path}"\n')
    with running_server(f"--config={file}") as server:
        motd.write_text("new")
        file.write_text(f'motd = "{motd}"\nmax-users = 1\nmetrics-address = ":1"\n')
        server.send_signal(signal.SIGHUP)
        server.wait_for_line(r"INFO read the settings again: changed max-users, motd$")
        server.wait_for_line(r"WARNING needs a restart: spool-directory, metrics-address$")
        with WireClient(server.address) as alice, WireClient(server.address) as bob:
            alice.login("alice")
            assert alice.welcome["motd"] == "new"
            assert bob.try_login({"to": "bob"}).header["error"] == "server-full"

        file.write_text("max-users = 100\nmotd = 7\nrate = 'fast'\n")
        server.send_signal(signal.SIGHUP)
        server.wait_for_line(
            rf"ERROR cannot read the settings again; nothing .*{file}: motd: .*rate"
        )
        with WireClient(server.address) as alice, WireClient(server.address) as bob:
            alice.login("alice")
            assert alice.welcome["motd"] == "new"
            assert bob.try_login({"to": "bob"}).header["error"] == "server-full"


def test_a_reload_by_a_command_says_what_has_changed_or_why_not(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("max-users = 5\n")
    here = f"--data-directory={tmp_path / 'data'}"
    with running_server(f"--config={file}", here) as server:
        file.write_text("max-users = 1\nmetrics-address = ':1'\n")
        done = chat_server("reload", here)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            "read the settings again: changed max-users\nneeds a restart: metrics-address\n"
        )
        file.write_text("max-users = 100\nrate = 'fast'\n")
        done = chat_server("reload", here)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"chat-server: Nothing was changed: {file}: rate")
        with WireClient.joined(server.address, "alice"), WireClient(server.address) as bob:
            assert bob.try_login({"to": "bob"}).header["error"] == "server-full"
    assert chat_server("reload", here).returncode == 1


def test_a_running_server_takes_commands_and_shares_its_directory_with_no_other() -> None:
    with running_server() as server:
        directory = f"--data-directory={server.data_directory}"
        with WireClient.joined(server.address, "alice") as alice:
            assert chat_server("say", directory, "Hello", "all.").stdout == "announced to 1 user\n"
            assert alice.expect(MessageType.UTF8, notice="announcement").text == "Hello all."
        status = json.loads(chat_server("status", directory, "--json").stdout)
        assert status["pid"] == server.pid

        other = chat_server("--address=127.0.0.1:0", "--tls=off", directory)
        assert (other.returncode, other.stdout) == (1, "")
        assert other.stderr.endswith(
            f"chat-server: another server (process {server.pid}) uses {server.data_directory}; stop it,"
            " or choose another --data-directory\n"
        )
        assert chat_server("status", directory).returncode == 0, "the other has changed nothing"
        assert server.stop() == 0
        assert chat_server("status", directory).stderr.startswith("chat-server: no server runs on ")


def test_what_a_killed_server_leaves_keeps_no_other_from_its_place(tmp_path: Path) -> None:
    directory = f"--data-directory={tmp_path}"
    with running_server(directory) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (tmp_path / "control.sock").is_socket()
        with running_server(directory) as second:
            status = chat_server("status", "--json", directory)
            assert json.loads(status.stdout)["pid"] == second.pid
    assert not (tmp_path / "control.sock").exists()
