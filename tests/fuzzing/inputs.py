"""Inputs of targets that mean something, by hypothesis; and seeds for an engine that finds its own way."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from pathlib import Path

from hypothesis import strategies as st

from chat.protocol.commands import Verb
from chat.protocol.descriptor import ByteOrder
from chat.protocol.headers import ServerHeader
from chat.protocol.notices import LeaveReason, NoticeCode, Refusal
from tests.fuzzing import grammar, mutations
from tests.fuzzing.streams import generate
from tests.wire.replay import original_captures

CORPUS = Path(__file__).with_name("corpus")

PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n"
NOON = "2026-11-24T12:00:00.123456Z"
_TIMES = (
    *(NOON, "2026-11-24T12:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:60.5-23:59"),
    *("2026-02-30T12:00:00Z", "2026-11-24T24:00:00.000000Z", "2026-11-24T12:00:60.123456Z", ""),
)
_CODES = [
    *(code.value for kind in (NoticeCode, Refusal, LeaveReason, Verb) for code in kind),
    "new",
]
_KEYS = (
    *("from", *ServerHeader._fields, "offset", "fetch", "inline", "session", "password"),
    *("command", "target", "seconds", "new_password", "users", "limits", "motd", "server"),
)
_HARMFUL = "\x1b[2J\x07\x9b1m\u202e\u2066\u200f\u2028\r\n\t\0\x7f\u00ad\ufeff\ud800\U000e0041"
_SHOWN = "ab漢字👩\u200d👧🏽🇩🇪e\u0301אب\u0600ﬁＡİßſKΣς:/.-_ "

texts = st.one_of(
    st.text(st.characters(codec=None), max_size=60),
    st.text(st.sampled_from(_HARMFUL + _SHOWN), max_size=60),
    st.sampled_from(["bob", "alice", "server", "Bob", "ѕerver", "/me waves", "\x1b]0;x\x07", ""]),
    st.sampled_from(["https://chat.example/" + "x" * 90, "../../etc/passwd", ".ssh", "a" * 300]),
)
scalars = st.one_of(
    texts,
    st.sampled_from([*_CODES, *_TIMES, "1", "2"]),
    st.sampled_from([None, True, 0, 1, -1, 2**31, 2**63 - 1, 2**63, 0.5, 1e999]),
    st.integers(),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
# As a server would write them, in part or in whole, and then with anything.
_proper = st.fixed_dictionaries(
    {"from": st.one_of(st.sampled_from(["alice", "bob", "server"]), texts)}
    | {"timestamp": st.one_of(st.just(NOON), st.sampled_from(_TIMES))},
    optional={
        **dict.fromkeys(("filename", "to", "reason"), texts),
        **dict.fromkeys(("size", "offset"), st.integers(0, 2**64)),
        "id": texts,
        "nonce": st.sampled_from(["1", "2", "3", "4", "join", "part", "topic", "names"]),
        "room": st.one_of(st.sampled_from(["dev", "Dev", "den"]), texts),
        "user": texts,
        **dict.fromkeys(("here", "seq", "count"), st.integers(0, 2**63 - 1)),
        **dict.fromkeys(("announced", "replay", "more"), st.booleans()),
        "notice": st.sampled_from(_CODES),
    },
)
objects = st.one_of(
    _proper, _proper, st.dictionaries(st.one_of(st.sampled_from(_KEYS), texts), values, max_size=6)
)
_room_facts = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["open", "closed", "announcements", 1]),
        "topic": st.one_of(texts, scalars),
        **dict.fromkeys(("here", "seq", "oldest", "read", "unread"), st.integers(-1, 2**63)),
        "lost": st.one_of(st.lists(st.lists(st.integers(), min_size=2, max_size=2)), values),
        "owner": scalars,
        "users": st.lists(texts, max_size=3),
    },
)
_rooms = st.dictionaries(
    st.one_of(st.sampled_from(["lobby", "dev", "den"]), texts), _room_facts, max_size=4
)
welcomes = st.fixed_dictionaries(
    {},
    optional={
        "rooms": st.one_of(_rooms, _rooms, values),
        "refused": st.one_of(st.dictionaries(texts, st.sampled_from(_CODES), max_size=3), values),
        "invited": st.one_of(st.lists(texts, max_size=3), values),
        "history": st.booleans(),
        "epoch": texts,
        "users": st.one_of(st.lists(texts, max_size=5), values),
        "limits": st.one_of(
            st.dictionaries(st.sampled_from(["max_text", "max_file", "inline"]), scalars), values
        ),
        **dict.fromkeys(("server", "session", "motd"), st.one_of(texts, values)),
    },
)


@st.composite
def _json(draw: st.DrawFn, strategy: st.SearchStrategy[object]) -> bytes:
    """Most often right."""
    ascii_only = draw(st.booleans())
    text = json.dumps(draw(strategy), ensure_ascii=ascii_only, separators=(",", ":"))
    return _damaged(draw, text.encode("utf-8", "surrogatepass"))


def _damaged(draw: st.DrawFn, data: bytes) -> bytes:
    if draw(st.integers(0, 9)) or not data:
        return data
    place = draw(st.integers(0, len(data)))
    inserted = draw(
        st.one_of(st.binary(max_size=6), st.sampled_from([b'"', b"{", b"\xef\xbb\xbf"]))
    )
    return data[:place] + inserted + data[place + draw(st.integers(0, 3)) :]


headers = st.one_of(
    _json(objects),
    _json(objects),
    texts.map(lambda t: t.encode(errors="surrogatepass")),
    st.binary(),
)


_refusals = st.dictionaries(
    st.sampled_from(["error", "message"]), st.one_of(texts, texts, st.sampled_from(_CODES), values)
)


@st.composite
def _streams(draw: st.DrawFn, reply: bool = False) -> bytes:
    """Draw a server's stream; with ``reply``, its first frame answers a login."""
    flags = draw(st.integers(0, 63 if reply else 3))
    order = ByteOrder.LITTLE if flags & 1 else ByteOrder.BIG
    parts = [bytes([flags]), draw(st.binary(min_size=2, max_size=2))]
    if reply:
        answer = draw(st.sampled_from([1, 1, 1, 3, 4, 5, 0x0500, 2, 0]))
        explained = draw(st.one_of(st.just(b""), _json(_refusals)))
        parts.append(grammar.frame(order, answer, b"" if answer == 1 else explained))
        own = {"from": draw(st.sampled_from(["bob", "Bob", "eve"])), "timestamp": NOON}
        welcome = draw(st.one_of(_json(welcomes), st.just(b"")))
        parts.append(grammar.frame(order, 1, json.dumps(own).encode(), welcome))
    for _ in range(draw(st.integers(0, 6))):
        type = draw(st.sampled_from([1, 1, 2, 6, 7, 7, 7, 7, 8, 8, 9, 3, 5, 10]))
        contents = st.one_of(
            _json(welcomes) if type == 1 else st.nothing(),
            _json(_room_facts) if type == 7 else st.nothing(),
            texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
            st.binary(max_size=40),
            st.sampled_from([bytes(65_536), bytes(65_537), b"\n" * 700]),
        )
        header = draw(st.one_of(_json(_proper), headers, st.just(b"")))
        content = draw(contents)
        size = draw(st.sampled_from([None] * 12 + [0, 1, *grammar.HUGE_SIZES]))
        parts.append(grammar.frame(order, type, header, content, size=size))
    return _damaged(draw, b"".join(parts))


@st.composite
def _proxy_headers(draw: st.DrawFn) -> bytes:
    rest = draw(st.sampled_from([b"", b"\0\1", b"\x16\x03\x01"]))
    if draw(st.booleans()):
        addresses = st.sampled_from(
            ["192.0.2.1", "::1", "::ffff:1.2.3.4", "fe80::1%lo", "1.2.3", "", "01.2.3.4", "\x1b"]
        )
        ports = st.sampled_from(["0", "65535", "65536", "-1", "+1", "1_0", "", " 1", "80"])
        kind = draw(st.sampled_from(["TCP4", "TCP6", "UNKNOWN", "UDP4", ""]))
        words = [kind, draw(addresses), draw(addresses), draw(ports), draw(ports)]
        line = f"PROXY {' '.join(words[: draw(st.integers(1, 5))])}\r\n".encode()
    else:
        body = draw(st.binary(max_size=60))
        extension = draw(
            st.sampled_from([b"", b"\x20\0\5\1\0\0\0\0", b"\x20\0\1\1", b"\4\xff\xff"])
        )
        size = draw(st.sampled_from([None, None, None, 0, 12, 36, 65_535]))
        whole = body + extension
        line = PROXY_2 + bytes([draw(st.sampled_from([0x20, 0x21, 0x22]))])
        line += bytes([draw(st.sampled_from([0x11, 0x21, 0x12, 0x31, 0, 0x41]))])
        line += (len(whole) if size is None else size).to_bytes(2, "big") + whole
    return draw(st.binary(min_size=1, max_size=1)) + _damaged(draw, line) + rest


def strategy(kind: str) -> st.SearchStrategy[bytes]:
    """Inputs for targets of this kind; hypothesis makes the smallest of those that fail."""
    if kind == "stream":
        return st.one_of(_streams(), _streams(), st.binary(max_size=200))
    if kind == "login":
        return st.one_of(_streams(True), st.binary(max_size=200))
    if kind == "header":
        return headers
    if kind == "proxy":
        return _proxy_headers()
    return st.one_of(texts.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary())


def cases(target: str) -> list[Path]:
    """List the inputs that once found a fault, or that show how an input looks."""
    return sorted(path for path in (CORPUS / target).glob("*") if path.is_file())


def seeds(target: str, kind: str) -> Iterator[bytes]:
    """Yield the first inputs for an engine that mutates inputs."""
    yield from (case.read_bytes() for case in cases(target))
    rng = random.Random(1)
    if kind in ("stream", "login"):
        for capture in original_captures():
            yield b"\1\0\0" + capture.data[:3000]
        for index in range(60):
            yield bytes([index % 4, index, 0]) + generate(1, index).data[:3000]
            yield bytes([index % 4, index, 0]) + _server_stream(rng, index)
    elif kind == "proxy":
        yield b"\0PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n\0\1"
        yield b"\0PROXY TCP6 ::1 ::1 1 2\r\n"
        yield b"\0" + PROXY_2 + b"\x21\x11\0\x14" + bytes(12) + b"\x20\0\5\1\0\0\0\0"
        yield b"\0" + PROXY_2 + b"\x21\x21\0\x24" + bytes(36)
    else:
        for key in _KEYS:
            yield json.dumps({"from": "alice", "timestamp": NOON, key: "1"}).encode()
            yield json.dumps({key: 1}).encode()
        for text in (_HARMFUL, _SHOWN, *_CODES, *string.ascii_letters):
            yield text.encode("utf-8", "surrogatepass")


def dictionary() -> Iterator[bytes]:
    """Words that an engine which goes by coverage would take long to find."""
    yield from (f'"{key}":'.encode() for key in _KEYS)
    yield from (f'"{word}"'.encode() for word in (*_CODES, *_TIMES, "server", "bob"))
    yield f'{{"from":"bob","timestamp":"{NOON}"'.encode()
    yield from (
        b"\xef\xbb\xbf",
        b"\\ud800",
        b"/me ",
        PROXY_2,
        b"PROXY TCP6 ",
        b"\x1b[2J",
        "\u202e".encode(),
    )


def _server_stream(rng: random.Random, index: int) -> bytes:
    order = ByteOrder.LITTLE if index % 2 else ByteOrder.BIG
    header = {"from": rng.choice(("alice", "bob", "server")), "timestamp": rng.choice(_TIMES)}
    for key in rng.sample(_KEYS, 3):
        header[key] = rng.choice((*_CODES, "1", "bob", _SHOWN))
    raw = json.dumps(header, ensure_ascii=False).encode("utf-8", "surrogatepass")
    content = rng.choice((b'{"users":["bob","alice"],"motd":"\\u001b[2J"}', b"hi", b"\x1b[2J", b""))
    data = grammar.frame(order, rng.choice((1, 2, 6, 7, 8, 9)), raw, content) * 2
    return mutations.flip_bits(rng, data) if rng.random() < 0.3 else data
