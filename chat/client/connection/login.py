"""Getting into the room, as a JSON client if the server is one of ours, as a raw one if it is the original."""

from __future__ import annotations

import time
from typing import Literal, NamedTuple, TypeAlias

from chat.client.connection.link import Link, open_link
from chat.client.errors import ConnectError, LoginRefused, explain
from chat.client.runtime.cancellation import Cancellation
from chat.client.trust.connector import Connector
from chat.framing import DeadlineExceeded
from chat.net.address import Address
from chat.protocol.descriptor import (
    MAX_HEADER_SIZE,
    REFUSALS,
    ByteOrder,
    Descriptor,
    MessageType,
)
from chat.protocol.errors import (
    HeaderError,
    LocalProtocolError,
    RemoteProtocolError,
    UserNameError,
)
from chat.protocol.headers import (
    LoginHeader,
    encode_client_header,
    parse_json_object,
)
from chat.protocol.notices import Refusal

ByteOrderChoice: TypeAlias = Literal["auto", "little", "big"]

# To a big-endian login the original, which reads it as an unknown type, answers BadLogin in little-endian: 05 00.
_REFUSED_BY_ORIGINAL = MessageType.BAD_LOGIN << 8

_BARE_REFUSALS = {
    MessageType.USERNAME_EXISTS: (Refusal.USERNAME_EXISTS.value, "The name is in use."),
    MessageType.BAD_USERNAME: (Refusal.BAD_USERNAME.value, "The server does not take this name."),
    MessageType.BAD_LOGIN: ("bad-login", "The server refused the login."),
}
_MAX_REFUSAL = 64 * 1024  # bytes of content on a reply, which none should have


class LoggedIn(NamedTuple):
    link: Link
    original: bool


class _Original(ConnectError):
    """The server read a big-endian login as a frame of a type that it does not know."""


def log_in(
    connector: Connector,
    username: str,
    *,
    byte_order: ByteOrderChoice,
    inline: int,
    timeout: float,
    password: str | None = None,
    session: str | None = None,
) -> LoggedIn:
    """Connect and log in within ``timeout`` seconds, which is still the deadline of the link's reader.

    That does not count the time in which somebody is asked whether to trust the server, nor what leads to the question.
    ``session`` takes over an own session that may still look alive. Raises ConnectError, LoginRefused; the latter for a
    ``password`` that somebody on the way could read, before a byte of it is sent.

    An original server passes any name on, so a raw login is checked here by the rules of ``protocol.names``.
    A bad one raises LoginRefused with ``bad-username`` before anything is sent.
    """
    header = _encode(LoginHeader(username, session, inline, is_json=True, password=password))
    if byte_order == "little":
        _raw_header(username)
    connector.probe(timeout)
    deadline = time.monotonic() + timeout
    if byte_order != "little":
        try:
            link = _ask(connector, ByteOrder.BIG, header, deadline, is_secret=password is not None)
        except _Original:
            if byte_order == "big":
                raise
        else:
            return LoggedIn(link, original=False)
    link = _ask(connector, ByteOrder.LITTLE, _raw_header(username), deadline)
    return LoggedIn(link, original=True)


def open_transfer(
    connector: Connector, session: str, timeout: float, cancel: Cancellation | None = None
) -> Link:
    """Return a connection for transfers of a session that came through ``door``. Raises ConnectError, LoginRefused.

    ``cancel``, from another task, ends the attempt with ConnectError.
    """
    header = _encode(LoginHeader("", session=session, is_json=True))
    link = _ask(connector, ByteOrder.BIG, header, time.monotonic() + timeout, cancel=cancel)
    link.set_deadline(None)
    return link


def _encode(login: LoginHeader) -> bytes:
    try:
        header = encode_client_header(login)
    except LocalProtocolError:  # a lone surrogate, from a command line that is not UTF-8
        raise LoginRefused(Refusal.BAD_USERNAME.value, "A name must be UTF-8.") from None
    if len(header) > MAX_HEADER_SIZE:
        sentence = "The name or the password is too long to be sent."
        raise LoginRefused(Refusal.BAD_USERNAME.value, sentence)
    return header


def _raw_header(username: str) -> bytes:
    """Return the name as our own server would write it. Raises LoginRefused.

    The original clients read JSON in place: a name with a character that JSON escapes would end every one of them.
    """
    from chat.protocol.names import parse_user_name  # its tables take a while to load

    try:
        return parse_user_name(username).display.encode()
    except UserNameError as problem:
        raise LoginRefused(Refusal.BAD_USERNAME.value, str(problem)) from None


def _ask(
    connector: Connector,
    order: ByteOrder,
    header: bytes,
    deadline: float,
    is_secret: bool = False,
    cancel: Cancellation | None = None,
) -> Link:
    """Send a login and read the reply. ``is_secret``: there is a password in it."""
    link = open_link(connector, order, max(deadline - time.monotonic(), 0.001), cancel)
    if cancel is None:
        return _log_in_on(link, connector, header, deadline, is_secret)
    with cancel.calls(link.stream.shut):
        return _log_in_on(link, connector, header, deadline, is_secret)


def _log_in_on(
    link: Link, connector: Connector, header: bytes, deadline: float, is_secret: bool
) -> Link:
    """Return ``link``, which is closed if this fails."""
    address = connector.address
    try:
        link.reader.deadline = deadline
        if is_secret and not link.is_private:
            sentence = f"The connection to {address} is not encrypted, so no password is sent."
            raise LoginRefused(Refusal.ENCRYPTION_NEEDED.value, sentence)
        link.send(MessageType.LOGIN, header)
        reply = link.reader.read_descriptor()
        if reply is None:
            connector.forget_route()
            raise ConnectError(f"{address} closed the connection without an answer to the login.")
        if link.order is ByteOrder.BIG:
            if reply.type == _REFUSED_BY_ORIGINAL:
                raise _Original(f"{address} is an original server, which knows no big-endian.")
            _judge(address, reply, _read_rest(link, reply))
        else:
            # A raw reply is 16 bytes and nothing more, whatever the original leaves in them.
            _judge(address, reply, b"")
        return link
    except DeadlineExceeded:
        link.close()
        connector.forget_route()
        raise ConnectError(f"{address} does not answer the login.") from None
    except (OSError, RemoteProtocolError) as error:
        link.close()
        connector.forget_route()
        raise ConnectError(f"{address} does not let us log in: {explain(error)}") from None
    except BaseException:
        link.close()
        raise


def _read_rest(link: Link, reply: Descriptor) -> bytes:
    header = link.reader.recv_exactly(reply.header_size)
    if reply.content_size > _MAX_REFUSAL:
        raise RemoteProtocolError("The answer to the login makes no sense.")
    link.reader.skip(reply.content_size)
    return header


def _judge(address: Address, reply: Descriptor, header: bytes) -> None:
    if reply.type == MessageType.LOGIN:
        return
    if reply.type not in REFUSALS:
        raise ConnectError(f"{address} does not speak the chat protocol.")
    code, sentence = _BARE_REFUSALS[MessageType(reply.type)]
    if header:
        try:
            fields = parse_json_object(header)
        except HeaderError:
            fields = {}  # the type says enough
        error, message = fields.get("error"), fields.get("message")
        if isinstance(error, str) and isinstance(message, str):
            code, sentence = error, message
    raise LoginRefused(code, sentence)
