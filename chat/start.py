"""Start both programs: prepare closed descriptors and signals before loading anything that takes time."""

from __future__ import annotations

import signal

from chat.process.loading import loading
from chat.process.signals import ENDING, hold
from chat.process.standard_streams import open_missing_streams, run_to_status

# These signals mean nothing to a server, but their default action would kill it. SIGTTOU, from a terminal with tostop,
# would stop it at a log line.
_MEANINGLESS_TO_SERVERS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTOU)


def server() -> int:
    """Run ``chat-server`` and return its exit status."""
    open_missing_streams()
    hold(ENDING, _MEANINGLESS_TO_SERVERS)
    with loading():
        from chat.server.cli import main

    return run_to_status("chat-server", main)


def client() -> int:
    """Run ``chat-client`` and return its exit status."""
    open_missing_streams()
    hold(ENDING)
    with loading():
        from chat.client.cli import main

    return run_to_status("chat-client", main)
