"""Let one thread of this process come behind the others."""

from __future__ import annotations

import os
import threading


def lower_thread_priority(niceness: int) -> None:
    """Give the calling thread at least this niceness, for good. Threads that it starts inherit that."""
    # On Linux each thread has its own niceness. Elsewhere the call would slow the whole process.
    if os.uname().sysname == "Linux":
        thread = threading.get_native_id()
        nice = max(niceness, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, nice)
