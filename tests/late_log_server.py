"""The real server on a log that commits late: ``python -m tests.late_log_server``, with the options of ``chat-server``.

Records are committed 1 ms to 2 s after they were appended, in random batches. The tests of ``tests/end_to_end`` run
against this server with ``make test ARGS=tests/end_to_end CHAT_TEST_SERVER=tests.late_log_server``.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from functools import partial

import gevent

from chat.server import program
from chat.server.composition import Composition
from chat.server.log.log import Entry
from chat.start import server
from tests.server.late_log import LateLog

# Most commits are soon: a test says dozens of messages, one after the other.
_DELAYS = (0.001,) * 40 + (0.005,) * 10 + (0.05,) * 4 + (0.3, 2.0)


class RandomLateLog(LateLog):
    """A log that commits by itself."""

    def follow(self, apply: Callable[[Entry], None]) -> None:
        super().follow(apply)
        # Begun here, in the event loop of the server.
        self._committing = gevent.spawn(self._commit_in_random_batches, random.Random())

    def close(self, timeout: float) -> None:
        self._committing.kill()
        super().close(timeout)

    def _commit_in_random_batches(self, rng: random.Random) -> None:
        while True:
            if self.waiting:
                gevent.sleep(rng.choice(_DELAYS))
                self.commit(rng.randint(1, max(1, len(self.waiting))))
            else:
                gevent.sleep(0.001)


def commit_late() -> None:
    """Let the server of this process, which has not started yet, have such a log."""
    setattr(program, "Composition", partial(Composition, make_log=RandomLateLog))  # noqa: B010


if __name__ == "__main__":
    commit_late()
    sys.exit(server())
