"""A controller at work without a room, a terminal or a clock, for the tests of what keys and commands do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from chat.client.connection.events import Text, Welcome
from chat.client.conversation.requests import NeedsPassword, OnScreen, Reply, RequestError, Say
from chat.client.conversation.ui_events import Asked, UiEvent
from chat.client.screen.controller import Controller
from chat.client.screen.draw.layout import Renderer, Size
from chat.client.screen.draw.lines import entry_lines
from chat.client.screen.input.decoder import Paste
from chat.client.screen.input.keys import split_keys
from chat.client.screen.input.own_keys import OwnKeys
from chat.client.screen.local_commands import LocalCommands
from chat.client.screen.model.model import Model
from chat.client.screen.terminal.modes import PrivateModes
from chat.client.screen.text.spans import Row, text_of
from chat.client.screen.updates.message_updates import Alert
from chat.client.screen.updates.model_updates import ModelUpdater

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)


class Desk:
    """Bob's screen without a terminal: records the requests to the room, the terminal and the desktop."""

    def __init__(self, log_path: Path | None = None, own_keys: OwnKeys | None = None) -> None:
        self.model = Model("chat.example:8080", "bob")
        self.asked: list[Asked] = []
        self.done: list[str] = []
        self.sent: list[bytes] = []
        self.max_text = 40
        self.colours = 256
        self.modes = PrivateModes()
        self.last_private_sender: str | None = None
        self.spawned: list[Callable[[], object]] = []
        self.delayed: list[Callable[[], object]] = []
        self.own_keys = own_keys or OwnKeys()
        self.local = LocalCommands(self.model, self, lambda: NINE, log_path=log_path)
        self.renderer = Renderer(self.own_keys)
        self.controller = Controller(self.model, self.renderer, self, lambda: NINE, self.own_keys)
        self.local.controller = self.controller
        self.controller.size = Size(60, 12)
        self._intake = ModelUpdater(self.model)
        self.take(Welcome("bob", NINE, ("bob", "alice", "carol")))

    # For tests

    def take(self, news: UiEvent) -> Alert | None:
        if self.controller.take(news):
            return None
        return self._intake.update(news, NINE)

    def hear(self, *texts: str, sender: str = "alice", to: str | None = None) -> None:
        for text in texts:
            self.take(Text(sender, NINE, text, to))

    def type(self, keys: str) -> bool:
        """Press the keys of a text such as ``hi<enter>``; return whether they changed the draft alone."""
        pressed = [self.controller.press(key) for key in split_keys(keys)]
        return all(pressed)

    def paste(self, text: str) -> bool:
        return self.controller.press(Paste(text))

    def run_spawned(self) -> None:
        while self.spawned:
            self.spawned.pop(0)()

    def run_delayed(self) -> None:
        """Let time pass."""
        while self.delayed:
            self.delayed.pop(0)()

    def draft(self) -> str:
        return self.model.current.draft.text

    def question(self) -> tuple[str, str] | None:
        question = self.model.question
        return None if question is None else (question.prompt, question.answer.text)

    def log(self) -> list[str]:
        """Without the times."""
        entries = self.model.current.entries
        lines = [text_of(line) for entry in entries for line in entry_lines(entry)]
        return [line.partition("> ")[2] or line for line in lines]

    def screen(self) -> list[str]:
        return [text_of(row).rstrip() for row in self.rows()]

    def rows(self) -> list[Row]:
        """Return the rows of the screen with their styles."""
        return self.renderer.render(self.model, self.controller.size).rows

    # The interface that the controller, the commands and the frontend use

    def ask(self, asked: Asked) -> None:
        self.asked.append(asked)

    def addressed(self, reply: Reply) -> Say:
        if self.last_private_sender is None:
            raise RequestError("There is no private message to reply to yet.")
        return Say(reply.text, self.last_private_sender)

    def do_here(self, request: OnScreen) -> None:
        self.local.do(request)

    def complete(self, request: NeedsPassword) -> None:
        self.done.append(f"complete {type(request).__name__}")

    def leave(self) -> None:
        self.done.append("leave")

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        self.delayed.append(function)

    def suspend(self) -> None:
        self.done.append("suspend")

    def redraw(self) -> None:
        self.done.append("redraw")

    def repaint(self) -> None:
        self.done.append("repaint")

    def send(self, sequence: bytes) -> None:
        self.sent.append(sequence)

    def spawn(self, function: Callable[..., object], *arguments: object) -> None:
        self.spawned.append(lambda: function(*arguments))
