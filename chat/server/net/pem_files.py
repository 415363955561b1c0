"""Say in words why OpenSSL cannot use a certificate and its key: which file is at fault, and what to do."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_FIRST_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)
# The first bytes of a certificate or a key in DER: a SEQUENCE with a length of two bytes (X.690), or of one.
_DER = (b"\x30\x82", b"\x30\x81")


class UnusablePem(Exception):
    """Report that a certificate and its key cannot be used. The text is a line for the operator, with the file."""


def load_chain(context: ssl.SSLContext, certificate: Path, key: Path) -> bytes:
    """Load a certificate with its chain, and its key, into ``context``; return the first certificate, in DER.

    Raises UnusablePem.
    """
    chain, key_data = _read(certificate), _read(key)
    try:
        # Without this callback, OpenSSL would ask for the key's passphrase on the terminal, and a service would hang.
        context.load_cert_chain(certificate, key, password=_refuse_to_ask)
    except (ssl.SSLError, _HasPassphrase) as problem:
        raise UnusablePem(_explain(problem, certificate, chain, key, key_data)) from None
    except OSError as problem:
        # Removed or replaced since it was read.
        raise UnusablePem(_unreadable(problem, certificate)) from None
    found = _FIRST_CERTIFICATE.search(chain)
    if found is None:
        raise UnusablePem(f"{certificate}: expected a certificate in PEM")
    return ssl.PEM_cert_to_DER_cert(found[0].decode("ascii"))


class _HasPassphrase(ValueError):
    pass


def _refuse_to_ask() -> str:
    raise _HasPassphrase


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise UnusablePem(_unreadable(problem, path)) from None


def _unreadable(problem: OSError, path: Path) -> str:
    return f"cannot read {problem.filename or path}: {problem.strerror or problem}"


def _explain(
    problem: ssl.SSLError | _HasPassphrase, certificate: Path, chain: bytes, key: Path, data: bytes
) -> str:
    """Return which of the two files is at fault, and why. OpenSSL tells neither."""
    return (
        _fault_of_certificate(certificate, chain)
        or _fault_of_key(key, data)
        or _fault_of_pair(problem, certificate, key)
    )


def _fault_of_certificate(path: Path, data: bytes) -> str | None:
    names = _BLOCK.findall(data)
    if b"CERTIFICATE" not in names and b"TRUSTED CERTIFICATE" not in names:
        what = "the file has a private key, but no certificate" if _has_key(names) else None
        return f"{path}: {what or _no_pem(data, 'x509', 'certificate')}"
    from cryptography import x509  # takes a while to import

    try:
        # One by one, as OpenSSL reads the chain.
        x509.load_pem_x509_certificates(data)
    except ValueError:
        return f"{path}: a certificate in the file is damaged; copy the file again"
    return None


def _fault_of_key(path: Path, data: bytes) -> str | None:
    names = _BLOCK.findall(data)
    if not _has_key(names):
        what = "the file has a certificate, but no private key" if b"CERTIFICATE" in names else None
        return f"{path}: {what or _no_pem(data, 'pkey', 'private key')}"
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        load_pem_private_key(data, None)
    except TypeError:
        return (
            f"{path}: the key has a passphrase, which nobody is there to type; remove it: "
            f"openssl pkey -in {path} -out NEW"
        )
    except ValueError:
        return f"{path}: the private key is damaged; copy the file again"
    except UnsupportedAlgorithm:
        return None
    return None


def _fault_of_pair(problem: ssl.SSLError | _HasPassphrase, certificate: Path, key: Path) -> str:
    both = str(certificate) if certificate == key else f"{certificate} and {key}"
    reason = getattr(problem, "reason", None)
    if reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
        return (
            f"{both}: the key does not belong to the certificate; give the two that belong together"
        )
    words = reason.replace("_", " ").lower() if reason else "expected a certificate and its key"
    return f"{both}: OpenSSL cannot use them ({words})"


def _has_key(names: list[bytes]) -> bool:
    return any(name.endswith(b"PRIVATE KEY") for name in names)


def _no_pem(data: bytes, command: str, what: str) -> str:
    """Return as a phrase what a file is that has no block of the kind that is expected."""
    if not data.strip():
        return f"the file is empty; expected a {what} in PEM"
    if data.startswith(_DER):
        return f"the file is DER; expected PEM: openssl {command} -inform DER -in FILE -out NEW"
    if _BLOCK.search(data):
        return f"the file has no {what}"
    return f"the file is not PEM; expected a {what} that begins with -----BEGIN"
