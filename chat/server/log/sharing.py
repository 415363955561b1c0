"""Tell the parts of a server whether other servers apply the same log, and so must decide the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from chat.process.offload import Outcome, Result, outcome_of


class Sharing:
    """Say whether the log ``is_shared`` by several servers.

    Then what carries out a change does not wait, and asks nothing that is this server's own: not its disk, not its
    history, which may be ahead of the log or behind it, and not its send queues.

    ``own_faults`` are exceptions that only one server meets, as of its disk or its memory.
    """

    def __init__(self, *, is_shared: bool, own_faults: tuple[type[Exception], ...] = ()) -> None:
        self.is_shared = is_shared
        self._own_faults = own_faults

    def must_end(self, problem: Exception) -> bool:
        """Return whether this server must end, since the others have carried out what ``problem`` prevented here.

        Any other exception is a bug that all servers have alike: they go on, or one user could end all of them.
        """
        return self.is_shared and isinstance(problem, self._own_faults)

    def to_the_end(self, change: Callable[..., Result], *arguments: Any) -> Result:
        """Call ``change``; return its result or raise its exception.

        Without others, it may wait for the disk: see ``run_to_the_end``.
        """
        return change(*arguments) if self.is_shared else run_to_the_end(change, *arguments)


ALONE = Sharing(is_shared=False)


def run_to_the_end(change: Callable[..., Result], *arguments: Any) -> Result:
    """Call ``change`` in a greenlet of its own; return its result or raise its exception.

    So a change that has begun is finished even if the session that asked for it ends meanwhile.
    """
    outcome: Outcome[Result] = gevent.spawn(outcome_of, change, *arguments).get()
    return outcome.get()
