"""Messages for exports: short to write, and as hostile as users can be."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from chat.protocol.descriptor import MessageType
from chat.server.history.stored import DEFAULT_ROOM, StoredRun

START = datetime(2026, 11, 24, 9, 30, tzinfo=timezone.utc)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63"
    "b8fe7f0d0004cf0263eb2ea5a00000000049454e44ae426082"
)
# Each would set the title of the page if a browser took it for markup or for an address of a script.
HOSTILE = (
    "<script>document.title='owned'</script>",
    "</div></article></section><img src=x onerror=\"document.title='owned'\">",
    "\" autofocus onfocus=\"document.title='owned'",
    "' onmouseover='document.title=1'",
    "</title><svg onload=document.title='owned'>",
    "--><script>document.title='owned'</script><!--",
    "https://evil.example/\"onclick=\"document.title='owned'",
    "javascript:document.title='owned' data:text/html,<script>1</script>",
    "&lt;script&gt; &amp; &#60;b&#62;",
    "\x00\x1b[2J\u202eevil\u2028\ufeff",
    "$body ${title} %s {0} \\",
    "/me <b>waves</b>",
)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def said(
    number: int, content: str, sender: str = "alice", seconds: float | None = None
) -> StoredRun:
    """A text; a second after the text with the number before it, unless ``seconds`` says when."""
    time = at(number if seconds is None else seconds)
    data = content.encode()
    return StoredRun(
        DEFAULT_ROOM,
        number,
        time,
        sender,
        None,
        b"",
        MessageType.UTF8,
        [None],
        [data],
        None,
        len(data),
    )


def attached(
    number: int,
    name: str,
    content: bytes,
    type: MessageType = MessageType.FILE,
    size: int | None = None,
) -> StoredRun:
    """An attachment; with ``size``, one that was too large to be kept."""
    return said(number, "")._replace(
        type=type,
        filename=name,
        contents=[b"" if size is not None else content],
        size=len(content) if size is None else size,
    )
