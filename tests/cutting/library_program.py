"""A program with our library, as a user writes one: it shows what it hears, and says what it is told.

The test writes the lines to say to its input, as JSON arrays of the fields of a ``Line``, and commands, as arrays of
their name and a room. The program writes what its
user would see to its output, as JSON objects. Each of them is one write, so that a killed program leaves no half one.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gevent.fileobject import FileObjectThread

from chat.client import (
    Attachment,
    CatchUpBegan,
    CatchUpEnded,
    ChatError,
    Command,
    ConnectError,
    ConnectionLost,
    Disconnected,
    EnteredRoom,
    LeftRoom,
    LineFound,
    LineRestored,
    MissingMessages,
    Notice,
    PerhapsSaid,
    Receipt,
    ReconnectingRoom,
    Renumbered,
    RoomEvent,
    RoomFacts,
    Status,
    Text,
    Welcome,
    connect,
)
from chat.client.gevent_runtime import GEVENT
from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.state.places import MAILBOX as PRIVATE
from chat.local_time import exact_timestamp
from chat.protocol.notices import NoticeCode
from tests.cutting.evidence import MAILBOX, log_of_room
from tests.cutting.hasty import hurry
from tests.cutting.lines import Line, body_of

RUNTIMES: dict[str, Runtime] = {"threads": PLAIN, "gevent": GEVENT}
_AGAIN = 0.05  # seconds between two attempts to come in


def main() -> None:
    """Take the address, the name, the password, the state file and the runtime from the command line."""
    address, name, password, state, runtime_name = sys.argv[1:]
    hurry()
    runtime = RUNTIMES[runtime_name]
    room = _come_in(address, name, password, Path(state), runtime)
    for receipt in room.unanswered():
        runtime.spawn(_tell_outcome, receipt)
    source = FileObjectThread(0, "rb", closefd=False) if runtime is GEVENT else open(0, "rb")  # noqa: SIM115
    runtime.spawn(_say_lines, room, runtime, source)
    try:
        for event in room:
            _tell(_shown(room, event))
    except ChatError as problem:
        _tell({"ended": f"{type(problem).__name__}: {problem}"})
    os._exit(1)


def _come_in(
    address: str, name: str, password: str, state: Path, runtime: Runtime
) -> ReconnectingRoom:
    while True:
        try:
            return connect(
                address,
                name,
                password=password,
                tls="off",
                reconnect=True,
                state=state,
                runtime=runtime,
                rooms=(),  # those that the account is in
            )
        except ConnectError:
            # The server is not there, or the link is cut. What comes later, the room itself repeats.
            time.sleep(_AGAIN)


def _say_lines(room: ReconnectingRoom, runtime: Runtime, source: Iterable[bytes]) -> None:
    for request in map(json.loads, source):
        if len(request) == 2:
            _command(room, *request)
            continue
        line = Line(*request)
        if line.size is None:
            receipt = room.send_text(line.body, line.to, room=line.room)
        else:
            content = io.BytesIO(line.content)
            receipt = room.send_file(content, filename=line.body, to=line.to, room=line.room)
        _tell({"kept": line.body})
        runtime.spawn(_tell_outcome, receipt)


def _command(room: ReconnectingRoom, verb: str, name: str) -> None:
    """Join a room, or leave it; a user who is not connected can do neither."""
    with suppress(ConnectionLost):
        room.command(Command(verb, room=name))


def _tell_outcome(receipt: Receipt) -> None:
    _tell({"outcome": _body(receipt), "status": receipt.wait().value})


def _shown(room: ReconnectingRoom, event: RoomEvent) -> dict[str, Any] | None:
    """Describe what the user sees of an event; None for nothing."""
    if isinstance(event, Text | Attachment) and event.seq is not None:
        return {"message": _fields(event)}
    if isinstance(event, Welcome):
        assert event.history is not None
        # Only the room itself knows whether the events behind the welcome are earlier messages.
        behind = room._resumer.is_catching_up
        rooms = [(log_of_room(facts.name), _last(facts)) for facts in event.rooms]
        return {"welcome": event.history.epoch, "is_behind": behind, "rooms": rooms}
    if isinstance(event, EnteredRoom):
        return {"entered": log_of_room(event.facts.name), "last": _last(event.facts)}
    if isinstance(event, Notice):
        return _notice(event)
    if isinstance(event, MissingMessages):
        return {"hole": [_log_of(event), event.first, event.last], "reason": event.reason}
    if isinstance(event, Disconnected):
        return {"disconnected": event.reason}
    if isinstance(event, LineRestored | PerhapsSaid | LineFound):
        return {_LINE_EVENTS[type(event)]: event.line.text}
    if isinstance(event, CatchUpBegan | CatchUpEnded | Renumbered):
        return {_LOG_EVENTS[type(event)]: _log_of(event)}
    if isinstance(event, LeftRoom):
        return {"left": log_of_room(event.room), "reason": event.reason}
    return None


def _last(facts: RoomFacts) -> int:
    assert facts.history is not None
    return facts.history.last


def _log_of(event: CatchUpBegan | CatchUpEnded | MissingMessages | Renumbered) -> str:
    return MAILBOX if event.log == PRIVATE else log_of_room(event.room)


_LINE_EVENTS: dict[type, str] = {
    LineRestored: "restored",
    PerhapsSaid: "perhaps",
    LineFound: "found",
}
_LOG_EVENTS: dict[type, str] = {
    CatchUpBegan: "began",
    CatchUpEnded: "ended_catching_up",
    Renumbered: "renumbered",
}


def _fields(event: Text | Attachment) -> list[object]:
    """Return the fields of a ``Message``."""
    if isinstance(event, Text):
        body = event.text
    else:
        assert event.content is not None, f"a small file without its content: {event}"
        body = body_of(event.kind, event.filename, event.content)
    time = exact_timestamp(event.timestamp)
    return [event.seq, time, event.sender, event.to, body, event.nonce, event.room]


def _notice(event: Notice) -> dict[str, Any]:
    if event.code == NoticeCode.EPOCH.value:
        return {"epoch": event.epoch}
    receipt = event.receipt
    if receipt is not None and receipt.command is not None:
        return {"answered": receipt.command.verb}
    if receipt is not None and receipt.status is Status.REFUSED:
        return {"outcome": _body(receipt), "status": Status.REFUSED.value}
    return {"notice": event.code}


def _body(receipt: Receipt) -> str | None:
    return receipt.text if receipt.text is not None else receipt.filename


def _tell(fields: dict[str, Any] | None) -> None:
    if fields is not None:
        os.write(1, json.dumps(fields).encode() + b"\n")
