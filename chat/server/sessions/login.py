"""Run the login: from the first byte of a connection to a session in the room, or to a transfer connection."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import gevent

from chat.framing import DeadlineExceeded
from chat.process.fairness import yield_to_loop
from chat.protocol.descriptor import Descriptor, MessageType
from chat.protocol.headers import LoginHeader, encode_json, looks_like_json
from chat.protocol.names import UserName, name_key
from chat.protocol.notices import Refusal
from chat.server.accounts.accounts import Account, Accounts
from chat.server.directory.directory import Directory
from chat.server.entrance.entrance import Entrance
from chat.server.entrance.joining import Joining
from chat.server.entrance.login_rejected import LoginRejected, RefusedLogins
from chat.server.limits.address_limits import AddressLimits
from chat.server.log.log import LogFull
from chat.server.log.operations import NotYetCommitted
from chat.server.log.unicode_13 import in_unicode_13
from chat.server.process.loop_share import LoopShare, TooBusy
from chat.server.sessions.admission import Admission, make_joining
from chat.server.sessions.connection import AcceptedConnection
from chat.server.sessions.login_request import LoginRequest, read_name, read_request
from chat.server.sessions.sender import Sender
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

# Make a session for a login that was admitted. The account is None for a guest. Then follow the hash of the device,
# None if there is none that counts, the number of the session, and its token.
OpenSession = Callable[
    [
        AcceptedConnection,
        UserName,
        LoginHeader,
        "Account | None",
        "bytes | None",
        int,
        "str | None",
    ],
    Session,
]
# Make a transfer connection of an open session.
OpenTransfer = Callable[[AcceptedConnection, Sender], TransferConnection]
# Return who has this token, and a session at another server; None if nobody has.
FindVisitor = Callable[[str], "Sender | None"]


# Bytes that the calls of a login take in CPython's stack at most. Each greenlet has a stack of its own, whose pages it
# keeps once it has used them, and a user waits in the greenlet in which they have logged in. A second page would be a
# third of the memory of an idle user.
MOST_STACK = 4096


class _Admitted(NamedTuple):
    """A login that may enter. ``token`` is that of its session; None for a raw client."""

    request: LoginRequest
    joining: Joining
    token: str | None


class Login:
    """Log clients in. One object serves all connections. ``begin_mailbox`` is called with an account.

    A connection that ``Acceptor`` refused gets the refusal as the answer to its login, where the client can show it.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        entrance: Entrance,
        accounts: Accounts,
        directory: Directory[Session],
        address_limits: AddressLimits,
        share: LoopShare,
        refused_logins: RefusedLogins,
        open_session: OpenSession,
        open_transfer: OpenTransfer,
        begin_mailbox: Callable[[Account], object],
        find_visitor: FindVisitor,
    ) -> None:
        self._admission = admission
        self._entrance = entrance
        self._accounts = accounts
        self._entered = 0
        self._directory = directory
        self._address_limits = address_limits
        self._share = share
        self._refused_logins = refused_logins
        self._open_session = open_session
        self._open_transfer = open_transfer
        self._begin_mailbox = begin_mailbox
        self._find_visitor = find_visitor
        self._why_closed = ""

    def close(self, sentence: str) -> None:
        """Refuse all logins with ``sentence`` from now on. Transfers for sessions that are here still come in."""
        self._why_closed = sentence

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
                is_remembered = self._wait_for_a_turn(connection, data)
                admitted = self._admit(connection, data, is_remembered=is_remembered)
                if not isinstance(admitted, _Admitted):
                    return admitted
                # Not within ``_admit``: calls within calls take the stack that the user keeps.
                return self._enter(connection, *admitted)
            except LoginRejected as refused:
                self._refused_logins.refused(connection.source, refused.refusal)
                _answer(connection, refused, is_json=is_json)
                if refused.final:
                    return None
        return None

    def _wait_for_a_turn(self, connection: AcceptedConnection, data: bytes) -> bool:
        """Wait for a turn in the event loop. Raises LoginRejected if too many logins wait, or this one for too long.

        Logins for an open session do not wait with the others: its user is in the room already. Return whether the
        login has a remembered device.
        """
        is_insider = is_remembered = False
        # To refuse a login also costs time, so the refusal waits for its turn.
        with suppress(LoginRejected):
            request = read_request(data, is_private=connection.is_private)
            is_insider = self._is_insider(request)
            is_remembered = self._admission.is_remembered(request)
        if is_insider:
            yield_to_loop()
            return is_remembered
        try:
            if is_remembered:
                # In turns as well, but never refused: after a restart all of them come back at once.
                self._share.wait()
            else:
                self._share.wait_if_few()
        except TooBusy:
            raise _busy() from None
        if time.monotonic() >= connection.login_deadline:
            raise _busy()
        return is_remembered

    def _admit(
        self, connection: AcceptedConnection, data: bytes, *, is_remembered: bool
    ) -> _Admitted | TransferConnection:
        """Judge a login, and make the transfer if it is for one. Raises LoginRejected."""
        try:
            request = read_request(data, is_private=connection.is_private)
        except LoginRejected:
            self._count_attempt(connection, is_known=False)
            raise
        self._count_attempt(connection, is_known=is_remembered or self._is_insider(request))
        if request.header.join and self._entrance.is_shared:
            # All servers look for these rooms, and must find the same ones. No room has another name.
            join = tuple(map(in_unicode_13, request.header.join))
            request = request._replace(header=request.header._replace(join=join))
        header = request.header
        if header.session is not None and not header.name:
            return self._begin_transfer(connection, header.session)
        name = read_name(header.name)
        admission = self._admission
        proof = admission.prove(connection, name, request)
        account = proof.account
        if account is not None:
            self._begin_mailbox(account)
        self._entered += 1
        joining = make_joining(self._entered, connection, name, request, proof)
        # Also before the wait in line: a login that must be refused is refused at once.
        admission.require_place(joining)
        self._wait_in_line(connection)
        token = secrets.token_urlsafe(18) if header.is_json else None
        return _Admitted(request, joining, token)

    def _enter(
        self,
        connection: AcceptedConnection,
        request: LoginRequest,
        joining: Joining,
        token: str | None,
    ) -> Session:
        """Let a login in; return its session. Raises LoginRejected."""
        if self._why_closed:
            raise _busy(self._why_closed)
        number, header = joining.number, request.header
        opened: list[Session] = []
        is_abandoned = False

        def open_session(name: UserName, account: Account | None) -> Session:
            # Called when the log has committed the login, perhaps in another greenlet.
            session = self._open_session(
                connection, name, header, account, request.device, number, token
            )
            opened.append(session)
            if is_abandoned:
                # Before anything is sent: another connection may have the number of the socket by now.
                session.send_queue.close()
                gevent.get_hub().loop.run_callback(session.abandon)
            return session

        # Other logins may have changed the accounts.
        self._accounts.look()
        try:
            patience = max(0, connection.login_deadline - time.monotonic())
            self._entrance.join(joining, token, open_session, patience)
        except LogFull:
            is_abandoned = True
            raise _busy("The server cannot take logins now; try again in a minute.") from None
        except NotYetCommitted:
            is_abandoned = True
            raise _busy("The server cannot confirm logins now; try again in a minute.") from None
        except LoginRejected:
            raise
        except BaseException:
            is_abandoned = True
            for session in opened:
                session.abandon()
            raise
        # Only failed attempts count: an office of many users behind one address must be able to log in.
        self._address_limits.forgive_attempt(connection.host)
        return opened[0]

    def _count_attempt(self, connection: AcceptedConnection, *, is_known: bool) -> None:
        """Count an attempt to log in. Raises LoginRejected if there were too many, or the connection is refused.

        ``is_known``: the attempt is for an open session, or from a remembered device. Such attempts are not limited:
        other users of the same address must not lock that user out.
        """
        refused = connection.refused
        if refused is not None and refused.refusal is Refusal.TOO_MANY_ATTEMPTS and is_known:
            return
        if refused is not None:
            # A copy. If the connection's own exception were raised, its traceback would refer to the connection: a
            # circle, which only the garbage collector frees.
            raise LoginRejected(refused.refusal, refused.sentence, final=refused.final)
        if not is_known and not self._address_limits.count_attempt(connection.host):
            sentence = "Too many login attempts from your address; try again in a minute."
            raise LoginRejected(Refusal.TOO_MANY_ATTEMPTS, sentence, final=True)

    def _is_insider(self, request: LoginRequest) -> bool:
        """Return whether the login shows the token of an open session: for a transfer, or to replace that session."""
        header = request.header
        token = header.session
        if not token:
            return False
        session = self._directory.session(token) or self._directory.session_elsewhere(token)
        return session is not None and (
            not header.name or name_key(header.name) == session.name.key
        )

    def _wait_in_line(self, connection: AcceptedConnection) -> None:
        """Wait for a turn in the event loop and, after many logins from this address, for the rate of the address.

        Raises LoginRejected if that would take longer than the deadline allows.
        """
        patience = connection.login_deadline - time.monotonic()
        delay = self._address_limits.reserve_join(connection.host, patience)
        if delay is None:
            sentence = "Too many logins from your address; try again in a minute."
            raise LoginRejected(Refusal.TOO_MANY_ATTEMPTS, sentence, final=True)
        if delay:
            gevent.sleep(delay)
        self._share.wait()

    def _begin_transfer(self, connection: AcceptedConnection, token: str) -> TransferConnection:
        sender: Sender | None = self._directory.session(token) or self._find_visitor(token)
        # A session whose leave is not committed yet is still there, but its connection has ended.
        if sender is None or sender.member.send_queue.closed:
            raise LoginRejected(
                Refusal.NO_SUCH_SESSION, "The session does not exist, or has ended."
            )
        if len(sender.transfers) >= MAX_TRANSFERS:
            sentence = (
                f"This session has {MAX_TRANSFERS} transfers already; try again when one has ended."
            )
            raise LoginRejected(Refusal.TOO_MANY_TRANSFERS, sentence)
        # The transfers of a user must not use up the connections that the address may open in a minute. A refused
        # connection was not counted as one of these.
        if connection.refused is None:
            self._address_limits.forgive_connection(connection.host)
        connection.answer(MessageType.LOGIN)
        return self._open_transfer(connection, sender)


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


def _busy(
    sentence: str = "The server is busy with many logins; try again in a minute.",
) -> LoginRejected:
    return LoginRejected(Refusal.BUSY, sentence, final=True)
