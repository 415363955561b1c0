"""Accept connections, at the pace that the loop share allows, and survive a lack of file descriptors."""

from __future__ import annotations

import errno
import logging
import os
from io import BufferedReader
from typing import TYPE_CHECKING, Any, cast

from gevent.server import StreamServer

from chat.server.net.connection_slots import ConnectionSlots
from chat.server.net.handshakes import Handshakes
from chat.server.process.log_folding import FoldingLog
from chat.server.process.loop_share import LoopShare
from chat.server.sessions.connection_handler import ConnectionHandler

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")

_GONE_BEFORE_ACCEPTED = (errno.ECONNABORTED, errno.EPROTO, errno.EPERM)
_ACCEPTED_AT_ONCE = 20  # connections in one turn of the loop share
_CROWDED_PAUSE = 0.02  # seconds without accepting, while too many handshakes wait


class Listener(StreamServer):
    """A StreamServer that survives running out of file descriptors.

    It keeps one spare descriptor. When no other is left, the listener closes the spare one, and with it accepts and
    closes a connection. Otherwise that client would wait in the kernel, and the loop would report it again and again.
    ``handshakes`` is None for a server without TLS.
    """

    def __init__(
        self,
        listening: GeventSocket,
        *,
        handler: ConnectionHandler,
        connection_slots: ConnectionSlots,
        share: LoopShare,
        handshakes: Handshakes | None,
        folding_log: FoldingLog,
    ) -> None:
        self._handler = handler
        self._connection_slots = connection_slots
        self._share = share
        self._handshakes = handshakes
        self._folding_log = folding_log
        super().__init__(listening, handler.handle)
        self._spare = _open_spare()

    @property
    def max_accept(self) -> int:  # type: ignore[override]
        """The number of connections to accept in one turn: as many as there are free slots.

        Without a free slot, one connection at a time. So the connection that makes way is closed before the next is
        accepted.
        """
        return max(1, min(_ACCEPTED_AT_ONCE, self._connection_slots.room))

    def _do_read(self) -> None:
        """Accept in a turn of the loop share. Until then the kernel keeps new connections."""
        # While the watcher is active, the loop reports a waiting connection at each look.
        cast(Any, self)._watcher.stop()
        self._share.call(self._accept)

    def _accept(self) -> None:
        base: Any = super()
        if cast(Any, self)._watcher is None:
            return  # closed meanwhile
        if self._handshakes is not None and self._handshakes.is_crowded:
            self._pause()
            return
        base._do_read()
        watcher: Any = cast(Any, self)._watcher
        if (
            watcher is not None
        ):  # None after an error: then a timer of the base class makes another watcher
            watcher.start(self._do_read)

    def _pause(self) -> None:
        """Stop accepting for a while, as the base class does after an error."""
        self.stop_accepting()
        base: Any = self
        base._timer = base.loop.timer(_CROWDED_PAUSE)
        base._timer.start(base._start_accepting_if_started)

    def do_handle(self, *accepted: Any) -> None:
        # Not by the base class: it puts one more C call at the bottom of each greenlet's stack, which takes most of a
        # kilobyte for each user.
        self._handler.connections.spawn(self._handler.handle, *accepted)

    def do_read(self) -> Any:
        try:
            return super().do_read()
        except OSError as problem:
            if problem.errno in _GONE_BEFORE_ACCEPTED:
                log.debug("a client left before its connection was accepted: %s", problem.strerror)
                return None
            if problem.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        self._spare.close()
        try:
            os.close(cast(Any, self.socket)._accept()[0])
        except OSError:
            log.debug("no connection was waiting to be refused")
        finally:
            self._spare = _open_spare()
        self._folding_log.refused("new connections", "out of file descriptors")
        return None

    def close(self) -> None:
        super().close()
        self._spare.close()


def _open_spare() -> BufferedReader:
    return open(os.devnull, "rb")
