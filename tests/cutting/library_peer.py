"""A program with our library in a process of its own, which is killed and started again; see ``library_program``."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import gevent
from gevent.os import make_nonblocking, nb_read

from tests.cutting.evidence import (
    EpochShown,
    Event,
    Fate,
    HoleShown,
    LineRecord,
    Message,
    Observed,
    RoomEntered,
    RoomLeft,
    Shown,
    room_of_log,
)
from tests.cutting.lines import make_line
from tests.end_to_end.client_process import CHECKOUT, client_environment
from tests.starting.programs import Program

# Named here: programs of the client's side are forked, and not started, when the script has the name of its package.
_SCRIPT = "import chat.client\nfrom tests.cutting.library_program import main\nmain()\n"
_MOST_WAITING = 8  # lines; a user who gets no answer stops typing
_JOINS = 0.2  # part of what is typed, if there are rooms that change
_OUTCOMES = {"accepted": Fate.ANSWERED, "refused": Fate.REFUSED, "lost": Fate.PERHAPS}


class LibraryPeer:
    """One program of the account ``observed.account``, over all its lives.

    ``runtime`` is a name in ``library_program.RUNTIMES``. ``state`` is the state file of the library. The other
    arguments are those of ``WirePeer``.
    """

    def __init__(
        self,
        observed: Observed,
        password: str,
        address: tuple[str, int],
        state: Path,
        *,
        runtime: str,
        rng: Random,
        recipients: list[str],
        pause: float,
    ) -> None:
        self.observed = observed
        self.is_quiet = False
        host, port = address
        self._arguments = [f"{host}:{port}", observed.account, password, str(state), runtime]
        self._errors = state.with_suffix(".errors")
        self._rng = rng
        self._recipients = recipients
        # Beside the default one.
        self._rooms = [room for log in observed.logs if (room := room_of_log(log)) is not None]
        self._pause = pause
        self._number = self._sessions = 0
        self._fuse: int | None = None  # lines of output until it is killed
        self._fuse_at_answer: int | None = None
        self._last_end = ""
        self._process: Program[bytes] | None = None
        self._tasks: list[gevent.Greenlet[..., object]] = []
        self._begin_life()

    def _begin_life(self) -> None:
        self._life: list[Event] = []
        self._epoch = ""
        self._is_here = self._is_killed = False
        self._behind: int | None = None  # logs whose earlier messages come; None: not known yet
        self._unkept: set[str] = (
            set()
        )  # lines that were given to this process, which has not stored them yet

    # Life and death

    @property
    def name(self) -> str:
        return self.observed.client

    @property
    def is_alive(self) -> bool:
        return self._process is not None and not self._is_killed and self._process.poll() is None

    @property
    def is_in(self) -> bool:
        """Whether it is in the room, and has caught up."""
        return self.is_alive and self._is_here and self._behind == 0

    @property
    def is_settled(self) -> bool:
        """Whether it is in the room, has caught up, and no line waits for an answer."""
        return self.is_in and not self._unkept and not self._waiting()

    @property
    def status(self) -> str:
        """Describe its state, for a report."""
        where = "in the room" if self.is_in else "not in the room"
        waiting = [*self._unkept, *self._waiting()]
        return f"{where}, these lines wait: {waiting}; last end: {self._last_end!r}"

    def start(self) -> None:
        """Start the program with the state file that it had before."""
        self._begin_life()
        self._fuse = self._fuse_at_answer = None
        self.observed.lives.append(self._life)
        with self._errors.open("ab") as errors:
            process = self._process = Program(
                [sys.executable, "-c", _SCRIPT, *self._arguments],
                cwd=CHECKOUT,
                env=client_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self._tasks = [gevent.spawn(self._read, process), gevent.spawn(self._type_lines, process)]

    def kill(self) -> None:
        """Kill the program, whatever it does, and take what it has shown until then."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            self._is_killed = True
            process.kill()
        process.wait()
        reading, typing = self._tasks
        typing.kill()
        reading.join()
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        if not self._is_killed:
            errors = self._errors.read_text()[-2000:]
            self.observed.complaints.append(f"it ended by itself: {self._last_end} {errors}")
        for line in self.observed.lines.values():
            # Files are not remembered over a restart, so nobody learns what became of them.
            if line.is_file and line.fate in (Fate.TYPED, Fate.WAITING):
                line.fate = Fate.UNKNOWN

    def kill_at(self, step: int, *, at_answer: bool = False) -> None:
        """Kill it when it has written so many further lines, or lines behind the next answer to one of its own."""
        if at_answer:
            self._fuse_at_answer = step
        else:
            self._fuse = step

    def reconnect(self) -> None:
        """Start the program anew, so that it comes back."""
        self.kill()
        self.start()

    def _waiting(self) -> list[str]:
        return [line.body for line in self.observed.lines.values() if line.fate is Fate.WAITING]

    # Typing

    def _type_lines(self, process: Program[bytes]) -> None:
        while True:
            gevent.sleep(self._rng.expovariate(1 / self._pause))
            if self.is_quiet or len(self._waiting()) + len(self._unkept) >= _MOST_WAITING:
                continue
            if self.observed.changing and self._rng.random() < _JOINS:
                verb = self._rng.choice(("join", "join", "part"))
                self._write(process, [verb, room_of_log(self._rng.choice(self.observed.changing))])
                continue
            self._number += 1
            line = make_line(self._rng, self.name, self._number, self._recipients, self._rooms)
            is_file = line.size is not None
            record = LineRecord(line.body, line.to, is_file=is_file, room=line.room)
            self.observed.lines[line.body] = record
            self._unkept.add(line.body)
            self._write(process, line)

    def _write(self, process: Program[bytes], request: Sequence[object]) -> None:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the reader meets the end, too
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()

    # What the program shows

    def _read(self, process: Program[bytes]) -> None:
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        make_nonblocking(descriptor)
        rest = b""
        while data := nb_read(descriptor, 65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                for what, value in (fields := json.loads(line)).items():
                    if what in self._takers:
                        self._takers[what](self, value, fields)
                self._burn_fuse(process)

    def _burn_fuse(self, process: Program[bytes]) -> None:
        if self._fuse is not None:
            self._fuse -= 1
            if self._fuse < 0:
                self._fuse, self._is_killed = None, True
                process.kill()

    def _take_welcome(self, epoch: str, fields: dict[str, Any]) -> None:
        self._epoch, self._is_here = epoch, True
        self._behind = None if fields["is_behind"] else 0
        self._sessions += 1
        for log, last in fields["rooms"]:
            self._life.append(RoomEntered(log, epoch, last))

    def _take_message(self, values: list[Any], fields: dict[str, Any]) -> None:
        message = Message(*values)
        self._life.append(Shown(message.log, self._epoch, message))
        line = self.observed.lines.get(message.body)
        if line is None or message.sender != self.observed.account or line.fate is Fate.REFUSED:
            return
        self._unkept.discard(line.body)
        line.fate, line.has_number = Fate.ANSWERED, True
        line.seq, line.epoch = message.seq, self._epoch
        if self._fuse_at_answer is not None:
            self._fuse, self._fuse_at_answer = self._fuse_at_answer, None

    def _take_hole(self, values: list[Any], fields: dict[str, Any]) -> None:
        log, first, last = values
        self._life.append(HoleShown(log, self._epoch, first, last))
        # Nobody can read what was said before a room was made again, or while it was closed.
        if fields["reason"] != "lost" and log not in self.observed.changing:
            self.observed.complaints.append(
                f"the {log} lacks {first} to {last}: {fields['reason']}"
            )

    def _take_epoch(self, epoch: str, fields: dict[str, Any]) -> None:
        self._epoch = epoch
        self._life += [EpochShown(log, epoch) for log in self.observed.logs]

    def _take_renumbered(self, log: str, fields: dict[str, Any]) -> None:
        self._life.append(EpochShown(log, self._epoch))

    def _take_kept(self, body: str, fields: dict[str, Any]) -> None:
        self._unkept.discard(body)
        line = self.observed.lines[body]
        if line.fate is Fate.TYPED:
            line.fate = Fate.WAITING

    def _take_perhaps(self, body: str, fields: dict[str, Any]) -> None:
        self.observed.lines[body].fate = Fate.PERHAPS

    def _take_outcome(self, body: str, fields: dict[str, Any]) -> None:
        self._unkept.discard(body)
        line = self.observed.lines[body]
        # The echo of an accepted line may be missing: a crash took the message after the look-up had found it.
        if line.fate is not Fate.ANSWERED:
            line.fate, line.has_number = _OUTCOMES[fields["status"]], False

    def _take_notice(self, code: str, fields: dict[str, Any]) -> None:
        self.observed.replaced += code == "replaced"

    def _take_began(self, log: str, fields: dict[str, Any]) -> None:
        self._behind = (self._behind or 0) + 1

    def _take_ended_catching_up(self, log: str, fields: dict[str, Any]) -> None:
        self._behind = (self._behind or 0) - 1

    def _take_entered(self, log: str, fields: dict[str, Any]) -> None:
        self._life.append(RoomEntered(log, self._epoch, fields["last"]))

    def _take_left(self, log: str, fields: dict[str, Any]) -> None:
        if log in self.observed.changing:
            self._life.append(RoomLeft(log))
            return
        self.observed.complaints.append(f"it was told that it left the {log}: {fields['reason']}")

    def _take_disconnected(self, reason: str, fields: dict[str, Any]) -> None:
        self._is_here, self._last_end = False, reason

    def _take_ended(self, reason: str, fields: dict[str, Any]) -> None:
        self._is_here, self._last_end = False, reason

    _takers: ClassVar[dict[str, Callable[[LibraryPeer, Any, dict[str, Any]], None]]] = {
        "welcome": _take_welcome,
        "message": _take_message,
        "hole": _take_hole,
        "epoch": _take_epoch,
        "renumbered": _take_renumbered,
        "kept": _take_kept,
        "restored": _take_kept,
        "perhaps": _take_perhaps,
        "outcome": _take_outcome,
        "notice": _take_notice,
        "began": _take_began,
        "ended_catching_up": _take_ended_catching_up,
        "entered": _take_entered,
        "left": _take_left,
        "disconnected": _take_disconnected,
        "ended": _take_ended,
    }
