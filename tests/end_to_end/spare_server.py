"""One server for many tests, one after the other: a start takes longer than most of the tests."""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.server_process import ServerProcess, eventually

_PATIENCE = 30.0  # seconds for the last connections of a test to be closed


class SpareServer:
    """A server that the next test may have, if the last one left it as a new one is.

    That is: it runs, nobody is connected, no content and no file is kept, and its log has no fault. Otherwise it is
    stopped, and the next test has a new one.
    """

    def __init__(self) -> None:
        self._server: ServerProcess | None = None
        self._descriptors: list[str] = []
        self._files: list[Path] = []

    def take(self) -> ServerProcess:
        server, self._server = self._server, None
        if server is not None and server.is_running:
            server.lines.clear()
            return server
        server = ServerProcess()
        self._descriptors = self._held_by(server)
        self._files = self._kept_by(server)
        return server

    def put_back(self, server: ServerProcess) -> None:
        """Take the server back after a test, whether the test failed or not. The server must have logged no fault."""
        if server.is_running and self._is_as_new(server):
            self._server = server
        else:
            self._end(server)
        assert "Traceback" not in server.log, server.log

    def stop(self) -> None:
        if self._server is not None:
            self._end(self._server)

    def _is_as_new(self, server: ServerProcess) -> bool:
        if "Traceback" in server.log or self._kept_by(server) != self._files:
            return False
        sockets = _sockets(self._descriptors)
        try:
            eventually(lambda: _sockets(self._held_by(server)) <= sockets, _PATIENCE)
        except AssertionError:
            return False
        return server.is_running and self._held_by(server) == self._descriptors

    def _end(self, server: ServerProcess) -> None:
        try:
            if server.is_running:
                assert server.stop() == 0
        finally:
            server.end()

    def _held_by(self, server: ServerProcess) -> list[str]:
        """List the open files of the server, without the numbers of sockets and the like."""
        try:
            return sorted(link.partition(":[")[0] for link in server.open_files())
        except FileNotFoundError:
            return []  # it has ended meanwhile

    def _kept_by(self, server: ServerProcess) -> list[Path]:
        return sorted(server.data_directory.rglob("*"))


def _sockets(held: list[str]) -> int:
    return held.count("socket")
