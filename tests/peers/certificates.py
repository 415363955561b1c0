"""Keys and certificates as servers have them, made when a test needs them."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from chat.net.fingerprint import Fingerprint, fingerprint_of_key


class Identity(NamedTuple):
    """Files in PEM, and the fingerprint of the key in them."""

    certificate: Path
    key: Path
    fingerprint: Fingerprint

    def context(self, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        """Return the context for a server with this certificate that speaks nothing newer than ``newest``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = min(newest, ssl.TLSVersion.TLSv1_2)
        context.maximum_version = newest
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_identity(directory: Path, *hosts: str, name: str = "server", days: int = 1) -> Identity:
    """A new key, and a self-signed certificate that is good for ``hosts``, until so many ``days`` from now."""
    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    names = [_general_name(host) for host in hosts or ("server.invalid",)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    paths = Identity(
        directory / f"{name}.crt",
        directory / f"{name}.key",
        fingerprint_of_key(
            key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ),
    )
    paths.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    paths.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
