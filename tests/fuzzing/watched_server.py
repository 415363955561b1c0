"""``chat-server`` as it is, except that on SIGUSR1 it says how many greenlets are alive."""

from __future__ import annotations

import gc
import signal
import sys

import gevent

from chat.server.cli import main


def tell() -> None:
    """Write the count of greenlets to stderr, where the log goes."""
    gc.collect()
    alive = [o for o in gc.get_objects() if isinstance(o, gevent.Greenlet) and not o.dead]
    print(f"greenlets alive: {len(alive)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    gevent.signal_handler(signal.SIGUSR1, tell)
    sys.exit(main())
