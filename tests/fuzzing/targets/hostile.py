"""The client's view of a server that sends anything: events, and how the three frontends show them."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple, get_args

from chat.client.connection.events import Attachment, Event, Notice, Text, Welcome
from chat.client.connection.in_flight import InFlight
from chat.client.connection.incoming import MAX_IN_MEMORY, Incoming
from chat.client.connection.link import Link
from chat.client.connection.receipts import Receipt
from chat.client.connection.saver import SaveDirectory, Saver
from chat.client.connection.session_state import SessionState
from chat.client.conversation.transfer_list import Transfer, TransferList
from chat.client.conversation.ui_events import Announced, UiEvent
from chat.client.frontends.json_lines import JsonFrontend
from chat.client.frontends.plain import PlainFrontend
from chat.client.runtime.runtime import PLAIN, Pulse
from chat.client.screen import notifications
from chat.client.screen.draw.layout import Renderer, Size
from chat.client.screen.model.entries import Said, Shared
from chat.client.screen.model.model import Model
from chat.client.screen.save import saved_lines
from chat.client.screen.text.spans import row_width, text_of
from chat.client.screen.updates.message_updates import Alert
from chat.client.screen.updates.model_updates import ModelUpdater
from chat.framing import FrameReader, IncompleteFrame
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType
from chat.protocol.filenames import clean_filename
from chat.sanitize import sanitize
from chat.structs import replace
from tests.fuzzing.targets.frames import MAX_ROOM
from tests.fuzzing.targets.streams import LITTLE, Stream, read_stream
from tests.wire.scripted_socket import ScriptedSocket, Step

SAVES = 2  # the flag: what comes is saved
OURS = "bob"
_MAX_SAVE = 256 * 1024
_PATIENCE = 60.0  # seconds for the disk
_NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
_SIZES = (Size(80, 24), Size(30, 8), Size(7, 5), Size(1, 1))
_EVENTS = get_args(Event)


class FedStream(ScriptedSocket):
    """A connection of the client's (``runtime.Stream``) on which a script comes in, and what goes out is forgotten."""

    def __init__(self, *script: Step) -> None:
        super().__init__(*script)
        self.is_shut = False

    def send(self, data: memoryview, timeout: float, /) -> int:
        return len(data)

    def readable(self) -> bool:
        return True

    def pulse(self) -> Pulse:
        return Pulse(0, False, False)

    def finish(self) -> None:
        """Do nothing: nobody listens."""

    def shut(self) -> None:
        self.is_shut = True

    def close(self) -> None:
        assert self.is_shut


class Heard(NamedTuple):
    """All events of a connection, its end, and the statuses of three texts that had been sent before."""

    events: list[Event]
    end: str
    statuses: list[str]


def check_client(data: bytes) -> None:
    """Raises AssertionError, or what the client raised against its word."""
    stream = read_stream(data)
    rng = random.Random(stream.seed)
    heard = hear(stream, [stream.data])
    assert hear(stream, stream.pieces(rng)) == heard, "it depends on how the bytes arrive"
    for event in heard.events:
        _check_event(event)
    if stream.flags & SAVES:
        with tempfile.TemporaryDirectory() as directory:
            saved = hear(stream, stream.pieces(rng), Path(directory))
            assert [_bare(event) for event in saved.events] == [_bare(e) for e in heard.events]
            _check_saved(saved.events, Path(directory))
    _check_json(heard.events)


def check_screen(data: bytes) -> None:
    """Raise AssertionError for anything on the screen, or in lines, that a terminal would interpret."""
    stream = read_stream(data)
    news = [_news(event, TransferList()) for event in hear(stream, [stream.data]).events]
    model, renderer = Model("chat.example:8080", OURS), Renderer()
    intake = ModelUpdater(model)
    model.shows_names = True
    lines: list[str] = []
    plain = PlainFrontend(lines.extend, lines.extend)
    for one in news:
        alert = intake.update(one, _NOW)
        if alert is not None:
            _check_notification(alert)
        plain.show(one)
    if model.people.names:
        model.query(next(iter(model.people.names)))
    for number in range(1, len(model.views) + 1):
        model.switch(number)
        for size in _SIZES:
            _check_screen(model, renderer, size)
        lines += saved_lines(model.current.entries)
    assert all(sanitize(line) == line for line in lines)


def hear(stream: Stream, pieces: list[bytes], directory: Path | None = None) -> Heard:
    """Let a client that has sent texts and commands read ``stream``. Raises any exception that the client must not."""
    original = bool(stream.flags & LITTLE)
    fed = FedStream(*pieces)
    link = Link(fed, stream.order, PLAIN)
    in_flight = InFlight()
    receipts = [
        Receipt(PLAIN.event(), MessageType.UTF8, text=nonce, nonce=nonce) for nonce in "123"
    ]
    asked = [Command(verb, room="dev", topic=verb) for verb in ("join", "part", "topic", "names")]
    commands = [
        Receipt(PLAIN.event(), MessageType.UTF8, command=each, nonce=each.verb) for each in asked
    ]
    for receipt in (*receipts, *commands):
        in_flight.send(receipt)
    room = SessionState(OURS, in_flight, original=original)
    saver = None if directory is None else Saver(PLAIN, SaveDirectory(directory), _MAX_SAVE)
    incoming = Incoming(link, room, saver)
    events: list[Event] = []
    end = "end"
    try:
        while (event := incoming.read()) is not None:
            assert not incoming.inside_frame
            events.append(event)
            _check_reader(link.reader)
    except IncompleteFrame as error:
        end = type(error).__name__
    assert max(fed.rooms, default=0) <= MAX_ROOM
    link.close()
    assert saver is None or saver.wait(_PATIENCE)
    return Heard(events, end, [receipt.status.value for receipt in receipts])


def _check_reader(reader: FrameReader) -> None:
    assert reader.buffered <= MAX_ROOM, "it reads ahead more than it should"


def _check_event(event: Event) -> None:
    assert isinstance(event, _EVENTS)
    if isinstance(event, Attachment):
        assert event.content is None or len(event.content) == event.size <= MAX_IN_MEMORY
        assert clean_filename(event.filename) == event.filename
        assert event.offer is None or event.content is None
    elif isinstance(event, Welcome):
        limits = event.limits
        assert min(limits.max_text, limits.max_file, limits.inline) > 0
    elif isinstance(event, Notice):
        event.code.encode()


def _bare(event: Event) -> Event:
    """Without what depends on where it is saved."""
    return replace(event, saving=None, problem=None) if isinstance(event, Attachment) else event


def _check_saved(events: list[Event], directory: Path) -> None:
    """Check that each content is whole, in a file of its own in that directory, and that nothing else is there."""
    files = [event for event in events if isinstance(event, Attachment) and event.saving]
    paths = [event.saving.wait(0) for event in files if event.saving]
    assert len(set(paths)) == len(paths)
    assert set(paths) == set(directory.iterdir()), "what is there is not what was told"
    for event, path in zip(files, paths, strict=True):
        assert path.parent == directory
        assert path.is_file()
        assert not path.is_symlink()
        assert path.stat().st_size == event.size <= _MAX_SAVE
        assert not path.name.startswith((".", "-"))
        assert not event.own


def _news(event: Event, transfers: TransferList) -> UiEvent:
    """Return the event as the conversation shows it."""
    if not isinstance(event, Attachment):
        return event
    return Announced(event, None if event.own else _transfer(event, transfers))


def _transfer(event: Attachment, transfers: TransferList) -> Transfer:
    name, size = event.filename, event.size
    return transfers.add(event.kind, name, size, outgoing=False, peer=event.sender)


def _check_json(events: list[Event]) -> None:
    lines: list[str] = []
    frontend = JsonFrontend(lines.extend)
    transfers = TransferList()
    for event in events:
        frontend.show(_news(event, transfers))
    for line in lines:
        assert sanitize(line) == line
        line.encode()
        told: dict[str, Any] = json.loads(line)
        assert isinstance(told["type"], str)
    said = [event.text for event in events if isinstance(event, Text)]
    told_texts = [json.loads(line) for line in lines]
    assert [told["text"] for told in told_texts if told["type"] == "text"] == said


def _check_screen(model: Model, renderer: Renderer, size: Size) -> None:
    moves: tuple[Callable[[], object], ...] = (
        lambda: renderer.scroll_to_bottom(model),
        lambda: renderer.scroll_pages(model, -1, size),
        lambda: renderer.scroll_to_top(model, size),
    )
    for move in moves:
        move()
        screen = renderer.render(model, size)
        assert len(screen.rows) == size.rows
        for row in screen.rows:
            assert sanitize(text_of(row)) == text_of(row), "an escape sequence on the screen"
            assert row_width(row) <= size.columns


def _check_notification(alert: Alert) -> None:
    """Between the escape that is ours and its end there is nothing of that kind."""
    entry = alert.entry
    assert isinstance(entry, Said | Shared)
    body = entry.text if isinstance(entry, Said) else entry.filename
    for how in ("osc9", "osc777"):
        sequence = notifications.notification(how, entry.sender, body, {})
        assert sequence is not None
        text = sequence.decode()
        assert text[0] == "\x1b"
        assert text[-1] == "\x07"
        assert sanitize(text[1:-1]) == text[1:-1]
