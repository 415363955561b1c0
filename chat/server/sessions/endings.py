"""The exceptions by which other greenlets end a session that waits."""

from __future__ import annotations

import gevent


class ServerStopping(gevent.GreenletExit):
    """End the wait of a session because the server stops. Not an Exception, so that no handler swallows it."""


class Ejected(gevent.GreenletExit):
    """End the wait of a session that another greenlet has ended. The session has left the room by then."""
