"""Provide TLS for the load: sockets that behave like plain ones when no bytes have come, and a certificate."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from chat.server.net.certificates import CERTIFICATE_NAME, KEY_NAME, Certificates
from chat.server.settings import Settings, TlsMode


class TlsSocket(ssl.SSLSocket):
    """Raise BlockingIOError when no bytes have come, and ignore flags, which say nothing about plaintext."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen)
        except ssl.SSLWantReadError:
            raise BlockingIOError from None

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Read all bytes that have come, as a plain socket does; SSLSocket reads one record at a time.

        A blocking socket waits for the first record only.
        """
        view = memoryview(buffer)[: nbytes or None]
        if self.gettimeout() != 0:
            return super().recv_into(view)
        filled = 0
        while filled < len(view):
            try:
                size = super().recv_into(view[filled:])
            except ssl.SSLWantReadError:
                break
            filled += size
            if not size:
                return filled
        if not filled:
            raise BlockingIOError
        return filled

    def send(self, data: Any, flags: int = 0) -> int:
        try:
            return super().send(data)
        except ssl.SSLWantWriteError:
            raise BlockingIOError from None


def encrypted(sock: socket.socket) -> TlsSocket:
    """Return ``sock`` after a TLS handshake that accepts any certificate."""
    wrapped = _context.wrap_socket(sock)
    assert isinstance(wrapped, TlsSocket)
    return wrapped


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """Make a certificate and its key in files of ``directory``, as our server makes them for itself."""
    Certificates(Settings(tls=TlsMode.OPTIONAL, data_directory=directory)).load()
    return directory / CERTIFICATE_NAME, directory / KEY_NAME


def _make_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = TlsSocket
    return context


_context = _make_context()
