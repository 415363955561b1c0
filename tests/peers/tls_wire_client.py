"""The client of a few lines, over TLS: it accepts any certificate."""

from __future__ import annotations

import ssl
from typing import Any, cast

import gevent.ssl

from tests.peers.wire import Address
from tests.peers.wire_client import WireClient


def trusting_context(newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """Return a context for clients on gevent that check nothing and speak nothing newer than ``newest``."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = newest
    return context


class TlsWireClient(WireClient):
    """A WireClient that has done its handshake. A stream that ends without a goodbye is an error."""

    def __init__(
        self, address: Address, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, **options: Any
    ) -> None:
        super().__init__(address, **options)
        self.newest = newest
        try:
            self.socket = trusting_context(newest).wrap_socket(
                cast(Any, self.socket), suppress_ragged_eofs=False, do_handshake_on_connect=False
            )
            cast(Any, self.socket).do_handshake()
        except BaseException:
            self.close()
            raise

    @property
    def certificate(self) -> bytes:
        """The certificate of the server, in DER."""
        return cast(bytes, cast(Any, self.socket).getpeercert(binary_form=True))

    def open_transfer(self, address: Address) -> TlsWireClient:
        transfer = TlsWireClient(
            address, newest=self.newest, order=self.order, timeout=self.timeout
        )
        transfer.name = self.name
        try:
            reply = transfer.try_login({"session": self.welcome["session"]})
            assert reply == (1, {}, b""), f"the transfer was refused: {reply}"
        except BaseException:
            transfer.close()
            raise
        return transfer
