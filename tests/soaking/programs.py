"""The clients of a soak that stand on ours: the library in greenlets, and the real program with ``--json``."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import gevent.subprocess

from chat.client import (
    Attachment,
    ChatError,
    Connection,
    ConnectionLost,
    Notice,
    Receipt,
    Status,
    Text,
    connect,
)
from chat.client.runtime.gevent_runtime import GEVENT
from chat.protocol.descriptor import MessageType
from tests import homes
from tests.end_to_end.client_process import CHECKOUT
from tests.soaking.chronicle import entry_of_event, entry_of_object
from tests.soaking.members import ENDS, Member
from tests.soaking.soak_state import SoakState, address_text, is_intact, make_content, named

_KINDS = {MessageType.FILE: "file", MessageType.IMAGE: "image", MessageType.VOICE: "voice"}


class LibraryMember(Member):
    """``chat.client`` on gevent."""

    def __init__(self, soak_state: SoakState, name: str, rng: Random, **options: Any) -> None:
        super().__init__(soak_state, name, rng)
        self._options = options
        self._room: Connection | None = None
        self._receipts: list[Receipt] = []
        self._offers: list[Attachment] = []
        self._directory = soak_state.directory / name

    @property
    def endings(self) -> tuple[str, ...]:
        return ("leave", "leave", "reset")

    @property
    def room(self) -> Connection:
        assert self._room is not None
        return self._room

    def enter(self) -> None:
        address = address_text(self.soak_state.address)
        try:
            self._room = connect(address, self.name, runtime=GEVENT, inline=4096, **self._options)
            event = self._room.read()
        except ChatError as error:
            raise EOFError(str(error)) from None
        assert event is not None
        self.hear(entry_of_event(event))

    def listen(self) -> None:
        try:
            for event in self.room:
                self._take(event)
                self.hear(entry_of_event(event))
        except ConnectionLost as error:
            raise EOFError(str(error)) from None

    def _take(self, event: Any) -> None:
        if isinstance(event, Text) and event.to is not None:
            (self.soak_state.echoed if event.own else self.soak_state.heard)(
                event.sender, event.to, event.text
            )
        elif isinstance(event, Attachment):
            if event.content is not None and not is_intact(event.filename, event.content):
                self.soak_state.complain(f"{self.name} got another content of {event.filename}")
            if event.offer is not None:
                self._offers = [*self._offers[-4:], event]
        elif isinstance(event, Notice) and event.receipt is None:
            self.soak_state.complain(f"{self.name} was told what answers nothing: {event}")

    def say(self, text: str, to: str | None = None) -> None:
        self._try(lambda: self.room.send_text(text, to))
        self.soak_state.counts["texts"] += 1

    def share(self, kind: MessageType, size: int, to: str | None = None) -> None:
        content = make_content(self.rng, size)
        self.said += 1
        self._directory.mkdir(exist_ok=True)
        path = self._directory / named(self.name, self.said, content)
        path.write_bytes(content)
        self._try(lambda: self.room.send_file(path, kind=kind, to=to))
        path.unlink()
        self.soak_state.counts["files"] += 1

    def fetch(self) -> None:
        if not self._offers:
            return
        self._directory.mkdir(exist_ok=True)
        try:
            path = self.room.fetch(self.rng.choice(self._offers), directory=self._directory)
        except ChatError:
            self.soak_state.counts["gone"] += 1
            return
        if is_intact(path.name, path.read_bytes()):
            self.soak_state.counts["fetched"] += 1
        elif "(" not in path.name:
            self.soak_state.complain(f"{self.name} fetched another content of {path.name}")
        path.unlink()

    def end(self, how: str) -> bool:
        if how == "leave":
            self.room.close(20.0)
            for receipt in self._receipts:
                if receipt.status in (Status.WAITING, Status.LOST):
                    self.soak_state.complain(f"{self.name} left, and of {receipt} nobody knows")
        else:
            self.room._link.close()  # as if the line broke; there is no polite way to it
        return False  # what comes while it closes, it does not tell

    def close(self) -> None:
        if self._room is not None:
            self._room.close(0.1)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _try(self, send: Callable[[], Receipt]) -> None:
        try:
            self._receipts.append(send())
        except ChatError as error:
            raise EOFError(str(error)) from None


class ProgramMember(Member):
    """The real ``chat-client --json``, in a separate process."""

    def __init__(self, soak_state: SoakState, name: str, rng: Random, *options: str) -> None:
        super().__init__(soak_state, name, rng)
        self._options = options
        self._process: Any = None
        self._directory = Path(tempfile.mkdtemp(prefix="program-", dir=soak_state.directory))
        self._came_in = gevent.event.Event()

    @property
    def endings(self) -> tuple[str, ...]:
        return ("leave", "terminate", "reset")

    def enter(self) -> None:
        address = address_text(self.soak_state.address)
        self._process = gevent.subprocess.Popen(
            [
                *(sys.executable, "-m", "chat.client.cli", "--json"),
                *(f"--address={address}", f"--username={self.name}", *self._options),
                *("--max-save=1K", f"--save-directory={self._directory}"),
            ],
            cwd=self._directory,
            env=homes.environment(PYTHONPATH=str(CHECKOUT)),
            stdin=gevent.subprocess.PIPE,
            stdout=gevent.subprocess.PIPE,
            stderr=gevent.subprocess.PIPE,
        )

    def listen(self) -> None:
        for line in self._process.stdout:
            told = json.loads(line)
            if told["type"] == "disconnected":
                raise EOFError(str(told))
            if told["type"] == "text" and "to" in told:
                note = self.soak_state.echoed if told["own"] else self.soak_state.heard
                note(told["from"], told["to"], told["text"])
            self.hear(entry_of_object(told))
        errors = self._process.stderr.read().decode()
        if "Traceback" in errors:
            self.soak_state.complain(f"{self.name}: {errors}")

    def say(self, text: str, to: str | None = None) -> None:
        self._ask(type="text", text=text, to=to)
        self.soak_state.counts["texts"] += 1

    def share(self, kind: MessageType, size: int, to: str | None = None) -> None:
        content = make_content(self.rng, size)
        self.said += 1
        path = self._directory / named(self.name, self.said, content)
        path.write_bytes(content)
        self._ask(type=_KINDS[kind], path=str(path), to=to)
        self.soak_state.counts["files"] += 1

    def _ask(self, **fields: object) -> None:
        present = {key: value for key, value in fields.items() if value is not None}
        self._process.stdin.write(json.dumps(present).encode() + b"\n")
        self._process.stdin.flush()

    def end(self, how: str) -> bool:
        if how == "leave":
            self._ask(type="quit")
        else:
            self._process.send_signal(signal.SIGTERM if how == "terminate" else signal.SIGKILL)
        return False

    def close(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            try:
                stream.close()
            except ENDS:
                continue  # something was left that it did not read
        shutil.rmtree(self._directory, ignore_errors=True)
