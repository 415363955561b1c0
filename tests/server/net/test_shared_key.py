"""The key of one server for another, so that both show the same."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chat.server.net.certificates import CertificateFault, Certificates, key_files, store_pair
from chat.server.settings import Settings, TlsMode


def certificates_of(directory: Path) -> Certificates:
    certificates = Certificates(Settings(tls=TlsMode.OPTIONAL, data_directory=directory))
    certificates.load()
    return certificates


def pair_of(directory: Path) -> tuple[str, str]:
    certificate, key = (path.read_text() for path in key_files(directory))
    return certificate, key


@pytest.mark.parametrize("has_a_key", [False, True])
def test_another_server_shows_the_same_key(tmp_path: Path, has_a_key: bool) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    shown = certificates_of(first)
    if has_a_key:
        assert certificates_of(second).fingerprint != shown.fingerprint

    store_pair(second, *pair_of(first))

    assert certificates_of(second).fingerprint == shown.fingerprint
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in second.iterdir()}
    assert modes == {"server.crt": 0o600, "server.key": 0o600}


@pytest.mark.parametrize("fault", ["another key", "no key", "no certificate"])
def test_a_bad_pair_changes_nothing(tmp_path: Path, fault: str) -> None:
    before = certificates_of(tmp_path / "own").fingerprint
    certificates_of(tmp_path / "first")
    certificate, key = pair_of(tmp_path / "first")
    if fault == "another key":
        certificates_of(tmp_path / "second")
        _, key = pair_of(tmp_path / "second")
    elif fault == "no key":
        key = "nonsense"
    else:
        certificate = ""

    with pytest.raises(CertificateFault, match="the key of the other server"):
        store_pair(tmp_path / "own", certificate, key)

    assert certificates_of(tmp_path / "own").fingerprint == before
    assert len(list((tmp_path / "own").iterdir())) == 2


def test_a_pair_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    certificates_of(tmp_path / "first")
    pair = pair_of(tmp_path / "first")
    (tmp_path / "file").touch()
    with pytest.raises(CertificateFault, match="cannot store the key"):
        store_pair(tmp_path / "file", *pair)
