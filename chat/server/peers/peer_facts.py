"""The facts that servers tell each other, and the key by which clients know them."""

from __future__ import annotations

from chat.structs import Struct, field


class PeerFacts(Struct):
    """Describe a server: its name in the cluster, its version, and the feature level that it knows."""

    node: str
    version: str
    level: int


class KeyPair(Struct):
    """Hold the certificate (with its chain) and the private key that a server shows its clients, in PEM."""

    certificate: str
    key: str = field(repr=False)
