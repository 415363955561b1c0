"""Read and write headers: the part between the descriptor and the content, in both directions.

A client's header is plain UTF-8 (a *raw* header: a user or file name) or a JSON object. A server's header is always a
JSON object. JSON from a peer is read strictly: see ``strict_json``. Our own headers are written by ujson: it is fast,
and it leaves non-ASCII and ``/`` unescaped, as the original programs need.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import ujson

from chat.protocol.commands import Command
from chat.protocol.errors import HeaderError, LocalProtocolError
from chat.protocol.notices import SERVER_NAME
from chat.protocol.strict_json import decode_json

# With a byte order mark or blanks, which some writers of JSON put in front: their private message must not become
# public.
_JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?[\x00-\x20]*\{")
NONCE = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_TIMESTAMP = re.compile(_TIME, re.ASCII)
# A fast path: our server writes nearly every text in this form, and JSON of this form (RFC 8259, section 7) needs no
# parser.
_PLAIN = r'"([^"\\\x00-\x1f]*)"'
_PLAIN_HEADER = re.compile(
    rf'\{{"from":{_PLAIN},"timestamp":"({_TIME})"(?:,"to":{_PLAIN})?(?:,"seq":(0|[1-9][0-9]{{0,17}}))?'
    rf'(?:,"nonce":{_PLAIN})?\}}',
    re.ASCII,
)
# The limit of every integer in the protocol; a signed 64-bit number holds it in other languages too.
_MAX_INTEGER = 2**63 - 1


class LoginHeader(NamedTuple):
    """Hold a login: of a user by ``name``, or of a transfer connection by its ``session``.

    With both, the user takes over their own session of that name, which may still look alive. ``password`` is the
    user's, or the room's. File, Image and Voice contents over ``inline`` bytes are to come as offers; with None they
    come whole. ``is_json``: the client logged in with the JSON form, and may be told more than the original client
    understands. ``status``: the client wants to hear when a user becomes registered or a moderator.
    """

    name: str
    session: str | None = None
    inline: int | None = None
    is_json: bool = False
    password: str | None = None
    status: bool = False

    def __repr__(self) -> str:
        """Return the login without its password and session, which must not reach a log."""
        return f"<LoginHeader {self.name!r}>"


class ClientHeader(NamedTuple):
    """Hold the header of a message: ``to`` makes it private, the answer repeats ``nonce``.

    ``fetch`` and ``offset`` (bytes) ask for an offered content, on a transfer connection only. A header with a
    ``command`` is no message, but asks the server to do something.
    """

    to: str | None = None
    filename: str | None = None
    nonce: str | None = None
    fetch: str | None = None
    offset: int = 0
    command: Command | None = None


_NO_HEADER = ClientHeader()


class ServerHeader(NamedTuple):
    """Hold the header of any frame that a server sends after login.

    ``sender`` travels as ``from``; ``timestamp`` is RFC 3339. ``size`` (bytes) and ``id`` are those of an offer,
    ``offset`` (bytes) is where a fetched content continues. ``notice`` and ``reason`` are codes of
    ``chat.protocol.notices``, or unknown ones from a newer server. ``seq`` numbers the messages of
    a room, or the private messages of one user, from 1 on. ``registered`` and ``moderator`` tell what a user who joins
    is, or what ``user`` has become.
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


_OPTIONAL_KEYS = ServerHeader._fields[2:]


def parse_login_header(data: bytes) -> LoginHeader:
    """Parse the header of a login frame. Raises HeaderError for invalid UTF-8 or JSON."""
    text = _decode(data)
    if not looks_like_json(data):
        return LoginHeader(text)
    fields = _Fields(text)
    return LoginHeader(
        fields.string("to") or "",
        fields.string("session"),
        fields.integer("inline"),
        is_json=True,
        password=fields.string("password"),
        status=fields.boolean("status") or False,
    )


def parse_client_header(data: bytes, *, names_a_file: bool) -> ClientHeader:
    """Parse the header of a message. ``names_a_file``: a raw header of this type is a file name.

    Raises HeaderError; also for a raw header where none belongs. It may be a broken JSON header, and a private message
    must never become a public one by that.
    """
    if not data:
        return _NO_HEADER
    text = _decode(data)
    if not looks_like_json(data):
        if not names_a_file:
            raise HeaderError("Invalid header of a text: expected a JSON object.")
        return ClientHeader(filename=text)
    fields = _Fields(text)
    # The nonce is read first, so that a refusal of the rest can still answer the message.
    nonce = fields.string("nonce")
    if nonce is not None and not NONCE.fullmatch(nonce):
        raise HeaderError(
            "Invalid nonce: expected 1 to 64 of the characters A-Z, a-z, 0-9, '_' and '-'."
        )
    try:
        return ClientHeader(
            fields.string("to"),
            fields.string("filename"),
            nonce,
            fields.string("fetch"),
            fields.integer("offset") or 0,
            _read_command(fields),
        )
    except HeaderError as problem:
        problem.nonce, problem.is_command = nonce, "command" in fields.values
        raise


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
        }
    else:
        fields = {**header._asdict(), "offset": header.offset or None}
        if header.command is not None:
            fields.update(header.command._asdict(), verb=None, command=header.command.verb)
    present = {key: value for key, value in fields.items() if value is not None}
    return encode_json(present) if present else b""


def _read_command(fields: _Fields) -> Command | None:
    verb = fields.string("command")
    if verb is None:
        return None
    return Command(
        verb,
        fields.string("target"),
        fields.integer("seconds"),
        fields.string("reason"),
        fields.string("password"),
        fields.string("new_password"),
    )


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
    text = _decode(data)
    plain = _PLAIN_HEADER.fullmatch(text)
    if plain is not None:
        seq = int(plain[4]) if plain[4] is not None else None
        return ServerHeader(plain[1], plain[2], to=plain[3], seq=seq, nonce=plain[5])
    fields = _Fields(text)
    sender, timestamp = fields.string("from"), fields.string("timestamp")
    if sender is None or timestamp is None or not _TIMESTAMP.fullmatch(timestamp):
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
        offset=fields.integer("offset"),
        user=fields.string("user"),
        registered=fields.boolean("registered"),
        moderator=fields.boolean("moderator"),
    )


def encode_json(value: object) -> bytes:
    """Return ``value`` as compact JSON, with non-ASCII and slashes unescaped.

    Raises LocalProtocolError for lone surrogates.
    """
    try:
        return ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False).encode()
    except UnicodeEncodeError:
        raise LocalProtocolError("a lone surrogate (half a character) cannot be sent") from None


def parse_json_object(data: bytes) -> dict[str, Any]:
    """Parse an object in strict UTF-8 and strict JSON. Raises HeaderError."""
    return _Fields(_decode(data)).values


class _Fields:
    """Read the values of a peer's JSON object by name and kind; null counts as absent. Raises HeaderError."""

    def __init__(self, text: str) -> None:
        try:
            values = decode_json(text)
        except ValueError:
            raise HeaderError("A header that starts with '{' must be a JSON object.") from None
        if not isinstance(values, dict):
            raise HeaderError("A header must be a JSON object.")
        self.values: dict[str, Any] = values

    def string(self, key: str) -> str | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise HeaderError(f"The value of {key!r} must be a string.")
        if _SURROGATE.search(value):
            raise HeaderError(
                f"The value of {key!r} has half a character (a lone surrogate) in it."
            )
        return value

    def boolean(self, key: str) -> bool | None:
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise HeaderError(f"The value of {key!r} must be true or false.")
        return value

    def integer(self, key: str) -> int | None:
        """Return a whole number, 0 or more."""
        value = self.values.get(key)
        if value is None:
            return None
        # A bool is an int to Python, not to JSON.
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_INTEGER:
            raise HeaderError(f"The value of {key!r} must be a whole number, 0 or more.")
        return value


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise HeaderError("A header must be UTF-8.") from None
