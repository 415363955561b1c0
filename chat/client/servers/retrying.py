"""When to connect again after a lost connection, and when not. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from chat.client.errors import ChatError, Dismissed, LoginRefused, UntrustedServer
from chat.protocol.notices import Refusal


class RetryPolicy(NamedTuple):
    """How often and how long to try, in seconds.

    ``first`` is the pause before a new try; each try doubles the pause, up to ``longest``. Each pause is randomly up to
    50 % longer or shorter, so that a thousand clients don't return to a restarted server at once. ``after_input``
    limits the tries after the end of the input.
    """

    first: float = 1.0
    longest: float = 60.0
    after_input: float = 60.0


# Refusals that a repeated login would meet again.
_FINAL = frozenset(
    refusal.value
    for refusal in (
        Refusal.BAD_USERNAME,
        Refusal.BANNED,
        Refusal.ENCRYPTION_NEEDED,
        Refusal.PASSWORD_NEEDED,
        Refusal.WRONG_PASSWORD,
    )
)


class Pauses:
    """The pauses between the tries. ``longest`` and ``first`` are those of a ``RetryPolicy``."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._pause = policy.first

    def next(self) -> float:
        """Return the seconds to wait before the next try. The pause after it is longer."""
        import random  # loaded with the first lost connection

        pause = min(self._pause * random.uniform(0.5, 1.5), self._policy.longest)
        self._pause = min(self._pause * 2, self._policy.longest)
        return pause

    def begin_anew(self) -> None:
        """Begin with the first pause again."""
        self._pause = self._policy.first

    def was_connected(self, seconds: float) -> None:
        """Note how long a connection has lasted.

        If the server accepts a login and closes the connection soon after, the pauses must still grow.
        """
        if seconds >= self._policy.longest:
            self.begin_anew()


def is_final(problem: ChatError, *, is_chosen: bool = False) -> bool:
    """Return whether only the user can help, so that further tries are useless.

    ``is_chosen``: the try was under another name than before, which the user chose.
    """
    if isinstance(problem, LoginRefused):
        return problem.code in _FINAL or (
            # Another user has the name. After a lost connection it may be the user's own old connection.
            is_chosen and problem.code == Refusal.USERNAME_EXISTS.value
        )
    return isinstance(problem, UntrustedServer | Dismissed)
