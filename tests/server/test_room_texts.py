"""Texts that have come together: said in one go, and heard as if they had been said one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import ByteOrder
from chat.protocol.headers import ClientHeader
from chat.protocol.texts import Texts
from chat.server.room import NoSuchUserError
from chat.server.spool import Spool
from tests.server.fakes import run_ready_greenlets
from tests.server.test_room import PUBLIC, TEXT, TIMESTAMP, House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(Spool(tmp_path, 1 << 30))
    yield house
    house.delivery.stop()


def test_texts_that_come_together_are_heard_by_everyone_in_their_order(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob", ByteOrder.LITTLE)
    house.heard(alice, bob)

    house.room.say_texts(alice, Texts([b"one", "привет 😀".encode()], [None, None]))

    assert house.heard(alice, bob) == [["UTF8 alice: one", "UTF8 alice: привет 😀"]] * 2


def test_texts_that_come_together_for_one_are_heard_by_the_two_alone(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob", ByteOrder.LITTLE)
    carol = house.enter("carol")
    house.heard(alice, bob, carol)

    house.room.say_texts(alice, Texts([b"one", b"two"], [b"n1", None], "BOB"))

    run_ready_greenlets()
    about = {"from": "alice", "timestamp": TIMESTAMP, "to": "bob"}
    assert bob.headers == [{**about, "nonce": "n1"}, about]
    assert house.heard(alice, bob, carol) == [
        ["UTF8 alice>bob: one", "UTF8 alice>bob: two"]
    ] * 2 + [[]]


def test_texts_to_oneself_are_heard_once(house: House) -> None:
    alice = house.enter("alice")
    house.heard(alice)

    house.room.say_texts(alice, Texts([b"note"], [None], "alice"))

    assert house.heard(alice) == [["UTF8 alice>alice: note"]]


def test_texts_for_nobody_who_is_here_reach_nobody(house: House) -> None:
    alice = house.enter("alice")
    house.heard(alice)

    with pytest.raises(NoSuchUserError):
        house.room.say_texts(alice, Texts([b"note"], [None], "bob"))

    assert house.heard(alice) == [[]]


def test_they_keep_their_place_among_what_is_said_otherwise(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob")
    house.heard(alice, bob)

    house.room.say(alice, TEXT, b"1", PUBLIC)
    house.room.say_texts(bob, Texts([b"2", b"3"], [None, None], "alice"))
    house.room.say_texts(alice, Texts([b"4", b"5"], [None, None]))
    house.room.say(bob, TEXT, b"6", ClientHeader(to="alice"))

    lines = [
        "UTF8 alice: 1",
        *("UTF8 bob>alice: 2", "UTF8 bob>alice: 3"),
        *("UTF8 alice: 4", "UTF8 alice: 5"),
        "UTF8 bob>alice: 6",
    ]
    assert house.heard(alice, bob) == [lines, lines]
