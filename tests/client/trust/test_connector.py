from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client.errors import ConnectError, NotEncrypted, UntrustedServer
from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.trust import connector as connector_module
from chat.client.trust import tls as tls_module
from chat.client.trust.connector import Connector, TlsChoice, TrustPolicy, UnknownServer
from chat.client.trust.known_hosts import KnownHosts
from chat.client.trust.tls import TlsStream
from chat.net.address import Address
from tests.client.connectors import ELSEWHERE, HERE, Visitor, enter, use
from tests.client.runtimes import with_both_runtimes
from tests.peers.certificates import Identity, make_identity
from tests.peers.original_server import OriginalServer
from tests.peers.tls_server import (
    LittleServer,
    by_closing,
    by_silence,
    by_tls,
    in_plain,
)


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Identity, Identity]:
    directory = tmp_path_factory.mktemp("identities")
    return make_identity(directory, name="first"), make_identity(directory, name="second")


@pytest.fixture
def first(identities: tuple[Identity, Identity]) -> Identity:
    return identities[0]


@pytest.fixture
def second(identities: tuple[Identity, Identity]) -> Identity:
    return identities[1]


@pytest.fixture
def server(first: Identity) -> Iterator[LittleServer]:
    with LittleServer(by_tls(first)) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


@with_both_runtimes
class TestOnThisMachine:
    @pytest.mark.parametrize("tls", ["auto", "required"])
    def test_any_server_that_answers_is_trusted(
        self, server: LittleServer, path: Path, runtime: Runtime, tls: TlsChoice
    ) -> None:
        visitor = Visitor(path, runtime, trusts=False)
        assert enter(visitor.connector(server, HERE, tls=tls))
        assert not visitor.asked
        assert not path.exists()
        assert server.connections == 1

    @pytest.mark.parametrize("answer", [in_plain, by_closing])
    def test_a_server_without_tls_is_spoken_to_without(
        self, server: LittleServer, path: Path, runtime: Runtime, answer: object
    ) -> None:
        server.answer = answer  # type: ignore[assignment]
        visitor = Visitor(path, runtime, trusts=False)
        assert not enter(visitor.connector(server, HERE))
        assert not visitor.asked
        assert server.connections == 2

    def test_the_client_does_not_wait_for_a_silent_server(
        self, server: LittleServer, path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connector_module, "_LOCAL_PATIENCE", 0.05)
        server.answer = by_silence
        connector = Visitor(path, runtime).connector(server, HERE)
        connector.probe(60)
        assert not connector.is_encrypted

    def test_required_is_required(self, server: LittleServer, path: Path, runtime: Runtime) -> None:
        server.answer = in_plain
        with pytest.raises(NotEncrypted, match="does not speak TLS"):
            enter(Visitor(path, runtime).connector(server, HERE, tls="required"))

    def test_off_does_not_try(self, server: LittleServer, path: Path, runtime: Runtime) -> None:
        server.answer = in_plain
        connector = Visitor(path, runtime).connector(server, HERE, tls="off")
        assert not enter(connector)
        assert server.connections == 1
        assert connector.warnings() == []

    def test_a_new_session_may_find_another_key_but_not_none(
        self, server: LittleServer, path: Path, runtime: Runtime, second: Identity
    ) -> None:
        connector = Visitor(path, runtime).connector(server, HERE)
        assert enter(connector)
        server.answer = by_tls(second)
        assert enter(connector)
        server.answer = in_plain
        with pytest.raises(NotEncrypted):
            enter(connector)

    def test_a_new_session_may_find_that_the_server_has_learnt_it(
        self, server: LittleServer, path: Path, runtime: Runtime, second: Identity
    ) -> None:
        server.answer = in_plain
        connector = Visitor(path, runtime).connector(server, HERE)
        assert not enter(connector)
        server.answer = by_tls(second)
        assert enter(connector)

    def test_a_key_that_is_demanded_must_be_there(
        self, server: LittleServer, path: Path, runtime: Runtime, first: Identity, second: Identity
    ) -> None:
        visitor = Visitor(path, runtime)
        assert enter(visitor.connector(server, HERE, fingerprint=first.fingerprint))
        with pytest.raises(UntrustedServer, match="HAS ANOTHER KEY"):
            enter(visitor.connector(server, HERE, fingerprint=second.fingerprint))
        server.answer = in_plain
        with pytest.raises(NotEncrypted):
            enter(visitor.connector(server, HERE, fingerprint=first.fingerprint))


def test_an_original_server(path: Path) -> None:
    with OriginalServer() as server:
        host, port = server.address.split(":")
        connector = Connector(
            PLAIN, Address(host, int(port)), TrustPolicy(known_hosts=KnownHosts(path))
        )
        connector.probe(5)
        assert not connector.is_encrypted


@with_both_runtimes
class TestStrangers:
    def test_a_key_is_asked_about_once(
        self, server: LittleServer, path: Path, runtime: Runtime, first: Identity
    ) -> None:
        visitor = Visitor(path, runtime, trusts=True)
        connector = visitor.connector(server)
        assert enter(connector)
        use(connector)  # a transfer
        assert enter(connector)  # a new session
        assert enter(visitor.connector(server))  # a new program
        (asked,) = visitor.asked
        assert asked.fingerprint == first.fingerprint
        assert str(first.fingerprint) in asked.lines
        assert first.fingerprint.picture()[5] in asked.lines
        assert "self-signed" in asked.reason
        assert path.read_text() == f"{ELSEWHERE}:{server.port} {first.fingerprint}\n"

    def test_a_key_that_is_not_trusted(
        self, server: LittleServer, path: Path, runtime: Runtime
    ) -> None:
        with pytest.raises(UntrustedServer, match=r"is not trusted\. Nothing was sent"):
            enter(Visitor(path, runtime, trusts=False).connector(server))
        assert not path.exists()

    def test_nobody_to_ask(
        self, server: LittleServer, path: Path, runtime: Runtime, first: Identity
    ) -> None:
        with pytest.raises(UntrustedServer, match="can't ask you here") as caught:
            enter(Visitor(path, runtime).connector(server))
        assert f"--fingerprint={first.fingerprint}" in str(caught.value)

    @pytest.mark.parametrize("trusts", [True, False, None])
    def test_no_encryption(
        self, server: LittleServer, path: Path, runtime: Runtime, trusts: bool | None
    ) -> None:
        server.answer = in_plain
        visitor = Visitor(path, runtime, trusts)
        connector = visitor.connector(server)
        if trusts:
            assert not enter(connector)
            assert not enter(connector)
        else:
            with pytest.raises(NotEncrypted, match=r"does not speak TLS.* Nothing was sent"):
                enter(connector)
        assert [asked.fingerprint for asked in visitor.asked] == ([] if trusts is None else [None])
        assert not path.exists()

    def test_silence_is_no_encryption(
        self, server: LittleServer, path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connector_module, "_PATIENCE", 0.05)
        server.answer = by_silence
        visitor = Visitor(path, runtime, trusts=False)
        with pytest.raises(NotEncrypted, match="does not answer to TLS"):
            visitor.connector(server).probe(60)
        assert [asked.fingerprint for asked in visitor.asked] == [None]

    def test_what_was_agreed_to_is_not_what_answers(
        self, server: LittleServer, path: Path, second: Identity, runtime: Runtime
    ) -> None:
        """While the user looks at a fingerprint, another server may take the place of the first."""

        class Deceived(Visitor):
            def _judge(self, unknown_server: UnknownServer) -> bool:
                server.answer = by_tls(second)
                return super()._judge(unknown_server)

        with pytest.raises(UntrustedServer, match="HAS CHANGED"):
            enter(Deceived(path, runtime, trusts=True).connector(server))


@with_both_runtimes
class TestKnownServers:
    @pytest.fixture
    def visitor(
        self, server: LittleServer, path: Path, runtime: Runtime, first: Identity
    ) -> Visitor:
        visitor = Visitor(path, runtime, trusts=True)
        visitor.known_hosts.remember(Address(ELSEWHERE, server.port), first.fingerprint)
        return visitor

    def test_nobody_is_asked(self, server: LittleServer, visitor: Visitor) -> None:
        assert enter(visitor.connector(server))
        assert not visitor.asked
        assert server.connections == 1

    def test_another_key_is_refused_loudly(
        self,
        server: LittleServer,
        visitor: Visitor,
        path: Path,
        first: Identity,
        second: Identity,
    ) -> None:
        server.answer = by_tls(second)
        with pytest.raises(UntrustedServer) as caught:
            enter(visitor.connector(server))
        text = str(caught.value)
        assert "HAS CHANGED" in text
        assert "somebody between you and the server" in text
        assert f"{second.fingerprint} and was {first.fingerprint}" in text
        assert f"remove the line of {ELSEWHERE}:{server.port} from {path}" in text
        assert not visitor.asked

    @pytest.mark.parametrize("answer", [in_plain, by_closing])
    def test_they_are_never_spoken_to_in_plain(
        self, server: LittleServer, visitor: Visitor, answer: object
    ) -> None:
        server.answer = answer  # type: ignore[assignment]
        with pytest.raises(NotEncrypted):
            enter(visitor.connector(server))
        assert not visitor.asked

    def test_neither_in_the_middle_of_a_session(
        self, server: LittleServer, visitor: Visitor, second: Identity
    ) -> None:
        connector = visitor.connector(server)
        assert enter(connector)
        server.answer = in_plain
        with pytest.raises(NotEncrypted):
            use(connector)
        server.answer = by_tls(second)
        with pytest.raises(UntrustedServer, match="HAS CHANGED"):
            use(connector)

    def test_a_second_line_is_another_key_that_will_do(
        self, server: LittleServer, visitor: Visitor, second: Identity
    ) -> None:
        visitor.known_hosts.remember(Address(ELSEWHERE, server.port), second.fingerprint)
        server.answer = by_tls(second)
        assert enter(visitor.connector(server))

    def test_off_warns(self, server: LittleServer, visitor: Visitor) -> None:
        server.answer = in_plain
        connector = visitor.connector(server, tls="off")
        assert not enter(connector)
        (warning,) = connector.warnings()
        assert "--tls=off" in warning
        assert "is known to encrypt" in warning

    def test_insecure_takes_anybody_and_says_so(
        self, server: LittleServer, visitor: Visitor, second: Identity
    ) -> None:
        server.answer = by_tls(second)
        connector = visitor.connector(server, insecure=True)
        assert enter(connector)
        (warning,) = connector.warnings()
        assert "--insecure" in warning
        server.answer = in_plain
        with pytest.raises(NotEncrypted):
            enter(visitor.connector(server, insecure=True))

    def test_a_file_that_makes_no_sense(
        self, server: LittleServer, visitor: Visitor, path: Path
    ) -> None:
        path.write_text("what?\n")
        with pytest.raises(ConnectError, match=r"line 1: expected.*--known-hosts=<file>"):
            enter(visitor.connector(server))
        assert not visitor.asked


class TestAuthorities:
    @pytest.fixture
    def vouched(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Identity:
        identity = make_identity(tmp_path, ELSEWHERE)
        monkeypatch.setenv("SSL_CERT_FILE", str(identity.certificate))
        return identity

    def test_a_server_with_a_valid_certificate_is_trusted_and_never_plain_again(
        self, server: LittleServer, path: Path, vouched: Identity, second: Identity
    ) -> None:
        server.answer = by_tls(vouched)
        visitor = Visitor(path, trusts=True)
        assert enter(visitor.connector(server))
        assert path.read_text() == f"{ELSEWHERE}:{server.port} authority\n"
        assert enter(visitor.connector(server))
        server.answer = by_tls(second)
        with pytest.raises(UntrustedServer, match=r"NO AUTHORITY VOUCHES(.|\n)*remove the line"):
            enter(visitor.connector(server))
        server.answer = in_plain
        with pytest.raises(NotEncrypted):
            enter(visitor.connector(server))
        assert not visitor.asked

    def test_a_remembered_key_and_an_authority_are_both_good(
        self, server: LittleServer, path: Path, vouched: Identity, first: Identity
    ) -> None:
        visitor = Visitor(path)
        for fingerprint in (first.fingerprint, None):
            visitor.known_hosts.remember(Address(ELSEWHERE, server.port), fingerprint)
        assert enter(visitor.connector(server))
        server.answer = by_tls(vouched)
        assert enter(visitor.connector(server))


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (Address("127.0.0.1", 1), r"Can't connect to 127.0.0.1:1: Connection refused\."),
        (
            Address(path="/no/socket"),
            r"Can't connect to unix:/no/socket: No such file or directory\.",
        ),
        (Address("x" * 64, 1), r"Can't connect to x{64}:1: .+\."),
    ],
)
@pytest.mark.parametrize("tls", ["off", "auto"])
def test_nobody_there(address: Address, sentence: str, tls: TlsChoice, path: Path) -> None:
    connector = Connector(PLAIN, address, TrustPolicy(tls, known_hosts=KnownHosts(path)))
    with pytest.raises(ConnectError, match=f"^{sentence}$"):
        enter(connector)


def test_no_answer(path: Path) -> None:
    class Silence(type(PLAIN)):  # type: ignore[misc]
        def connect(self, address: Address, timeout: float, *_: object) -> None:
            raise TimeoutError("timed out")

    with pytest.raises(ConnectError, match=r"^10.0.0.1:1 does not answer\.$"):
        Connector(
            Silence(), Address("10.0.0.1", 1), TrustPolicy(known_hosts=KnownHosts(path))
        ).probe(5)


def test_a_handshake_that_fails(server: LittleServer, path: Path) -> None:
    def refuse(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # an alert: handshake_failure

    server.answer = refuse
    with pytest.raises(ConnectError, match=r"No encrypted connection to .*handshake failure"):
        enter(Visitor(path).connector(server, HERE))


def test_a_key_without_a_fingerprint_leaves_no_connection_open(
    server: LittleServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[TlsStream] = []

    class Stream(TlsStream):
        def close(self) -> None:
            closed.append(self)
            super().close()

    def refuse(certificate: bytes) -> None:
        raise ValueError("its key cannot be used")

    monkeypatch.setattr(tls_module, "TlsStream", Stream)
    monkeypatch.setattr(connector_module, "fingerprint_of_certificate", refuse)
    connector = Visitor(path).connector(server, insecure=True)
    with pytest.raises(ConnectError, match="its key cannot be used"):
        connector.probe(5)
    assert len(closed) == server.connections == 1
