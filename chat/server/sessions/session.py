"""Serve one user from a successful login to the end: read a frame, act, read the next frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import gevent

from chat.framing import IncompleteFrame, StalledFrame
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import Descriptor, MessageType
from chat.protocol.headers import LoginHeader
from chat.protocol.names import UserName
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.protocol.pings import PING_ANSWER
from chat.protocol.runs import MAX_RUN, Run
from chat.server.accounts.accounts import Account
from chat.server.attachments.spool import Spool
from chat.server.delivery.send_queue import BacklogLimits, SendQueue
from chat.server.directory.directory import Directory
from chat.server.directory.presence_log import PresenceLog
from chat.server.limits.limits import pause
from chat.server.limits.waits import NO_WAITS, DiskWaits
from chat.server.log.log import Record
from chat.server.process.loop_share import LoopShare
from chat.server.room.commands import CommandRefused, Commands
from chat.server.room.service import ChatService
from chat.server.sessions.answers import Answer, AnswerQueue, answers_to
from chat.server.sessions.connection import AcceptedConnection
from chat.server.sessions.endings import Ejected, ServerStopping, why_ended
from chat.server.sessions.intake import FrameRefused, Intake
from chat.server.sessions.sender import Sender
from chat.server.sessions.welcome import encode_welcome
from chat.server.settings import DRAIN_TIMEOUT, Settings

LAST_WORDS_TIMEOUT = 3.0  # seconds in which an ejected user may still read the reason
_EJECTED = (LeaveReason.KICKED, LeaveReason.BANNED, LeaveReason.REPLACED)


class Session(Sender):
    """Serve one user, who is a member of the room from ``join`` until they leave.

    ``Identity`` has ``account`` and ``device``. ``token`` is the secret by which transfer connections name the session;
    None for a raw client. ``number`` is that of the session at this server. ``inline``: the user gets contents over so
    many bytes as offers; None: never. ``last_active`` is when the client last sent something other than a ping
    (monotonic). ``reason`` is why the session ends. ``leave`` is called when nobody serves the session any more.
    """

    # An idle user costs memory only, and slots save much of it.
    __slots__ = (
        "_answers",
        "_commands",
        "_device_counts",
        "_directory",
        "_greenlet",
        "_has_left",
        "_intake",
        "_is_logged",
        "_leave",
        "_presence",
        "_share",
        "_wanted",
        "connection",
        "inline",
        "reason",
        "send_queue",
        "serial",
        "wants_status",
    )

    def __init__(
        self,
        connection: AcceptedConnection,
        name: UserName,
        header: LoginHeader,
        account: Account | None,
        device: bytes | None,
        number: int,
        token: str | None,
        *,
        leave: Callable[[Session, LeaveReason], object],
        service: ChatService,
        directory: Directory[Session],
        commands: Commands,
        settings: Settings,
        spool: Spool,
        backlogs: BacklogLimits,
        share: LoopShare,
        presence: PresenceLog,
        waits: DiskWaits = NO_WAITS,
    ) -> None:
        super().__init__(name, account, device, service, settings, waits)
        self.number = number
        self.token = token
        self.inline = header.inline
        self._device_counts = device is not None if header.device is not None else None
        self.wants_status = header.status
        # A raw client gets what the operator has set, since it cannot ask.
        self._wanted = ((header.replay or 0) if header.is_json else settings.replay, header.join)
        self.serial = 0  # the directory numbers the sessions as they enter
        self.reason = LeaveReason.DISCONNECTED
        self.connection = connection
        self.send_queue = SendQueue(
            *(connection.transport, connection.order, backlogs, self._end, header.inline),
            counts=header.join is not None,  # such a client knows the notice ``here``
        )
        self._directory = directory
        self._commands = commands
        self._share = share
        self._presence = presence
        self._leave = leave
        self._has_left = False
        self._is_logged = True  # the log has a line about this user's joining
        # Of ``run``, while it serves the client. Before and after that, nobody has to be woken at the end.
        self._greenlet: gevent.Greenlet[..., object] | None = None
        self._intake = Intake(
            connection.reader, settings, spool, name.key, self.give_up, self.pay_for_more
        )
        # None until the log commits late for the first time; see AnswerQueue.
        self._answers: AnswerQueue | None = None

    @property
    def host(self) -> str | None:
        return self.connection.host

    @property
    def label(self) -> str:
        return self.connection.label

    @property
    def is_private(self) -> bool:
        return self.connection.is_private

    # From login to the end

    def enter(self, *, quietly: bool = False) -> None:
        """Enter the room, and answer the login. Raises NameTakenError.

        ``quietly``: the session takes the place of another one that has just left quietly.
        The greenlet of the session must call ``run`` next, or ``abandon``: only they make sure that the session leaves.
        """
        self.serial = self._directory.enter(self)
        device_counts = self._device_counts
        welcome = partial(encode_welcome, self._settings, self.token, self.inline, device_counts)
        self._service.join(self, welcome if self.token else None, *self._wanted, quietly=quietly)
        self._wanted = (0, ())
        sessions = self._directory.sessions_of(self.name.key)
        self._is_logged = self._presence.joined(self, len(sessions))

    def run(self) -> None:
        """Serve the client until the session ends; then empty the send queue. The caller closes the socket."""
        try:
            if not self._has_left:
                self._stay()
            self._drain(LAST_WORDS_TIMEOUT if self.reason in _EJECTED else DRAIN_TIMEOUT)
        except Ejected:
            return  # during the drain: the session has left already
        finally:
            # The caller closes the socket next. The writer must not write to a later connection with its number.
            self.send_queue.close()
            self._intake.close()
            if self._answers is not None:
                self._answers.close()
            self._answers = None  # it leads back to this session: a circle

    def abandon(self) -> None:
        """End a session that nobody is going to run."""
        self.send_queue.fail(LeaveReason.DISCONNECTED)
        self._leave(self, self.reason)

    def give_up(self) -> None:
        """End the session because the client sends a large content too slowly, and others need the space."""
        self.send_queue.fail(LeaveReason.TIMED_OUT)

    def eject(
        self, reason: LeaveReason, notice: NoticeCode, sentence: str, *, quietly: bool = False
    ) -> None:
        """End the session from another greenlet. The last frame to the user is a notice with ``sentence``.

        ``quietly``: others do not hear that the user leaves, since they come back at once.
        """
        if not self._service.is_here(self):
            return
        self._service.notify(self, notice, sentence)
        self._end(reason)
        # Here, so that everyone else gets the Logout now: this session's greenlet may take a while to notice.
        self.depart(self.reason, quietly=quietly)
        if self._greenlet is not None:
            self._greenlet.kill(Ejected, block=False)

    def supersede(self, *, quietly: bool = False) -> None:
        """End the session because its user has logged in again; see ``eject`` for ``quietly``."""
        # Often the old connection is dead, and nothing reads its backlog. So the backlog is dropped.
        if self.send_queue.is_behind:
            self.send_queue.fail(LeaveReason.REPLACED)
        sentence = "You logged in from another place; this connection was closed."
        self.eject(LeaveReason.REPLACED, NoticeCode.REPLACED, sentence, quietly=quietly)

    def became_registered(self, account_id: bytes) -> None:
        """Note that the user has registered the name: it is now their account."""
        self.own_name(account_id)
        self._service.tell_status(self)

    def lost_account(self) -> None:
        """Note that the account was removed: the user is a guest now."""
        self.lose_name()
        self._service.tell_status(self)

    # What the client sends

    def _stay(self) -> None:
        """Serve the client until the session ends for any reason; then leave the room."""
        greenlet = gevent.getcurrent()
        self._greenlet = greenlet if isinstance(greenlet, gevent.Greenlet) else None
        try:
            self._serve_to_the_end()
            if self._answers is not None:
                self._answers.wait_until_empty(DRAIN_TIMEOUT)
            # Thousands may leave at once, and a leave costs half as much as a login. So it waits for its turn.
            self._share.wait()
        except ServerStopping:
            self._end(LeaveReason.SERVER_STOPPING)
        except Ejected:
            return
        finally:
            self._greenlet = None
            self.transfers.end_all()
            if not self._has_left:
                self._leave(self, self.reason)

    def _serve_to_the_end(self) -> None:
        try:
            self._serve()
        except (StalledFrame, IncompleteFrame, OSError) as problem:
            self._end(why_ended(problem))

    def _serve(self) -> None:
        reader = self.connection.reader
        while reader.wait() and not self.send_queue.closed:
            # The fast path: most frames are texts, and texts that arrived together cost little more than one.
            allowed = self._rates.allowance(MAX_RUN)
            if (run := reader.next_run(self._settings.max_text, allowed)) is not None:
                self._publish(run)
            elif (ping := reader.next_ping()) is not None:
                self._answer_ping(ping)
            elif not self._take_frame():
                return

    def _take_frame(self) -> bool:
        """Take a frame that is no plain text; return False if the session ends with it."""
        descriptor = self._intake.next()
        assert descriptor is not None, "the reader saw a frame begin"
        if descriptor.type == MessageType.LOGOUT:
            self.reason = LeaveReason.QUIT
            return False
        try:
            self._execute_frame(descriptor)
        except FrameRefused as refused:
            self._answer(Answer(refused.notice, refused.sentence, refused.nonce))
            if refused.fatal:
                return False
            self._intake.skip_rest()
        return True

    def _publish(self, run: Run) -> None:
        """Wait until the user's rates allow the texts, then hand them to the room."""
        self.last_active = time.monotonic()
        pause(self._rates.consume(len(run.contents), run.size))
        if self._waits.for_room is not None:
            self._wait_with_reminders(self._waits.for_room)
        record = self._service.publish(self, run)
        # A run that was delivered needs no answer: its echo is on the way.
        if not record.is_settled or record.rejection is not None:
            self._answer_when_settled(record)

    def _execute_frame(self, descriptor: Descriptor) -> None:
        """Execute a frame that is not a plain text, such as an attachment or a command. Raises FrameRefused."""
        try:
            header = self._intake.read_header(descriptor)
        except FrameRefused:
            self.pay(descriptor)
            raise
        # Some pings are free: a client whose rate is used up would take a late answer for a dead server.
        if header.command is not None and header.command.verb == Verb.PING.value:
            pause(self._rates.consume_ping())
        else:
            self.pay(descriptor)
        if header.fetch is not None or header.resume is not None or header.offset:
            sentence = "Fetch a content, or go on with one, over a transfer connection."
            raise FrameRefused(NoticeCode.BAD_HEADER, sentence, header.nonce)
        if header.command is not None:
            self._execute(header.command, header.nonce)
            return
        self._answer_when_settled(self.publish_message(self._intake, descriptor, header))

    def _execute(self, command: Command, nonce: str | None) -> None:
        """Execute a command of the user, and answer with its result. May wait for a thread or the database.

        First the earlier frames are answered. Otherwise the answer would describe another point of the stream than the
        one at which it comes: users would be missing in the names of a room whom the client has seen coming.
        """
        if self._answers and command.verb != Verb.PING.value:
            self._answers.wait_until_empty()
        try:
            reply = self._commands.execute(self, command, nonce)
            if reply is None:
                self._wait_for_turn()
                return
            answer = Answer(NoticeCode.DONE, reply.sentence, nonce, reply.facts, reply.found)
        except CommandRefused as refused:
            answer = Answer(refused.notice, refused.sentence, nonce)
        self._answer(answer)

    # Answers

    def _answer_ping(self, nonce: bytes) -> None:
        pause(self._rates.consume_ping())
        # Not past answers that wait for the log: the client expects answers in the order of its frames.
        if self._answers:
            self._answers.put(Answer(NoticeCode.DONE, PING_ANSWER, nonce.decode()))
        else:
            self._service.answer_ping(self, nonce)

    def _answer(self, answer: Answer) -> None:
        """Send ``answer`` after the answers to all earlier frames."""
        if self._answers is not None:
            self._answers.put(answer)
        else:
            self._service.notify(self, *answer)
            self._wait_for_turn()

    def _wait_for_turn(self) -> None:
        # Nothing more is read meanwhile, so that held answers to one client do not fill the memory.
        self._wait_with_reminders(self._waits.for_turn)

    def _answer_when_settled(self, record: Record) -> None:
        """Answer a run if it is rejected: now, or when the log has committed it."""
        if record.is_settled:
            for answer in answers_to(record):
                self._answer(answer)
            return
        if self._answers is None:
            send = lambda answer: self._service.notify(self, *answer)  # noqa: E731
            self._answers = AnswerQueue(send, self.remind)
        self._answers.wait_for(record)
        self._answers.wait_for_room()

    # The end

    def _end(self, reason: LeaveReason) -> None:
        """Set ``reason``, unless it is set: the first reason is the cause, and the others follow from it."""
        if self.reason is LeaveReason.DISCONNECTED:
            self.reason = reason
        # Nobody reads the answers any more. To wait for them would keep the name from a user who comes back.
        if self._answers is not None:
            self._answers.close()

    def depart(self, reason: LeaveReason, *, quietly: bool = False) -> None:
        """Leave the room, unless that has happened before."""
        # At the wish of the session's own greenlet and by ``eject``, in either order.
        if self._has_left:
            return
        self._has_left = True
        self.transfers.end_all()
        self._service.leave(self, reason, quietly=quietly)
        self._directory.leave(self)
        sessions = len(self._directory.sessions_of(self.name.key))
        self._presence.left(self, reason, sessions, is_logged=self._is_logged)

    def _drain(self, timeout: float) -> None:
        """Wait until the send queue is empty, at most ``timeout`` seconds, then end the stream."""
        if self._waits.for_turn is not None and not self.send_queue.closed:
            self._waits.for_turn(timeout)
        if self.send_queue.wait_until_drained(timeout):
            self.connection.transport.finish(timeout)
