from __future__ import annotations

import random
from collections.abc import Iterator

import gevent
import pytest

from chat.client.connection.connection import Connection
from chat.client.connection.events import Joined, Notice, RoomHistory, Text, Welcome
from chat.client.connection.receipts import Status
from chat.client.conversation.ui_events import Doubted
from chat.client.errors import (
    ConnectError,
    Dismissed,
    LoginRefused,
    NotEncrypted,
    UntrustedServer,
)
from chat.client.program import reconnect
from chat.client.program.catching_up import CatchingUp
from chat.client.program.reconnect import GaveUp
from chat.client.resuming.events import CatchUpBegan, CatchUpEnded, Disconnected, LineRestored
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.servers.retrying import RetryPolicy
from chat.client.state.memory import Memory
from chat.client.state.places import ROOM
from chat.client.state.unanswered_line import FirstSending, UnansweredLine
from chat.protocol.notices import Refusal
from chat.structs import replace
from tests.client.fake_connection import NINE, FakeConnection, run_until_idle
from tests.client.reconnector_world import Silence, World, entered


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.task.kill()


def texts(connection: FakeConnection) -> list[str | None]:
    return [receipt.text for receipt in connection.sent]


def test_events_reach_the_frontend_until_we_close(world: World) -> None:
    world.start()
    world.first.receive(Joined("alice", NINE))
    run_until_idle()
    world.first.close()
    world.task.get(timeout=30)
    assert world.audience.news == [Welcome("bob", NINE, device=True), Joined("alice", NINE)]


def test_a_welcome_waits_for_earlier_messages_but_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconnect, "_COLLECTING", 0.01)
    world = World(CatchUpWishes(50))
    world.first = entered(RoomHistory("e", last=2))
    welcome = Welcome("bob", NINE, history=RoomHistory("e", last=2), device=True)
    earlier = Text("alice", NINE, "one", seq=1, replay=True)
    world.start(catching_up=CatchingUp())
    world.first.receive(earlier)
    with gevent.Timeout(30):
        while welcome not in world.audience.news:
            gevent.sleep(0.001)
    world.task.kill()
    begin, end = CatchUpBegan(ROOM, 2), CatchUpEnded(ROOM, 1)
    assert world.audience.news == [begin, earlier, end, welcome]


def test_what_was_not_answered_is_looked_up_and_said_again_before_the_rest(world: World) -> None:
    second = FakeConnection()
    world.history = RoomHistory("e", last=7)
    world.first = entered(world.history)
    world.first.in_flight = world.conversation.unacknowledged.in_flight
    world.start(ConnectError("Nobody answers."), second)
    for text in ("one", "two", "three"):
        world.say(text)
    world.first.sent[0].settle(Status.ACCEPTED)
    world.first.receive(Text("bob", NINE, "one", own=True))
    run_until_idle()
    world.first.lose()
    run_until_idle()
    world.say("four")
    world.history = RoomHistory("e", last=8)
    world.wait_for(second)
    run_until_idle()
    # Nothing is said before the server has answered which of the messages it has.
    query, found = second.sent[0], Text("bob", NINE, "two", own=True, seq=8, replay=True)
    assert query.command is not None
    assert query.command.query is not None
    assert query.command.query.nonces == tuple(each.nonce for each in world.first.sent[1:])
    assert len(second.sent) == 1
    second.receive(replace(found, nonce=world.first.sent[1].nonce, answers=query.nonce))
    second.receive(Notice("done", "1 messages.", NINE, query))
    run_until_idle()
    proof = second.sent[1]
    second.receive(replace(found, answers=proof.nonce))
    second.receive(Notice("done", "1 messages.", NINE, proof))
    run_until_idle()
    assert texts(second) == [None, None, "three", "four"]
    assert world.first.sent[1].status is Status.ACCEPTED
    assert world.first.closed
    reasons = [news.reason for news in world.audience.of(Disconnected)]
    assert reasons == ["The line broke.", "Nobody answers."]


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal.USERNAME_EXISTS,  # our own connection that the server has not found out about
        Refusal.SERVER_FULL,
        Refusal.TOO_MANY_CONNECTIONS,
    ],
)
def test_a_refusal_that_may_pass_is_tried_again(world: World, refusal: Refusal) -> None:
    second = FakeConnection()
    world.start(LoginRefused(refusal.value, "Not now."), second)
    world.first.lose()
    world.wait_for(second)
    assert world.names == ["bob", "bob"]


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal.BAD_USERNAME,
        Refusal.BANNED,
        Refusal.ENCRYPTION_NEEDED,
        Refusal.PASSWORD_NEEDED,
        Refusal.WRONG_PASSWORD,
    ],
)
def test_a_user_who_is_refused_does_not_try_again(world: World, refusal: Refusal) -> None:
    world.start(LoginRefused(refusal.value, "Not you."))
    world.first.lose()
    with pytest.raises(LoginRefused):
        world.task.get(timeout=30)


@pytest.mark.parametrize("is_final", [True, False])
def test_a_server_that_can_not_show_who_it_is(world: World, is_final: bool) -> None:
    """Another key is the end. That it does not encrypt may be but for a moment, as while it starts."""
    problem = UntrustedServer("Another key.") if is_final else NotEncrypted("No TLS.")
    second = FakeConnection()
    world.start(problem, second)
    world.first.lose()
    if is_final:
        with pytest.raises(UntrustedServer):
            world.task.get(timeout=30)
    else:
        world.wait_for(second)


def test_pauses_double_up_to_a_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", max)
    last = FakeConnection()
    world.start(*[ConnectError("No.")] * 4, last)
    world.first.lose()
    world.wait_for(last)
    pauses = [news.retry_in for news in world.audience.of(Disconnected)]
    assert pauses == [0.0015, 0.003, 0.004, 0.004, 0.004]


def test_a_server_that_drops_us_at_once_is_not_asked_more_often(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", max)
    flapping = [FakeConnection() for _ in range(3)]
    for connection in flapping:
        connection.lose()
    last = FakeConnection()
    patience = RetryPolicy(first=0.001, longest=60.0)
    world.start(*flapping, last, patience=patience)
    world.first.lose()
    world.wait_for(last)
    pauses = [news.retry_in for news in world.audience.of(Disconnected)]
    assert pauses == [0.0015, 0.003, 0.006, 0.012]


def test_patience_ends_once_the_input_has(world: World) -> None:
    world.start(*[ConnectError("No.")] * 100, patience=RetryPolicy(0.001, 0.004, after_input=0.01))
    world.first.lose()
    world.reconnector.input_ended()
    with pytest.raises(GaveUp):
        world.task.get(timeout=30)


def test_the_end_of_the_input_wakes_who_waits_for_long(world: World) -> None:
    world.start(patience=RetryPolicy(first=1000.0, longest=1000.0, after_input=0.0))
    world.first.lose()
    run_until_idle()
    assert not world.task.ready()
    world.reconnector.input_ended()
    with pytest.raises(GaveUp):
        world.task.get(timeout=30)


def test_a_user_who_asks_is_connected_again_without_the_rest_of_the_pause(world: World) -> None:
    last = FakeConnection()
    world.start(last, patience=RetryPolicy(first=1000.0, longest=1000.0))
    world.first.lose()
    run_until_idle()
    assert world.names == []
    world.reconnector.reconnect()
    world.wait_for(last)
    assert world.names == ["bob"]


def test_a_user_who_asks_does_not_wait_for_a_silent_server(world: World) -> None:
    silence, last = Silence(), FakeConnection()
    world.start(silence, last)
    world.first.lose()
    with gevent.Timeout(30):
        silence.is_asked.wait()
    world.reconnector.reconnect("robert")
    world.wait_for(last)
    assert silence.is_given_up
    assert world.names == ["bob", "robert"]


def test_a_connection_that_is_made_as_another_is_asked_for_is_closed(world: World) -> None:
    silence, second, last = Silence(), FakeConnection(), FakeConnection()
    silence.then = second
    world.start(silence, last)
    world.first.lose()
    with gevent.Timeout(30):
        silence.is_asked.wait()
    silence.answer.set()
    world.reconnector.reconnect("robert")
    world.wait_for(last)
    assert second.closed == (not silence.is_given_up)
    assert world.names == ["bob", "robert"]


def test_the_end_of_the_program_ends_an_attempt(world: World) -> None:
    silence = Silence()
    world.start(silence)
    world.first.lose()
    with gevent.Timeout(30):
        silence.is_asked.wait()
    world.task.kill(timeout=30)
    assert silence.is_given_up


def test_a_fault_of_our_own_comes_out(world: World) -> None:
    world.start()  # and a further try finds no outcome
    world.first.lose()
    with pytest.raises(IndexError):
        world.task.get(timeout=30)


def test_a_connection_is_given_up_for_a_new_one_under_another_name(world: World) -> None:
    last = FakeConnection()
    world.start(last)
    world.say("not answered yet")
    world.reconnector.reconnect("robert")
    world.wait_for(last)
    run_until_idle()
    assert world.first.closed
    assert world.names == ["robert"]
    # The server can't tell whether a message under another name was ours.
    assert texts(last) == []
    assert [doubted.line.text for doubted in world.audience.of(Doubted)] == ["not answered yet"]


def test_a_wish_to_connect_again_holds_once(world: World) -> None:
    second, last = FakeConnection(), FakeConnection()
    world.start(second, last, patience=RetryPolicy(first=0.002, longest=0.002))
    world.reconnector.reconnect("robert")
    world.wait_for(second)
    second.username = "robert"
    second.lose()
    world.wait_for(last)
    assert world.names == ["robert", "robert"]
    assert [bool(news.retry_in) for news in world.audience.of(Disconnected)] == [False, True]


KICKED = Dismissed("moderated", "You were kicked by eve.")


def test_a_user_who_was_told_to_leave_does_not_come_back(world: World) -> None:
    world.start()
    world.first.lose(KICKED)
    with pytest.raises(Dismissed, match="kicked by eve"):
        world.task.get(timeout=30)
    assert world.names == []


def test_a_kicked_user_who_stayed_may_come_back(world: World) -> None:
    second = FakeConnection()
    world.start(second, stays=True)
    world.first.lose(KICKED)
    run_until_idle()
    assert world.audience.of(Disconnected) == [Disconnected("You were kicked by eve.", None)]
    world.reconnector._woken.set()  # which is no wish to come back
    run_until_idle()
    assert world.names == []
    world.reconnector.reconnect()
    world.wait_for(second)
    assert world.names == ["bob"]


def test_a_user_who_stayed_and_can_not_ask_any_more_leaves(world: World) -> None:
    world.start(stays=True)
    world.first.lose(KICKED)
    run_until_idle()
    world.reconnector.input_ended()
    with pytest.raises(Dismissed, match="kicked by eve"):
        world.task.get(timeout=30)


@pytest.mark.parametrize(
    "problem",
    [
        LoginRefused(Refusal.BANNED.value, "You are banned."),
        LoginRefused(Refusal.WRONG_PASSWORD.value, "That is not its password."),
        LoginRefused(Refusal.BAD_USERNAME.value, "No such name."),
        LoginRefused(Refusal.ENCRYPTION_NEEDED.value, "Not without TLS."),
        UntrustedServer("Another key."),
    ],
    ids=str,
)
def test_whatever_ends_a_connection_a_user_who_stays_decides(
    world: World, problem: LoginRefused | UntrustedServer
) -> None:
    second = FakeConnection()
    world.start(problem, second, stays=True)
    world.first.lose()
    with gevent.Timeout(30):
        while not world.names:
            gevent.sleep(0.001)
    run_until_idle()
    assert world.audience.of(Disconnected)[-1] == Disconnected(str(problem), None)
    assert world.names == ["bob"]
    world.reconnector.reconnect()
    world.wait_for(second)
    assert world.names == ["bob", "bob"]


def test_a_chosen_name_that_is_taken_is_not_waited_for(world: World) -> None:
    last = FakeConnection()
    world.start(LoginRefused(Refusal.USERNAME_EXISTS.value, "Taken."), last, stays=True)
    world.reconnector.reconnect("alice")
    run_until_idle()
    assert world.audience.of(Disconnected)[-1] == Disconnected("Taken.", None)
    world.reconnector.reconnect()
    world.wait_for(last)
    assert world.names == ["alice", "bob"]


def test_a_refusal_is_recovered_from_by_another_password(world: World) -> None:
    again = FakeConnection()
    asked: list[str] = []

    def recover(refused: LoginRefused) -> Connection:
        asked.append(refused.code)
        again.in_flight = world.conversation.unacknowledged.in_flight
        return again.as_connection

    refusal = LoginRefused(Refusal.WRONG_PASSWORD.value, "Wrong.")
    world.start(refusal, stays=True, recover=recover)
    world.first.lose()
    world.wait_for(again)
    assert asked == ["wrong-password"]


def test_lines_of_an_earlier_run_are_shown_before_what_became_of_them(world: World) -> None:
    """The server keeps nothing, so nobody can find out whether any of them was said."""
    memory = Memory()
    for number in range(3):
        line = UnansweredLine(f"n{number}", f"line {number}", None, NINE, is_perhaps=number == 0)
        memory.keep(line)
    memory.note_sent(["n1", "n2"], FirstSending(None, "device"))
    world.conversation.resumer.use(memory)
    world.start()
    world.first.receive(Welcome("bob", NINE, device=True))
    run_until_idle()
    told = [event for event in world.audience.news if isinstance(event, LineRestored | Doubted)]
    kinds = [(type(event), event.line.nonce) for event in told]
    assert kinds[:2] == [(LineRestored, "n1"), (LineRestored, "n2")]
    assert sorted(nonce for _, nonce in kinds[2:]) == ["n0", "n1", "n2"]
