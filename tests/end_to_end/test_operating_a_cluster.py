"""A server in a cluster, as its operator sees it: why it does not start, its health, its metrics."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.net.engine_url import parse_engine_url
from chat.server.replication.stored.founding import found_cluster
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
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as problem:
        return problem.code, ""


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
        eventually(lambda: fetch(server, "/healthz")[0] == 503)
        _, metrics = fetch(server, "/metrics")
        assert re.search(r"^chat_cluster_following 0\.0$", metrics, re.MULTILINE)
        assert 'chat_cluster_standing{standing="engine away"} 1.0' in metrics
        engine.start()
        eventually(lambda: fetch(server, "/healthz")[0] == 200)
