"""Run the floor: a process that does nothing but move the bytes, to see how far from it each server is."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.load import Login
from benchmarks.peers.peer import Peer
from chat.protocol.descriptor import ByteOrder, MessageType, encode_frame
from chat.protocol.headers import ServerHeader, encode_server_header

# As large as the header that our server puts in front of a content, in the middle of a run.
_HEADER = encode_server_header(ServerHeader("sender0000", "2026-01-01T00:00:00.000000Z", seq=10000))


class Floor(Peer):
    name = "floor"
    program = sys.executable
    is_server = False

    def command(self, port: int, directory: Path) -> list[str]:
        return [sys.executable, "-m", "benchmarks.peers.bare_loops", "send", str(port)]

    def version(self) -> str:
        return f"bare loop, Python {sys.version.split()[0]}"

    def receiver(self, number: int) -> Login:
        return Login(b"+", b"+")

    def sender(self, number: int) -> Login:
        return Login(b"+", b"+")

    def message(self, content: bytes) -> bytes:
        """Return the frame that our server would make, because the floor sends its input unchanged."""
        return encode_frame(MessageType.UTF8, _HEADER, content, ByteOrder.BIG)
