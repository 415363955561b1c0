"""A socket that follows a script, with a clock that only the script moves."""

from __future__ import annotations

from typing import NamedTuple

from chat.framing import FrameReader
from chat.protocol.descriptor import ByteOrder


class Wait(NamedTuple):
    """Let so many seconds pass before the next bytes come."""

    seconds: float


Step = bytes | Wait | OSError


class ScriptedSocket:
    """Follows a script of bytes, waits and errors, then ends the stream; its clock moves only by the waits."""

    def __init__(self, *script: Step) -> None:
        self.now = 1000.0
        self.timeout: float | None = None
        self.rooms: list[int] = []  # sizes of the buffers that were offered
        self._script = [step for step in script if step != b""]

    def clock(self) -> float:
        return self.now

    def settimeout(self, value: float | None) -> None:
        assert value is None or value > 0, "0 would make the socket non-blocking"
        self.timeout = value

    def recv_into(self, buffer: memoryview) -> int:
        self.rooms.append(len(buffer))
        end = None if self.timeout is None else self.now + self.timeout
        while self._script:
            step = self._script.pop(0)
            if isinstance(step, OSError):
                raise step
            if isinstance(step, bytes):
                size = min(len(step), len(buffer))
                buffer[:size] = step[:size]
                if step[size:]:
                    self._script.insert(0, step[size:])
                return size
            if end is not None and end < self.now + step.seconds:
                self._script.insert(0, Wait(self.now + step.seconds - end))
                self.now = end
                raise TimeoutError("timed out")
            self.now += step.seconds
        return 0


def reader_of(*script: Step) -> tuple[FrameReader, ScriptedSocket]:
    """A big-endian reader of ``script``, by the script's clock."""
    sock = ScriptedSocket(*script)
    return FrameReader(sock, ByteOrder.BIG, clock=sock.clock), sock
