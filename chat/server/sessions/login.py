"""Run the login: from the first byte of a connection to a session in the room, or to a transfer connection."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

from chat.framing import DeadlineExceeded
from chat.process.fairness import yield_to_loop
from chat.protocol.descriptor import Descriptor, MessageType
from chat.protocol.errors import HeaderError, UserNameError
from chat.protocol.headers import LoginHeader, encode_json, looks_like_json, parse_login_header
from chat.protocol.names import UserName, name_key, parse_user_name
from chat.protocol.notices import Refusal
from chat.server.accounts.accounts import Account
from chat.server.directory.directory import Directory
from chat.server.limits.address_limits import AddressLimits
from chat.server.process.loop_share import LoopShare, TooBusy
from chat.server.sessions.admission import Admission
from chat.server.sessions.connection import AcceptedConnection
from chat.server.sessions.login_rejected import LoginRejected, RefusedLogins
from chat.server.sessions.session import Session
from chat.server.sessions.transfer import TransferConnection
from chat.server.settings import (
    MAX_LOGIN_CONTENT,
    MAX_LOGIN_HEADER,
    MAX_LOGIN_TRIES,
    MAX_STRANGERS_FRAME,
    MAX_TRANSFERS,
)
from chat.sizes import byte_count

# Make a session for a login that was admitted; the account is None for a guest.
OpenSession = Callable[[AcceptedConnection, UserName, LoginHeader, Account | None], Session]
# Make a transfer connection of an open session.
OpenTransfer = Callable[[AcceptedConnection, Session], TransferConnection]


class Login:
    """Log clients in. One object serves all connections. ``begin_mailbox`` is called with an account.

    A connection that ``Acceptor`` refused gets the refusal as the answer to its login, where the client can show it.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        directory: Directory[Session],
        address_limits: AddressLimits,
        share: LoopShare,
        refused_logins: RefusedLogins,
        open_session: OpenSession,
        open_transfer: OpenTransfer,
        begin_mailbox: Callable[[Account], object],
    ) -> None:
        self._admission = admission
        self._directory = directory
        self._address_limits = address_limits
        self._share = share
        self._refused_logins = refused_logins
        self._open_session = open_session
        self._open_transfer = open_transfer
        self._begin_mailbox = begin_mailbox

    def run(self, connection: AcceptedConnection) -> Session | TransferConnection | None:
        """Return the session, which is in the room already, or the transfer; None if the caller must close.

        Raises the exceptions of the reader, but not DeadlineExceeded: then the result is None.
        """
        reader = connection.reader
        reader.deadline = connection.login_deadline
        try:
            if reader.read_byte_order() is None:
                # A health check connects and closes without a byte: nothing to log.
                if reader.buffered:
                    self._refused_logins.broken(connection.source, "does not speak this protocol")
                return None
            return self._try_until_admitted(connection)
        except DeadlineExceeded:
            self._refused_logins.broken(connection.source, "took too long to log in")
            return None
        finally:
            # A user in the room may be silent for as long as they like.
            reader.deadline = None

    def _try_until_admitted(
        self, connection: AcceptedConnection
    ) -> Session | TransferConnection | None:
        is_json = False  # whether the client's last header was JSON: the answer has the same form
        for _ in range(MAX_LOGIN_TRIES):
            descriptor = connection.reader.read_descriptor()
            if descriptor is None:
                return None
            try:
                data = _read_login(connection, descriptor)
                # Before anything can be refused: a JSON client also needs the code if its header is broken.
                is_json = looks_like_json(data)
                self._wait_for_a_turn(connection, data)
                return self._admit(connection, data)
            except LoginRejected as refused:
                self._refused_logins.refused(connection.source, refused.refusal)
                _answer(connection, refused, is_json=is_json)
                if refused.final:
                    return None
        return None

    def _wait_for_a_turn(self, connection: AcceptedConnection, data: bytes) -> None:
        """Wait for a turn in the event loop. Raises LoginRejected if too many logins wait, or this one for too long.

        Logins for an open session do not wait with the others: its user is in the room already.
        """
        try:
            is_insider = self._is_insider(_parse(data))
        except LoginRejected:
            is_insider = (
                False  # to refuse a login also costs time, so the refusal waits for its turn
            )
        if is_insider:
            yield_to_loop()
            return
        try:
            self._share.wait_if_few()
        except TooBusy:
            raise _busy() from None
        if time.monotonic() >= connection.login_deadline:
            raise _busy()

    def _admit(self, connection: AcceptedConnection, data: bytes) -> Session | TransferConnection:
        """Make the session or the transfer for a login. Raises LoginRejected."""
        try:
            header = _parse(data)
        except LoginRejected:
            self._count_attempt(connection, None)
            raise
        self._count_attempt(connection, header)
        if header.session is not None and not header.name:
            return self._begin_transfer(connection, header.session)
        name = _parse_name(header.name)
        admission = self._admission
        account = admission.prove(connection, name, header)
        if account is not None:
            self._begin_mailbox(account)
        # Also before the wait in line: a login that must be refused is refused at once.
        former = admission.find_former_session(connection, name, header, account)
        if self._waited_in_line(connection):
            # Another login may have taken or registered the name meanwhile.
            admission.renew(name, account)
            former = admission.find_former_session(connection, name, header, account)
        session = self._open_session(connection, name, header, account)
        # No wait from here to the end of join, so nobody can take the name in between.
        if former is not None:
            former.supersede()
        session.join()
        # Only failed attempts count: an office of many users behind one address must be able to log in.
        self._address_limits.forgive_attempt(connection.host)
        return session

    def _count_attempt(self, connection: AcceptedConnection, header: LoginHeader | None) -> None:
        """Count an attempt to log in. Raises LoginRejected if there were too many, or the connection is refused.

        Attempts for an open session are not limited: other users of the same address must not lock its user out.
        ``header`` is None if the header is invalid.
        """
        refused = connection.refused
        is_insider = header is not None and self._is_insider(header)
        if refused is not None and refused.refusal is Refusal.TOO_MANY_ATTEMPTS and is_insider:
            return
        if refused is not None:
            # A copy. If the connection's own exception were raised, its traceback would refer to the connection: a
            # circle, which only the garbage collector frees.
            raise LoginRejected(refused.refusal, refused.sentence, final=refused.final)
        if not is_insider and not self._address_limits.count_attempt(connection.host):
            sentence = "Too many login attempts from your address; try again in a minute."
            raise LoginRejected(Refusal.TOO_MANY_ATTEMPTS, sentence, final=True)

    def _is_insider(self, header: LoginHeader) -> bool:
        """Return whether the login shows the token of an open session: for a transfer, or to replace that session."""
        session = self._directory.session(header.session or "")
        return session is not None and (
            not header.name or name_key(header.name) == session.name.key
        )

    def _waited_in_line(self, connection: AcceptedConnection) -> bool:
        """Wait for a turn in the event loop and, after many logins from this address, for the rate of the address.

        Returns whether this took any time. Raises LoginRejected if it would take longer than the deadline allows.
        """
        patience = connection.login_deadline - time.monotonic()
        delay = self._address_limits.reserve_join(connection.host, patience)
        if delay is None:
            sentence = "Too many logins from your address; try again in a minute."
            raise LoginRejected(Refusal.TOO_MANY_ATTEMPTS, sentence, final=True)
        if delay:
            gevent.sleep(delay)
        elif self._share.has_turn:
            return False
        self._share.wait()
        return True

    def _begin_transfer(self, connection: AcceptedConnection, token: str) -> TransferConnection:
        session = self._directory.session(token)
        if session is None:
            raise LoginRejected(
                Refusal.NO_SUCH_SESSION, "The session does not exist, or has ended."
            )
        if len(session.transfers) >= MAX_TRANSFERS:
            sentence = (
                f"This session has {MAX_TRANSFERS} transfers already; try again when one has ended."
            )
            raise LoginRejected(Refusal.TOO_MANY_TRANSFERS, sentence)
        # The transfers of a user must not use up the connections that the address may open in a minute. A refused
        # connection was not counted as one of these.
        if connection.refused is None:
            self._address_limits.forgive_connection(connection.host)
        connection.answer(MessageType.LOGIN)
        return self._open_transfer(connection, session)


def _read_login(connection: AcceptedConnection, descriptor: Descriptor) -> bytes:
    """Read a complete login frame; return its header.

    Raises LoginRejected for a frame of another type, and for a login that is too large. The server does not wait for
    the rest of a frame that is too large.
    """
    reader = connection.reader
    type, header_size, content_size = descriptor
    if type != MessageType.LOGIN:
        too_much = content_size > MAX_STRANGERS_FRAME
        if not too_much:
            reader.skip(header_size + content_size)
        raise LoginRejected(Refusal.NOT_LOGGED_IN, "Log in first.", final=too_much)
    if header_size > MAX_LOGIN_HEADER or content_size > MAX_LOGIN_CONTENT:
        most, rest = byte_count(MAX_LOGIN_HEADER), byte_count(MAX_LOGIN_CONTENT)
        sentence = f"The login is too large; the limits are {most} of header, {rest} of content."
        raise LoginRejected(Refusal.TOO_LARGE, sentence, final=True)
    header = reader.recv_exactly(header_size)
    reader.skip(content_size)
    return header


def _answer(connection: AcceptedConnection, refused: LoginRejected, *, is_json: bool) -> None:
    fields = {"error": refused.refusal.value, "message": refused.sentence}
    connection.answer(refused.type, encode_json(fields) if is_json else b"")


def _busy() -> LoginRejected:
    sentence = "The server is busy with many logins; try again in a minute."
    return LoginRejected(Refusal.BUSY, sentence, final=True)


def _parse(data: bytes) -> LoginHeader:
    """Parse the header of a login. Raises LoginRejected."""
    try:
        data.decode()
    except UnicodeDecodeError:
        raise LoginRejected(Refusal.BAD_USERNAME, "A name must be valid UTF-8.") from None
    try:
        return parse_login_header(data)
    except HeaderError as problem:
        raise LoginRejected(Refusal.BAD_HEADER, str(problem)) from None


def _parse_name(name: str) -> UserName:
    """Parse the user name of a login. Raises LoginRejected."""
    try:
        return parse_user_name(name)
    except UserNameError as problem:
        raise LoginRejected(Refusal.BAD_USERNAME, str(problem)) from None
