"""Turns in the event loop, for greenlets that could go on: everyone else is given his before the next."""

from __future__ import annotations

from typing import Any

import gevent


def let_others_run() -> None:
    """Wait until the loop has looked once at every socket and timer, and whoever was ready has run.

    ``gevent.sleep(0)`` does not say so much: of greenlets that only give each other way so, the loop runs fifty turns
    before it looks. Where one turn delivers a large batch to a crowd, that is a tenth of a second in which nothing is
    received, and nobody who is behind can catch up.
    """
    loop: Any = gevent.get_hub().loop
    # At the highest priority, it is over after one look, whatever else is going on.
    gevent.idle(loop.MAXPRI)
