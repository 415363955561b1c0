"""From the first byte to a name in the room, or to a transfer of somebody's session."""

from __future__ import annotations

import time

import gevent

from chat.framing import DeadlineExceeded
from chat.protocol.descriptor import Descriptor, MessageType
from chat.protocol.errors import HeaderError, UserNameError
from chat.protocol.headers import LoginHeader, encode_json, looks_like_json, parse_login_header
from chat.protocol.names import UserName, name_key, parse_user_name
from chat.protocol.notices import Refusal
from chat.server.admission import Admission
from chat.server.connection import Connection
from chat.server.login_refused import LoginRefused
from chat.server.loop_share import TooBusy
from chat.server.services import Services
from chat.server.session import Session
from chat.server.settings import (
    MAX_LOGIN_CONTENT,
    MAX_LOGIN_HEADER,
    MAX_LOGIN_TRIES,
    MAX_STRANGERS_FRAME,
    MAX_TRANSFERS,
)
from chat.server.transfer import Transfer
from chat.server.turns import let_others_run


class Login:
    """The conversation before a client is let in.

    A connection that is not to be let in, whatever it says, is told so in the answer to its login, as a person would
    want to be.
    """

    def __init__(self, connection: Connection, services: Services) -> None:
        self._connection = connection
        self._services = services
        self._is_json = False

    def run(self) -> Session | Transfer | None:
        """Whoever has logged in, in the room already; None if the connection is to be closed.

        Raises what the reader raises, except that the time limit ends in None.
        """
        reader = self._connection.reader
        reader.deadline = self._connection.login_deadline
        try:
            if reader.read_byte_order() is None:
                # One that closed without a byte only looked whether anyone listens, as health checks do.
                if reader.buffered:
                    self._log("its first bytes are none of ours")
                return None
            return self._try_until_admitted()
        except DeadlineExceeded:
            self._log("took too long to log in")
            return None
        finally:
            reader.deadline = None

    def _try_until_admitted(self) -> Session | Transfer | None:
        for _ in range(MAX_LOGIN_TRIES):
            descriptor = self._connection.reader.read_descriptor()
            if descriptor is None:
                return None
            try:
                data = self._take(descriptor)
                self._wait_for_a_turn(data)
                return self._admit(data)
            except LoginRefused as refused:
                self._log(refused.refusal.value)
                self._services.tally.refusals[refused.refusal] += 1
                self._answer(refused)
                if refused.final:
                    return None
        return None

    def _wait_for_a_turn(self, data: bytes) -> None:
        """Wait for a turn after the users who talk. Raises LoginRefused if too many wait, or for too long.

        Transfers of a session count as talk and do not wait.
        """
        try:
            is_insider = self._is_insider(_parse(data))
        except LoginRefused:
            is_insider = False  # the refusal, too, waits for its turn
        if is_insider:
            let_others_run()
            return
        try:
            self._services.share.wait_if_few()
        except TooBusy:
            raise _busy() from None
        if time.monotonic() >= self._connection.login_deadline:
            raise _busy()

    def _take(self, descriptor: Descriptor) -> bytes:
        """Take a frame whole, or as far as it is worth it; the header of a login.

        Raises LoginRefused for anything else, judged on the descriptor before more is waited for.
        """
        reader = self._connection.reader
        type, header_size, content_size = descriptor
        if type != MessageType.LOGIN:
            too_much = content_size > MAX_STRANGERS_FRAME
            if not too_much:
                reader.skip(header_size + content_size)
            raise LoginRefused(Refusal.NOT_LOGGED_IN, "Log in first.", final=too_much)
        if header_size > MAX_LOGIN_HEADER or content_size > MAX_LOGIN_CONTENT:
            sentence = "That is too much for a login."
            raise LoginRefused(Refusal.TOO_LARGE, sentence, final=True)
        header = reader.recv_exactly(header_size)
        reader.skip(content_size)
        self._is_json = looks_like_json(header)
        return header

    def _admit(self, data: bytes) -> Session | Transfer:
        try:
            header = _parse(data)
        except LoginRefused:
            self._count_the_try(None)
            raise
        self._count_the_try(header)
        if header.session is not None and not header.name:
            return self._begin_transfer(header)
        name = _parse_name(header.name)
        admission = Admission(self._connection, self._services)
        proof = admission.prove(name, header)
        former = admission.make_room(name, header, proof)
        if self._waited_in_line():
            # Somebody else may have come meanwhile.
            admission.renew(name, proof)
            former = admission.make_room(name, header, proof)
        session = Session(self._connection, self._services, name, header)
        if proof.account is not None:
            session.registered, session.moderator = True, proof.account.is_moderator
        if former is not None:
            former.make_way()
        session.join()
        self._services.newcomers.came_in(self._connection.host)
        return session

    def _count_the_try(self, header: LoginHeader | None) -> None:
        """Refuse it if it is one too many; those of who is in the room already are never too many.

        ``header`` is None where it makes no sense.
        """
        refused = self._connection.refused
        is_insider = header is not None and self._is_insider(header)
        if refused is not None and refused.refusal is Refusal.TOO_MANY_ATTEMPTS and is_insider:
            return
        if refused is not None:
            # Another one: the connection's own would keep, with its traceback, what keeps the connection.
            raise LoginRefused(refused.refusal, refused.sentence, final=refused.final)
        if not is_insider and not self._services.newcomers.may_try(self._connection.host):
            sentence = "Your address tries to log in too often; try again in a minute."
            raise LoginRefused(Refusal.TOO_MANY_ATTEMPTS, sentence, final=True)

    def _is_insider(self, header: LoginHeader) -> bool:
        """Whether it is for a session that is here: a transfer, or the user himself once more."""
        session = self._services.sessions.get(header.session or "")
        return session is not None and (
            not header.name or name_key(header.name) == session.name.key
        )

    def _waited_in_line(self) -> bool:
        """Wait for a turn and, if many logins come from this address, for a place in the line of the address.

        Returns whether this took any time.
        """
        connection = self._connection
        patience = connection.login_deadline - time.monotonic()
        delay = self._services.newcomers.line_up(connection.host, patience)
        if delay is None:
            sentence = "Too many come in from your address; try again in a minute."
            raise LoginRefused(Refusal.TOO_MANY_ATTEMPTS, sentence, final=True)
        if delay:
            gevent.sleep(delay)
        elif self._services.share.has_turn:
            return False
        self._services.share.wait()
        return True

    def _begin_transfer(self, header: LoginHeader) -> Transfer:
        session = self._services.sessions.get(header.session or "")
        if session is None:
            raise LoginRefused(Refusal.NO_SUCH_SESSION, "There is no such session.")
        if len(session.transfers) >= MAX_TRANSFERS:
            sentence = f"A session has at most {MAX_TRANSFERS} transfers at a time."
            raise LoginRefused(Refusal.TOO_MANY_TRANSFERS, sentence)
        if self._connection.refused is None:
            self._services.newcomers.was_no_newcomer(self._connection.host)
        self._connection.answer(MessageType.LOGIN)
        return Transfer(self._connection, self._services, session)

    def _answer(self, refused: LoginRefused) -> None:
        fields = {"error": refused.refusal.value, "message": refused.sentence}
        self._connection.answer(refused.type, encode_json(fields) if self._is_json else b"")

    def _log(self, reason: str) -> None:
        connection = self._connection
        self._services.refusals.refused(connection.host or connection.label, reason)


def _busy() -> LoginRefused:
    sentence = "The server is busy with many logins; try again in a minute."
    return LoginRefused(Refusal.BUSY, sentence, final=True)


def _parse(data: bytes) -> LoginHeader:
    """The header of a login. Raises LoginRefused."""
    try:
        data.decode()
    except UnicodeDecodeError:
        raise LoginRefused(Refusal.BAD_USERNAME, "A name must be UTF-8.") from None
    try:
        return parse_login_header(data)
    except HeaderError as problem:
        raise LoginRefused(Refusal.BAD_HEADER, str(problem)) from None


def _parse_name(name: str) -> UserName:
    """Raises LoginRefused."""
    try:
        return parse_user_name(name)
    except UserNameError as problem:
        raise LoginRefused(Refusal.BAD_USERNAME, str(problem)) from None
