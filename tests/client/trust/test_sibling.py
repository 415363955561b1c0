"""A server whose address another server has told must prove that it is of the same cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client.errors import ConnectError, NotEncrypted, UntrustedServer
from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.trust import tls as tls_module
from chat.client.trust.connector import Connector
from chat.client.trust.sibling import Sibling
from chat.net.address import Address
from chat.net.fingerprint import Fingerprint
from tests.client.connectors import ELSEWHERE, HERE, Visitor, enter, use
from tests.client.runtimes import with_both_runtimes
from tests.peers.certificates import Identity, make_identity
from tests.peers.tls_server import LittleServer, by_tls, in_plain


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Identity, Identity]:
    directory = tmp_path_factory.mktemp("identities")
    return make_identity(directory, name="ours"), make_identity(directory, name="another")


@pytest.fixture
def first(identities: tuple[Identity, Identity]) -> Iterator[LittleServer]:
    """The server that the user has named."""
    with LittleServer(by_tls(identities[0])) as server:
        yield server


@pytest.fixture
def same(identities: tuple[Identity, Identity]) -> Iterator[LittleServer]:
    """Another server with the same key."""
    with LittleServer(by_tls(identities[0])) as server:
        yield server


@pytest.fixture
def other(identities: tuple[Identity, Identity]) -> Iterator[LittleServer]:
    """A server with another key."""
    with LittleServer(by_tls(identities[1])) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def sibling(named: Connector, server: LittleServer, host: str = ELSEWHERE) -> Sibling:
    return Sibling([named], Address(host, server.port))


@with_both_runtimes
def test_the_key_of_the_named_server_is_enough(
    first: LittleServer, same: LittleServer, path: Path, runtime: Runtime
) -> None:
    visitor = Visitor(path, runtime, trusts=True)
    named = visitor.connector(first)
    enter(named)
    known = path.read_text()
    assert enter(sibling(named, same))
    assert len(visitor.asked) == 1
    assert path.read_text() == known  # only what the user has named is remembered


@with_both_runtimes
def test_another_key_is_refused_and_the_user_is_not_asked(
    first: LittleServer, other: LittleServer, path: Path, runtime: Runtime
) -> None:
    visitor = Visitor(path, runtime, trusts=True)
    named = visitor.connector(first)
    enter(named)
    with pytest.raises(UntrustedServer, match="does not show the key of") as caught:
        sibling(named, other).probe(5)
    assert "\n" not in str(caught.value)
    assert len(visitor.asked) == 1


def test_a_key_that_the_user_trusts_for_the_told_address_itself_does_not_count(
    first: LittleServer, other: LittleServer, path: Path
) -> None:
    visitor = Visitor(path, trusts=True)
    named = visitor.connector(first)
    enter(named)
    enter(visitor.connector(other))
    with pytest.raises(UntrustedServer):
        sibling(named, other).probe(5)


def test_the_file_of_known_servers_is_enough_while_the_named_server_is_dead(
    first: LittleServer, same: LittleServer, other: LittleServer, path: Path
) -> None:
    enter(Visitor(path, trusts=True).connector(first))
    named = Visitor(path).connector(first)  # of a later run, which has not spoken to it
    assert enter(sibling(named, same))
    with pytest.raises(UntrustedServer):
        sibling(named, other).probe(5)


def test_a_given_fingerprint_counts_for_all(
    identities: tuple[Identity, Identity],
    first: LittleServer,
    same: LittleServer,
    other: LittleServer,
    path: Path,
) -> None:
    named = Visitor(path).connector(first, fingerprint=identities[0].fingerprint)
    assert enter(sibling(named, same))
    with pytest.raises(UntrustedServer):
        sibling(named, other).probe(5)


def test_without_a_proof_of_the_named_server_nobody_is_followed(
    first: LittleServer, same: LittleServer, path: Path
) -> None:
    named = Visitor(path, trusts=True).connector(first)
    told = sibling(named, same)
    with pytest.raises(ConnectError, match="nothing proves yet who") as caught:
        told.probe(5)
    assert not isinstance(caught.value, UntrustedServer)
    assert same.connections == 0
    enter(named)  # and from then on there is one
    assert enter(told)


def test_with_insecure_the_key_of_this_run_counts(
    first: LittleServer, same: LittleServer, other: LittleServer, path: Path
) -> None:
    named = Visitor(path).connector(first, insecure=True)
    enter(named)
    assert enter(sibling(named, same))
    with pytest.raises(UntrustedServer):
        sibling(named, other).probe(5)


def test_a_server_elsewhere_cannot_send_the_client_to_this_machine(
    first: LittleServer, same: LittleServer, path: Path
) -> None:
    named = Visitor(path, trusts=True).connector(first)
    enter(named)
    with pytest.raises(UntrustedServer, match="an address of your own machine"):
        sibling(named, same, HERE).probe(5)
    assert same.connections == 0


@pytest.mark.parametrize("answer", [in_plain])
def test_a_told_server_without_tls_gets_nothing(
    first: LittleServer, same: LittleServer, path: Path, answer: object
) -> None:
    named = Visitor(path, trusts=True).connector(first)
    enter(named)
    same.answer = answer  # type: ignore[assignment]
    with pytest.raises(NotEncrypted):
        sibling(named, same).probe(5)


def test_without_tls_nobody_is_followed_elsewhere(
    first: LittleServer, same: LittleServer, path: Path
) -> None:
    first.answer = same.answer = in_plain
    named = Visitor(path).connector(first, tls="off")
    enter(named)
    with pytest.raises(ConnectError, match="without TLS"):
        sibling(named, same).probe(5)
    assert same.connections == 0


def test_on_this_machine_servers_without_tls_are_followed(
    first: LittleServer, same: LittleServer, path: Path
) -> None:
    first.answer = same.answer = in_plain
    named = Visitor(path).connector(first, HERE)
    enter(named)
    assert not enter(sibling(named, same, HERE))


def test_a_server_on_this_machine_proves_itself_to_others_by_its_key(
    first: LittleServer, same: LittleServer, other: LittleServer, path: Path
) -> None:
    named = Visitor(path).connector(first, HERE)
    enter(named)
    assert enter(sibling(named, same))
    for host in (HERE, ELSEWHERE):
        with pytest.raises(UntrustedServer):
            sibling(named, other, host).probe(5)


def test_a_certificate_for_the_name_that_the_user_gave_is_enough(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key may be another one: the certificate was renewed at one server before the other."""
    hosts = ("localhost",)
    old = make_identity(tmp_path, *hosts, name="old")
    new = make_identity(tmp_path, *hosts, name="new")
    wrong = make_identity(tmp_path, "elsewhere.invalid", name="wrong")
    make = tls_module.make_context

    def trusting(*, verify: bool) -> object:
        context = make(verify=verify)
        if verify:
            for identity in (old, new, wrong):
                context.load_verify_locations(identity.certificate)
        return context

    monkeypatch.setattr(tls_module, "make_context", trusting)
    path.write_text("localhost:1 authority\n")
    visitor = Visitor(path)
    with LittleServer(by_tls(new)) as told, LittleServer(by_tls(wrong)) as liar:
        named = Connector(PLAIN, Address("localhost", 1), visitor.connector(told).policy)
        monkeypatch.setattr(Connector, "_accepts_any_server", False)
        assert enter(Sibling([named], Address(ELSEWHERE, told.port)))
        with pytest.raises(UntrustedServer):
            Sibling([named], Address(ELSEWHERE, liar.port)).probe(5)


def test_each_server_that_the_user_has_named_may_prove_it(
    first: LittleServer, same: LittleServer, path: Path
) -> None:
    visitor = Visitor(path, trusts=True)
    enter(visitor.connector(first))
    unknown = Connector(PLAIN, Address(ELSEWHERE, 9), visitor.connector(first).policy)
    known = visitor.connector(first)
    told = Sibling([unknown, known], Address(ELSEWHERE, same.port))
    assert enter(told)
    use(told)  # and its transfers


class TestSeveralNamedServers:
    """The user has named both: one key of a cluster needs one answer."""

    def test_an_unknown_server_with_the_key_of_another_is_trusted(
        self, first: LittleServer, same: LittleServer, path: Path
    ) -> None:
        visitor = Visitor(path, trusts=True)
        one = visitor.connector(first)
        enter(one)
        two = Connector(PLAIN, Address(ELSEWHERE, same.port), one.policy, lambda: keys_of(one))
        assert enter(two)
        assert len(visitor.asked) == 1
        assert f"{ELSEWHERE}:{same.port} SHA256:" in path.read_text()

    def test_an_unknown_server_with_another_key_is_asked_about(
        self, first: LittleServer, other: LittleServer, path: Path
    ) -> None:
        visitor = Visitor(path, trusts=True)
        one = visitor.connector(first)
        enter(one)
        two = Connector(PLAIN, Address(ELSEWHERE, other.port), one.policy, lambda: keys_of(one))
        assert enter(two)
        assert len(visitor.asked) == 2


def keys_of(connector: Connector) -> tuple[Fingerprint, ...]:
    proof = connector.proof()
    return () if proof is None else proof.keys
