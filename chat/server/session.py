"""One user's connection, from the login's success to the end: plain code that reads a frame, acts, reads the next."""

from __future__ import annotations

import logging
import secrets
import time
from typing import TYPE_CHECKING

import gevent

from chat.framing import IncompleteFrame, StalledFrame
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import Descriptor, MessageType
from chat.protocol.headers import ClientHeader, LoginHeader, encode_json
from chat.protocol.names import UserName
from chat.protocol.notices import LeaveReason, Notice
from chat.protocol.texts import Texts
from chat.server.commands import FREE_PING_EVERY, CommandRefused
from chat.server.connection import Connection
from chat.server.intake import FrameRefused, Intake
from chat.server.limits import TokenBucket
from chat.server.outbox import Outbox, reason_of
from chat.server.room import NoSuchUserError
from chat.server.services import SOFTWARE, Services
from chat.server.settings import DRAIN_TIMEOUT
from chat.server.spool import SpooledFile

if TYPE_CHECKING:
    from chat.server.transfer import Transfer

log = logging.getLogger("chat.server")

_MAX_TEXTS = 64  # of one user, in a row
LAST_WORDS_TIMEOUT = 3.0  # seconds in which one who is thrown out may hear why
_THROWN_OUT = (LeaveReason.KICKED, LeaveReason.BANNED, LeaveReason.REPLACED)


class ServerStopping(gevent.GreenletExit):
    """Thrown into what a session waits for, when the server stops; no Exception, so nothing swallows it."""


class ThrownOut(gevent.GreenletExit):
    """Thrown into what a session waits for that others have ended; it has left the room by then."""


class Session:
    """A member of the room. ``token`` names the session to its transfers; None for a raw client.

    ``registered``: the name is his account, whose password he knows; ``moderator``: and it may act on others.
    """

    __slots__ = (
        "_bytes",
        "_greenlet",
        "_intake",
        "_is_logged",
        "_left",
        "_messages",
        "_next_free_ping",
        "_services",
        "connection",
        "inline",
        "moderator",
        "name",
        "outbox",
        "reason",
        "registered",
        "serial",
        "token",
        "transfers",
    )

    def __init__(
        self,
        connection: Connection,
        services: Services,
        name: UserName,
        header: LoginHeader,
    ) -> None:
        settings = services.settings
        self.name = name
        self.inline = header.inline
        self.registered = False
        self.moderator = False
        self.token = secrets.token_urlsafe(18) if header.is_json else None
        self.serial = 0  # the room numbers who comes in
        self.transfers: list[Transfer] = []
        self.reason = LeaveReason.DISCONNECTED
        self.connection = connection
        self.outbox = Outbox(
            connection.transport, connection.order, services.backlogs, self._end, header.inline
        )
        self._left = False
        self._is_logged = True
        self._greenlet: gevent.Greenlet[..., object] | None = None
        self._services = services
        self._intake = Intake(
            connection.reader, settings, services.spool, name.key, self.give_up, self.bill
        )
        self._next_free_ping = 0.0  # by time.monotonic
        self._messages = TokenBucket(settings.rate) if settings.rate else None
        self._bytes = TokenBucket(settings.byte_rate) if settings.byte_rate else None

    def join(self) -> None:
        """Enter the room, and be told so. Whoever calls it also calls ``run``, and waits for nothing between."""
        current = gevent.getcurrent()
        self._greenlet = current if isinstance(current, gevent.Greenlet) else None
        if self.token is not None:
            self._services.sessions[self.token] = self
        self._services.room.join(self, self._welcome if self.token is not None else None)
        self._services.tally.logins[self.token is not None] += 1
        kind = "JSON" if self.token is not None else "raw"
        host = self.connection.host
        self._is_logged = self._services.newcomers.is_worth_a_line(host)
        if self._is_logged:
            told = self.name.display, self.connection.label, kind
            self._services.refusals.happened("joined", "%s joined from %s (%s)", *told)
        else:
            self._services.refusals.noted(f"not in the log from {host}", "joined and left")

    def run(self) -> None:
        """Until the client leaves or cannot be served any longer; then out of the room, and out of what is queued.

        The caller closes the socket.
        """
        try:
            self._stay()
            self._drain(LAST_WORDS_TIMEOUT if self.reason in _THROWN_OUT else DRAIN_TIMEOUT)
        except ThrownOut:
            return  # he was leaving already
        finally:
            # Whatever ended it: the writer must not write to a socket that is opened under the same number next.
            self.outbox.close()
            self._intake.close()

    def end_transfers(self) -> None:
        """His contents go no further, in either direction."""
        for transfer in list(self.transfers):
            transfer.end()

    def give_up(self) -> None:
        """End it from outside: the client sends too slowly what others need the space for."""
        self.outbox.fail(LeaveReason.TIMED_OUT)

    def throw_out(self, reason: LeaveReason, notice: Notice, sentence: str) -> None:
        """End it from outside, at once for everyone else; he hears ``sentence`` as the last thing."""
        room = self._services.room
        if not room.is_here(self):
            return
        room.notify(self, notice, sentence)
        self._end(reason)
        self._leave()
        if self._greenlet is not None:
            self._greenlet.kill(ThrownOut, block=False)

    def make_way(self) -> None:
        """The same, for the user himself, who has come in from elsewhere: this connection may be long dead."""
        if self.outbox.is_behind:
            self.outbox.fail(LeaveReason.REPLACED)
        sentence = "You have come in from elsewhere: this connection ends."
        self.throw_out(LeaveReason.REPLACED, Notice.REPLACED, sentence)

    def pace(self, descriptor: Descriptor) -> None:
        """Wait until the user's rates allow a frame that begins so; of refused ones too."""
        size = descriptor.content_size if descriptor.type == MessageType.UTF8 else 0
        self._pace(1, min(size, self._services.settings.max_text))

    def bill(self) -> None:
        """Wait until they allow more of a content that counts as several messages."""
        self._pace(1, 0)

    def _pace(self, messages: int, text_size: int) -> None:
        delay = 0.0
        if self._messages is not None:
            delay = self._messages.take(messages)
        if self._bytes is not None and text_size:
            delay = max(delay, self._bytes.take(text_size))
        if delay:
            gevent.sleep(delay)

    def say(self, intake: Intake, descriptor: Descriptor, header: ClientHeader) -> None:
        """Take the content of a message from ``intake``, and have the room say it. Raises FrameRefused."""
        room = self._services.room
        try:
            self._require_voice(header)
            if header.to is not None:
                room.find(header.to)  # before its content is waited for
            content = intake.read_content(descriptor, header)
            try:
                self._require_voice(header)  # it may have taken long
                if self.outbox.closed or not room.is_here(self):
                    # It ended while the content came, on a transfer connection perhaps.
                    sentence = "Your session has ended."
                    raise FrameRefused(Notice.GONE, sentence, header.nonce, fatal=True)
                type = MessageType(descriptor.type)
                room.say(self, type, content, header)
                self._services.tally.said(type, 1, descriptor.content_size)
            finally:
                if isinstance(content, SpooledFile):
                    content.release()
        except NoSuchUserError as problem:
            raise FrameRefused(Notice.NO_SUCH_USER, str(problem), header.nonce) from None

    def _require_voice(self, header: ClientHeader) -> None:
        """Raises FrameRefused for one who is muted."""
        muted = self._services.moderation.mute_for(self.name.key)
        if muted is not None:
            raise FrameRefused(Notice.MUTED, muted, header.nonce)

    def _stay(self) -> None:
        """Until he leaves, by whatever way, and then out of the room."""
        try:
            self._serve_to_the_end()
            # Thousands may leave at once, and leaving costs half as much as a login.
            self._services.share.wait()
        except ServerStopping:
            self._end(LeaveReason.SERVER_STOPPING)
        except ThrownOut:
            return
        finally:
            self._leave()

    def _serve_to_the_end(self) -> None:
        try:
            self._serve()
        except StalledFrame:
            self._end(LeaveReason.TIMED_OUT)
        except IncompleteFrame:
            self._end(LeaveReason.DISCONNECTED)
        except OSError as problem:
            self._end(reason_of(problem))

    def _serve(self) -> None:
        intake, room = self._intake, self._services.room
        while intake.wait() and not self.outbox.closed:
            texts = intake.take_texts(self._allowance())
            if texts.contents:
                self._say_texts(texts)
                continue
            ping = intake.take_ping()
            if ping is not None:
                self._answer_ping(ping)
                continue
            descriptor = intake.next()
            assert descriptor is not None, "it has begun"
            if descriptor.type == MessageType.LOGOUT:
                self.reason = LeaveReason.QUIT
                return
            try:
                self._take(descriptor)
            except FrameRefused as refused:
                room.notify(self, refused.notice, refused.sentence, refused.nonce)
                if refused.fatal:
                    return

    def _allowance(self) -> int:
        """How many texts the rates allow at once; one, which has to wait, if they allow none."""
        limit = _MAX_TEXTS
        if self._messages is not None:
            limit = min(limit, int(self._messages.available()))
        if self._bytes is not None:
            limit = min(limit, int(self._bytes.available() // self._services.settings.max_text))
        return max(limit, 1)

    def _say_texts(self, texts: Texts) -> None:
        count, size = len(texts.contents), sum(map(len, texts.contents))
        self._pace(count, size)
        # It may have ended while it waited.
        if self.outbox.closed or not self._services.room.is_here(self):
            return
        muted = self._services.moderation.mute_for(self.name.key)
        if muted is not None:
            self._refuse_texts(texts, Notice.MUTED, muted)
            return
        try:
            self._services.room.say_texts(self, texts)
        except NoSuchUserError as problem:
            self._refuse_texts(texts, Notice.NO_SUCH_USER, str(problem))
            return
        self._services.tally.said(MessageType.UTF8, count, size)

    def _refuse_texts(self, texts: Texts, notice: Notice, sentence: str) -> None:
        for nonce in texts.nonces:
            text = nonce.decode() if nonce is not None else None
            self._services.room.notify(self, notice, sentence, text)

    def _take(self, descriptor: Descriptor) -> None:
        try:
            header = self._intake.read_header(descriptor)
        except FrameRefused:
            self.pace(descriptor)
            raise
        is_ping = header.command is not None and header.command.verb == Verb.PING.value
        if not is_ping or not self._is_free_ping():
            self.pace(descriptor)
        if header.fetch is not None:
            sentence = "A content is fetched on a transfer connection."
            raise FrameRefused(Notice.BAD_HEADER, sentence, header.nonce)
        if header.command is not None:
            self._obey(header.command, header.nonce)
            return
        self.say(self._intake, descriptor, header)

    def _answer_ping(self, nonce: bytes) -> None:
        if not self._is_free_ping():
            self._pace(1, 0)
        self._services.room.answer_ping(self, nonce)

    def _is_free_ping(self) -> bool:
        """Return whether a ping that came now is free of the user's rate.

        Otherwise a client that has used up its rate would take the delayed answer for a dead connection.
        """
        now = time.monotonic()
        if now < self._next_free_ping:
            return False
        self._next_free_ping = now + FREE_PING_EVERY
        return True

    def _obey(self, command: Command, nonce: str | None) -> None:
        """Do what he asks of the server, and tell him how it went, if he is still here."""
        services = self._services
        try:
            notice, sentence = Notice.DONE, services.commands.obey(self, command)
        except CommandRefused as refused:
            notice, sentence = refused.notice, refused.sentence
        services.room.notify(self, notice, sentence, nonce)

    def _welcome(self, names_json: bytes) -> bytes:
        settings = self._services.settings
        limits = {"max_text": settings.max_text, "max_file": settings.max_file}
        rest = encode_json(
            {
                "server": SOFTWARE,
                "session": self.token,
                "limits": {**limits, "inline": self.inline},
                "motd": settings.motd,
            }
        )
        return b'{"users":' + names_json + b"," + rest[1:]

    def _end(self, reason: LeaveReason) -> None:
        """He can't be served any longer: remember the first reason why."""
        if self.reason is LeaveReason.DISCONNECTED:
            self.reason = reason

    def _leave(self) -> None:
        if self._left:
            return
        self._left = True
        if self.token is not None:
            del self._services.sessions[self.token]
        self.end_transfers()
        self._services.room.leave(self, self.reason)
        level = logging.WARNING if self.reason is LeaveReason.TOO_SLOW else logging.INFO
        if self._is_logged:
            told = self.name.display, self.reason.value
            self._services.refusals.happened("left", "%s left: %s", *told, level=level)

    def _drain(self, timeout: float) -> None:
        """Let what is queued go out, and say that nothing more comes."""
        if self.outbox.wait_until_drained(timeout):
            self.connection.transport.finish(timeout)
