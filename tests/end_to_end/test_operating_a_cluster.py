"""A server in a cluster, as its operator sees it: why it does not start, its health, its metrics."""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import gevent
import pytest

from chat.net.engine_url import parse_engine_url
from chat.server import cli
from chat.server.history.reader import Reader
from chat.server.replication.stored.founding import found_cluster, leave_cluster
from tests.end_to_end.server_process import ServerProcess, eventually, running_server
from tests.server.cluster.engine_process import EngineProcess, needs_engine

pytestmark = needs_engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    engine = EngineProcess(tmp_path / "engine")
    engine.start()
    yield engine
    engine.kill()


@pytest.fixture
def options(tmp_path: Path, engine: EngineProcess) -> list[str]:
    """The options of a server with which the cluster begins."""
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("0123456789abcdef" * 2)
    data = tmp_path / "data"
    data.mkdir()
    url = f"redis://127.0.0.1:{engine.port}"
    found_cluster(data, parse_engine_url(url))
    return [
        f"--cluster={url}",
        f"--data-directory={data}",
        f"--peer-secret-file={secret}",
        "--history=on",
        "--node=chat1",
        "--peer-listen=127.0.0.1:0",
    ]


def fetch(server: ServerProcess, path: str) -> tuple[int, str]:
    port = server.wait_for_line(r"metrics are on 127\.0\.0\.1:(\d+)$")[1]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read().decode()


def test_a_server_that_cannot_take_part_says_why_in_a_line(options: list[str]) -> None:
    with running_server(*options):
        pass
    with pytest.raises(AssertionError) as caught:
        ServerProcess(*options, "--default-room=hall")
    [line] = [line for line in str(caught.value).splitlines() if line.startswith("chat-server: ")]
    assert line == "chat-server: the cluster calls its default room lobby: set --default-room"
    assert "Traceback" not in str(caught.value)


def test_a_server_is_healthy_while_it_follows_the_log(
    options: list[str], engine: EngineProcess
) -> None:
    with running_server(*options, "--metrics-address=127.0.0.1:0") as server:
        eventually(lambda: fetch(server, "/healthz")[0] == 200)
        _, metrics = fetch(server, "/metrics")
        assert re.search(r"^chat_cluster_following 1\.0$", metrics, re.MULTILINE)
        assert re.search(r"^chat_cluster_servers 1\.0$", metrics, re.MULTILINE)
        engine.kill()
        eventually(lambda: fetch(server, "/healthz") == (503, "engine away\n"))
        _, metrics = fetch(server, "/metrics")
        assert re.search(r"^chat_cluster_following 0\.0$", metrics, re.MULTILINE)
        assert 'chat_cluster_standing{standing="engine away"} 1.0' in metrics
        engine.start()
        eventually(lambda: fetch(server, "/healthz")[0] == 200)


def data_of(options: list[str]) -> Path:
    [option] = [each for each in options if each.startswith("--data-directory=")]
    return Path(option.partition("=")[2])


def epoch_of(directory: Path) -> str:
    with closing(Reader(directory)) as reader:
        return reader.epoch()


def test_a_server_alone_begins_an_epoch_with_data_of_a_cluster(options: list[str]) -> None:
    data = data_of(options)
    with running_server(*options):
        pass
    former = epoch_of(data)
    with running_server("--history=on", f"--data-directory={data}") as server:
        server.wait_for_line("the data is that of a cluster, .*: a new epoch begins here$")
    began = epoch_of(data)
    assert began != former
    # Once only.
    with running_server("--history=on", f"--data-directory={data}") as server:
        pass
    assert "cluster" not in server.log
    assert epoch_of(data) == began


def test_a_server_that_left_its_cluster_keeps_the_epoch(options: list[str]) -> None:
    data = data_of(options)
    with running_server(*options):
        pass
    former = epoch_of(data)
    leave_cluster(data, parse_engine_url(options[0].removeprefix("--cluster=")))
    with running_server("--history=on", f"--data-directory={data}") as server:
        pass
    assert "cluster" not in server.log
    assert epoch_of(data) == former


def test_history_of_a_cluster_is_not_exchanged(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, copy, log = data_of(options), tmp_path / "copy.db", tmp_path / "log"
    log.write_text("--- Log opened Sun Nov 29 20:00:00 2026\n20:01 <alice> hello\n")
    with running_server(*options):
        pass
    where = f"--data-directory={data}"
    assert cli.main(["history", "backup", str(copy), where]) == 0
    for command in (["restore", str(copy)], ["import", str(log), "--format=irssi"]):
        capsys.readouterr()
        assert cli.main(["history", *command, where]) == 1
        assert "belongs to a cluster" in capsys.readouterr().err
    # By hand it can be done, and then the server does not start.
    for name in ("history.db-wal", "history.db-shm"):
        (data / name).unlink(missing_ok=True)
    shutil.copy(copy, data / "history.db")
    with pytest.raises(AssertionError, match="the history is of another epoch than the cluster"):
        ServerProcess(*options)


def test_servers_with_nothing_begin_together(tmp_path: Path, engine: EngineProcess) -> None:
    """One of them begins the log, and the other ones take copies, whichever comes first."""
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("0123456789abcdef" * 2)

    def start(node: str) -> ServerProcess:
        return ServerProcess(
            *(f"--cluster=redis://127.0.0.1:{engine.port}", f"--node={node}", "--history=on"),
            *(f"--data-directory={tmp_path / node}", f"--peer-secret-file={secret}"),
            *("--peer-listen=127.0.0.1:0", "--tls=optional"),
        )

    started = [gevent.spawn(start, node) for node in ("chat1", "chat2", "chat3")]
    servers = [each.get(timeout=60) for each in started]
    try:
        keys = {
            server.wait_for_line(r"the fingerprint of the key is (\S+)$")[1] for server in servers
        }
        assert len(keys) == 1
        assert sum("took a copy of the data" in server.log for server in servers) == 2
        assert len({epoch_of(tmp_path / f"chat{number}") for number in (1, 2, 3)}) == 1
        for server in servers:
            assert server.stop() == 0
    finally:
        for server in servers:
            server.end()
