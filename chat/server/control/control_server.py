"""Answer the operator's commands on the control socket.

A visitor has five seconds for the request, and five to take the answer. A visitor that is stuck holds nobody up: each
has a greenlet, and the idle ones make way for new ones.
"""

from __future__ import annotations

import logging
import os
import socket as plain_socket
import struct
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

import gevent
from gevent.event import Event

from chat.server.control.messages import (
    MAX_REQUEST,
    BadMessage,
    CommandFailed,
    encode_error,
    encode_result,
    parse_request,
)
from chat.server.net.visitors import VisitListener, Visitor, Visitors

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")

# Execute a command with these arguments, and return the result. May wait. Raises CommandFailed.
Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]

_AT_ONCE = 16
_PATIENCE = 5.0  # seconds
_START = 2.0  # seconds: most starts take less, and then the command need not be given again
_CREDENTIALS = struct.Struct("3i")  # pid, uid and gid, as unix(7) has them


class _TooSlow(Exception):
    """The visitor took longer than allowed."""


class ControlServer:
    """Execute commands by ``handlers``, which has a function for each command.

    ``listening`` is a socket from ``listen_in``, which ``stop`` closes.
    """

    def __init__(self, listening: GeventSocket, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._early: Collection[str] | None = None
        self._is_begun = Event()
        self._visitors = Visitors(_AT_ONCE)
        self._listener = VisitListener(listening, self._visit, self._visitors.end_oldest)

    def start(self, early: Collection[str] | None = None) -> None:
        """Serve in the background. With ``early``, execute only these commands until ``admit_all`` is called."""
        self._early = early
        if early is None:
            self._is_begun.set()
        self._listener.start()

    def admit_all(self) -> None:
        """Execute all commands from now on: the server has started."""
        self._is_begun.set()

    def stop(self) -> None:
        """Stop listening, and cut off the visitors."""
        self._listener.close()
        self._visitors.end_all()

    def _visit(self, sock: GeventSocket, peer: Any) -> None:
        visitor = cast(Visitor, gevent.getcurrent())
        self._visitors.enter(visitor)
        try:
            with gevent.Timeout(_PATIENCE, _TooSlow):
                line = _read_line(sock)
            if line is None:
                return
            self._visitors.is_answered(visitor)
            # Without a limit of time: a change must not be left half done, and the disk has limits of its own.
            answer = self._answer(sock, line)
            with gevent.Timeout(_PATIENCE, _TooSlow):
                sock.sendall(answer)
        except (OSError, _TooSlow):
            return  # the visitor left, or took too long
        finally:
            self._visitors.leave(visitor)
            sock.close()

    def _answer(self, sock: GeventSocket, line: bytes) -> bytes:
        try:
            _require_operator(sock)
            if len(line) > MAX_REQUEST:
                raise BadMessage(f"The request is over {MAX_REQUEST // 1024} KiB.")
            request = parse_request(line)
            handler = self._handlers.get(request.command)
            if handler is None:
                raise BadMessage(
                    f"The server knows no such command; it knows {', '.join(self._handlers)}."
                )
            if request.command not in (self._early or ()):
                self._require_begun()
            return encode_result(handler(request.fields))
        except (BadMessage, CommandFailed) as problem:
            return encode_error(str(problem))
        except Exception:
            log.exception("a command of the operator failed")
            return encode_error("The command failed in the server; the log says why.")

    def _require_begun(self) -> None:
        if not self._is_begun.wait(_START):
            raise CommandFailed(
                "The server is starting, and its log says what it waits for. Try again later."
            )


def _read_line(sock: GeventSocket) -> bytes | None:
    """Return the first line; None for a visitor that sends none. A line that is too long is not read to its end."""
    data = b""
    while b"\n" not in data and len(data) <= MAX_REQUEST:
        received = sock.recv(64 * 1024)
        if not received:
            return data or None
        data += received
    return data.partition(b"\n")[0] if b"\n" in data else data


def _require_operator(sock: GeventSocket) -> None:
    """Raise CommandFailed unless the visitor runs as the user of the server, or as root.

    The mode of the socket file says the same, but a file's mode can be changed by mistake.
    """
    if not hasattr(plain_socket, "SO_PEERCRED"):
        return  # not Linux: the mode has to suffice
    data = sock.getsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(data)
    if user not in (0, os.geteuid()):
        raise CommandFailed("Only root and the user that the server runs as may give commands.")
