"""Save received contents in the background, so that a slow or hanging disk never delays the conversation.

The reader only puts bytes into a queue. A task takes the bytes out, in order, and waits for the disk
(``runtime.offload``). The queue is bounded: beyond ``MAX_WAITING`` bytes, further contents are not saved, and their
``Saving`` says so.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from chat.client.connection.saving import PartialFile
from chat.client.errors import SaveFailed
from chat.client.runtime.runtime import Event, Lock, Runtime

MAX_WAITING = 16 * 1024**2  # bytes of all contents that wait for the disk
# Seconds that a reader waits for room in the queue, for all pieces of one large content together. A network is often
# faster than a disk, so without this wait even a healthy disk would lose files.
PATIENCE = 5.0
_OVERHEAD = 1024  # bytes that a waiting content costs in addition to its size
# Contents that are saved in one call of ``offload``: the call costs as much as a small file.
_AT_ONCE = 100
_TOO_SLOW = "It was not saved: the disk is too slow, and too many attachments wait for it."


class SaveLocation(Protocol):
    """Where contents are saved."""

    def open(self, filename: str, size: int) -> PartialFile:
        """Begin to save a content of ``size`` bytes. May wait for a disk. Raises SaveFailed."""
        ...


class SaveDirectory:
    """The directory at ``path``, as a place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, filename: str, size: int) -> PartialFile:
        """Begin to save a content. Raises SaveFailed."""
        return PartialFile(self._path, filename)


class Saving:
    """The outcome of one content: ``path`` is set once the content is saved, ``problem`` once saving has failed."""

    def __init__(self, lock: Lock, done: Event) -> None:
        self.path: Path | None = None
        self.problem: str | None = None
        self._lock = lock
        self._done = done
        self._callbacks: list[Callable[[Saving], object]] = []

    def __repr__(self) -> str:
        return f"<Saving {self.path or self.problem or 'under way'}>"

    @property
    def is_over(self) -> bool:
        """Whether saving has ended."""
        return self._done.is_set()

    def wait(self, timeout: float | None = None) -> Path:
        """Wait until the content is saved, at most ``timeout`` seconds; return its path.

        Raises SaveFailed, TimeoutError.
        """
        self._done.wait(timeout)
        if self.path is not None:
            return self.path
        if self.problem is not None:
            raise SaveFailed(self.problem)
        raise TimeoutError("the content is not saved yet")

    def then(self, callback: Callable[[Saving], object]) -> None:
        """Call ``callback`` with this Saving once saving ends, in the task that saves; at once if it has ended.

        An exception in ``callback`` ends only that call.
        """
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    def settle(
        self, path: Path | None, problem: str | None = None
    ) -> list[Callable[[Saving], object]]:
        """Set the outcome; only the first call counts. Return the callbacks to call now. For the saver."""
        with self._lock:
            if self._done.is_set():
                return []
            self.path, self.problem = path, problem
            self._done.set()
            callbacks, self._callbacks = self._callbacks, []
        return callbacks


class _Job:
    """A content on its way to the disk. ``pieces`` wait to be written; ``is_over``: no more pieces will come."""

    def __init__(self, filename: str, size: int, saving: Saving) -> None:
        self.saving = saving
        self.pieces: list[bytes | memoryview] = []
        self.is_over = False
        self.path: Path | None = None
        self.problem: str | None = None
        self._filename = filename
        self._size = size
        self._part: PartialFile | None = None

    def step(self, place: SaveLocation, pieces: list[bytes | memoryview], is_last: bool) -> None:
        """Write ``pieces``, in a thread. A failure goes into ``problem``."""
        if self.problem is not None or self.saving.is_over:  # failed before, or given up
            self._discard()
            return
        try:
            if self._part is None:
                self._part = place.open(self._filename, self._size)
            for piece in pieces:
                self._part.write(piece)
            if is_last:
                self.path = self._part.finish()
        except SaveFailed as error:
            self.problem = str(error)
        except Exception as fault:  # noqa: BLE001 - becomes the outcome of the content
            self.fail(fault)

    def fail(self, fault: Exception) -> None:
        """Record an exception that is a bug of the client."""
        self.problem = f"It was not saved: {type(fault).__name__}."
        self._discard()

    def _discard(self) -> None:
        if self._part is not None:
            self._part.discard()


class _Callback(_Job):
    """A function that is called after the contents that were queued before."""

    def __init__(self, function: Callable[[], object], saving: Saving) -> None:
        super().__init__("", 0, saving)
        self._function = function
        self.is_over = True

    def step(self, place: SaveLocation, pieces: list[bytes | memoryview], is_last: bool) -> None:
        try:
            self._function()
        except Exception as fault:  # noqa: BLE001 - becomes the outcome of the call
            self.fail(fault)


class _Step(NamedTuple):
    """The part of a job that one call of ``offload`` does."""

    job: _Job
    pieces: list[bytes | memoryview]
    is_last: bool


class IncomingContent:
    """A large content that comes in pieces: ``write`` each piece, then ``finish`` or ``abandon`` the content."""

    def __init__(self, saver: Saver, job: _Job) -> None:
        self.saving = job.saving
        self._saver = saver
        self._job = job
        self._patience = PATIENCE

    def write(self, piece: bytes | memoryview) -> bool:
        """Queue ``piece``; return False if saving was given up, so further pieces are useless.

        Waits for room in the queue, at most ``PATIENCE`` seconds for all pieces of the content together.
        """
        if self.saving.is_over:
            return False
        self._saver.queue(self._job, piece)
        begun = time.monotonic()
        if not self._saver.wait_for_room(self._patience):
            self._saver.settle(self.saving, None, _TOO_SLOW)
            return False
        self._patience -= time.monotonic() - begun
        return True

    def finish(self) -> None:
        """Record that all pieces have been written."""
        self._saver.queue(self._job, is_last=True)

    def abandon(self, problem: str) -> None:
        """Give the content up, since the rest will not come. ``problem`` gives the reason."""
        self._saver.settle(self.saving, None, problem)
        self.finish()


class Saver:
    """A queue of contents of at most ``max_save`` bytes, saved at ``place``. Methods may be called from any task."""

    def __init__(self, runtime: Runtime, place: SaveLocation, max_save: int) -> None:
        self.max_save = max_save
        self._runtime = runtime
        self._place = place
        self._lock = runtime.lock()
        self._jobs: deque[_Job] = deque()
        self._to_tell: deque[tuple[Callable[[Saving], object], Saving]] = deque()
        self._waiting = 0  # bytes
        self._is_working = False
        self._changed = runtime.event()  # set at the next change; each change gets a new event

    def save(self, filename: str, content: bytes) -> Saving:
        """Save a content that is in memory. Returns at once."""
        job = self._job(filename, len(content))
        # The whole content at once, since a small content never waits for room.
        if self._waiting + len(content) + _OVERHEAD > MAX_WAITING:
            self.settle(job.saving, None, _TOO_SLOW)
        else:
            self._append(job)
            self.queue(job, content, is_last=True)
        return job.saving

    def begin(self, filename: str, size: int) -> IncomingContent:
        """Begin to save a content of ``size`` bytes that comes in pieces."""
        job = self._job(filename, size)
        self._append(job)
        return IncomingContent(self, job)

    def run(self, function: Callable[[], object]) -> None:
        """Call ``function``, which may wait for a disk, after all contents that were queued before."""
        job = _Callback(function, self._new_saving())
        self._append(job)
        self.queue(job, is_last=True)

    def wait(self, timeout: float) -> bool:
        """Wait until no content waits for the disk; return False if that takes more than ``timeout`` seconds."""
        return self._wait_until(lambda: not self._jobs, timeout)

    def wait_for_room(self, timeout: float) -> bool:
        """Wait until the queue has at most ``MAX_WAITING`` bytes; return False after ``timeout`` seconds."""
        return self._wait_until(lambda: self._waiting <= MAX_WAITING, timeout)

    def queue(
        self, job: _Job, piece: bytes | memoryview | None = None, *, is_last: bool = False
    ) -> None:
        """Queue one more piece of ``job``. For IncomingContent."""
        with self._lock:
            if piece:
                job.pieces.append(piece)
                self._waiting += len(piece)
            job.is_over = job.is_over or is_last
        self._wake()

    def settle(self, saving: Saving, path: Path | None, problem: str | None) -> None:
        """End ``saving``. For IncomingContent."""
        # The callbacks run in the task that saves: here they would delay the reader.
        callbacks = saving.settle(path, problem)
        with self._lock:
            self._to_tell.extend((callback, saving) for callback in callbacks)
        if callbacks:
            self._wake()

    def _new_saving(self) -> Saving:
        return Saving(self._runtime.lock(), self._runtime.event())

    def _job(self, filename: str, size: int) -> _Job:
        return _Job(filename, size, self._new_saving())

    def _append(self, job: _Job) -> None:
        with self._lock:
            self._jobs.append(job)
            self._waiting += _OVERHEAD

    def _wake(self) -> None:
        with self._lock:
            if self._is_working:
                return
            self._is_working = True
        self._runtime.spawn(self._work)

    def _work(self) -> None:
        try:
            while (steps := self._next_steps()) is not None:
                self._run_steps(steps)
                self._end_steps(steps)
                while self._to_tell:
                    callback, saving = self._to_tell.popleft()
                    callback(saving)
        except BaseException:
            # A callback raised. Its exception must show, so it ends this task; another task goes on with the queue.
            self._runtime.spawn(self._work)
            raise

    def _next_steps(self) -> list[_Step] | None:
        """Return the steps that can be done now. None: there are none, and this task must end."""
        steps = []
        with self._lock:
            for job in islice(self._jobs, _AT_ONCE):
                if job.pieces or job.is_over:
                    steps.append(_Step(job, job.pieces, job.is_over))
                    job.pieces = []
                if not job.is_over:
                    break  # contents are saved in order, so later ones wait for this one
            self._is_working = bool(steps or self._to_tell)
            return steps if self._is_working else None

    def _run_steps(self, steps: list[_Step]) -> None:
        """Do all steps, in a thread."""
        try:
            self._runtime.offload(_run_steps, self._place, steps)
        except Exception as fault:  # noqa: BLE001 - becomes the outcome of each content
            for step in steps:
                step.job.fail(fault)

    def _end_steps(self, steps: list[_Step]) -> None:
        with self._lock:
            for step in steps:
                self._waiting -= sum(map(len, step.pieces))
                if step.is_last:
                    self._jobs.popleft()
                    self._waiting -= _OVERHEAD
            changed, self._changed = self._changed, self._runtime.event()
        changed.set()
        for job, _, is_last in steps:
            if is_last or job.problem is not None:
                self._to_tell.extend(
                    (callback, job.saving) for callback in job.saving.settle(job.path, job.problem)
                )

    def _wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                if condition():
                    return True
                changed = self._changed
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            changed.wait(left)


def _run_steps(place: SaveLocation, steps: list[_Step]) -> None:
    """Do ``steps``. A failure goes into its job, so nothing is raised here."""
    for job, pieces, is_last in steps:
        job.step(place, pieces, is_last)
