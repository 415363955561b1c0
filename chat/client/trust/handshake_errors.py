"""The ways in which a TLS handshake fails.

They are apart from ``tls``, because that loads OpenSSL, and a connection without TLS needs none.
"""

from __future__ import annotations


class NoEncryption(Exception):
    """The server speaks no TLS; or it does not answer, if ``silent``; or it has ``closed`` the connection at once."""

    def __init__(self, *, silent: bool = False, closed: bool = False) -> None:
        super().__init__("no TLS")
        self.silent = silent
        self.closed = closed


class Unverified(Exception):
    """No authority vouches for the certificate; the text says why."""


class HandshakeFailed(Exception):
    """The server speaks TLS, but the handshake failed; the text says why."""
