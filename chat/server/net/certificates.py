"""The server's key and certificate: an operator's, or of its own making, which it keeps.

Clients know a server again by its key (see ``chat.net.fingerprint``), so its own certificate says nothing and never
ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from chat.files.private_files import FILE_MODE, make_private_directory, restrict_mode
from chat.net.fingerprint import Fingerprint, fingerprint_of_certificate
from chat.server.settings import Settings, TlsMode

log = logging.getLogger("chat.server")

CERTIFICATE_NAME, KEY_NAME = "server.crt", "server.key"

_FIRST_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)
_COMMON_NAME = "chat-server"
_NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)  # RFC 5280, section 4.1.2.5
_CLOCK_SKEW = timedelta(days=2)


class CertificateFault(Exception):
    """There is no usable certificate; the text is one line for the operator."""


class Certificates:
    """What TLS needs of our side. ``context`` is for new connections; those that are open keep what they began with."""

    context: ssl.SSLContext
    fingerprint: Fingerprint

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def load(self) -> None:
        """Read the key and the certificate, or make them if they are to be our own and there are none yet.

        Raises CertificateFault, and leaves everything as it was.
        """
        certificate, key = self._files()
        context = make_context()
        try:
            chain = certificate.read_bytes()
            # A password would be asked for on the terminal, where nobody may be.
            context.load_cert_chain(certificate, key, password=_refuse_to_ask)
            leaf = _leaf_of(chain)
            fingerprint = fingerprint_of_certificate(leaf)
        except ssl.SSLError as problem:
            raise CertificateFault(f"{_names(certificate, key)}: {_in_words(problem)}") from None
        except OSError as problem:
            where = problem.filename or _names(certificate, key)
            raise CertificateFault(f"cannot read {where}: {problem.strerror}") from None
        except ValueError as problem:
            raise CertificateFault(f"{certificate}: {problem}") from None
        self.context, self.fingerprint = context, fingerprint
        _warn_of_age(certificate, leaf)

    def _files(self) -> tuple[Path, Path]:
        settings = self._settings
        if settings.tls_cert is not None and settings.tls_key is not None:
            return settings.tls_cert, settings.tls_key
        if settings.tls_cert is not None or settings.tls_key is not None:
            raise CertificateFault("--tls-cert and --tls-key come both or not at all")
        if settings.data_directory is None:
            raise CertificateFault("TLS needs a data directory, or --tls-cert and --tls-key")
        return _make_own(settings.data_directory)


def make_certificates(settings: Settings) -> Certificates | None:
    """Not loaded yet; None where no TLS is spoken."""
    return None if settings.tls is TlsMode.OFF else Certificates(settings)


def make_context() -> ssl.SSLContext:
    """How we speak TLS, without a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # Connections last for hours, so there is little to resume, and the key of tickets would decrypt all that was said
    # under it for as long as the server runs.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def _make_own(directory: Path) -> tuple[Path, Path]:
    """The files in ``directory``, made unless they are there.

    The key comes first, and is kept if there is only that: whenever this is killed, the next start finds both, or the
    key alone, which nobody has been shown yet, or none.
    """
    certificate, key = directory / CERTIFICATE_NAME, directory / KEY_NAME
    try:
        make_private_directory(directory)
        with _locked(directory):
            if certificate.exists() and not key.exists():
                raise CertificateFault(f"{key} is missing, though {certificate} is there")
            if not key.exists():
                _write(key, _new_key())
            elif restrict_mode(key):
                log.warning("everyone on this machine could read %s; its mode is 0600 now", key)
            if not certificate.exists():
                _write(certificate, _self_signed(key.read_bytes()))
                log.info("made a certificate: %s", certificate)
    except OSError as problem:
        what = problem.filename or directory
        raise CertificateFault(f"cannot keep a key in {what}: {problem.strerror}") from None
    except (
        ValueError,
        TypeError,
    ) as problem:  # of the library: a file that is no key, or one with a password
        raise CertificateFault(f"{key}: not a private key ({problem})") from None
    return certificate, key


def _new_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _self_signed(key_data: bytes) -> bytes:
    """A certificate (PEM) for a private key (PEM)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    key = load_pem_private_key(key_data, None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError("not of an elliptic curve")
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
    """Two servers that start at once make one key."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    """A file that only its owner may read; it is there whole, on the disk, or not at all."""
    temporary = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()  # of a start that was killed
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _leaf_of(chain: bytes) -> bytes:
    """The first certificate of a PEM file, in DER, which is the one that is shown. Raises ValueError."""
    found = _FIRST_CERTIFICATE.search(chain)
    if found is None:
        raise ValueError("no certificate in it")
    return ssl.PEM_cert_to_DER_cert(found[0].decode("ascii"))


def _warn_of_age(path: Path, leaf: bytes) -> None:
    """It is the clients who decide whether they mind."""
    # Not at the top: it takes longer to load than gevent, and a server without TLS needs no certificate.
    from cryptography import x509

    end = x509.load_der_x509_certificate(leaf).not_valid_after_utc
    if end < datetime.now(timezone.utc):
        log.warning("%s expired on %s: clients that check will not come", path, end.date())


def _refuse_to_ask() -> str:
    raise ValueError("its key has a password: expected one without")


def _names(certificate: Path, key: Path) -> str:
    return str(certificate) if certificate == key else f"{certificate} and {key}"


def _in_words(problem: ssl.SSLError) -> str:
    if problem.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    if problem.reason in (None, "NO_START_LINE"):
        return "expected a certificate and a private key, in PEM"
    return problem.reason.replace("_", " ").lower()
