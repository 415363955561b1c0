"""Prove the knowledge of a secret without telling the secret, for one connection only.

A proof is an HMAC over the two challenges and the server's certificate, as each side sees that. A program in the middle
has another certificate, so a proof that it passes on is wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from enum import Enum
from typing import NamedTuple

CHALLENGE_SIZE = 32  # bytes
_LABEL = b"chat peer 1"


class LinkRole(Enum):
    """Name a side of a connection, so that the proof of one side is none for the other."""

    CALLER = b"caller"
    LISTENER = b"listener"


class Exchange(NamedTuple):
    """Hold what both sides of one connection know: the challenges, and the SHA-256 of the listener's certificate."""

    of_listener: bytes
    of_caller: bytes
    certificate: bytes


def new_challenge() -> bytes:
    return secrets.token_bytes(CHALLENGE_SIZE)


def read_challenge(text: object) -> bytes | None:
    """Return the challenge that a peer has sent in hex; None if it is none."""
    try:
        challenge = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return None
    return challenge if len(challenge) == CHALLENGE_SIZE else None


def digest_of(certificate: bytes) -> bytes:
    """Return the SHA-256 of a certificate in DER."""
    return hashlib.sha256(certificate).digest()


def prove(secret: bytes, role: LinkRole, exchange: Exchange) -> str:
    """Return the proof of one side, in hex."""
    # Each part has a known length, or ends before a NUL that it cannot contain.
    message = b"\0".join((_LABEL, role.value, b"".join(exchange)))
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def is_proof(text: object, secret: bytes, role: LinkRole, exchange: Exchange) -> bool:
    """Return whether a peer has sent the proof of ``role``."""
    expected = prove(secret, role, exchange)
    return isinstance(text, str) and hmac.compare_digest(text.encode(), expected.encode())
