"""Streams that mean something: sessions of all kinds of clients, and the usual strangers."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable

from chat.protocol.commands import Verb
from chat.protocol.descriptor import MAX_CONTENT_SIZE, ByteOrder, MessageType
from tests.wire.replay import original_captures

SESSION = b"@session-of-the-host---@"
OFFER = b"@offer-to-host-@"

_LAYOUTS = {ByteOrder.BIG: ">HH4sQ", ByteOrder.LITTLE: "<HH4sQ"}
_CAPTURES = [capture.data for capture in original_captures()]

# The server that is fuzzed has the limits 4K for a text and 4M for a content; 64K is held in memory.
_SIZES = (0, 0, 1, 2, 5, 17, 100, 1000, 4095, 4096, 4097, 20_000)
_LARGE_SIZES = (65_535, 65_536, 65_537, 200_000)
HUGE_SIZES = (4 * 1024**2, 4 * 1024**2 + 1, 2**31, 2**32, 2**63 - 1, 2**63, MAX_CONTENT_SIZE)

_NAMES = [f"u{number}" for number in range(100)]
_ODD_NAMES = (
    *("", "server", "ѕerver", "алиса", "محمد", "a b", "a" * 32, "a" * 33, "é" * 100, "İ" * 32),
    *("\0", "a\nb", "a\x1b[2Jb", "\u202eabc", "😀", "host", "HOST", "big", "original", "x" * 5000),
)
_FILENAMES = (
    *("notes.txt", "../../etc/passwd", 'a"b\\c', ".", ".bashrc", "\u202egpj.exe", "a\nb", ""),
    *("😀" * 300, "x" * 65_535, "{", "{}", "\ufeff{", "name.tar.gz"),
)
_PASSWORDS = ("", "short", 7, "long enough", "x" * 1025, "\x00" * 10)
_NONCES = ("1", "a-b_C", "x" * 64, "x" * 65, "", "a b", 7, None)
_VALUES: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    2**64,
    1e999,
    "",
    "\ud800",
    [],
    {},
    [[]],
    "u1",
    "x" * 1000,
)


def frame(
    order: ByteOrder,
    type: int,
    header: bytes = b"",
    content: bytes = b"",
    reserved: bytes = bytes(4),
    size: int | None = None,
) -> bytes:
    announced = len(content) if size is None else size
    opening = struct.pack(_LAYOUTS[order], type, len(header) & 0xFFFF, reserved, announced)
    return opening + header[:0xFFFF] + content


def capture(rng: random.Random) -> bytes:
    """Return the bytes that one side of the original programs sent; a server's bytes too, which no server expects."""
    return rng.choice(_CAPTURES)


def session(rng: random.Random) -> bytes:
    """A login, messages of all kinds, and maybe a logout."""
    order = rng.choice(list(ByteOrder))
    parts = [login(rng, order) for _ in range(rng.choice((1, 1, 1, 1, 2, 6)))]
    parts += [message(rng, order) for _ in range(rng.randrange(8))]
    if rng.random() < 0.3:
        parts.append(frame(order, MessageType.LOGOUT))
    return b"".join(parts)


def without_login(rng: random.Random) -> bytes:
    order = rng.choice(list(ByteOrder))
    return b"".join(message(rng, order) for _ in range(rng.randrange(1, 8)))


def transfer(rng: random.Random) -> bytes:
    """A transfer connection of the host's session, or of none: uploads, fetches, and what does not belong."""
    order = rng.choice(list(ByteOrder))
    token = SESSION.decode() if rng.random() < 0.8 else rng.choice(("", "x", "x" * 24))
    parts = [frame(order, MessageType.LOGIN, _json({"session": token}))]
    for _ in range(rng.randrange(6)):
        parts.append(fetch(rng, order) if rng.random() < 0.6 else message(rng, order))
    return b"".join(parts)


def fetch(rng: random.Random, order: ByteOrder) -> bytes:
    wanted = (OFFER.decode(), OFFER.decode(), "x", "", 0, 1, 2**63, "r1.2026", "m1.0", "r0.")
    fields: dict[str, object] = {"fetch": rng.choice(wanted)}
    if rng.random() < 0.2:
        fields = {"resume": rng.choice(_NONCES), "size": rng.choice((None, *_LARGE_SIZES, -1, "1"))}
    if rng.random() < 0.2:
        fields[rng.choice(("room", "private"))] = rng.choice((True, "lobby", "", *_VALUES))
    offsets = (None, 0, 1, 99_999, 100_000, 100_001, 2**63 - 1, 2**63, -1, 0.5, "1")
    if rng.random() < 0.7:
        fields["offset"] = rng.choice(offsets)
    if rng.random() < 0.2:
        fields["nonce"] = rng.choice(_NONCES)
    content = b"x" if rng.random() < 0.05 else b""
    return frame(order, MessageType.FILE, _json(fields), content)


def login(rng: random.Random, order: ByteOrder) -> bytes:
    name = rng.choice(_NAMES) if rng.random() < 0.8 else rng.choice(_ODD_NAMES)
    if rng.random() < 0.4:
        header = name.encode()
    else:
        fields: dict[str, object] = {"to": name}
        if rng.random() < 0.5:
            fields["inline"] = rng.choice((0, 1, 1000, 65_536, 2**63 - 1, 2**63, -1, "0"))
        if rng.random() < 0.05:
            fields["session"] = rng.choice(("x" * 24, "", 7, "é"))
        if rng.random() < 0.01:  # to look at one takes the server a tenth of a second
            fields["password"] = rng.choice(_PASSWORDS)
        header = _json(fields, rng)
    content = bytes(rng.choice((0, 0, 0, 1, 65_536, 65_537)))
    return frame(order, MessageType.LOGIN, header, content, _stray(rng))


def message(rng: random.Random, order: ByteOrder) -> bytes:
    """Make one frame that could be a message, and often is."""
    type = rng.choice((7, 7, 7, 8, 8, 6, 9)) if rng.random() < 0.9 else rng.choice(range(12))
    how = rng.random()
    if how < 0.3:
        header = b""
    elif how < 0.5:
        header = rng.choice(_FILENAMES).encode(errors="surrogatepass")
    else:
        fields: dict[str, object] = {}
        if rng.random() < 0.5:
            fields["to"] = rng.choice((*_NAMES, "host", "big", "original", "server", "", None))
        if rng.random() < 0.4:
            fields["filename"] = rng.choice(_FILENAMES)
        if rng.random() < 0.4:
            fields["nonce"] = rng.choice(_NONCES)
        if rng.random() < 0.1:
            return command(rng, order, fields)
        header = _json(fields, rng)
    size = rng.choice(_SIZES) if rng.random() < 0.97 else rng.choice(_LARGE_SIZES)
    if rng.random() < 0.02:
        return frame(order, type, header, b"the beginning", size=rng.choice(HUGE_SIZES))
    return frame(order, type, header, _content(rng, size), _stray(rng))


def command(rng: random.Random, order: ByteOrder, fields: dict[str, object]) -> bytes:
    """Something that the server is to do, which it does for few of those who ask."""
    verb = rng.choice([verb.value for verb in Verb] if rng.random() < 0.9 else ["", "fly", None, 1])
    # A password that could be one is hashed, which takes the server a tenth of a second.
    secret = rng.choice(_PASSWORDS) if rng.random() < 0.1 else rng.choice(_PASSWORDS[:3])
    keys: dict[str, object] = {
        "target": rng.choice((*_NAMES[:5], "host", "10.0.0.1", "::/64", "\x1b[2J", "", None)),
        "seconds": rng.choice((None, 0, 1, 2**63 - 1, 2**63, -1, 0.5)),
        "reason": rng.choice((None, "", "why\x1b[2J\n", "x" * 3000)),
        "password": secret,
        "new_password": secret,
    }
    if verb in (Verb.HISTORY.value, Verb.SEARCH.value):
        keys = {
            "query": rng.choice((None, "", "x", "検索", '"*', "\0", "a b c", "x" * 300, 5)),
            "from": rng.choice((*_NAMES[:5], "", None, 1)),
            "since": rng.choice((None, "2026-11-24T09:30:00Z", "2026-99-99T99:99:99+99:99", "now")),
            "has": rng.choice((None, "file", "link", "wings", "")),
            "room": rng.choice((None, "lobby", "attic", "", 5)),
            "private": rng.choice((None, True, False, 1)),
            "before": rng.choice((None, 0, 1, 2**63 - 1, 2**63, -1)),
            "limit": rng.choice((None, 0, 1, 2**63 - 1, -1)),
        }
    chosen = {key: value for key, value in keys.items() if rng.random() < 0.5}
    content = b"x" if rng.random() < 0.05 else b""
    header = _json({**fields, "command": verb, **chosen}, rng)
    return frame(order, MessageType.UTF8, header, content, _stray(rng))


def stranger(rng: random.Random) -> bytes:
    """Return the first bytes of a client that speaks another protocol."""
    return rng.choice(
        (
            b"",
            b"\0",
            b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500),
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\xff\xfb\x01" * 100,
            b"\0" * 1000,
        )
    )


def noise(rng: random.Random) -> bytes:
    """Bytes; at times with a beginning that opens a chat."""
    start = rng.choice((b"", b"\0\1", b"\1\0", b"\0\7", b"\x09\0"))
    return start + rng.randbytes(rng.randrange(300))


SOURCES: dict[Callable[[random.Random], bytes], int] = {
    session: 50,
    transfer: 15,
    capture: 15,
    without_login: 8,
    noise: 8,
    stranger: 4,
}


def _content(rng: random.Random, size: int) -> bytes:
    how = rng.random()
    if how < 0.5:
        return b"x" * size
    if how < 0.8:
        return ("привет, 😀 " * (size // 16 + 1)).encode()[:size]  # may end inside a character
    return rng.randbytes(size)


def _json(fields: dict[str, object], rng: random.Random | None = None) -> bytes:
    """An object; with ``rng``, at times with values of odd kinds, keys that stand twice, or broken."""
    if rng is None or rng.random() < 0.7:
        return json.dumps(fields, ensure_ascii=rng is None).encode(errors="surrogatepass")
    keys = ("to", "filename", "nonce", "session", "inline", "fetch", "offset", "resume", "x")
    odd = rng.choice(keys)
    text = json.dumps({**fields, odd: rng.choice(_VALUES)})
    how = rng.randrange(6)
    if how == 0:
        text = text[: rng.randrange(len(text) + 1)]
    elif how == 1:
        text = text[:-1] + (", " if len(text) > 2 else "") + '"to": null}'
    elif how == 2:
        text = '{"x": ' + "[" * rng.choice((10, 1000, 30_000)) + text
    elif how == 3:
        text = rng.choice((" ", "\ufeff", "\t\n")) + text
    return text.encode(errors="surrogatepass")


def _stray(rng: random.Random) -> bytes:
    """The reserved bytes."""
    return bytes(4) if rng.random() < 0.7 else rng.randbytes(4)
