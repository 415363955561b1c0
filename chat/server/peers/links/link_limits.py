"""Times and bounds of the connections between servers."""

from __future__ import annotations

from chat.structs import Struct


class LinkLimits(Struct):
    """Hold times in seconds, counts, and a rate in bytes a second.

    ``connect`` is for TCP; ``greeting`` for TLS and the proofs of both sides. A peer may be silent for ``silence``.
    ``sign_of_life`` is how often a peer that prepares a copy says so, for at most ``preparing``. Its server has to
    answer within ``hanging`` each time. The first byte of a content comes within ``first_byte``, of all peers that are
    asked together. A transfer that is slower than ``slowest`` on average ends.

    ``strangers`` are connections that have proved nothing yet; a further one takes the place of the oldest. ``peers``
    are those that have proved to know the secret; a further one is refused.
    """

    connect: float = 5.0
    greeting: float = 10.0
    silence: float = 30.0
    sign_of_life: float = 5.0
    preparing: float = 3600.0
    hanging: float = 10.0
    first_byte: float = 30.0
    retry: float = 0.2
    slowest: float = 64 * 1024.0
    strangers: int = 32
    peers: int = 64

    def fields(self) -> dict[str, float]:
        """Return the limits by name."""
        return {name: getattr(self, name) for name in self.__match_args__}


DEFAULT_LIMITS = LinkLimits()
