"""A client that goes to another server of the same chat, without a network."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from chat.client.connection.events import Notice, RoomHistory, Text, Welcome
from chat.client.conversation.ui_events import UiEvent, Unconfirmed
from chat.client.errors import ConnectError, Dismissed
from chat.client.program import loss_display
from chat.client.program.catching_up import CatchingUp
from chat.client.resuming.events import CatchUpBegan, CatchUpEnded, Disconnected
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.servers import server_choice
from chat.client.servers.retrying import RetryPolicy
from chat.client.servers.server_choice import ServerChoice
from chat.client.trust.connector import TrustPolicy
from chat.net.address import Address
from chat.structs import replace
from tests.client.fake_connection import NINE, FakeConnection, run_until_idle
from tests.client.reconnector_world import Silence, World, entered

B, C = Address("b", 8080), Address("c", 8080)
MOVE = Notice("move", "Go on.", NINE, servers=(B, C))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_choice, "SPREAD", 0.0)


@pytest.fixture
def servers() -> ServerChoice:
    return ServerChoice(GEVENT, [Address("a", 8080), B], TrustPolicy())


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.task.kill()


def replace_old(world: World) -> None:
    """End the first session as a server does that has seen the new one."""
    replaced = Notice("replaced", "You are elsewhere.", NINE, dismisses=True)
    world.first.receive(replaced)
    world.first.lose(Dismissed("replaced", "You are elsewhere."))


class TestMoving:
    def test_the_old_connection_is_read_to_its_end(
        self, world: World, servers: ServerChoice
    ) -> None:
        second = FakeConnection()
        world.start(second, servers=servers)
        world.first.receive(MOVE)
        with gevent.Timeout(30):
            while not world.among:
                gevent.sleep(0.001)
        assert world.among == [(B, C)]
        last = Text("alice", NINE, "the last word")
        world.first.receive(last)
        replace_old(world)
        world.wait_for(second)
        run_until_idle()
        welcome = Welcome("bob", NINE, device=True)
        assert world.audience.news == [welcome, last, welcome]
        assert world.first.closed

    def test_an_old_server_that_goes_on_is_left_after_a_while(
        self, world: World, servers: ServerChoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chat.client.servers.moving._LAST_WORDS", 0.01)
        second = FakeConnection()
        world.start(second, servers=servers)
        world.first.receive(MOVE)
        world.wait_for(second)
        assert world.audience.of(Disconnected) == []

    def test_a_failed_try_is_repeated_while_the_old_server_stays(
        self, world: World, servers: ServerChoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chat.client.servers.moving._PAUSES", RetryPolicy(0.001, 0.004))
        second = FakeConnection()
        world.start(ConnectError("No."), ConnectError("No."), second, servers=servers)
        world.first.receive(MOVE)
        with gevent.Timeout(30):
            while len(world.names) < 3:
                gevent.sleep(0.001)
        replace_old(world)
        world.wait_for(second)
        assert world.audience.of(Disconnected) == []

    def test_a_second_notice_changes_nothing(self, world: World, servers: ServerChoice) -> None:
        silence = Silence()
        silence.then = entered()
        world.start(silence, servers=servers)
        world.first.receive(MOVE)
        world.first.receive(MOVE)
        silence.is_asked.wait(30)
        run_until_idle()
        silence.answer.set()
        replace_old(world)
        world.wait_for(silence.then)
        assert len(world.names) == 1

    def test_a_user_who_was_kicked_does_not_come_back_by_a_move(
        self, world: World, servers: ServerChoice
    ) -> None:
        silence = Silence()
        silence.then = entered()
        world.start(silence, servers=servers)
        world.first.receive(MOVE)
        silence.is_asked.wait(30)
        world.first.lose(Dismissed("moderated", "You were kicked."))
        run_until_idle()
        silence.answer.set()
        with pytest.raises(Dismissed, match="kicked"):
            world.task.get(timeout=30)
        run_until_idle()
        assert silence.then.closed

    def test_another_login_of_the_user_still_ends_it(self, world: World) -> None:
        world.start(servers=ServerChoice(GEVENT, [Address("a", 8080)], TrustPolicy()))
        replace_old(world)
        with pytest.raises(Dismissed):
            world.task.get(timeout=30)
        assert [news.code for news in world.audience.of(Notice)] == ["replaced"]

    def test_the_user_may_ask_for_something_else_meanwhile(
        self, world: World, servers: ServerChoice
    ) -> None:
        silence, third = Silence(), FakeConnection()
        silence.then = entered()
        world.start(silence, third, servers=servers)
        world.first.receive(MOVE)
        silence.is_asked.wait(30)
        world.reconnector.reconnect()
        world.wait_for(third)
        silence.answer.set()
        run_until_idle()
        assert silence.then.closed

    def test_a_client_that_leaves_meanwhile_leaves_the_other_server_too(
        self, world: World, servers: ServerChoice
    ) -> None:
        silence = Silence()
        silence.then = entered()
        world.start(silence, servers=servers)
        world.first.receive(MOVE)
        silence.is_asked.wait(30)
        world.first.close()
        silence.answer.set()
        world.task.get(timeout=30)
        run_until_idle()
        assert silence.then.closed


class TestLosing:
    def test_the_next_try_is_at_once_and_elsewhere(
        self, world: World, servers: ServerChoice
    ) -> None:
        second = FakeConnection()
        world.start(second, servers=servers)
        world.first.lose()
        world.wait_for(second)
        assert world.audience.of(Disconnected) == [
            Disconnected("The line broke.", 0.0, elsewhere=True)
        ]

    def test_if_nobody_is_there_it_is_an_outage_as_any_other(
        self, world: World, servers: ServerChoice
    ) -> None:
        second = FakeConnection()
        world.start(ConnectError("Both are dead."), second, servers=servers)
        world.first.lose()
        world.wait_for(second)
        lost = world.audience.of(Disconnected)
        assert [(each.reason, each.elsewhere) for each in lost] == [
            ("The line broke.", True),
            ("Both are dead.", False),
        ]

    def test_people_see_a_loss_that_takes_longer(
        self, world: World, servers: ServerChoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loss_display, "_MOMENT", 0.01)
        silence = Silence()
        world.start(silence, servers=servers, catching_up=CatchingUp())
        world.first.lose()
        with gevent.Timeout(30):
            while len(world.audience.of(Disconnected)) < 2:
                gevent.sleep(0.001)
        assert [each.elsewhere for each in world.audience.of(Disconnected)] == [True, False]


class TestWhatWasSaidMeanwhile:
    EARLIER = Text("alice", NINE, "bob?", seq=1, replay=True)

    def missed(self, servers: ServerChoice, silence: float) -> list[UiEvent]:
        """Return what people see of a message that was said while they were away for a moment."""
        world = World(CatchUpWishes(50, follows=True))
        world.first = entered(RoomHistory("e", last=0))
        world.first.silence = silence
        second = FakeConnection()
        try:
            catching_up = CatchingUp()
            world.start(second, servers=servers, catching_up=catching_up)
            run_until_idle()
            world.history = RoomHistory("e", last=1)
            world.first.lose()
            world.wait_for(second)
            run_until_idle()
            query = second.sent[0]
            second.receive(replace(self.EARLIER, answers=query.nonce))
            second.receive(Notice("done", "1 messages.", NINE, query))
            run_until_idle()
            live = Text("alice", NINE, "still there?", seq=2)
            second.receive(live)
            run_until_idle()
            kinds = (Text, CatchUpBegan, CatchUpEnded, Welcome)
            assert not catching_up.is_quiet  # for what comes later, as in a room that is joined
            return [*filter(lambda news: isinstance(news, kinds), world.audience.news)][1:]
        finally:
            world.task.kill()

    def test_it_comes_as_if_the_user_had_been_there(self, servers: ServerChoice) -> None:
        welcome, earlier, live = self.missed(servers, 0.0)
        assert isinstance(welcome, Welcome)
        assert isinstance(earlier, Text)
        assert not earlier.replay
        assert isinstance(live, Text)

    def test_after_a_longer_silence_it_is_marked_as_earlier(self, servers: ServerChoice) -> None:
        kinds = [type(each) for each in self.missed(servers, 60.0)]
        assert kinds == [CatchUpBegan, Text, CatchUpEnded, Welcome, Text]


def test_messages_that_wait_at_the_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.client.program.reconnect._LAG_EVERY", 0.001)
    world.start()
    world.say("hello")
    world.first.receive(Notice("waiting", "Not yet.", NINE))
    world.first.receive(Notice("waiting", "Not yet.", NINE))
    run_until_idle()
    (begun,) = world.audience.of(Unconfirmed)
    assert begun.since is not None
    world.first.answer()
    with gevent.Timeout(30):
        while len(world.audience.of(Unconfirmed)) < 2:
            gevent.sleep(0.001)
    assert world.audience.of(Unconfirmed)[1] == Unconfirmed(None)


def test_a_wait_ends_with_the_connection(world: World) -> None:
    world.start(ConnectError("No."))
    world.say("hello")
    world.first.receive(Notice("waiting", "Not yet.", NINE))
    run_until_idle()
    world.first.lose()
    run_until_idle()
    assert world.audience.of(Unconfirmed)[-1] == Unconfirmed(None)
