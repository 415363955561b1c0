"""TLS between servers: a certificate that lives as long as the process, and no trust in any certificate.

The proofs of both sides contain the certificate (see ``proof``). So a certificate need not be known before, and each
process makes a new one.
"""

from __future__ import annotations

import ssl as standard_ssl
import tempfile
from pathlib import Path
from typing import NamedTuple

from gevent import ssl

from chat.server.net.certificates import new_key, self_signed
from chat.server.peers.links.proof import digest_of


class ListenerTls(NamedTuple):
    """Hold the context for connections that arrive, and the SHA-256 of its certificate."""

    context: ssl.SSLContext
    digest: bytes


def make_listener_tls(directory: Path) -> ListenerTls:
    """Make a certificate. OpenSSL reads it from files, which are in ``directory`` for that moment. Raises OSError."""
    key = new_key()
    certificate = self_signed(key)
    context = _limited(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    # No resumption: each connection has a handshake of its own.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    with tempfile.TemporaryDirectory(dir=directory, prefix="peer-key-") as temporary:
        path = Path(temporary) / "both.pem"  # only its owner enters the directory
        path.write_bytes(certificate + key)
        context.load_cert_chain(path)
    return ListenerTls(context, digest_of(ssl.PEM_cert_to_DER_cert(certificate.decode())))


def make_caller_context() -> ssl.SSLContext:
    """Return the context for connections to other servers. It trusts every certificate: see ``proof``."""
    context = _limited(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _limited(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = standard_ssl.TLSVersion.TLSv1_3
    return context
