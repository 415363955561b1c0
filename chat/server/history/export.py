"""Write history as text, as JSON lines, or as a page for a browser."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable, Iterator

from chat.local_time import local_time
from chat.protocol.descriptor import MessageType
from chat.protocol.headers import encode_json
from chat.sanitize import line_ends_removed, sanitize
from chat.server.history.pages import PageSize
from chat.server.history.reader import Reader
from chat.server.history.stored import Hole, LogName, StoredRun
from chat.sizes import byte_count

_PAGE = PageSize(1000, 4 << 20)
_KINDS = {MessageType.FILE: "file", MessageType.IMAGE: "image", MessageType.VOICE: "voice note"}


def read_all(reader: Reader, log: LogName, since: str | None) -> Iterator[StoredRun | Hole]:
    """Return all messages of ``log`` from ``since`` on (RFC 3339, UTC), each as a run of one, and the holes.

    In order. Raises HistoryFault.
    """
    number = reader.number_at(log, since) if since is not None else 1
    holes = [hole for hole in reader.logs()[log].lost if hole.last >= number]
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


def as_html(items: Iterable[StoredRun | Hole], title: str) -> Iterator[str]:
    """Return the lines of a page that needs no other file."""
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<title>{html.escape(title)}</title>"
    yield f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1><main>"
    for item in items:
        if isinstance(item, Hole):
            yield f'<p class="lost">numbers {item.first} to {item.last} were given up</p>'
            continue
        time, body = html.escape(item.timestamp), html.escape("\n".join(_body(item)))
        yield (
            f'<p id="m{item.first}"><time datetime="{time}">{time[:19].replace("T", " ")}</time>'
            f" <b>{html.escape(item.sender)}</b> <span>{body}</span></p>"
        )
    yield "</main></body></html>"


_STYLE = (
    "body{font:16px/1.4 system-ui,sans-serif;max-width:60em;margin:1em auto;padding:0 1em}"
    "p{margin:.2em 0}time{color:#666;font-size:.8em}span{white-space:pre-wrap;overflow-wrap:anywhere}"
    ".lost{color:#a00}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}time{color:#999}}"
)


def _body(message: StoredRun) -> list[str]:
    """Return the lines of a message in words, without characters that a terminal acts on."""
    if message.purged:
        return ["(removed)"]
    if message.type is MessageType.UTF8:
        return list(map(sanitize, line_ends_removed(message.contents[0].decode())))
    return [f"[{_KINDS[message.type]} {message.filename}, {byte_count(message.size)}]"]
