"""Servers that come and go, for tests of the reconnector without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gevent
from gevent.event import Event

from chat.client.attention.read_marks import UserMarks
from chat.client.connection.connection import Connection
from chat.client.connection.events import RoomHistory, Welcome
from chat.client.conversation.commands import Availability
from chat.client.conversation.conversation import Conversation
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.requests import Say
from chat.client.conversation.ui_events import Asked
from chat.client.errors import (
    ChatError,
)
from chat.client.program.catching_up import CatchingUp
from chat.client.program.reconnect import Reconnector, Recover
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.servers.retrying import RetryPolicy
from chat.client.servers.server_choice import ServerChoice
from chat.net.address import Address
from tests.client.fake_connection import NINE, Audience, FakeConnection, run_until_idle, spawn

QUICK = RetryPolicy(first=0.001, longest=0.004, after_input=10.0)


def entered(history: RoomHistory | None = None) -> FakeConnection:
    """Return a connection that a server has accepted: its welcome comes first."""
    connection = FakeConnection()
    connection.receive(Welcome("bob", NINE, history=history, device=True))
    return connection


class Silence:
    """A server that does not answer, until ``answer`` is set."""

    def __init__(self) -> None:
        self.is_asked = Event()
        self.answer = Event()
        self.is_given_up = False
        self.then: FakeConnection | None = None

    def wait(self) -> Connection:
        self.is_asked.set()
        try:
            self.answer.wait()
        except gevent.GreenletExit:
            self.is_given_up = True
            raise
        assert self.then is not None
        return self.then.as_connection


class World:
    """Servers that come and go: each try to connect takes the next of ``outcomes``."""

    def __init__(self, wishes: CatchUpWishes | None = None) -> None:
        self.audience = Audience()
        self.outcomes: list[FakeConnection | ChatError | Silence] = []
        self.names: list[str] = []
        self.among: list[Sequence[Address]] = []
        self.conversation = Conversation(
            self.audience,
            inbox=Inbox(Path("in"), 0),
            spawn=spawn,
            where=Availability.PLAIN,
            leave=lambda: None,
            wishes=wishes,
        )
        self.history: RoomHistory | None = None  # that the next welcome tells
        self.first = entered()
        self.first.in_flight = self.conversation.unacknowledged.in_flight
        self.reconnector: Reconnector
        self.task: gevent.Greenlet[..., None]

    def start(
        self,
        *outcomes: FakeConnection | ChatError | Silence,
        patience: RetryPolicy = QUICK,
        stays: bool = False,
        recover: Recover | None = None,
        catching_up: CatchingUp | None = None,
        marks: UserMarks | None = None,
        servers: ServerChoice | None = None,
    ) -> None:
        self.outcomes = list(outcomes)
        self.reconnector = Reconnector(
            self._connect,
            self.conversation,
            self.audience,
            spawn,
            patience,
            stays=stays,
            recover=recover,
            catching_up=catching_up,
            marks=marks,
            servers=servers,
        )
        self.task = spawn(self.reconnector.run, self.first.as_connection)
        run_until_idle()

    def _connect(self, username: str, among: Sequence[Address] = ()) -> Connection:
        self.names.append(username)
        self.among.append(among)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, ChatError):
            raise outcome
        if isinstance(outcome, Silence):
            if outcome.then is not None:
                outcome.then.in_flight = self.conversation.unacknowledged.in_flight
            return outcome.wait()
        outcome.in_flight = self.conversation.unacknowledged.in_flight
        outcome.receive(Welcome(username, NINE, history=self.history, device=True))
        return outcome.as_connection

    def say(self, text: str) -> None:
        self.conversation.do(Asked(Say(text)))
        run_until_idle()

    def wait_for(self, connection: FakeConnection) -> None:
        with gevent.Timeout(30):
            while self.conversation.connection is not connection.as_connection:
                gevent.sleep(0.001)
