"""Log in: as a JSON client at one of our servers, as a raw client at an original server."""

from __future__ import annotations

import time
from collections.abc import Sequence
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
from chat.sizes import byte_count

ByteOrderChoice: TypeAlias = Literal["auto", "little", "big"]

# An original server reads a big-endian login as an unknown type. It answers BadLogin in little-endian: 05 00.
_REFUSED_BY_ORIGINAL = MessageType.BAD_LOGIN << 8

_BARE_REFUSALS = {
    MessageType.USERNAME_EXISTS: (Refusal.USERNAME_EXISTS.value, "This name is already in use."),
    MessageType.BAD_USERNAME: (Refusal.BAD_USERNAME.value, "The server does not accept this name."),
    MessageType.BAD_LOGIN: ("bad-login", "The server refused the login."),
}
_MAX_REFUSAL = 64 * 1024  # bytes of content after a reply; a reply should have none


class LoggedIn(NamedTuple):
    """A connection after the login. ``original``: the server is, or counts as, an original one.

    ``has_device``: the login had the device of the client.
    """

    link: Link
    original: bool
    has_device: bool = False


class _Secret(NamedTuple):
    """Tell what is secret in a login: whether it has a password; and the header with a device, if there is one."""

    has_password: bool = False
    with_device: bytes | None = None


_NO_SECRET = _Secret()


class _Original(ConnectError):
    """The server read a big-endian login as a frame of an unknown type."""


def log_in(
    connector: Connector,
    username: str,
    *,
    byte_order: ByteOrderChoice,
    inline: int,
    timeout: float,
    reach: float | None = None,
    password: str | None = None,
    session: str | None = None,
    replay: int = 0,
    device: str | None = None,
    rooms: Sequence[str] | None = None,
) -> LoggedIn:
    """Connect within ``reach`` seconds, and log in within ``timeout`` seconds. The link's reader keeps this deadline.

    The time does not include the question whether to trust the server, nor the probe before it. ``session`` replaces
    an older session of the same user. ``replay`` asks for so many of the last messages; an original server has none.
    ``device`` is the secret of this device: it is left out where anybody on the way could read it. ``rooms`` are to
    be joined with the login; None: the program does not know rooms.
    Raises ConnectError, LoginRefused. If anybody on the way could read ``password``, raises LoginRefused before a byte
    is sent.

    An original server accepts any name. So the client checks a raw login by the rules of ``protocol.names``, and
    raises LoginRefused with ``bad-username`` before it sends anything.
    """
    login = LoginHeader(
        username,
        session,
        inline,
        is_json=True,
        password=password,
        status=True,
        replay=replay or None,
        join=None if rooms is None else tuple(rooms),
    )
    header = _encode(login)
    private = None if device is None else _encode(login._replace(device=device))
    if byte_order == "little":
        _raw_header(username)  # a bad name fails before anything is sent
    reach = timeout if reach is None else reach
    connector.probe(reach)
    # Only now: the probe may have asked the user a question.
    deadline = time.monotonic() + timeout
    if byte_order != "little":
        try:
            secret = _Secret(password is not None, private)
            link = _ask(connector, ByteOrder.BIG, header, deadline, secret, reach=reach)
        except _Original:
            if byte_order == "big":
                raise
        else:
            has_device = private is not None and link.is_private
            return LoggedIn(link, original=False, has_device=has_device)
    # With "auto" a second connection: the original server has refused the login on the first one.
    link = _ask(connector, ByteOrder.LITTLE, _raw_header(username), deadline)
    return LoggedIn(link, original=True)


def open_transfer(
    connector: Connector, session: str, timeout: float, cancel: Cancellation | None = None
) -> Link:
    """Return a connection for the transfers of ``session``. Raises ConnectError, LoginRefused.

    ``cancel`` ends the attempt from another task, with ConnectError.
    """
    header = _encode(LoginHeader("", session=session, is_json=True))
    link = _ask(connector, ByteOrder.BIG, header, time.monotonic() + timeout, cancel=cancel)
    link.set_deadline(None)
    return link


def _encode(login: LoginHeader) -> bytes:
    try:
        header = encode_client_header(login)
    except LocalProtocolError:  # a lone surrogate, from a command line that is not UTF-8
        raise LoginRefused(Refusal.BAD_USERNAME.value, "A name must be valid UTF-8.") from None
    if len(header) > MAX_HEADER_SIZE:
        too_long = "The name or the password is too long"
        if login.join:
            too_long = "The names of the user and of the rooms, or the password, are too long"
        sentence = f"{too_long}: the limit is {byte_count(MAX_HEADER_SIZE)}."
        raise LoginRefused(Refusal.BAD_USERNAME.value, sentence)
    return header


def _raw_header(username: str) -> bytes:
    """Return the name as our server would write it. Raises LoginRefused.

    Original clients read JSON in place: a name with a character that JSON escapes would crash all of them.
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
    secret: _Secret = _NO_SECRET,
    cancel: Cancellation | None = None,
    reach: float | None = None,
) -> Link:
    """Connect, send a login and read the reply."""
    left = max(deadline - time.monotonic(), 0.001)
    link = open_link(connector, order, left if reach is None else min(left, reach), cancel)
    if cancel is None:
        return _log_in_on(link, connector, header, deadline, secret)
    with cancel.calls(link.stream.shut):
        return _log_in_on(link, connector, header, deadline, secret)


def _log_in_on(
    link: Link, connector: Connector, header: bytes, deadline: float, secret: _Secret
) -> Link:
    """Log in on ``link`` and return it. Closes the link if the login fails."""
    address = connector.address
    try:
        link.reader.deadline = deadline
        if secret.has_password and not link.is_private:
            sentence = f"The connection to {address} is not encrypted, so no password is sent."
            raise LoginRefused(Refusal.ENCRYPTION_NEEDED.value, sentence)
        if secret.with_device is not None and link.is_private:
            header = secret.with_device
        link.send(MessageType.LOGIN, header)
        reply = link.reader.read_descriptor()
        if reply is None:
            # The remembered address may lead to a broken server: the next attempt tries all addresses.
            connector.forget_route()
            raise ConnectError(f"{address} closed the connection and did not answer the login.")
        if link.order is ByteOrder.BIG:
            if reply.type == _REFUSED_BY_ORIGINAL:
                raise _Original(
                    f"{address} is an original server, which does not understand big-endian."
                )
            _check_reply(address, reply, _read_rest(link, reply))
        else:
            # A raw reply has 16 bytes and nothing more: an original server leaves any values in the sizes.
            _check_reply(address, reply, b"")
        return link
    except DeadlineExceeded:
        link.close()
        connector.forget_route()
        raise ConnectError(f"{address} did not answer the login in time.") from None
    except (OSError, RemoteProtocolError) as error:
        link.close()
        connector.forget_route()
        raise ConnectError(f"The login at {address} failed: {explain(error)}") from None
    except BaseException:
        link.close()
        raise


def _read_rest(link: Link, reply: Descriptor) -> bytes:
    header = link.reader.recv_exactly(reply.header_size)
    if reply.content_size > _MAX_REFUSAL:
        raise RemoteProtocolError("The answer to the login is invalid.")
    link.reader.skip(reply.content_size)
    return header


def _check_reply(address: Address, reply: Descriptor, header: bytes) -> None:
    if reply.type == MessageType.LOGIN:
        return
    if reply.type not in REFUSALS:
        raise ConnectError(f"{address} does not speak the chat protocol.")
    code, sentence = _BARE_REFUSALS[MessageType(reply.type)]
    if header:
        try:
            fields = parse_json_object(header)
        except HeaderError:
            fields = {}  # the type of the reply says enough
        error, message = fields.get("error"), fields.get("message")
        if isinstance(error, str) and isinstance(message, str):
            code, sentence = error, message
    raise LoginRefused(code, sentence)
