"""Run the full-screen client: its greenlets, and how its parts are put together.

One greenlet reads the connection and one reads the keyboard. One greenlet draws (``painter``). One greenlet looks a few
times a second at what changes by itself.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import gevent
import gevent.queue
from gevent.event import AsyncResult

from chat.client.attention.attention import Attention
from chat.client.attention.presence import PresenceMode
from chat.client.connection.connection import Connection
from chat.client.conversation.commands import Availability
from chat.client.conversation.conversation import Conversation
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.passwords import choose_password
from chat.client.conversation.requests import (
    AskServer,
    NeedsPassword,
    OnScreen,
    Reply,
    RequestError,
    Say,
)
from chat.client.conversation.ui_events import Asked
from chat.client.errors import ChatError
from chat.client.program.catching_up import CatchingUp, wishes_of
from chat.client.program.client_state import ClientState
from chat.client.program.hub import quiet_hub
from chat.client.program.login_flow import LoginFlow, advice, name_of_login
from chat.client.program.reconnect import Reconnector
from chat.client.program.settings import Settings
from chat.client.program.time_zone import follow_time_zone
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.screen.controller import Controller
from chat.client.screen.crash_report import describe, report_end, write_report
from chat.client.screen.draw.layout import Renderer
from chat.client.screen.frontend import ScreenFrontend
from chat.client.screen.input.own_keys import OwnKeys
from chat.client.screen.input.questions import LineQuestion, PasswordQuestion, YesOrNo
from chat.client.screen.kept_views import KeptViews
from chat.client.screen.local_commands import LocalCommands
from chat.client.screen.markup.code_colours import CodeColours
from chat.client.screen.model.model import Model
from chat.client.screen.painter import Painter
from chat.client.screen.terminal.modes import PrivateModes
from chat.client.screen.terminal.terminal import Terminal, TerminalGone, TerminalUnusable
from chat.client.screen.text.own_styles import read_styles
from chat.client.screen.text.styles import ERROR
from chat.client.screen.text.themes import Theme
from chat.client.trust.connector import UnknownServer
from chat.config.command_line import EXIT_FAILED, EXIT_OK
from chat.process.signals import ENDING, install_handler

# Seconds between looks at state that changes without an event: the progress of transfers, the time until the next try.
TICK = 0.25
# The first two are Python's defaults. A full collection visits all entries of the logs, which takes longer than a user
# who types should wait. It finds next to nothing: reference counts free the entries that are dropped.
_COLLECTIONS = (700, 10, 1000)
# Seconds for closing the connection, and for sending the last lines to the terminal.
FAREWELL = 1.0


class App:
    """Run the client on a screen, once. Raises UsageError for keys or styles that make no sense."""

    def __init__(self, settings: Settings) -> None:
        quiet_hub()  # a traceback would be printed over the screen; _fault reports it afterwards
        self._settings = settings
        self._terminal = Terminal(Theme(settings.theme, read_styles(settings.styles)))
        self._terminal.modes.mouse = settings.mouse
        own_keys = OwnKeys(settings.keys)
        self._code_colours = CodeColours()
        self._renderer = Renderer(own_keys, self._code_colours)
        self._asked: gevent.queue.Queue[Asked] = gevent.queue.Queue()
        self._ending: AsyncResult[str | None] = AsyncResult()  # None, or what went wrong
        self._max_text = 64 * 1024
        self._was_inside = False  # whether a login has succeeded in this run
        attention = Attention(PresenceMode(settings.presence), settings.ignore, settings.highlight)
        self._model = Model(str(settings.address), settings.username or "", attention=attention)
        self._model.shows_names = settings.names
        self._model.shows_raw = settings.raw
        self._model.shows_title = settings.title
        self._local = LocalCommands(
            self._model, self, now, bell=settings.bell, log_path=settings.log_file
        )
        self._controller = Controller(self._model, self._renderer, self, now, own_keys)
        self._local.controller = self._controller
        self._inbox = Inbox(settings.save_directory, settings.max_save)
        self._terminal.is_asking = lambda: self._controller.is_asking
        self._frontend = ScreenFrontend(
            self._model, self._controller, self._local, self, settings, now
        )
        self._painter = Painter(
            self._terminal, self._renderer, self._model, self._controller, self._frontend.signals
        )
        self._conversation = Conversation(
            self._frontend,
            inbox=self._inbox,
            spawn=self.spawn,
            where=Availability.SCREEN,
            leave=self.leave,
            is_looked_at=lambda image: (
                image.size <= settings.max_save and self._frontend.draws_pictures
            ),
            attention=attention,
            open_rules=settings.open,
            wishes=wishes_of(settings, is_watched=True),
            learn=lambda password: self._login.learn(password),
            reconnect=lambda username: self._reconnector.reconnect(username),
        )
        self._conversation.resumer.rooms.want(settings.rooms)
        resumer = self._conversation.resumer
        self._kept_views = KeptViews(
            self._model, self._controller, lambda: resumer.memory, resumer.wake
        )
        marks = attention.read_marks
        self._login = LoginFlow(
            settings,
            self,
            self._inbox,
            self._conversation.resumer,
            self._entered,
            state=ClientState(settings, self.tell, is_person=True),
            room_refused=self._conversation.room_refused,
        )
        self._reconnector = Reconnector(
            self._login.connect,
            self._conversation,
            self._frontend,
            self.spawn,
            stays=True,
            recover=self._login.log_in_again,
            catching_up=CatchingUp(marks=marks),
            marks=marks,
            servers=self._login.servers,
        )

    def run(self) -> int:
        """Run the client until it ends, and return the exit status."""
        gc.set_threshold(*_COLLECTIONS)
        try:
            with self._terminal:
                problem = self._run_on_screen()
        except TerminalUnusable as unusable:
            problem = f"{unusable}, or --plain, which needs no screen"
        finally:
            self._kept_views.keep()
            self._inbox.close()
            self._conversation.resumer.close()
        self._close_log()
        if problem is not None:
            report_end(problem)
            return EXIT_FAILED
        return EXIT_OK if self._was_inside else EXIT_FAILED

    def _run_on_screen(self) -> str | None:
        """Run until the end, and return a sentence about the problem that ended the client, or None."""
        # SIGQUIT too: its default action would kill the process and leave the terminal in raw mode.
        for number in (*ENDING, signal.SIGQUIT):
            install_handler(number, gevent.signal_handler, self._end)
        tasks = (self._paint, self._read_keys, self._tick, self._do_asked)
        greenlets = [self.spawn(task) for task in tasks]
        greenlets.append(self.spawn(follow_time_zone, self._show_anew))
        life = self.spawn(self._live)
        problem = self._ending.get()
        # The terminal is restored next, and no greenlet may draw on it or read from it any more.
        gevent.killall(greenlets)
        # Before the reconnector is killed: its end forgets the connection, which could then not be closed.
        connection = self._conversation.connection
        if connection is not None:
            connection.close(timeout=FAREWELL)
        life.kill()
        return problem

    # --- Used by the controller

    @property
    def max_text(self) -> int:
        """Return the limit of one message, in bytes."""
        return self._max_text

    def ask(self, asked: Asked) -> None:
        """Queue ``asked`` for the greenlet that sends, so that typing never waits for the network."""
        # A line is a draft no more as soon as it is remembered as a line: a client that is killed then has it once.
        self._kept_views.keep()
        self._asked.put(asked)

    def addressed(self, reply: Reply) -> Say:
        """Return the message that ``reply`` stands for. Raises RequestError if there is nobody to reply to."""
        return self._conversation.addressed(reply)

    def do_here(self, request: OnScreen) -> None:
        """Execute a command of the screen. Raises RequestError."""
        self._local.do(request)

    def complete(self, request: NeedsPassword) -> None:
        """Ask for the password that ``request`` lacks, then send the command.

        Raises RequestError on a plain connection.
        """
        self._conversation.check_privacy()
        self.spawn(self._complete, request)

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call ``function`` after so many seconds, and draw its effect."""
        greenlet = gevent.spawn_later(seconds, self._call_later, function)
        greenlet.link_exception(self._fault)

    def _call_later(self, function: Callable[[], object]) -> None:
        function()
        self.repaint()

    def leave(self) -> None:
        """End the client after the last messages are sent."""
        self.spawn(self._leave)

    def suspend(self) -> None:
        """Stop the process, as Ctrl-Z does, and draw the screen again when it continues."""
        self._terminal.suspend()
        self.repaint()

    def redraw(self) -> None:
        """Draw every row again, including rows that have not changed."""
        self._terminal.redraw()
        self.repaint()

    # --- Used by the commands of the screen and by the frontend

    @property
    def colours(self) -> int:
        """Return how many colours the terminal has; 0 if it has none or the user wants none."""
        return self._terminal.colours

    @property
    def modes(self) -> PrivateModes:
        """Return the private modes of the terminal."""
        return self._terminal.modes

    def spawn(
        self, function: Callable[..., object], *arguments: object
    ) -> gevent.Greenlet[..., Any]:
        """Start ``function`` in a greenlet; an exception in it ends the client with a report."""
        greenlet: gevent.Greenlet[..., Any] = gevent.spawn(function, *arguments)
        greenlet.link_exception(self._fault)
        return greenlet

    def repaint(self) -> None:
        """Have the screen drawn again soon."""
        self._painter.repaint()

    def send(self, sequence: bytes) -> None:
        """Have ``sequence`` sent to the terminal with the next frame."""
        self._frontend.send(sequence)

    # --- The greenlets

    def _live(self) -> None:
        try:
            # Only a first login that fails ends the client: later there is a log and drafts to lose.
            self._reconnector.run(self._login.log_in(name_of_login))
        except ChatError as problem:
            self._end(advice(problem))

    def _entered(self, connection: Connection) -> None:
        self._model.encrypted = connection.encrypted
        # At least 4: split_text must find room for the longest character of UTF-8.
        self._max_text = max(connection.limits.max_text, 4)
        self._was_inside = True
        self._kept_views.restore()

    # --- For the login flow

    def tell(self, sentence: str) -> None:
        self._model.remark(now(), sentence, style=ERROR)
        self.repaint()

    def judge(self, unknown_server: UnknownServer) -> bool:
        """Show an unknown server and its key, and wait for yes or no."""
        self._model.remark(now(), *unknown_server.lines, style=ERROR)
        answer: AsyncResult[bool] = AsyncResult()
        said = answer.set
        question = unknown_server.question
        self._controller.ask(
            YesOrNo(question, lambda: said(True), lambda: said(False), lightly=False)
        )
        self.repaint()
        return bool(answer.get())

    def ask_name(self, prompt: str, name: str) -> str | None:
        """Wait for a name. A user who gives none before the first login leaves the client."""
        answer: AsyncResult[str | None] = AsyncResult()
        self._controller.ask(LineQuestion(prompt, name, answer.set))
        self.repaint()
        given = answer.get()
        if given is None and not self._was_inside:
            self._end()
            raise gevent.GreenletExit
        return given

    def ask_password(self, prompt: str) -> str | None:
        """Wait for a password; return None if the user gives none."""
        answer: AsyncResult[str | None] = AsyncResult()
        self._controller.ask(PasswordQuestion(prompt, answer.set))
        self.repaint()
        return answer.get()

    def _complete(self, request: NeedsPassword) -> None:
        try:
            command = choose_password(request, self.ask_password)
        except RequestError as problem:
            self._model.remark(now(), str(problem), style=ERROR)
            self.repaint()
        else:
            self.ask(Asked(AskServer(command)))

    def _do_asked(self) -> None:
        while True:
            self._conversation.do(self._asked.get())
            self.repaint()

    def _read_keys(self) -> None:
        try:
            while True:
                pressed = [self._controller.press(key) for key in self._terminal.read()]
                self._painter.show_keys(draft_only=all(pressed))
        except TerminalGone:
            self._end()

    def _paint(self) -> None:
        self.spawn(self._painter.watch_size)
        try:
            self._painter.run()
        except TerminalGone:
            self._end()

    def _show_anew(self) -> None:
        self._renderer.forget()
        self.repaint()

    def _tick(self) -> None:
        if self._settings.log:
            try:
                self._local.start_log()
            except RequestError as problem:
                self._model.remark(now(), str(problem), style=ERROR)
        while True:
            model = self._model
            # Only these change without an event. An idle client draws nothing.
            if model.changes_by_itself:
                model.tick(now())
                self.repaint()
            self._controller.look_around()
            self._kept_views.keep()
            self._local.write_log()
            if self._code_colours.read(GEVENT.offload):
                self._show_anew()
            gevent.sleep(TICK)

    # --- The end

    def _leave(self) -> None:
        self._reconnector.tell_read()
        self._conversation.wait_for_last_words()
        self._end()

    def _end(self, problem: str | None = None) -> None:
        """End the client; later calls are ignored, so the first reason is reported."""
        if not self._ending.ready():
            self._ending.set(problem)

    def _close_log(self) -> None:
        try:
            self._local.close_log()
        except OSError as problem:
            report_end(f"the end of the log could not be written: {problem.strerror}")

    def _fault(self, greenlet: gevent.Greenlet[..., Any]) -> None:
        """Report a bug of this program: expected errors are handled before they get here."""
        fault = greenlet.exception
        assert fault is not None
        self._end(describe(fault, write_report(fault)))


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(timezone.utc)
