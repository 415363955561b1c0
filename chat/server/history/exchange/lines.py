"""Read the messages of a room in order, and write them as lines of text or of JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path

from chat.files.private_files import private_opener
from chat.local_time import local_time
from chat.protocol.descriptor import MessageType
from chat.protocol.headers import encode_json
from chat.sanitize import line_ends_removed, sanitize
from chat.server.history.faults import faults
from chat.server.history.pages import PageSize
from chat.server.history.reader import Reader
from chat.server.history.stored import Hole, LogName, LogState, StoredRun
from chat.sizes import byte_count

_PAGE = PageSize(1000, 4 << 20)
_KINDS = {MessageType.FILE: "file", MessageType.IMAGE: "image", MessageType.VOICE: "voice note"}


def read_all(reader: Reader, log: LogName, since: str | None) -> Iterator[StoredRun | Hole]:
    """Return all messages of ``log`` from ``since`` on (RFC 3339, UTC), each as a run of one, and the holes.

    In order. Raises HistoryFault.
    """
    number = reader.number_at(log, since) if since is not None else 1
    state = reader.logs().get(log, LogState())
    holes = [hole for hole in state.lost if hole.last >= number]
    after = number - 1
    while True:
        page = reader.after(log, after, None, _PAGE)
        for run in page.runs:
            while holes and holes[0].first < run.first:
                yield holes.pop(0)
            yield from run.messages()
            after = run.last
        if not page.more:
            yield from holes
            return


def as_text(items: Iterable[StoredRun | Hole]) -> Iterator[str]:
    """Return lines such as ``2026-11-24 09:30:00 <alice> good morning``, in local time."""
    for item in items:
        if isinstance(item, Hole):
            yield f"-- the server ended without a clean stop: numbers {item.first} to {item.last} were given up --"
            continue
        time = local_time(item.timestamp)
        first, *others = _body(item)
        yield f"{time:%Y-%m-%d %H:%M:%S} <{item.sender}> {first}"
        yield from (f"    {line}" for line in others)


def as_json(items: Iterable[StoredRun | Hole]) -> Iterator[str]:
    """Return a JSON object for each message, with its content, and one for each hole."""
    for item in items:
        if isinstance(item, Hole):
            yield encode_json({"lost": list(item)}).decode()
            continue
        [nonce], [content] = item.nonces, item.contents
        fields: dict[str, object] = {
            "seq": item.first,
            "timestamp": item.timestamp,
            "from": item.sender,
            "type": item.type.name.lower(),
        }
        if nonce is not None:
            fields["nonce"] = nonce.decode()
        if item.purged:
            fields["purged"] = True
        elif item.type is MessageType.UTF8:
            fields["text"] = content.decode()
        else:
            fields.update(filename=item.filename, size=item.size)
            if item.digest is not None:
                fields["sha256"] = item.digest.hex()
            elif content:
                fields["content"] = b64encode(content).decode()
        yield encode_json(fields).decode()


def write_lines(lines: Iterable[str], target: Path) -> None:
    """Write ``lines`` into the new file ``target``, for its owner only. Nothing of it is left if that fails.

    Raises HistoryFault.
    """
    with faults(target), open(target, "x", encoding="utf-8", opener=private_opener) as file:
        try:
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _body(message: StoredRun) -> list[str]:
    """Return the lines of a message in words, without characters that a terminal acts on."""
    if message.purged:
        return ["(removed)"]
    if message.type is MessageType.UTF8:
        return list(map(sanitize, line_ends_removed(message.contents[0].decode())))
    return [f"[{_KINDS[message.type]} {message.filename}, {byte_count(message.size)}]"]
