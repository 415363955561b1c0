"""The key of one server for another, so that both show the same."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chat.server.net.certificates import CertificateFault, Certificates, store_pair
from chat.server.settings import Settings, TlsMode
from tests.peers.certificates import make_identity


def certificates_of(directory: Path) -> Certificates:
    certificates = Certificates(Settings(tls=TlsMode.OPTIONAL, data_directory=directory))
    certificates.load()
    return certificates


@pytest.mark.parametrize("has_a_key", [False, True])
def test_another_server_shows_the_same_key(tmp_path: Path, has_a_key: bool) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    shown = certificates_of(first)
    if has_a_key:
        assert certificates_of(second).fingerprint != shown.fingerprint

    store_pair(second, *shown.read_pair())

    assert certificates_of(second).fingerprint == shown.fingerprint
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in second.iterdir()}
    assert modes == {"server.crt": 0o600, "server.key": 0o600}


def test_an_operators_pair_is_read_too(tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    settings = Settings(tls=TlsMode.OPTIONAL, tls_cert=identity.certificate, tls_key=identity.key)
    store_pair(tmp_path / "second", *Certificates(settings).read_pair())
    assert certificates_of(tmp_path / "second").fingerprint == identity.fingerprint


@pytest.mark.parametrize("fault", ["another key", "no key", "no certificate"])
def test_a_bad_pair_changes_nothing(tmp_path: Path, fault: str) -> None:
    before = certificates_of(tmp_path / "own").fingerprint
    certificate, key = certificates_of(tmp_path / "first").read_pair()
    if fault == "another key":
        _, key = certificates_of(tmp_path / "second").read_pair()
    elif fault == "no key":
        key = "nonsense"
    else:
        certificate = ""

    with pytest.raises(CertificateFault, match="the key of the other server"):
        store_pair(tmp_path / "own", certificate, key)

    assert certificates_of(tmp_path / "own").fingerprint == before
    assert len(list((tmp_path / "own").iterdir())) == 2


def test_a_pair_that_cannot_be_read_or_written_is_a_fault(tmp_path: Path) -> None:
    shown = certificates_of(tmp_path / "first")
    pair = shown.read_pair()
    (tmp_path / "first" / "server.key").unlink()
    (tmp_path / "first" / "server.key").mkdir()
    with pytest.raises(CertificateFault, match="cannot read"):
        shown.read_pair()
    (tmp_path / "file").touch()
    with pytest.raises(CertificateFault, match="cannot store the key"):
        store_pair(tmp_path / "file", *pair)
