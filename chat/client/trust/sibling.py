"""Open connections to another server of a cluster, at an address that a server has told.

The user has named servers, and trusts those. An address from a server is only a claim, so what answers there must prove
that it is of the same cluster: all servers of a cluster show one key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chat.client.errors import ConnectError, UntrustedServer
from chat.client.runtime.cancellation import Cancellation
from chat.client.trust.connector import Connector, TrustProof
from chat.client.trust.handshake_errors import Unverified
from chat.net.address import Address
from chat.structs import replace

if TYPE_CHECKING:
    from chat.client.trust.tls import TlsStream
    from chat.net.fingerprint import Fingerprint


class Sibling(Connector):
    """Opens connections to the server at ``address``, which is trusted only as much as the ``named`` ones.

    The server must show the key of one of them, or a certificate for its name. Without a proof, a server is followed
    only from this machine to this machine. The user is never asked, and nothing is remembered.
    """

    def __init__(self, named: Sequence[Connector], address: Address) -> None:
        first = named[0]
        super().__init__(first.runtime, address, replace(first.policy, judge=None))
        self._named = named

    def probe(self, timeout: float) -> None:
        """Find out whether the server proves what it must.

        Raises ConnectError, NotEncrypted, UntrustedServer. An UntrustedServer will never be trusted in this run.
        """
        if self.address.is_local and not self._stays_here:
            # Else a server could have the client send a password to any program on this machine.
            raise UntrustedServer(self._refusal("it is an address of your own machine"))
        if self.policy.tls == "off" and not self._stays_here:
            raise ConnectError(self._refusal("without TLS, nothing proves who answers there"))
        super().probe(timeout)

    @property
    def _stays_here(self) -> bool:
        return all(address.is_local for address in (self.address, *self.named_addresses))

    @property
    def named_addresses(self) -> list[Address]:
        """The addresses of the servers that the user has named."""
        return [connector.address for connector in self._named]

    def _decide(self, timeout: float) -> None:
        proof = self._proof_of_named()
        if any(proof):
            self._keep(proof, self._shake_hands(proof, timeout, timeout))
        elif self._stays_here:
            super()._decide(timeout)
        else:
            first = self.named_addresses[0]
            raise ConnectError(self._refusal(f"nothing proves yet who {first} is"))

    def _proof_of_named(self) -> TrustProof:
        """Return what the server must show: the key of any server that the user has named. Raises ConnectError."""
        keys: list[Fingerprint] = []
        is_certified = False
        for connector in self._named:
            proof = connector.proof()
            if proof is None:
                continue
            keys += proof.keys
            if proof.authority and not is_certified:
                is_certified, self.certified = True, connector.address
        return TrustProof(tuple(keys), is_certified)

    def _shake_hands(
        self, check: TrustProof, timeout: float, patience: float, cancel: Cancellation | None = None
    ) -> TlsStream:
        try:
            return super()._shake_hands(check, timeout, patience, cancel)
        except (UntrustedServer, Unverified):
            shown = f"it does not show the key of {self.named_addresses[0]}"
            raise UntrustedServer(self._refusal(shown)) from None

    def _refusal(self, reason: str) -> str:
        return f"The client does not go to {self.address}, which a server named: {reason}."
