"""Run the client without a screen: put its parts together, and decide when and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TextIO, cast

import gevent
from gevent.event import AsyncResult

from chat.client.attention.attention import Attention
from chat.client.attention.presence import PresenceMode
from chat.client.connection.connection import Connection
from chat.client.conversation.commands import Availability
from chat.client.conversation.conversation import Conversation
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.passwords import choose_password
from chat.client.conversation.requests import AskServer, Copy, NeedsPassword, RequestError
from chat.client.conversation.ui_events import Asked, Frontend
from chat.client.errors import ChatError
from chat.client.frontends import json_lines, json_requests, plain, plain_requests
from chat.client.frontends.clipboard import NotCopied, clipboard_sequence
from chat.client.frontends.line_io import (
    Line,
    LineReader,
    LineWriter,
    OutputClosed,
    OutputFailed,
    PassingStream,
    answer_of,
    is_terminal,
    unseen,
)
from chat.client.frontends.line_room import LineRoom
from chat.client.frontends.progress import ProgressBars
from chat.client.frontends.wording import local_times
from chat.client.program.catching_up import CatchingUp, wishes_of
from chat.client.program.client_state import ClientState
from chat.client.program.hub import quiet_hub
from chat.client.program.login_flow import LoginFlow, advice
from chat.client.program.reconnect import GaveUp, Reconnector
from chat.client.program.rooms_at_start import why_no_room
from chat.client.program.settings import PROGRAM, Mode, Settings
from chat.client.program.time_zone import follow_time_zone
from chat.client.program.typed_lines import TypedLines
from chat.client.trust.connector import UnknownServer
from chat.config.command_line import EXIT_FAILED, EXIT_OK
from chat.process.signals import ENDING, install_handler
from chat.sanitize import lines_of

STDIN, STDOUT, STDERR = range(3)
# Seconds for the last lines, in case nobody reads the output.
FAREWELL = 0.5
# Seconds that the server may take for each answer once the input has ended.
NO_ANSWER = 120.0


class End(NamedTuple):
    """Why the program ends.

    ``problem`` is a sentence, None if nothing is wrong. ``unfinished``: some messages may not have been sent.
    """

    problem: str | None = None
    unfinished: bool = False


class Program:
    """One run of the client."""

    def __init__(self, settings: Settings) -> None:
        quiet_hub()
        self._settings = settings
        self._reader = LineReader(STDIN, self._longest_line)
        self._output = LineWriter(STDOUT)
        self._errors = LineWriter(STDERR)
        self._typed = TypedLines(self._reader, self._ask_together, self._warn)
        self._ending: AsyncResult[End] = AsyncResult()
        self._max_text = 64 * 1024
        self._was_inside = False  # whether a login has succeeded
        self._input: gevent.Greenlet[..., Any] | None = None
        self._is_quitting = False
        # Questions are written to stderr: a user who can type, but does not see stderr, must not be asked.
        can_ask = is_terminal(STDIN) and is_terminal(STDERR) and settings.mode is Mode.PLAIN
        self._is_interactive = (
            is_terminal(STDIN) and settings.mode is Mode.PLAIN and not settings.listen
        )
        self._bars: ProgressBars | None = None
        self._plain: plain.PlainFrontend | None = None
        first = settings.rooms[0] if settings.rooms else None
        self._room = LineRoom(first, lambda: self._conversation.default_room)
        takes_requests = settings.mode is Mode.JSON or settings.commands or self._is_interactive
        self._inbox = Inbox(
            settings.save_directory,
            settings.max_save,
            can_ask=takes_requests and not settings.listen,
        )
        is_for_people = settings.mode is not Mode.JSON
        ignored = settings.ignore if is_for_people else ()  # programs get everything
        presence = PresenceMode(settings.presence)
        self._attention = Attention(presence, ignored, settings.highlight)
        is_watched = is_terminal(STDOUT) and (settings.listen or self._is_interactive)
        marks = self._attention.read_marks
        marks.counts = is_watched
        self._frontend = self._make_frontend()
        self._conversation = Conversation(
            self._frontend,
            inbox=self._inbox,
            spawn=self._spawn,
            where=Availability.PLAIN,
            leave=self._quit,
            attention=self._attention,
            open_rules=settings.open,
            wishes=wishes_of(settings, is_watched=is_watched),
            decides=takes_requests,
            learn=lambda password: self._login.learn(password),
            reconnect=lambda username: self._reconnector.reconnect(username),
        )
        self._login = LoginFlow(
            settings,
            self,
            self._inbox,
            self._conversation.resumer,
            self._entered,
            asks=self._is_interactive,
            judges=can_ask,
            state=ClientState(settings, self.tell, is_person=is_watched or self._is_interactive),
            room_refused=self._conversation.room_refused,
        )
        # A script that names no room must not take messages of other rooms for those of the default room.
        if settings.rooms or (is_watched and settings.mode is Mode.PLAIN):
            self._conversation.resumer.rooms.want(settings.rooms)
        self._reconnector = Reconnector(
            self._login.connect,
            self._conversation,
            self._frontend,
            self._spawn,
            # A user at a terminal can come back; nobody is there to do so in a pipe.
            stays=self._is_interactive,
            catching_up=CatchingUp(for_people=is_for_people, marks=marks),
            marks=marks,
            servers=self._login.servers,
        )

    def run(self) -> int:
        """Run the client until it ends; return the exit status."""
        try:
            return self._run()
        finally:
            self._inbox.close()
            self._conversation.resumer.close()

    def _run(self) -> int:
        for number in ENDING:
            install_handler(number, gevent.signal_handler, self._end, End(unfinished=True))
        self._spawn(follow_time_zone)
        life = self._spawn(self._live)
        end = self._ending.get()
        assert end is not None
        self._leave(at_once=end.unfinished)
        life.kill()
        if self._input is not None:
            self._input.kill()  # a password question has turned off the echo of the terminal; this restores it
        if self._bars is not None:
            self._bars.close()
        if end.problem is not None:
            lines = end.problem.splitlines()
            gevent.with_timeout(FAREWELL, self._warn, lines, timeout_value=None)
        return self._status(end)

    def _live(self) -> None:
        try:
            # Only the screen asks for the first name. Without a screen the settings have a name.
            connection = self._login.log_in(lambda: "")
            problem = why_no_room(self._settings, self._conversation.refused_rooms)
            if problem is not None and not self._is_interactive:
                connection.close(timeout=FAREWELL)
                self._end(End(problem))
                return
            if not self._settings.listen:
                self._input = self._spawn(self._read_input)
            self._reconnector.run(connection)
        except GaveUp as problem:
            count = len(self._conversation.unacknowledged)
            lost = f" Messages not sent, or not confirmed: {count}." if count else ""
            self._end(End(f"{problem}{lost}", unfinished=True))
        except ChatError as problem:
            self._end(End(advice(problem)))

    def _entered(self, connection: Connection) -> None:
        self._max_text = max(connection.limits.max_text, 4)
        self._was_inside = True

    # The questions of the login flow.

    def ask_name(self, prompt: str, name: str) -> str | None:
        """Ask for a name; an empty line means ``name``."""
        self._errors.write_text(prompt.capitalize())
        line = self._reader.read()
        if line is None:
            self._errors.write([""])
            return None
        return line.data.decode(errors="replace").strip() or name

    def ask_password(self, prompt: str) -> str | None:
        """Ask for a password without an echo."""
        return self._ask_unseen(prompt)

    def judge(self, unknown_server: UnknownServer) -> bool:
        """Ask about an unknown server until the answer is yes or no. The end of the input means no."""
        self._warn(unknown_server.lines)
        while True:
            lines = self._ask_together(unknown_server.question)
            word = answer_of(lines)
            if word is not None or not lines:
                return word is True

    def tell(self, sentence: str) -> None:
        """Write a sentence to stderr."""
        self._warn([sentence])

    # The lines of the input.

    def _ask_together(self, question: str) -> list[Line]:
        self._errors.write_text(f"{question} (yes/no) ")
        lines = self._reader.read_together()
        if not lines:
            self._errors.write([""])
        return lines

    def _read_input(self) -> None:
        while not self._is_quitting and (lines := self._next_lines()):
            for line in lines:
                if not self._is_quitting:
                    self._do_line(line)
            if not self._reader.has_line:
                self._conversation.resumer.checkpoint()
        self._reconnector.input_ended()
        if self._conversation.wait_idle(NO_ANSWER):
            self._end(End())
        else:
            self._end(End("The server does not answer.", unfinished=True))

    def _do_line(self, line: Line) -> None:
        try:
            for asked in self._read_line(line):
                if isinstance(asked.request, Copy):
                    self._copy(asked.request)
                else:
                    self._conversation.do(self._completed(asked))
        except json_requests.BadLine as problem:
            self._conversation.refuse("bad-request", str(problem), problem.tag)
        except RequestError as problem:
            self._conversation.refuse("bad-request", str(problem))

    def _copy(self, request: Copy) -> None:
        """Put a message into the clipboard of the terminal. Raises RequestError."""
        if self._plain is None or not is_terminal(STDOUT):
            raise RequestError("The output is not a terminal, so it has no clipboard.")
        text, told = self._plain.copied(request.number)
        try:
            sequence = clipboard_sequence(text)
        except NotCopied as problem:
            raise RequestError(str(problem)) from None
        with suppress(OutputClosed):  # the next line that is told ends the program
            self._output.write_text(sequence.decode())
        self._tell([told])

    def _next_lines(self) -> list[Line]:
        """Read the lines that come together; return none at the end."""
        if self._is_interactive:
            return self._typed.next()
        line = self._reader.read()
        return [] if line is None else [line]

    def _read_first(self) -> Line | None:
        """Read one line. Lines pasted with it are dropped: they may be secret, and must not be sent to the room."""
        lines = self._reader.read_together()
        return lines[0] if lines else None

    def _completed(self, asked: Asked) -> Asked:
        """Return the request with its password, which the user is asked for if needed. Raises RequestError."""
        if not self._is_interactive or not isinstance(asked.request, NeedsPassword):
            return asked
        self._conversation.check_privacy()
        return Asked(AskServer(choose_password(asked.request, self._ask_unseen)), asked.tag)

    def _ask_unseen(self, prompt: str) -> str | None:
        with unseen(STDIN):
            # Typed before the question, so no answer to it.
            self._reader.discard()
            self._errors.write_text(prompt)
            line = self._read_first()
            self._errors.write([""])  # the end of the line was not shown either
        return None if line is None else line.data.decode(errors="replace")

    def _read_line(self, line: Line) -> Iterator[Asked]:
        settings = self._settings
        if settings.mode is Mode.JSON:
            asked = json_requests.read_line(line)
            if asked is not None:
                yield asked
        else:
            commands = settings.commands or self._is_interactive
            yield from plain_requests.read_line(line, commands, self._max_text, self._room)

    def _longest_line(self) -> int:
        if self._settings.mode is Mode.JSON:
            return json_requests.longest_line(self._max_text)
        return self._max_text

    def _quit(self) -> None:
        """Leave at once on a terminal. A script leaves after the requests before ``/quit`` are done."""
        self._is_quitting = True
        if self._is_interactive:
            self._reconnector.tell_read()
            self._conversation.wait_for_last_words()
            self._end(End())

    def _leave(self, at_once: bool) -> None:
        """Close the connection; unless ``at_once``, send what is queued first."""
        connection = self._conversation.connection
        if connection is not None:
            connection.close(**({"timeout": 0} if at_once else {}))

    def _status(self, end: End) -> int:
        conversation = self._conversation
        if end.problem is not None or not self._was_inside:
            return EXIT_FAILED
        if self._is_interactive:
            return EXIT_OK  # the user at the terminal has seen the refusals
        unfinished = not conversation.unacknowledged.is_empty or conversation.is_transferring
        return EXIT_FAILED if conversation.failures or unfinished else EXIT_OK

    def _make_frontend(self) -> Frontend:
        if self._settings.mode is Mode.JSON:
            return json_lines.JsonFrontend(self._tell, self._inbox.why_not_saved)
        greeting = (
            f"this is the room at {self._settings.address}; /help lists the commands, /quit leaves"
            if self._is_interactive
            else None
        )
        self._plain = frontend = plain.PlainFrontend(
            self._tell,
            self._warn,
            self._inbox.why_not_saved,
            self._attention,
            greeting,
            has_rooms=bool(self._settings.rooms),
        )
        if not is_terminal(STDERR):
            return frontend
        self._bars = ProgressBars(frontend, self._spawn, cast(TextIO, PassingStream(STDERR)))
        for writer in (self._output, self._errors):
            writer.draw_around(self._bars.around)
        return self._bars

    def _tell(self, lines: list[str]) -> None:
        try:
            self._output.write(lines)
        except OutputFailed as problem:
            self._end(End(f"The output can't be written: {problem}.", unfinished=True))
        except OutputClosed:
            self._end(End(unfinished=True))

    def _warn(self, lines: list[str]) -> None:
        # Sanitized: the sentence of a server that refuses a login is as untrusted as a message.
        shown = [line for text in lines for line in lines_of(local_times(text))]
        try:
            self._errors.write([f"{PROGRAM}: {line}" for line in shown])
        except OutputClosed:  # stderr is closed, so nobody can be warned
            return

    def _end(self, end: End) -> None:
        """End the program; the first reason counts, because later ones may follow from it."""
        if not self._ending.ready():
            self._ending.set(end)

    def _spawn(self, function: Callable[..., Any], *arguments: Any) -> gevent.Greenlet[..., Any]:
        greenlet = gevent.spawn(function, *arguments)
        greenlet.link_exception(self._fault)
        return greenlet

    def _fault(self, greenlet: gevent.Greenlet[..., Any]) -> None:
        """End the program after a bug: all expected errors were handled before."""
        fault = greenlet.exception
        self._end(End(f"internal fault: {type(fault).__name__}: {fault}", unfinished=True))
