"""The real server with a clock that a test can set: ``python -m tests.cluster.server_program``.

Takes the options of ``chat-server``. The file ``clock`` in the data directory has two numbers (doubles, in the order
of the machine): how many seconds the clock of the day is ahead, and how long the machine has slept. Passwords are
hashed cheaply: clients come back a thousand times. With ``--late-log`` among the options, the log commits late, in
random batches; with ``--hasty``, others take a silent server for dead after 4 seconds.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

CLOCK = "clock"
LATE_LOG, HASTY = "--late-log", "--hasty"
_NUMBERS = struct.Struct("=dd")


class InjectedClock:
    """The clock of a server, in a file that both processes have in memory."""

    def __init__(self, directory: Path) -> None:
        path = directory / CLOCK
        if not path.exists():
            path.write_bytes(_NUMBERS.pack(0.0, 0.0))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _NUMBERS.size)

    @property
    def ahead(self) -> tuple[float, float]:
        ahead, slept = _NUMBERS.unpack_from(self._memory)
        return ahead, slept

    def set(self, ahead: float, slept: float) -> None:
        _NUMBERS.pack_into(self._memory, 0, ahead, slept)

    def close(self) -> None:
        self._memory.close()

    def inject(self) -> None:
        """Let ``time.time`` and CLOCK_BOOTTIME of this process be as the file says."""
        really_tell, really_get = time.time, time.clock_gettime

        def get(clock: int) -> float:
            slept = self.ahead[1] if clock == time.CLOCK_BOOTTIME else 0.0
            return really_get(clock) + slept

        # Before anything of the server is imported: some modules keep the functions.
        setattr(time, "time", lambda: really_tell() + self.ahead[0])  # noqa: B010
        setattr(time, "clock_gettime", get)  # noqa: B010


def be_hasty() -> None:
    """Give leases and waits that a test need not wait for."""
    from chat.server.cluster import replication_limits

    limits = replication_limits.ReplicationLimits(lease=4.0, renewal=1.0, answer=2.0, look=0.3)
    # Before other modules take it.
    setattr(replication_limits, "DEFAULT_LIMITS", limits)  # noqa: B010


def main() -> int:
    option = "--data-directory="
    [directory] = [word.removeprefix(option) for word in sys.argv if word.startswith(option)]
    InjectedClock(Path(directory)).inject()

    if HASTY in sys.argv:
        sys.argv.remove(HASTY)
        be_hasty()
    from chat.server.accounts import passwords
    from chat.start import server
    from tests import late_log_server
    from tests.cheap_hashes import HASHER

    setattr(passwords, "_hasher", lambda: HASHER)  # noqa: B010
    if LATE_LOG in sys.argv:
        sys.argv.remove(LATE_LOG)
        late_log_server.commit_late()
    return server()


if __name__ == "__main__":
    sys.exit(main())
