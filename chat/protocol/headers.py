"""Read and write headers: the part between the descriptor and the content, in both directions.

A client's header is plain UTF-8 (a *raw* header: a user or file name) or a JSON object. A server's header is always a
JSON object. JSON from a peer is read strictly: see ``json_fields``. Our own headers are written by ujson: it is fast,
and it leaves non-ASCII and ``/`` unescaped, as the original programs need.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import ujson

from chat.protocol.command_fields import command_fields, read_command
from chat.protocol.commands import Command
from chat.protocol.errors import HeaderError, LocalProtocolError
from chat.protocol.json_fields import TIME, TIMESTAMP, JsonFields, decode_utf8
from chat.protocol.notices import SERVER_NAME
from chat.protocol.strict_json import decode_whole_json

# With a byte order mark or blanks, which some writers of JSON put in front: their private message must not become
# public.
_JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?[\x00-\x20]*\{")
MAX_JOINED = 100  # names of rooms in a login
NONCE = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
# At least 128 random bits, in base64url.
DEVICE = re.compile(r"[A-Za-z0-9_-]{22,86}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
# What may become of messages of a room one day. A client that uses them must not take a refusal for a success.
_RESERVED = ("edit", "delete", "reply", "react")
# A fast path: our server writes nearly every text in this form, and JSON of this form (RFC 8259, section 7) needs no
# parser.
_PLAIN = r'"([^"\\\x00-\x1f]*)"'
_PLAIN_HEADER = re.compile(
    rf'\{{"from":{_PLAIN},"timestamp":"({TIME})"(?:,"to":{_PLAIN})?(?:,"account":{_PLAIN})?'
    rf'(?:,"room":{_PLAIN})?(?:,"seq":(0|[1-9][0-9]{{0,17}}))?(?:,"nonce":{_PLAIN})?\}}',
    re.ASCII,
)


class LoginHeader(NamedTuple):
    """Hold a login: of a user by ``name``, or of a transfer connection by its ``session``.

    With both, the user takes over their own session of that name, which may still look alive. ``password`` is the
    user's, or the room's. File, Image and Voice contents over ``inline`` bytes are to come as offers; with None they
    come whole. ``is_json``: the client logged in with the JSON form, and may be told more than the original client
    understands. ``status``: the client wants to hear when a user becomes registered or a moderator. ``replay`` asks for
    so many of the last messages. ``device`` is the secret of the device that logs in: 22 to 86 characters of base64url.
    ``join`` has the names of rooms to be in at once; None: the client may know no rooms.
    """

    name: str
    session: str | None = None
    inline: int | None = None
    is_json: bool = False
    password: str | None = None
    status: bool = False
    replay: int | None = None
    device: str | None = None
    join: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        """Return the login without its secrets, which must not reach a log."""
        return f"<LoginHeader {self.name!r}>"


class ClientHeader(NamedTuple):
    """Hold the header of a message: ``to`` makes it private, ``room`` sends it to a room; the answer repeats ``nonce``.

    ``fetch`` and ``offset`` (bytes) ask for an offered content, on a transfer connection only. ``fetch`` is the id of
    the offer, or the number of a message: of the ``room`` (None: the default one) or, with ``private``, of the user's
    private messages. ``resume`` asks how much has arrived of the content with ``size`` bytes of the message with this
    nonce; that message then goes on at ``offset``. A header with a ``command`` is no message, but asks the server to do
    something.
    """

    to: str | None = None
    filename: str | None = None
    nonce: str | None = None
    fetch: str | int | None = None
    offset: int = 0
    command: Command | None = None
    room: str | None = None
    private: bool = False
    resume: str | None = None
    size: int | None = None


_NO_HEADER = ClientHeader()


class ServerHeader(NamedTuple):
    """Hold the header of any frame that a server sends after login.

    ``sender`` travels as ``from``; ``timestamp`` is RFC 3339. ``size`` (bytes), ``id`` and ``sha256`` (of the content,
    in hex) are those of an offer, ``offset`` (bytes) is where a fetched content continues. ``notice`` and ``reason``
    are codes of ``chat.protocol.notices``, or unknown ones from a newer server. ``seq`` numbers the messages of
    a room, or the private messages of one user, from 1 on. ``registered`` and ``moderator`` tell what a user who joins
    is, or what ``user`` has become.

    A message that is shown again has ``replay``; with ``purged``, its content was removed. ``answers`` (``for`` on the
    wire) is the nonce of the query that a message belongs to. The notice that ends the answer has the number of
    messages ``found`` (``count`` on the wire), ``more`` if others follow, and the ranges of numbers that were ``lost``.
    Numbers are given under an ``epoch``.

    ``again`` marks the announcement of a user who is here already, with another device. ``account`` is the opaque id of
    the other user's account, in a private message; with ``waiting``, that user gets the message when they come back.
    The notice ``read`` has the ``seq`` up to which the user has read, in the room or, with ``private``, of the private
    messages with ``partner`` (``with`` on the wire).

    ``room`` is that of a message, join, leave or notice; None: the default room, or none. The notice ``here`` has the
    number of users in a room as ``here``; ``announced``: joins and leaves are announced again. The notice ``move`` has
    the addresses of other ``servers``, as the server wrote them: a client checks them before it uses one.
    """

    sender: str
    timestamp: str
    filename: str | None = None
    to: str | None = None
    seq: int | None = None
    nonce: str | None = None
    notice: str | None = None
    reason: str | None = None
    size: int | None = None
    id: str | None = None
    offset: int | None = None
    user: str | None = None
    registered: bool | None = None
    moderator: bool | None = None
    replay: bool | None = None
    purged: bool | None = None
    answers: str | None = None
    epoch: str | None = None
    found: int | None = None
    more: bool | None = None
    lost: tuple[tuple[int, int], ...] | None = None
    again: bool | None = None
    account: str | None = None
    waiting: bool | None = None
    private: bool | None = None
    partner: str | None = None
    sha256: str | None = None
    room: str | None = None
    here: int | None = None
    announced: bool | None = None
    servers: Sequence[str] | None = None


_WIRE_KEYS = {"answers": "for", "found": "count", "partner": "with"}
_OPTIONAL_KEYS = [_WIRE_KEYS.get(field, field) for field in ServerHeader._fields[2:]]


def parse_login_header(data: bytes) -> LoginHeader:
    """Parse the header of a login frame. Raises HeaderError for invalid UTF-8 or JSON."""
    text = decode_utf8(data)
    if not looks_like_json(data):
        return LoginHeader(text)
    fields = JsonFields(text)
    return LoginHeader(
        fields.string("to") or "",
        fields.string("session"),
        fields.integer("inline"),
        is_json=True,
        password=fields.string("password"),
        status=fields.boolean("status") or False,
        replay=fields.integer("replay"),
        device=_device(fields),
        join=_rooms_to_join(fields),
    )


def _rooms_to_join(fields: JsonFields) -> tuple[str, ...] | None:
    if fields.values.get("join") is None:
        return None
    names = fields.strings("join")
    if len(names) > MAX_JOINED:
        raise HeaderError(f"The value of 'join' has at most {MAX_JOINED} names.")
    return names


def _device(fields: JsonFields) -> str | None:
    device = fields.string("device")
    if device is not None and not DEVICE.fullmatch(device):
        raise HeaderError("Invalid device: expected 22 to 86 characters of base64url.")
    return device


def parse_client_header(data: bytes, *, names_a_file: bool) -> ClientHeader:
    """Parse the header of a message. ``names_a_file``: a raw header of this type is a file name.

    Raises HeaderError; also for a raw header where none belongs. It may be a broken JSON header, and a private message
    must never become a public one by that.
    """
    if not data:
        return _NO_HEADER
    text = decode_utf8(data)
    if not looks_like_json(data):
        if not names_a_file:
            raise HeaderError("Invalid header of a text: expected a JSON object.")
        return ClientHeader(filename=text)
    fields = JsonFields(text)
    # The nonce is read first, so that a refusal of the rest can still answer the message.
    nonce = fields.string("nonce")
    if nonce is not None and not NONCE.fullmatch(nonce):
        raise HeaderError(
            "Invalid nonce: expected 1 to 64 of the characters A-Z, a-z, 0-9, '_' and '-'."
        )
    try:
        room, private, resume, size = _read_log(fields)
        return ClientHeader(
            fields.string("to"),
            fields.string("filename"),
            nonce,
            *_read_fetch(fields),
            read_command(fields),
            room,
            private,
            resume,
            size,
        )
    except HeaderError as problem:
        problem.nonce, problem.is_command = nonce, "command" in fields.values
        raise


def _read_fetch(fields: JsonFields) -> tuple[str | int | None, int]:
    """Return what is to be fetched, an id or a number, and the offset."""
    is_number = isinstance(fields.values.get("fetch"), int)
    fetch = fields.integer("fetch") if is_number else fields.string("fetch")
    return fetch, fields.integer("offset") or 0


def _read_log(fields: JsonFields) -> tuple[str | None, bool, str | None, int | None]:
    """Return the room of a message, or where the number of ``fetch`` counts, and the question for a part."""
    # Keys of these names beside a command belong to the command.
    if fields.values.get("command") is not None:
        return None, False, None, None
    for key in _RESERVED:
        if fields.values.get(key) is not None:
            raise HeaderError(f"The key {key!r} is reserved; this server has no such messages.")
    room = fields.string("room")
    if room is not None and fields.values.get("to") is not None:
        raise HeaderError("A message goes to a room ('room') or to one user ('to'), not to both.")
    resume = fields.string("resume")
    size = fields.integer("size") if resume is not None else None
    if fields.values.get("fetch") is None:
        return room, False, resume, size
    return room, fields.boolean("private") or False, resume, size


def looks_like_json(data: bytes) -> bool:
    """Return whether a client's header has the JSON form, valid or not: it begins with ``{``.

    A byte order mark, blanks and control characters before the ``{`` make no difference.
    """
    return _JSON_START.match(data) is not None


def encode_client_header(header: ClientHeader | LoginHeader) -> bytes:
    """Return a client's header as JSON, without the keys whose value is None."""
    if isinstance(header, LoginHeader):
        fields: dict[str, object] = {
            "to": header.name or None,
            "session": header.session,
            "inline": header.inline,
            "password": header.password,
            "status": header.status or None,
            "replay": header.replay,
            "device": header.device,
            "join": header.join,
        }
    else:
        fields = {
            # The keys of a plain text first: see ``runs``.
            "to": header.to,
            "room": header.room,
            **header._asdict(),
            "offset": header.offset or None,
            "private": header.private or None,
        }
        if header.command is not None:
            fields.update(command_fields(header.command))
    present = {key: value for key, value in fields.items() if value is not None}
    return encode_json(present) if present else b""


def encode_server_header(header: ServerHeader) -> bytes:
    """Return a server's header as compact JSON.

    The original client can't read escapes, so the caller must not pass it values that need one.
    """
    sender, timestamp, *rest = header
    fields: dict[str, object] = {"from": sender, "timestamp": timestamp}
    for key, value in zip(_OPTIONAL_KEYS, rest, strict=True):
        if value is not None:
            fields[key] = value
    return encode_json(fields)


def parse_server_header(data: bytes) -> ServerHeader:
    """Parse a server's header, for a client. Raises HeaderError; unknown keys are ignored.

    ``notice`` counts only in a frame from ``server``: a user must not be able to fake a notice.
    """
    text = decode_utf8(data)
    plain = _PLAIN_HEADER.fullmatch(text)
    if plain is not None:
        name, time, to, account, room, number, nonce = plain.groups()
        seq = int(number) if number is not None else None
        if (
            account is None and room is None
        ):  # without keywords, this takes half the time, and nearly all frames come here
            return ServerHeader(name, time, None, to, seq, nonce)
        return ServerHeader(name, time, to=to, seq=seq, nonce=nonce, account=account, room=room)
    fields = JsonFields(text)
    sender, timestamp = fields.string("from"), fields.string("timestamp")
    if sender is None or timestamp is None or not TIMESTAMP.fullmatch(timestamp):
        raise HeaderError(
            "Invalid header from the server: expected 'from' and a 'timestamp' in RFC 3339."
        )
    return ServerHeader(
        sender,
        timestamp,
        filename=fields.string("filename"),
        to=fields.string("to"),
        seq=fields.integer("seq"),
        nonce=fields.string("nonce"),
        notice=fields.string("notice") if sender == SERVER_NAME else None,
        reason=fields.string("reason"),
        size=fields.integer("size"),
        id=fields.string("id"),
        sha256=_sha256(fields),
        room=fields.string("room"),
        here=fields.integer("here"),
        announced=fields.boolean("announced"),
        servers=fields.strings("servers") or None,
        offset=fields.integer("offset"),
        user=fields.string("user"),
        registered=fields.boolean("registered"),
        moderator=fields.boolean("moderator"),
        replay=fields.boolean("replay") or None,
        purged=fields.boolean("purged") or None,
        answers=fields.string("for"),
        epoch=fields.string("epoch"),
        found=fields.integer("count"),
        more=fields.boolean("more") or None,
        lost=fields.ranges("lost"),
        again=fields.boolean("again") or None,
        account=fields.string("account"),
        waiting=fields.boolean("waiting") or None,
        private=fields.boolean("private") or None,
        partner=fields.string("with"),
    )


def _sha256(fields: JsonFields) -> str | None:
    digest = fields.string("sha256")
    if digest is not None and not SHA256.fullmatch(digest):
        raise HeaderError("Invalid SHA-256 from the server: expected 64 hexadecimal digits.")
    return digest


def encode_json(value: object) -> bytes:
    """Return ``value`` as compact JSON, with non-ASCII and slashes unescaped.

    Raises LocalProtocolError for lone surrogates.
    """
    try:
        return ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False).encode()
    except UnicodeEncodeError:
        raise LocalProtocolError("a lone surrogate (half a character) cannot be sent") from None


def parse_json_object(data: bytes) -> dict[str, Any]:
    """Parse an object in strict UTF-8 and strict JSON, without lone surrogates. Raises HeaderError."""
    return JsonFields(decode_utf8(data), decode_whole_json).values
