"""The engine as ``deploy/cluster`` sets it up: logins, rights, replicas and Sentinel suffice for a server."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import gevent
import pytest

from chat.net.engine_url import EngineUrl, parse_engine_url
from chat.server.cluster.engine_line import EngineVerdict, Redialing, WriterId
from chat.server.cluster.library import LIBRARY
from chat.server.cluster.log_entry import ORIGIN, LogEntry
from chat.server.cluster.redis_connection import Dialer, EngineAway, EngineRefused
from chat.server.cluster.replicated_log import ReplicatedLog
from chat.server.cluster.standing import Standing
from chat.server.replication.leases import read_leases
from chat.server.replication.stored.founding import CannotFound, found_cluster
from tests.deploy.cluster_files import document, prepared, read_compose
from tests.server.cluster.engine_process import PROGRAM, EngineProcess, needs_engine
from tests.server.cluster.servers import EPOCH, LIMITS, until

pytestmark = needs_engine


class ConfiguredEngine(EngineProcess):
    """An engine, or a Sentinel, that reads ``text`` as its file, with the port and the paths of this test."""

    def __init__(self, directory: Path, text: str, *options: str) -> None:
        super().__init__(directory)
        text = re.sub(r"^port \d+$", f"port {self.port}", text, flags=re.MULTILINE)
        text = text.replace("dir /data", f"dir {directory}\nbind 127.0.0.1")
        (directory / "conf").write_text(text)
        self._options = options
        self._said_before = 0

    def start(self) -> None:
        self._said_before = len(self.all_said()) if self._log.exists() else 0
        super().start()

    def all_said(self) -> str:
        """Return its log, of all its runs."""
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _words(self) -> list[str]:
        return [str(self.directory / "conf"), *self._options]

    def _answers(self) -> bool:
        # Nobody may PING it without a login.
        said = self.all_said()[self._said_before :]
        return re.search("Ready to accept connections|Sentinel ID is", said) is not None


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    return prepared(tmp_path)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def started(engine: ConfiguredEngine, stack: ExitStack) -> ConfiguredEngine:
    stack.callback(engine.kill)
    engine.start()
    return engine


def start_engine(
    secrets: Path, directory: Path, stack: ExitStack, more: str = ""
) -> ConfiguredEngine:
    text = (secrets.parent / "valkey.conf").read_text()
    text = text.replace("/data/users.acl", str(secrets / "users.acl"))
    text = f"{text}\n{(secrets / 'replication.conf').read_text()}{more}"
    return started(ConfiguredEngine(directory, text), stack)


def start_cluster(
    secrets: Path, directory: Path, stack: ExitStack
) -> tuple[EngineProcess, EngineUrl]:
    """Start three engines and a Sentinel; return the primary, and the URL for servers."""
    primary = start_engine(secrets, directory / "primary", stack)
    for name in ("left", "right"):
        start_engine(secrets, directory / name, stack, f"replicaof 127.0.0.1 {primary.port}\n")
    text = (secrets.parent / "sentinel.conf").read_text()
    monitored = re.sub(r"10\.88\.0\.11 6379 2", f"127.0.0.1 {primary.port} 1", text)
    assert monitored != text
    sentinel = ConfiguredEngine(
        directory / "sentinel",
        monitored + (secrets / "sentinel-logins.conf").read_text(),
        "--sentinel",
    )
    started(sentinel, stack)
    return primary, parse_engine_url(
        f"redis+sentinel://chat@127.0.0.1:{sentinel.port}/chat?password-file={secrets}/engine-password"
        f"&sentinel-password-file={secrets}/sentinel-password&replicas=1"
    )


def _begin_log(url: EngineUrl) -> bool:
    """Begin a log; return False while the engine misses its replicas, which may have just connected."""
    with suppress(EngineRefused), Redialing(Dialer(url, 3.0), LIBRARY).line() as line:
        return line.create(EPOCH) == EPOCH
    return False


def follow(url: EngineUrl, stack: ExitStack) -> tuple[ReplicatedLog, list[LogEntry]]:
    """Begin a log in the engine, and follow it as a server does."""
    until(partial(_begin_log, url))
    applied: list[LogEntry] = []
    log = ReplicatedLog(
        url, "chat1", EPOCH, apply=applied.append, tell=lambda standing, reason: None, limits=LIMITS
    )
    log.start()
    stack.callback(log.close, 0)
    return log, applied


def test_a_server_has_the_rights_that_it_needs_and_no_more(
    secrets: Path, tmp_path: Path, stack: ExitStack
) -> None:
    _, url = start_cluster(secrets, tmp_path / "engines", stack)
    (tmp_path / "data").mkdir()
    log, applied = follow(url, stack)
    log.append(b"hello")
    until(lambda: any(b"hello" in entry.records for entry in applied))
    with Redialing(Dialer(url, 3.0), LIBRARY).line() as line:
        writer = WriterId(EPOCH, "chat1", log.incarnation)
        assert line.trim(writer, 3600.0).verdict is EngineVerdict.OK
    assert log.standing is Standing.FOLLOWING
    assert set(read_leases(url) or ()) == {log.incarnation}
    # It refuses since there is a log, and not for a missing right.
    with pytest.raises(CannotFound, match="has a log with the prefix chat already"):
        found_cluster(tmp_path / "data", url)

    connection = Dialer(url, 3.0).dial()
    stack.callback(connection.close)
    for command in (
        ("GET", "other"),
        ("HGET", "other", "n"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("FUNCTION", "FLUSH"),
        ("ACL", "LIST"),
        ("PUBLISH", "other", "x"),
    ):
        with pytest.raises(EngineRefused, match=r"NOPERM|No permissions|no permissions"):
            connection.call(*command)


def test_nobody_comes_in_without_a_login(secrets: Path, tmp_path: Path, stack: ExitStack) -> None:
    engine = start_engine(secrets, tmp_path / "engine", stack)
    with pytest.raises(EngineAway, match=r"NOAUTH|Authentication required"):
        Dialer(parse_engine_url(f"redis://127.0.0.1:{engine.port}"), 3.0).dial()


def _documented_settings(secrets: Path) -> str:
    """Return the lines that docs/cluster.md adds to the engine's file, for loopback."""
    [lines] = re.findall(r"redis\.conf <<END\n((?: {4}.*\n)+?) {4}END\n", document())
    password = (secrets / "engine-password").read_bytes()
    lines = lines.replace("$hash", hashlib.sha256(password.strip()).hexdigest())
    lines, count = re.subn(r"^ +bind 10\.0\.0\.10$", "bind 127.0.0.1", lines, flags=re.MULTILINE)
    assert count == 1
    return textwrap.dedent(lines)


@pytest.fixture(params=["docs/cluster.md", "deploy/cluster"])
def lone_engine(
    request: pytest.FixtureRequest, secrets: Path, tmp_path: Path, stack: ExitStack
) -> ConfiguredEngine:
    """An engine that is set up as the document, or as the files, say; it runs."""
    if request.param == "deploy/cluster":
        return start_engine(secrets, tmp_path / "engine", stack, "min-replicas-to-write 0\n")
    text = f"port 6379\ndir /data\n{_documented_settings(secrets)}"
    return started(ConfiguredEngine(tmp_path / "engine", text), stack)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_an_engine_that_starts_again_has_all_of_the_log(
    lone_engine: ConfiguredEngine, secrets: Path, stack: ExitStack, end: signal.Signals
) -> None:
    """The engine loads its append-only file with the rights of its user "default" (redis/redis#14541)."""
    url = parse_engine_url(
        f"redis://chat@127.0.0.1:{lone_engine.port}?password-file={secrets}/engine-password"
    )
    log, applied = follow(url, stack)
    log.append(b"before")
    until(lambda: any(b"before" in entry.records for entry in applied))

    lone_engine.end(end)
    lone_engine.start()

    log.append(b"after")
    until(lambda: any(b"after" in entry.records for entry in applied))
    until(lambda: log.standing is Standing.FOLLOWING)
    with Redialing(Dialer(url, 3.0), LIBRARY).line() as line:
        kept = line.read(WriterId(EPOCH, "chat1", log.incarnation), ORIGIN, 100)
    assert [b"before" in entry or b"after" in entry for entry in kept.entries].count(True) == 2
    assert "CRITICAL" not in lone_engine.all_said()


@pytest.mark.thorough("takes 15 s: Sentinel waits before it makes another engine the primary")
def test_another_engine_takes_over(secrets: Path, tmp_path: Path, stack: ExitStack) -> None:
    primary, url = start_cluster(secrets, tmp_path / "engines", stack)
    log, applied = follow(url, stack)
    log.append(b"before")
    until(lambda: any(b"before" in entry.records for entry in applied))
    # Sentinel asks the primary for its replicas every 10 s.
    gevent.sleep(11)
    primary.kill()
    log.append(b"after")
    until(lambda: any(b"after" in entry.records for entry in applied))
    assert log.standing is Standing.FOLLOWING


class ContainedEngine(ConfiguredEngine):
    """The engine of a service in the compose file, with directories and programs of this test."""

    def __init__(
        self, service: str, secrets: Path, directory: Path, own: str, primary: str
    ) -> None:
        super().__init__(directory / "unused", "")
        [shell, flags, script] = read_compose()["services"][service]["entrypoint"]
        bin = directory / "bin"
        data, configs = directory / "data", directory / "configs"
        for each in (bin, data, configs):
            each.mkdir(parents=True)
        self._start_with(bin / "hostname", f"echo {own}")
        # As the entrypoint of the image does.
        self._start_with(bin / "docker-entrypoint.sh", f'program=$1; shift; exec {PROGRAM} "$@"')
        text = (secrets.parent / "valkey.conf").read_text()
        for name, value in (("port 6379", f"port {self.port}"), ("/data", str(data))):
            assert name in text
            text = text.replace(name, value)
        (configs / "valkey.conf").write_text(text)
        script = script.replace("$$", "$").replace("/run/secrets", str(secrets))
        script = script.replace(" /valkey.conf", f" {configs}/valkey.conf").replace(
            "/data", str(data)
        )
        self.files = data
        self._started = [
            *("env", f"PATH={bin}:{os.environ['PATH']}", f"PRIMARY={primary}"),
            *(shell, flags, script),
        ]

    def _start_with(self, path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)

    def _command(self) -> list[str]:
        return self._started


def test_the_containers_start_a_primary_and_replicas(
    secrets: Path, tmp_path: Path, stack: ExitStack
) -> None:
    primary = ContainedEngine("valkey1", secrets, tmp_path / "1", "10.88.0.11", "10.88.0.11")
    replica = ContainedEngine("valkey2", secrets, tmp_path / "2", "10.88.0.12", "10.88.0.11")
    for engine in (primary, replica):
        stack.callback(engine.kill)
        engine.start()
    assert "\nreplicaof" not in (primary.files / "valkey.conf").read_text()
    text = (replica.files / "valkey.conf").read_text()
    assert "\nreplicaof 10.88.0.11 6379\n" in text
    assert "\nreplica-announce-ip 10.88.0.12\n" in text
    assert "\nmasteruser replica\n" in text
    # Sentinel may have written there what a restart must not undo.
    (replica.files / "valkey.conf").write_text(text.replace("replicaof 10.88.0.11 6379\n", ""))
    replica.kill()
    replica.start()
    assert "\nreplicaof" not in (replica.files / "valkey.conf").read_text()
