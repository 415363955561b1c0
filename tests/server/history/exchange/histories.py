"""Random histories, written as a server writes them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from chat.protocol.descriptor import MessageType
from chat.server.history.exchange.lines import as_json, read_all
from chat.server.history.reader import Reader
from chat.server.history.rows import pack
from chat.server.history.stored import DEFAULT_ROOM, Hole, LogName, StoredRun
from chat.server.history.writer import Writer
from tests.server.history.exchange.stories import at

KINDS = (MessageType.UTF8, MessageType.FILE, MessageType.IMAGE, MessageType.VOICE)


class Event(NamedTuple):
    """A run of texts, an attachment (one content), or a hole (no content), ``pause`` seconds after the one before.

    The content of an attachment that is too large is not kept, or is a file beside the history.
    """

    pause: float
    sender: str
    type: MessageType
    contents: Sequence[bytes]
    nonce: bytes | None = None
    is_purged: bool = False
    is_too_large: bool = False
    is_file: bool = False


texts = st.text(min_size=1, max_size=12).map(lambda text: text.encode("utf-8", "replace"))
senders = st.sampled_from(["alice", "Борис", "c-3.PO"])
# Often none: runs of a server share a time, and then only their words tell them apart.
pauses = st.sampled_from([0, 0, 0.000001, 1, 4000])
nonces = st.none() | st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True).map(str.encode)
said = st.builds(
    Event,
    pauses,
    senders,
    st.just(MessageType.UTF8),
    st.lists(texts, min_size=1, max_size=3),
    nonces,
    st.booleans(),
)
attached = st.builds(
    Event,
    pauses,
    senders,
    st.sampled_from(KINDS[1:]),
    st.tuples(st.binary(max_size=9)),
    nonces,
    st.booleans(),
    st.booleans(),
)
lost = st.builds(Event, pauses, senders, st.just(MessageType.UTF8), st.just(()))
events = st.lists(said | said | attached | lost, max_size=12)


def write(
    directory: Path, events: Sequence[Event], log: LogName = DEFAULT_ROOM, first: int = 1
) -> None:
    """Write ``events`` into the history in ``directory``; messages before the number ``first`` were removed."""
    writer = Writer(directory, bound=0)
    writer.add_logs([log])
    number, time = first, 0.0
    for event in events:
        time += event.pause
        if not event.contents:
            writer.write([], [(log, Hole(number, number + 1))])
            number += 2
            continue
        run = StoredRun(
            *(log, number, at(time), event.sender, None, b"author", event.type),
            *([event.nonce] * len(event.contents), event.contents),
            size=sum(map(len, event.contents)),
        )
        if event.type is not MessageType.UTF8:
            run = run._replace(filename="a.bin")
            if event.is_too_large:
                digest = sha256(event.contents[0]).digest()
                run = run._replace(contents=[digest if event.is_file else b""], size=1 << 20)
        if event.is_purged:
            run = run.without({number})
        writer.write([pack(run)])
        number = run.last + 1
    with writer.changing() as change:
        change(
            "UPDATE logs SET oldest = ?1, head = max(head, ?1 - 1) WHERE id = ?2",
            (first, writer.id_of(log)),
        )
    writer.close()


def exported(directory: Path, log: LogName = DEFAULT_ROOM) -> list[str]:
    """The lines of the JSON export."""
    reader = Reader(directory)
    try:
        return list(as_json(read_all(reader, log, None)))
    finally:
        reader.close()
