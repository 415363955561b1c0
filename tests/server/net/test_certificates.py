"""The server's key and certificate: made once and kept, or an operator's."""

from __future__ import annotations

import errno
import logging
import os
import signal
import stat
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from chat.server.net.certificates import CertificateFault, Certificates, make_certificates
from chat.server.settings import Settings, TlsMode
from tests.peers.certificates import Identity, make_identity
from tests.starting.programs import Program, run_program


def own(directory: Path) -> Certificates:
    return Certificates(Settings(tls=TlsMode.OPTIONAL, data_directory=directory))


def given(certificate: Path | None, key: Path | None) -> Certificates:
    return Certificates(Settings(tls=TlsMode.OPTIONAL, tls_cert=certificate, tls_key=key))


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return make_identity(tmp_path)


def test_where_no_tls_is_spoken_there_are_none(tmp_path: Path) -> None:
    assert make_certificates(Settings(data_directory=tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


# Its own


def test_the_first_start_makes_a_key_that_nobody_else_can_read(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "data"

    own(directory).load()

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"server.crt": 0o600, "server.key": 0o600}


def test_the_certificate_is_of_a_curve_and_never_ends(tmp_path: Path) -> None:
    own(tmp_path).load()

    certificate = x509.load_pem_x509_certificate((tmp_path / "server.crt").read_bytes())
    key = certificate.public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert certificate.not_valid_before_utc < datetime.now(timezone.utc)
    assert certificate.not_valid_after_utc.year == 9999


def test_nobody_is_warned_of_the_age_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own(tmp_path).load()
    own(tmp_path).load()

    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_every_later_start_finds_the_same_key(tmp_path: Path) -> None:
    first, second = own(tmp_path), own(tmp_path)
    first.load()
    second.load()

    assert first.fingerprint == second.fingerprint


def test_its_fingerprint_is_what_openssl_makes_of_the_key(tmp_path: Path) -> None:
    certificates = own(tmp_path)
    certificates.load()

    der = subprocess.run(
        ["openssl", "pkey", "-in", tmp_path / "server.key", "-pubout", "-outform", "DER"],
        check=True,
        capture_output=True,
    ).stdout
    digest = subprocess.run(
        ["openssl", "dgst", "-sha256", "-binary"], check=True, capture_output=True, input=der
    ).stdout
    assert certificates.fingerprint.digest == digest


def test_a_key_whose_certificate_was_not_written_any_more_is_kept(tmp_path: Path) -> None:
    first, second = own(tmp_path), own(tmp_path)
    first.load()
    (tmp_path / "server.crt").unlink()

    second.load()

    assert second.fingerprint == first.fingerprint


_START = """
import os, signal, sys
from pathlib import Path
from chat.server.net import certificates
from chat.server.settings import Settings, TlsMode

steps = int(sys.argv[2])

def count(event, arguments):
    global steps
    if event in ("open", "os.rename", "os.mkdir") and sys.argv[1] in str(arguments[0]):
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
settings = Settings(tls=TlsMode.OPTIONAL, data_directory=Path(sys.argv[1]))
certificates.Certificates(settings).load()
"""


def test_a_start_that_is_killed_anywhere_leaves_what_the_next_can_use(tmp_path: Path) -> None:
    for steps in range(100):
        directory = tmp_path / str(steps)
        directory.mkdir()
        ended = run_program(
            [sys.executable, "-c", _START, str(directory), str(steps)], env=dict(os.environ)
        )
        shown = own(directory) if (directory / "server.crt").exists() else None
        if shown is not None:
            shown.load()
        after = own(directory)
        after.load()
        assert shown is None or shown.fingerprint == after.fingerprint
        assert {path.name for path in directory.iterdir()} == {"server.crt", "server.key"}
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
    assert steps > 5


def test_two_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from chat.server.net.certificates import Certificates;"
        "from chat.server.settings import Settings;"
        "made = Certificates(Settings(data_directory=Path(sys.argv[1]))); made.load();"
        "print(made.fingerprint)"
    )
    starts = [
        Program[bytes](
            [sys.executable, "-c", program, str(tmp_path)],
            stdout=subprocess.PIPE,
            env=dict(os.environ),
        )
        for _ in range(3)
    ]

    said = {start.communicate()[0] for start in starts}

    assert len(said) == 1
    assert said.pop().startswith(b"SHA256:")


# Certificates that cannot be used: one line says why


def fault_of(certificates: Certificates) -> str:
    with pytest.raises(CertificateFault) as caught:
        certificates.load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_certificate_without_its_key_is_not_replaced(tmp_path: Path) -> None:
    own(tmp_path).load()
    (tmp_path / "server.key").unlink()

    assert f"{tmp_path / 'server.key'}: missing" in fault_of(own(tmp_path))
    assert not (tmp_path / "server.key").exists()


def test_a_place_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    assert "cannot store the server's key" in fault_of(own(tmp_path / "file"))
    assert "needs a data directory" in fault_of(Certificates(Settings(tls=TlsMode.REQUIRED)))


def test_its_own_key_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "server.key").write_bytes(b"garbage")

    assert f"{tmp_path / 'server.key'}: expected a private key in PEM" in fault_of(own(tmp_path))


def test_files_that_cannot_be_read(tmp_path: Path, identity: Identity) -> None:
    missing = tmp_path / "missing"

    assert "No such file" in fault_of(given(missing, identity.key))
    assert "No such file" in fault_of(given(identity.certificate, missing))
    assert "both" in fault_of(given(identity.certificate, None))
    assert "both" in fault_of(given(None, identity.key))


def test_files_that_do_not_belong_together(tmp_path: Path, identity: Identity) -> None:
    other = make_identity(tmp_path, name="other")

    assert "the key does not belong to the certificate" in fault_of(
        given(identity.certificate, other.key)
    )


@pytest.mark.parametrize(
    ("content", "of_certificate", "of_key"),
    [
        (b"", "the file is empty; expected a certificate", "the file is empty; expected a private"),
        (b"words", "the file is not PEM", "the file is not PEM"),
        (b"\x30\x82\x01\x02", "the file is DER", "the file is DER"),
        (b"-----BEGIN CERTIFICATE-----\n!", "a certificate in the file is damaged", "certificate,"),
        (b"-----BEGIN EC PRIVATE KEY-----\n!", "but no certificate", "the private key is damaged"),
        (b"-----BEGIN DH PARAMETERS-----\n!", "has no certificate", "has no private key"),
    ],
)
def test_files_that_hold_something_else(
    tmp_path: Path, identity: Identity, content: bytes, of_certificate: str, of_key: str
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(content)

    for fault, phrase in (
        (fault_of(given(wrong, identity.key)), of_certificate),
        (fault_of(given(identity.certificate, wrong)), of_key),
    ):
        assert fault.startswith(f"{wrong}: ")
        assert phrase in fault


def test_files_that_were_swapped(identity: Identity) -> None:
    assert fault_of(given(identity.key, identity.certificate)) == (
        f"{identity.key}: the file has a private key, but no certificate"
    )


def test_a_file_that_nobody_may_read(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)

    assert fault_of(given(identity.certificate, identity.key)) == (
        f"cannot read {identity.certificate}: Permission denied"
    )


@pytest.mark.parametrize("format", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_with_a_passphrase_is_not_asked_for(
    tmp_path: Path, identity: Identity, format: PrivateFormat
) -> None:
    key = load_pem_private_key(identity.key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(key.private_bytes(Encoding.PEM, format, BestAvailableEncryption(b"x")))

    fault = fault_of(given(identity.certificate, locked))

    assert fault.startswith(f"{locked}: the key has a passphrase")
    assert f"openssl pkey -in {locked} -out NEW" in fault


# An operator's


def test_what_the_operator_gives_is_used(identity: Identity) -> None:
    certificates = given(identity.certificate, identity.key)

    certificates.load()

    assert certificates.fingerprint == identity.fingerprint


def test_both_may_be_in_one_file_with_more_certificates_behind(
    tmp_path: Path, identity: Identity
) -> None:
    other = make_identity(tmp_path, name="other")
    together = tmp_path / "together.pem"
    together.write_bytes(
        b"some words\n"
        + identity.certificate.read_bytes()
        + other.certificate.read_bytes()
        + identity.key.read_bytes()
    )
    certificates = given(together, together)

    certificates.load()

    assert certificates.fingerprint == identity.fingerprint


def test_one_whose_time_is_over_is_used_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expired = make_identity(tmp_path, name="expired", days=-2)

    given(expired.certificate, expired.key).load()

    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert str(expired.certificate) in warning.getMessage()
    assert "expired" in warning.getMessage()


def test_a_bad_one_changes_nothing(identity: Identity) -> None:
    certificates = given(identity.certificate, identity.key)
    certificates.load()
    before = certificates.context, certificates.fingerprint
    identity.certificate.write_bytes(b"garbage")

    fault_of(certificates)

    assert (certificates.context, certificates.fingerprint) == before


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    own(tmp_path).load()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    own(tmp_path).load()

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
