"""``chat-server cluster status`` and ``chat-server drain``, at a control socket in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.server import cli
from chat.server.control.client import CLUSTER_STATUS, DRAIN
from chat.server.control.control_server import ControlServer, Handler
from chat.server.control.socket_file import listen_in, remove_from
from chat.server.storage.data_directory import held
from tests.server.cluster.engine_process import EngineProcess, needs_engine
from tests.server.replication.test_cluster_report import STATUS
from tests.server.server_in_test import TestServer

Types = Callable[..., tuple[str, str]]


@pytest.fixture
def types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Types:
    """Type a command in a thread, since it waits for the server; return its output and its errors."""

    def run(*words: str, status: int = 0) -> tuple[str, str]:
        arguments = [*words, f"--data-directory={tmp_path}"]
        found = gevent.get_hub().threadpool.apply(partial(cli.main, arguments))
        output = capsys.readouterr()
        assert found == status, output
        return output.out, output.err

    return run


@pytest.fixture
def handlers() -> dict[str, Handler]:
    """The answers of the server, by command."""
    return {CLUSTER_STATUS: lambda fields: STATUS}


@pytest.fixture
def control(tmp_path: Path, handlers: Mapping[str, Handler]) -> Iterator[ControlServer]:
    server = ControlServer(listen_in(tmp_path), handlers)
    server.start()
    yield server
    server.stop()


@pytest.mark.usefixtures("control")
def test_the_status_of_a_server_that_follows(types: Types) -> None:
    out, err = types("cluster", "status")
    assert out.startswith("node      chat1\nstanding  following: ready\n")
    assert not err
    assert json.loads(types("cluster", "status", "--json")[0]) == STATUS


@pytest.mark.usefixtures("control")
def test_the_exit_status_tells_whether_it_follows(
    types: Types, handlers: dict[str, Handler]
) -> None:
    handlers[CLUSTER_STATUS] = lambda fields: {
        **STATUS,
        "standing": "engine away",
        "reason": "gone",
    }
    out, err = types("cluster", "status", status=1)
    assert "standing  engine away: " in out
    assert err == "chat-server: the server chat1 does not follow the log\n"


@pytest.mark.usefixtures("control")
def test_a_drain_tells_what_has_begun(types: Types, handlers: dict[str, Handler]) -> None:
    handlers[DRAIN] = lambda fields: {"users": 300, "servers": 1}
    out, _ = types("drain")
    assert out == "moving 300 users to 1 other server; then the server stops\n"


def test_a_drain_can_wait_for_the_end(
    types: Types, handlers: dict[str, Handler], control: ControlServer, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def status(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        # The first question comes while the users go; at the second one the server is gone.
        asked.append(fields)
        control.stop()
        remove_from(tmp_path)
        return STATUS

    handlers[DRAIN] = lambda fields: {"users": 0, "servers": 2}
    handlers[CLUSTER_STATUS] = status
    out, _ = types("drain", "--wait")
    assert out == (
        "moving 0 users to 2 other servers; then the server stops\nthe server has stopped\n"
    )
    assert len(asked) == 1


@pytest.mark.parametrize("command", [["cluster", "status"], ["drain"]])
def test_no_server_runs_there(command: list[str], types: Types, tmp_path: Path) -> None:
    _, err = types(*command, status=1)
    assert err.startswith(f"chat-server: no server runs on {tmp_path}; ")


@pytest.mark.parametrize("command", [["cluster", "status"], ["drain"]])
def test_a_server_alone_has_no_cluster(
    command: list[str], types: Types, open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> None:
    chat_server = open_a_chat_server(data_directory=tmp_path)
    control = chat_server.parts.make_control_server(tmp_path, list)
    control.start()
    _, err = types(*command, status=1)
    assert err == "chat-server: This server runs alone: it was started without --cluster.\n"
    control.stop()


def test_help_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["cluster", "--help"], ["drain", "-h"]):
        with pytest.raises(SystemExit):
            cli.main(words)
        out = capsys.readouterr().out
        assert "cluster status" in out
        assert max(map(len, out.splitlines())) <= 100


# With a stopped server


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """An engine without a log."""
    engine = EngineProcess(tmp_path / "engine")
    engine.start()
    yield f"redis://127.0.0.1:{engine.port}"
    engine.kill()


@needs_engine
def test_a_cluster_is_founded_once_and_left(types: Types, url: str, tmp_path: Path) -> None:
    assert types("cluster", "leave", status=1)[1] == (
        f"chat-server: {tmp_path} belongs to no cluster\n"
    )
    out, _ = types("cluster", "init", f"--cluster={url}")
    assert out == f"{tmp_path} is the beginning of a cluster now; start the server with --cluster\n"
    _, err = types("cluster", "init", f"--cluster={url}", status=1)
    assert err == f"chat-server: {tmp_path} belongs to a cluster already\n"
    nowhere = "--cluster=redis://127.0.0.1:1"
    out, _ = types("cluster", "leave", nowhere)
    assert (
        "a new epoch begins: the engine cannot be asked whether other servers have said more" in out
    )
    assert types("cluster", "init", f"--cluster={url}/first")[0].startswith(str(tmp_path))
    out, _ = types("cluster", "leave")
    assert "start the server without --cluster" in out
    assert out.endswith("; a new epoch begins: the other servers may have said more\n")
    _, err = types("cluster", "init", f"--cluster={url}", status=1)
    assert "the engine has a log with the prefix chat already" in err
    assert types("cluster", "init", f"--cluster={url}/other")[0].startswith(str(tmp_path))


@needs_engine
def test_a_server_leaves_also_if_its_password_is_for_the_service_alone(
    types: Types, url: str, tmp_path: Path
) -> None:
    types("cluster", "init", f"--cluster={url}")
    file = tmp_path / "server.toml"
    file.write_text(f'cluster = "{url}?password-file=/run/credentials/nowhere"\n')
    out, _ = types("cluster", "leave", f"--config={file}")
    assert "; a new epoch begins: " in out
    _, err = types("cluster", "leave", f"--cluster={url}?password-file=/nowhere", status=2)
    assert "cannot read /nowhere" in err


@needs_engine
def test_the_engine_may_stand_in_the_settings_file(types: Types, url: str, tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    _, err = types("cluster", "init", status=2)
    assert err.startswith("chat-server: --cluster is missing: expected the engine's URL")
    file.write_text(f'cluster = "{url}"\n')
    assert "beginning of a cluster" in types("cluster", "init", f"--config={file}")[0]


@pytest.mark.parametrize("command", ["init", "leave"])
def test_a_running_server_keeps_its_data(command: str, types: Types, tmp_path: Path) -> None:
    options = ["--cluster=redis://127.0.0.1:1"] if command == "init" else []
    with held(tmp_path):
        _, err = types("cluster", command, *options, status=1)
    assert err.startswith("chat-server: another server")


def test_an_engine_that_is_away(types: Types, tmp_path: Path) -> None:
    _, err = types("cluster", "init", "--cluster=redis://127.0.0.1:1", status=1)
    assert "Connection refused" in err


def test_without_its_extra_a_cluster_cannot_be_founded(
    types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.server.config.cluster_options.find_spec", lambda name: None)
    _, err = types("cluster", "init", "--cluster=redis://127.0.0.1:1", status=2)
    assert err == (
        "chat-server: this command needs a package that is missing; "
        "install it with: pip install '.[cluster]'\n"
    )


@needs_engine
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_server_can_use_what_root_has_founded(types: Types, url: str, tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    types("cluster", "init", f"--cluster={url}")
    for name in ("chat.db", "history.db"):
        assert (tmp_path / name).stat().st_uid == 65534
