"""Start the process that has all connections to other servers, and start it again when it ends.

To encrypt a copy at 100 MB/s takes a sixth of a core. In a process of its own, with a low priority, none of it holds up
those who talk, and no stranger at the port for peers does.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from gevent import socket
from gevent.event import Event

from chat.process.offload import run_in
from chat.server.peers.channel import Channel, ChannelReply, Handler
from chat.server.peers.copies import remove_leftovers
from chat.server.peers.faults import PeerFault, PeerUnreachable
from chat.server.peers.links.link_limits import DEFAULT_LIMITS, LinkLimits
from chat.server.peers.peer_facts import PeerFacts
from chat.server.process.helper_process import helper_command, helper_environment

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")

_PROGRAM = "chat.server.peers.links.worker"
# Seconds for the start, and between two starts: the first pause, and the longest.
_START = 30.0
_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
# A process that has lived so long has not failed at its start.
_LONG = 60.0


class PeerProcess:
    """The process for connections between servers that share ``secret``.

    ``facts`` tell others who we are. ``directory`` is for temporary files: the data directory, since a copy needs as
    much space as the data.
    """

    def __init__(
        self,
        secret: bytes,
        facts: PeerFacts,
        directory: Path,
        limits: LinkLimits = DEFAULT_LIMITS,
    ) -> None:
        self.directory = directory
        self._secret = secret
        self._facts = facts
        self._limits = limits
        self._handlers: dict[str, Handler] = {}
        self._listening: Sequence[GeventSocket] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._is_ready, self._has_ended = Event(), Event()
        self._keeper: gevent.Greenlet[..., object] | None = None

    @property
    def number(self) -> int | None:
        """The id of the process."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process, and remove what an earlier one has left in the directory. Waits. Raises PeerFault."""
        remove_leftovers(self.directory)
        try:
            self._open()
        except PeerFault:
            self._end()
            raise
        self._keeper = gevent.spawn(self._keep)

    def stop(self) -> None:
        """End the process, and with it all connections."""
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper = None
        self._end()

    def handle(self, handlers: Mapping[str, Handler]) -> None:
        """Answer what the process asks."""
        self._handlers.update(handlers)

    def listen(self, sockets: Sequence[GeventSocket]) -> None:
        """Let the process take connections from ``sockets``, also after it was started again. Raises PeerFault."""
        self._listening = sockets
        self.ask("listen", {}, [sock.fileno() for sock in sockets])

    def ask(
        self,
        name: str,
        fields: Mapping[str, Any],
        descriptors: Sequence[int] = (),
        on_note: Callable[[], object] = lambda: None,
    ) -> ChannelReply:
        """Ask the process, and wait for its answer. Raises PeerFault."""
        # While the process starts again, wait for it.
        is_ready = self._keeper is not None and self._is_ready.wait(self._limits.connect)
        if not is_ready or self._channel is None:
            raise PeerUnreachable("the process for connections to other servers does not run")
        return self._channel.ask(name, fields, descriptors, on_note)

    def _open(self) -> None:
        """Raises PeerFault."""
        self._has_ended.clear()
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                helper_command(_PROGRAM),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=helper_environment(),
            )
        except OSError as problem:
            ours.close()
            raise PeerFault(
                f"cannot start the process for peers: {problem.strerror or problem}"
            ) from None
        finally:
            theirs.close()
        self._channel = channel = Channel(ours, self._handlers, self._log, self._note_end)
        begin = {
            "secret": self._secret.hex(),
            "facts": vars(self._facts),
            "limits": self._limits.fields(),
            "directory": str(self.directory),
        }
        late = PeerUnreachable("the process for connections to other servers does not start")
        with gevent.Timeout(_START, late):
            channel.ask("begin", begin)
            if self._listening:
                channel.ask("listen", {}, [sock.fileno() for sock in self._listening])
        self._is_ready.set()

    def _note_end(self) -> None:
        self._is_ready.clear()
        self._has_ended.set()

    def _keep(self) -> None:
        """Start the process again whenever it has ended."""
        pause = _PAUSE
        while True:
            begun = time.monotonic()
            self._has_ended.wait()
            if time.monotonic() - begun > _LONG:
                pause = _PAUSE
            log.error("the process for connections to other servers has ended; it starts again")
            self._end()
            gevent.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                self._open()
            except PeerFault as fault:
                log.error("no connections to other servers: %s", fault)
                self._end()
                self._has_ended.set()

    def _end(self) -> None:
        """End the process, and wait for that."""
        channel, self._channel = self._channel, None
        process, self._process = self._process, None
        if channel is not None:
            channel.close()
        if process is not None:
            process.kill()  # files that it was writing are removed by those who asked for them
            run_in(gevent.get_hub().threadpool, process.wait)

    def _log(self, fields: Mapping[str, Any]) -> None:
        if fields.get("tell") == "log":
            log.log(fields["level"], "%s", fields["text"])
