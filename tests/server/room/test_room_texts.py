"""Texts that have come together: said in one go, and heard as if they had been said one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.headers import ClientHeader
from chat.protocol.notices import NoticeCode
from chat.protocol.runs import Run
from chat.server.attachments.spool import Spool
from tests.server.fakes import FakeMember, run_ready_greenlets
from tests.server.room_alone import PUBLIC, TEXT, TIMESTAMP, RoomAlone


@pytest.fixture
def chat_server(tmp_path: Path) -> Iterator[RoomAlone]:
    chat_server = RoomAlone(Spool(tmp_path, 1 << 30))
    yield chat_server
    chat_server.broadcast.stop()


def test_texts_that_come_together_are_heard_by_everyone_in_their_order(
    chat_server: RoomAlone,
) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob", ByteOrder.LITTLE)
    chat_server.heard(alice, bob)

    chat_server.say_texts(alice, b"one", "привет 😀".encode())

    assert chat_server.heard(alice, bob) == [["UTF8 alice: one", "UTF8 alice: привет 😀"]] * 2


def test_texts_that_come_together_for_one_are_heard_by_the_two_alone(
    chat_server: RoomAlone,
) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob", ByteOrder.LITTLE)
    carol = chat_server.enter("carol")
    chat_server.heard(alice, bob, carol)

    chat_server.publish(alice, Run(TEXT, [b"one", b"two"], [b"n1", None], 6, "BOB"))

    run_ready_greenlets()
    about = {"from": "alice", "timestamp": TIMESTAMP, "to": "bob"}
    assert bob.headers == [{**about, "seq": 1, "nonce": "n1"}, {**about, "seq": 2}]
    assert chat_server.heard(alice, bob, carol) == [
        ["UTF8 alice>bob: one", "UTF8 alice>bob: two"]
    ] * 2 + [[]]


def test_texts_to_oneself_are_heard_once(chat_server: RoomAlone) -> None:
    alice = chat_server.enter("alice")
    chat_server.heard(alice)

    chat_server.say_texts(alice, b"note", to="alice")

    assert chat_server.heard(alice) == [["UTF8 alice>alice: note"]]


def test_texts_for_nobody_who_is_here_reach_nobody(chat_server: RoomAlone) -> None:
    alice = chat_server.enter("alice")
    chat_server.heard(alice)

    assert chat_server.say_texts(alice, b"note", to="bob") is NoticeCode.NO_SUCH_USER

    assert chat_server.heard(alice) == [[]]


def test_they_keep_their_place_among_what_is_said_otherwise(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob")
    chat_server.heard(alice, bob)

    chat_server.say(alice, TEXT, b"1", PUBLIC)
    chat_server.say_texts(bob, b"2", b"3", to="alice")
    chat_server.say_texts(alice, b"4", b"5")
    chat_server.say(bob, TEXT, b"6", ClientHeader(to="alice"))

    lines = [
        "UTF8 alice: 1",
        *("UTF8 bob>alice: 2", "UTF8 bob>alice: 3"),
        *("UTF8 alice: 4", "UTF8 alice: 5"),
        "UTF8 bob>alice: 6",
    ]
    assert chat_server.heard(alice, bob) == [lines, lines]


# Numbers


def seqs(chat_server: RoomAlone, member: FakeMember) -> list[int | None]:
    """The numbers of what ``member`` has heard since the last look; None of a frame that is no message."""
    run_ready_greenlets()
    found = [header.get("seq") for header in member.headers]
    member.transport.taken.clear()
    return found


def test_messages_of_the_room_are_numbered_from_1_without_gaps(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob", inline=0)
    chat_server.heard(alice, bob)

    chat_server.say_texts(alice, b"1", b"2")
    chat_server.say_texts(alice, b"psst", to="bob")
    chat_server.say_texts(alice, b"psst", to="nobody")
    chat_server.say(bob, MessageType.IMAGE, b"3")
    chat_server.room.notify(bob, NoticeCode.EMPTY, "A text must not be empty.")
    chat_server.say_texts(bob, b"4")
    chat_server.leave(alice)
    chat_server.say_texts(bob, b"5")

    assert seqs(chat_server, alice) == [1, 2, 1, 3, 4]
    assert seqs(chat_server, bob) == [1, 2, 1, 3, None, 4, None, 5]


@pytest.mark.parametrize("type", [TEXT, MessageType.FILE])
def test_each_user_counts_their_own_private_messages(
    chat_server: RoomAlone, type: MessageType
) -> None:
    alice, bob, carol = (
        chat_server.enter("alice"),
        chat_server.enter("bob"),
        chat_server.enter("carol", inline=0),
    )
    chat_server.heard(alice, bob, carol)

    for sender, to in ((alice, "bob"), (carol, "bob"), (bob, "alice"), (carol, "CAROL")):
        chat_server.say(sender, type, b"psst", ClientHeader(to=to))

    assert seqs(chat_server, alice) == [1, 2]
    assert seqs(chat_server, bob) == [1, 2, 3]
    assert seqs(chat_server, carol) == [1, 2]


def test_a_guests_numbers_end_with_them_and_those_of_an_account_go_on(
    chat_server: RoomAlone,
) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob")
    bob.became_registered()
    chat_server.say_texts(alice, b"1", b"2", to="bob")
    chat_server.leave(alice)
    chat_server.leave(bob)
    chat_server.heard(alice, bob)

    alice, bob = chat_server.enter("alice"), FakeMember("bob")
    bob.became_registered()
    chat_server.join(bob)
    chat_server.heard(alice, bob)
    chat_server.say_texts(alice, b"3", to="bob")

    assert seqs(chat_server, alice) == [1]
    assert seqs(chat_server, bob) == [3]


def test_a_guest_counts_from_1_also_under_the_name_of_a_removed_account(
    chat_server: RoomAlone,
) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob")
    bob.became_registered()
    chat_server.say_texts(alice, b"1", b"2", to="bob")
    chat_server.leave(bob)

    bob = chat_server.enter("bob")
    chat_server.say_texts(alice, b"1", to="bob")

    assert seqs(chat_server, bob) == [1]
