"""A bad line: a proxy that cuts transfer connections in the middle, as often as it is told to."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType


class CuttingProxy:
    """Stands before the server at ``target``. The first connection it carries is left alone.

    Of the others the first ``cuts`` are cut once the server has sent ``after`` bytes over them (or, with
    ``uploads``, the client has); ``cut`` counts them.
    """

    def __init__(
        self, target: tuple[str, int], *, cuts: int, after: int, uploads: bool = False
    ) -> None:
        self.cut = 0
        self._target = target
        self._cuts = cuts
        self._after = after
        self._uploads = uploads
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = [self._listener]

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for sock in self._sockets:
            _end(sock)

    def _accept(self) -> None:
        carried = 0
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            limit = self._after if 0 < carried <= self._cuts else None
            carried += 1
            up, down = (limit, None) if self._uploads else (None, limit)
            for source, sink, bound in ((near, far, up), (far, near, down)):
                threading.Thread(
                    target=self._carry, args=(source, sink, bound), daemon=True
                ).start()

    def _carry(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        """From one to the other, until either ends or ``limit`` bytes have been carried."""
        carried = 0
        try:
            while limit is None or carried < limit:
                wanted = 65536 if limit is None else min(65536, limit - carried)
                data = source.recv(wanted)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
                carried += len(data)
        except OSError:
            _end(source)
            _end(sink)
            return
        self.cut += 1
        _end(source)
        _end(sink)


def _end(sock: socket.socket) -> None:
    """Wakes the thread that waits on it."""
    with suppress(OSError):  # it has ended by itself
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
