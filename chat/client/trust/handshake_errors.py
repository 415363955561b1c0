"""The ways in which a TLS handshake fails.

They are apart from ``tls``, because that loads OpenSSL, and a connection without TLS needs none.
"""

from __future__ import annotations


class NoEncryption(Exception):
    """The server speaks no TLS; or, if ``silent``, the server does not answer."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__("no TLS")
        self.silent = silent


class Unverified(Exception):
    """No authority vouches for the certificate; the text says why."""


class HandshakeFailed(Exception):
    """The server speaks TLS, but the handshake failed; the text says why."""
