from __future__ import annotations

import threading

import pytest

from chat.client.connection.in_flight import InFlight, Place
from chat.client.connection.receipts import Receipt, Status
from chat.client.conversation.requests import AskServer, Say
from chat.client.conversation.unacknowledged import Outgoing
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType


def receipt(nonce: str | None = None) -> Receipt:
    return Receipt(threading.Event(), MessageType.UTF8, text="hi", nonce=nonce)


def test_answers_find_their_messages_by_nonce_in_any_order() -> None:
    table = InFlight()
    first, second = receipt("a"), receipt("b")
    table.send(first)
    table.send(second)
    assert table.at(Place.SENT) == [first, second]
    assert table.answered("b") is second
    assert table.answered("b") is None
    assert table.at(Place.SENT) == [first]


def test_answers_without_nonces_are_for_the_oldest_message() -> None:
    table = InFlight()
    first, second = receipt(), receipt()
    table.send(first)
    table.send(second)
    assert table.oldest_answered() is first
    assert table.oldest_answered() is second
    assert table.oldest_answered() is None


def test_a_message_that_could_not_be_sent_is_not_expected() -> None:
    table, sent = InFlight(), receipt("a")
    table.send(sent)
    table.requeue(sent)
    table.requeue(sent)
    assert table.find("a") is None
    assert not table.is_owed()


def test_a_queued_message_that_could_not_be_sent_is_the_next_again() -> None:
    table = InFlight()
    first, second = Outgoing(Say("one")), Outgoing(Say("two"))
    table.queue(first)
    table.queue(second)
    table.send(first)
    table.requeue(first)
    assert table.at(Place.QUEUED) == [first, second]


def test_no_message_gets_the_nonce_of_another_one() -> None:
    table = InFlight()
    for place in Place:
        table.send(receipt(place.name), place)
    for place in Place:
        with pytest.raises(ValueError, match="not answered yet"):
            table.send(receipt(place.name))
    with pytest.raises(ValueError, match="not answered yet"):
        table.queue(receipt("SENT"))
    # The queued message of that name is still the only one to be sent under it.
    assert len(table.at(Place.SENT)) == 1


def test_an_upload_has_its_echo_but_is_answered_elsewhere() -> None:
    table, upload = InFlight(), receipt("u")
    table.send(upload, Place.UPLOADING)
    assert not table.at(Place.SENT)
    assert not table.is_owed()
    table.lose()
    assert upload.status is Status.WAITING
    assert table.answered("u") is upload


def test_a_ping_is_owed_an_answer_but_is_no_message() -> None:
    table, ping = InFlight(), receipt()
    table.send(ping, Place.PING)
    assert table.is_owed()
    assert not table.at(Place.SENT)
    table.lose()
    assert ping.status is Status.LOST
    assert not table.is_owed()


def test_losing_the_connection_settles_what_waits_and_keeps_it_known() -> None:
    table = InFlight()
    answered, waiting = receipt("a"), receipt("b")
    table.send(answered)
    table.send(waiting)
    assert table.answered("a") is answered
    table.lose()
    assert table.at(Place.SENT) == [waiting]
    assert waiting.status is Status.LOST


def test_messages_of_a_queue_are_in_question_when_the_connection_is_lost() -> None:
    table = InFlight()
    one, two, three = (Outgoing(Say(text)) for text in ("one", "two", "three"))
    command = Outgoing(AskServer(Command("bans")))
    for message in (one, command, two, three):
        table.queue(message)
    for message in (one, command, two):
        table.send(message)
    table.lose()
    assert table.at(Place.IN_QUESTION) == [one, two]
    assert table.at(Place.QUEUED) == [three]
    assert command.status is Status.LOST
    assert {one.status, two.status, three.status} == {Status.WAITING}
    table.say_again({two.nonce, one.nonce})
    assert table.at(Place.QUEUED) == [one, two, three]
