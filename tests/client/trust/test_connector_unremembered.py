"""A server that is trusted and can't be remembered: the file takes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client.errors import UntrustedServer
from chat.client.runtime.runtime import Runtime
from chat.client.trust.connector import Connector, TrustPolicy
from chat.client.trust.known_hosts import KnownHosts
from chat.net.address import Address
from tests.client.connectors import ELSEWHERE, Visitor, enter
from tests.client.runtimes import with_both_runtimes
from tests.peers.certificates import Identity, make_identity
from tests.peers.tls_server import LittleServer, by_tls


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("first"), name="first")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("second"), name="second")


@pytest.fixture
def server(first: Identity) -> Iterator[LittleServer]:
    with LittleServer(by_tls(first)) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Below a file, where nothing can be: the home directory is ``/dev/null``, say."""
    (tmp_path / "home").touch()
    return tmp_path / "home" / ".local" / "known_hosts"


@with_both_runtimes
def test_a_trusted_key_holds_as_long_as_the_connector(
    server: LittleServer, path: Path, runtime: Runtime, first: Identity, second: Identity
) -> None:
    visitor = Visitor(path, runtime, trusts=True)
    connector = visitor.connector(server)
    assert enter(connector)
    assert enter(connector)  # a new session
    assert len(visitor.asked) == 1
    (warning,) = visitor.warned
    assert f"Cannot remember the key of {ELSEWHERE}:{server.port}: {path} can't" in warning
    assert f"--fingerprint={first.fingerprint}" in warning
    server.answer = by_tls(second)
    with pytest.raises(UntrustedServer, match=r"HAS CHANGED(.|\n)*start the client again"):
        enter(connector)
    assert len(visitor.asked) == 1


@with_both_runtimes
def test_the_next_connector_asks_again(server: LittleServer, path: Path, runtime: Runtime) -> None:
    visitor = Visitor(path, runtime, trusts=True)
    assert enter(visitor.connector(server))
    assert enter(visitor.connector(server))
    assert len(visitor.asked) == len(visitor.warned) == 2


@with_both_runtimes
@pytest.mark.parametrize("trusts", [False, None])
def test_nobody_is_trusted_unasked(
    server: LittleServer, path: Path, runtime: Runtime, trusts: bool | None
) -> None:
    visitor = Visitor(path, runtime, trusts)
    with pytest.raises(UntrustedServer):
        enter(visitor.connector(server))
    assert not visitor.warned


@with_both_runtimes
def test_a_fingerprint_needs_no_file(
    server: LittleServer, path: Path, runtime: Runtime, first: Identity
) -> None:
    visitor = Visitor(path, runtime)
    assert enter(visitor.connector(server, fingerprint=first.fingerprint))
    assert not visitor.warned


@with_both_runtimes
def test_a_library_user_need_not_be_told(
    server: LittleServer, path: Path, runtime: Runtime
) -> None:
    policy = TrustPolicy(known_hosts=KnownHosts(path), judge=lambda unknown_server: True)
    assert enter(Connector(runtime, Address(ELSEWHERE, server.port), policy))


def test_a_voucher_that_cannot_be_remembered(
    server: LittleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vouched = make_identity(tmp_path, ELSEWHERE)
    monkeypatch.setenv("SSL_CERT_FILE", str(vouched.certificate))
    server.answer = by_tls(vouched)
    visitor = Visitor(tmp_path / "file" / "known_hosts")
    (tmp_path / "file").touch()
    assert enter(visitor.connector(server))
    (warning,) = visitor.warned
    assert "Cannot remember that an authority vouches for" in warning
    assert "--tls=required" in warning
