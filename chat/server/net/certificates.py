"""Load the server's key and certificate: from the operator's files, or from a pair that the server makes and keeps.

Clients recognize a server by its key (see ``chat.net.fingerprint``). So the certificate that the server makes names no
host and never expires.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from chat.files.private_files import FILE_MODE, make_private_directory, restrict_mode
from chat.files.syncing import sync_path
from chat.net.fingerprint import Fingerprint, fingerprint_of_certificate
from chat.server.net.pem_files import UnusablePem, load_chain
from chat.server.settings import Settings, TlsMode

log = logging.getLogger("chat.server")

CERTIFICATE_NAME, KEY_NAME = "server.crt", "server.key"

_COMMON_NAME = "chat-server"
# RFC 5280, section 4.1.2.5, defines this date for a certificate that has no expiry date.
_NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
# A new certificate is valid from this long ago: the clock of a client may be behind the server's clock.
_CLOCK_SKEW = timedelta(days=2)


class CertificateFault(Exception):
    """Report that the server has no usable certificate. The text is one line for the operator."""


class Certificates:
    """Hold the TLS context of the server.

    ``context`` is for new connections. An open connection keeps the context that it began with, so a reload disconnects
    nobody. ``context`` and ``fingerprint`` exist after the first ``load``.
    """

    context: ssl.SSLContext
    fingerprint: Fingerprint

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def load(self, settings: Settings | None = None) -> None:
        """Read the key and the certificate. Make both first, if the operator names no files and none exist.

        ``settings``: those that a reload is about to use. Raises CertificateFault. The context that was loaded before
        stays in use then.
        """
        certificate, key = _files(settings or self._settings)
        # A new context for each load: open connections, and a load that fails, must not change the one in use.
        context = make_context()
        try:
            leaf = load_chain(context, certificate, key)
            fingerprint = fingerprint_of_certificate(leaf)
        except UnusablePem as problem:
            raise CertificateFault(str(problem)) from None
        except ValueError as problem:
            raise CertificateFault(f"{certificate}: {problem}") from None
        # Only now, when nothing can fail any more: a failed reload must not leave a new key with an old fingerprint.
        self.context, self.fingerprint = context, fingerprint
        _warn_if_expired(certificate, leaf)


def store_pair(directory: Path, certificate: str, key: str) -> None:
    """Let the server in ``directory`` show the certificate and the key (PEM) of another server from its next start on.

    Raises CertificateFault if they do not belong together, or cannot be written. Then nothing has changed.
    """
    try:
        make_private_directory(directory)
        with (
            _locked(directory),
            tempfile.TemporaryDirectory(dir=directory, prefix="new-key-") as temporary,
        ):
            paths = Path(temporary) / CERTIFICATE_NAME, Path(temporary) / KEY_NAME
            for path, text in zip(paths, (certificate, key), strict=True):
                _write(path, text.encode())
            load_chain(make_context(), *paths)
            # A crash in between leaves a key without a certificate: the next start makes one for it.
            (directory / CERTIFICATE_NAME).unlink(missing_ok=True)
            _write(directory / KEY_NAME, key.encode())
            _write(directory / CERTIFICATE_NAME, certificate.encode())
    except UnusablePem as problem:
        raise CertificateFault(f"the key of the other server: {problem}") from None
    except OSError as problem:
        what = problem.filename or directory
        raise CertificateFault(f"cannot store the key in {what}: {problem.strerror}") from None


def _files(settings: Settings) -> tuple[Path, Path]:
    if settings.tls_cert is not None and settings.tls_key is not None:
        return settings.tls_cert, settings.tls_key
    if settings.tls_cert is not None or settings.tls_key is not None:
        raise CertificateFault("--tls-cert and --tls-key: expected both or neither")
    if settings.data_directory is None:
        raise CertificateFault(
            "TLS needs a data directory for its key, or --tls-cert and --tls-key"
        )
    return _make_own(settings.data_directory)


def make_certificates(settings: Settings) -> Certificates | None:
    """Return certificates that are not loaded yet; None if the settings turn TLS off."""
    return None if settings.tls is TlsMode.OFF else Certificates(settings)


def make_context() -> ssl.SSLContext:
    """Return a context for TLS 1.2 and later, without a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # No tickets for resumption. Connections last for hours, so clients would rarely use one. And the key of the tickets
    # would stay the same as long as the server runs: an attacker who gets it could decrypt everything recorded so far.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def key_files(directory: Path) -> tuple[Path, Path]:
    """Return the paths of the server's own certificate and key in its data directory."""
    return directory / CERTIFICATE_NAME, directory / KEY_NAME


def _make_own(directory: Path) -> tuple[Path, Path]:
    """Return the paths of the certificate and the key in ``directory``; make the files that are missing.

    Raises CertificateFault.
    """
    certificate, key = key_files(directory)
    try:
        make_private_directory(directory)
        with _locked(directory):
            if certificate.exists() and not key.exists():
                # Not a reason for a new key: clients know the old one, and would refuse the server.
                raise CertificateFault(
                    f"{key}: missing, but {certificate} exists; restore the key, or remove the certificate"
                )
            # The key comes first, and a key without a certificate is used. So wherever a crash interrupts this, the
            # next start goes on: with both files, with a key that no client has seen yet, or with neither.
            if not key.exists():
                _write(key, new_key())
            elif restrict_mode(key):
                log.warning("everyone on this machine could read %s; its mode is 0600 now", key)
            if not certificate.exists():
                _write(certificate, self_signed(key.read_bytes()))
                log.info("made a self-signed certificate: %s", certificate)
    except OSError as problem:
        what = problem.filename or directory
        raise CertificateFault(
            f"cannot store the server's key in {what}: {problem.strerror}"
        ) from None
    except (ValueError, TypeError) as problem:
        # From the cryptography library: the file is no key, or is a key with a password.
        raise CertificateFault(
            f"{key}: expected a private key in PEM, without a password ({problem})"
        ) from None
    return certificate, key


def new_key() -> bytes:
    """Return a new private key on the curve P-256, as PEM."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def self_signed(key_data: bytes) -> bytes:
    """Return a self-signed certificate (PEM) for a private key (PEM). Raises ValueError or TypeError for a bad key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    key = load_pem_private_key(key_data, None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError("expected an elliptic curve key")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _COMMON_NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(timezone.utc) - _CLOCK_SKEW)
        .not_valid_after(_NO_END)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold a lock on ``directory``, so that two servers that start at the same time make one key."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read. After a crash it is complete on the disk, or does not exist."""
    temporary = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()  # left by a start that was killed
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_path(path.parent)


def _warn_if_expired(path: Path, leaf: bytes) -> None:
    """Log a warning if the certificate ``leaf`` (DER) has expired.

    The server uses the certificate all the same: a client that has pinned the key does not check the date.
    """
    # Imported here: cryptography takes longer to load than gevent, and a server without TLS does not need it.
    from cryptography import x509

    end = x509.load_der_x509_certificate(leaf).not_valid_after_utc
    if end < datetime.now(timezone.utc):
        log.warning("%s expired on %s; clients that check it refuse to connect", path, end.date())
