"""The ways in which a request to another server fails. Each has a code, by which it passes from process to process."""

from __future__ import annotations

from typing import ClassVar


class PeerFault(Exception):
    """Report that a request to another server failed. The text is one line for the operator."""

    code: ClassVar[str] = "failed"


class PeerUnreachable(PeerFault):
    """There is no connection, or it was cut, or the peer is silent. A later try may succeed."""

    code = "unreachable"


class PeerUntrusted(PeerFault):
    """The two sides do not share a secret, or another program is between them."""

    code = "untrusted"


class PeerBusy(PeerFault):
    """The peer has too much to do. A later try may succeed."""

    code = "busy"


class ContentMissing(PeerFault):
    """The peer does not have the content."""

    code = "missing"


class ContentDamaged(PeerFault):
    """The bytes that arrived are not those of the content."""

    code = "damaged"


class DiskFault(PeerFault):
    """A disk has failed, or is full."""

    code = "disk"


_BY_CODE: dict[str, type[PeerFault]] = {
    kind.code: kind
    for kind in (
        PeerFault,
        PeerUnreachable,
        PeerUntrusted,
        PeerBusy,
        ContentMissing,
        ContentDamaged,
        DiskFault,
    )
}


def fault_of(code: object, why: object) -> PeerFault:
    """Return the fault with this code; an unknown one, of a newer server, is a ``PeerFault``."""
    kind = _BY_CODE.get(code, PeerFault) if isinstance(code, str) else PeerFault
    # A peer wrote this, and it goes to a log: one line of bounded length.
    text = why if isinstance(why, str) and why.isprintable() else "it gives no reason"
    return kind(text[:300])
