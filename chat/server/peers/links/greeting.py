"""The first lines of a connection between servers, by which both prove that they know the secret.

    listener  {"chat-peer": 1, "challenge": HEX}
    caller    {"challenge": HEX, "proof": HEX, "node": NAME}
    listener  {"proof": HEX, "node": NAME}            or  {"fault": CODE, "why": TEXT}

The caller proves first. So a stranger learns nothing by which it could try guesses at the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from chat.server.peers.faults import PeerFault, PeerUnreachable, PeerUntrusted, fault_of
from chat.server.peers.links.peer_stream import SHORT_LINE, PeerStream
from chat.server.peers.links.proof import (
    Exchange,
    LinkRole,
    is_proof,
    new_challenge,
    prove,
    read_challenge,
)

VERSION = 1
_VERSION_KEY = "chat-peer"
_LONGEST_NAME = 64  # characters
_WRONG = "the peer has another secret: --peer-secret-file must be the same on all servers"


class Caller(NamedTuple):
    """Hold the name of a server that has proved to know the secret, and our proof, which it has not got yet."""

    node: str
    proof: str


def greet_caller(stream: PeerStream, secret: bytes, certificate: bytes) -> Caller:
    """Let a caller prove that it knows the secret.

    ``certificate`` is the SHA-256 of our own. Next comes ``accept_caller``, or a fault. Raises PeerFault.
    """
    challenge = new_challenge()
    stream.send_line({_VERSION_KEY: VERSION, "challenge": challenge.hex()})
    answer = _read(stream)
    theirs = read_challenge(answer.get("challenge"))
    if theirs is None:
        raise PeerFault("not a server of a cluster")
    exchange = Exchange(challenge, theirs, certificate)
    if not is_proof(answer.get("proof"), secret, LinkRole.CALLER, exchange):
        raise PeerUntrusted("another secret, or a program in the middle")
    return Caller(_name(answer), prove(secret, LinkRole.LISTENER, exchange))


def accept_caller(stream: PeerStream, caller: Caller, node: str) -> None:
    """Prove to the caller that we know the secret too. Raises PeerFault."""
    stream.send_line({"proof": caller.proof, "node": node})


def greet_listener(stream: PeerStream, secret: bytes, certificate: bytes, node: str) -> str:
    """Prove to a listener that we know the secret, and let it prove the same; return the name of its server.

    ``certificate`` is the SHA-256 of the certificate that the listener shows. Raises PeerFault.
    """
    first = _read(stream)
    theirs = read_challenge(first.get("challenge"))
    version = first.get(_VERSION_KEY)
    if theirs is None or not isinstance(version, int):
        raise PeerFault("it is not a server of a cluster")
    if version != VERSION:
        raise PeerFault(f"it speaks version {version} between servers, and we speak {VERSION}")
    exchange = Exchange(theirs, new_challenge(), certificate)
    proof = prove(secret, LinkRole.CALLER, exchange)
    stream.send_line({"challenge": exchange.of_caller.hex(), "proof": proof, "node": node})
    answer = _read(stream)
    if "fault" in answer:
        raise fault_of(answer["fault"], answer.get("why"))
    if not is_proof(answer.get("proof"), secret, LinkRole.LISTENER, exchange):
        raise PeerUntrusted(_WRONG)
    return _name(answer)


def _read(stream: PeerStream) -> Mapping[str, Any]:
    line = stream.read_line(SHORT_LINE)
    if line is None:
        raise PeerUnreachable("the peer has closed the connection")
    return line


def _name(line: Mapping[str, Any]) -> str:
    name = line.get("node")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise PeerFault("the peer has no name")
    return name
