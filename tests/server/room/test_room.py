"""The room: its members, and the messages that each member hears, in one order for all."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.headers import ClientHeader
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.attachments.spool import Spool
from chat.server.directory.directory import NameTakenError, NoSuchUserError
from tests.server.fakes import FakeMember, run_ready_greenlets
from tests.server.room_alone import FILE, PUBLIC, TEXT, TIMESTAMP, RoomAlone


@pytest.fixture
def chat_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoomAlone]:
    chat_server = RoomAlone(Spool(tmp_path_factory.mktemp("spool"), 1 << 30))
    yield chat_server
    chat_server.broadcast.stop()
    chat_server.offers.clear()
    assert (chat_server.spool.used, chat_server.spool.files) == (0, 0), (
        "a content was not given back"
    )


# Coming


def test_a_newcomer_hears_their_own_announcement_first(chat_server: RoomAlone) -> None:
    alice = FakeMember("Alice")

    chat_server.join(alice)

    assert chat_server.heard(alice) == [["LOGIN", "LOGIN Alice"]]


def test_everyone_else_hears_that_somebody_came(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob", ByteOrder.LITTLE)
    assert chat_server.heard(alice) == [["LOGIN bob"]]

    carol = FakeMember("carol")
    chat_server.join(carol)

    assert chat_server.heard(alice, bob) == [["LOGIN carol"], ["LOGIN carol"]]


def test_the_answer_to_a_login_is_bare(chat_server: RoomAlone) -> None:
    alice = FakeMember("alice")
    chat_server.join(alice)

    answer, announcement = alice.frames

    assert answer == (MessageType.LOGIN, b"", b"")
    assert json.loads(announcement.header) == {"from": "alice", "timestamp": TIMESTAMP}
    assert announcement.content == b""


def test_the_welcome_names_the_members_and_reaches_the_newcomer_alone(
    chat_server: RoomAlone,
) -> None:
    bob = chat_server.enter("bob")
    alice = FakeMember("alice")

    chat_server.join(alice, lambda names, facts: b"here: " + names)
    run_ready_greenlets()

    here = b'{"users":["bob","alice"],"registered":[],"moderators":[]}'
    assert alice.frames[1].content == b"here: " + here
    assert bob.frames[0].content == b""


def test_a_newcomer_hears_nothing_that_was_said_before_and_everything_after(
    chat_server: RoomAlone,
) -> None:
    alice = chat_server.enter("alice")
    chat_server.say(alice, TEXT, b"before", PUBLIC)
    bob = FakeMember("bob")
    chat_server.join(bob)
    chat_server.say(alice, TEXT, b"after", PUBLIC)

    assert chat_server.heard(bob) == [["LOGIN", "LOGIN bob", "UTF8 alice: after"]]


@pytest.mark.parametrize("taken", ["alice", "ALICE", "Alice"])
def test_a_name_is_taken_in_any_case(chat_server: RoomAlone, taken: str) -> None:
    alice = chat_server.enter("Alice")

    with pytest.raises(NameTakenError):
        chat_server.join(FakeMember(taken))

    assert json.loads(chat_server.room.names_json()) == ["Alice"]
    assert chat_server.heard(alice) == [[]]


def test_a_name_is_free_again_when_its_bearer_has_left(chat_server: RoomAlone) -> None:
    chat_server.leave(chat_server.enter("alice"), LeaveReason.QUIT)

    chat_server.enter("Alice")

    assert json.loads(chat_server.room.names_json()) == ["Alice"]


def test_the_names_are_those_of_who_is_here_in_the_order_of_coming(chat_server: RoomAlone) -> None:
    def names() -> list[str]:
        found: list[str] = json.loads(chat_server.room.names_json())
        return found

    assert names() == []
    alice = chat_server.enter("alice")
    assert names() == ["alice"]
    chat_server.enter("Bob-2")
    chat_server.enter("çelik")
    assert names() == ["alice", "Bob-2", "çelik"]
    chat_server.leave(alice, LeaveReason.QUIT)
    chat_server.enter("dora")
    assert names() == ["Bob-2", "çelik", "dora"]
    chat_server.enter("Alice")
    assert names() == ["Bob-2", "çelik", "dora", "Alice"]


def test_serials_grow_and_never_come_back(chat_server: RoomAlone) -> None:
    first = chat_server.enter("alice")
    chat_server.leave(first, LeaveReason.QUIT)
    second, third = chat_server.enter("alice"), chat_server.enter("bob")

    assert first.serial < second.serial < third.serial


# Leaving


@pytest.mark.parametrize("reason", list(LeaveReason))
def test_everyone_else_hears_who_left_and_why(chat_server: RoomAlone, reason: LeaveReason) -> None:
    alice, bob, carol = (
        chat_server.enter("alice"),
        chat_server.enter("bob"),
        chat_server.enter("carol"),
    )
    chat_server.heard(alice, bob, carol)

    chat_server.leave(bob, reason)

    line = [f"LOGOUT bob ({reason.value})"]
    assert chat_server.heard(alice, bob, carol) == [line, [], line]
    assert json.loads(chat_server.room.names_json()) == ["alice", "carol"]


def test_a_user_who_leaves_still_hears_what_was_said_before(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob")
    chat_server.heard(alice, bob)
    chat_server.say(alice, TEXT, b"wait, bob!", PUBLIC)

    chat_server.leave(bob, LeaveReason.QUIT)
    chat_server.say(alice, TEXT, b"too late", PUBLIC)

    assert chat_server.heard(bob) == [["UTF8 alice: wait, bob!"]]


def test_somebody_leaves_once(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob")
    chat_server.heard(alice)
    chat_server.leave(bob, LeaveReason.QUIT)

    chat_server.leave(bob, LeaveReason.TIMED_OUT)

    assert chat_server.heard(alice) == [["LOGOUT bob (quit)"]]


def test_an_old_bearer_of_a_name_does_not_take_the_new_one_along(
    chat_server: RoomAlone,
) -> None:
    old = chat_server.enter("bob")
    chat_server.leave(old, LeaveReason.QUIT)
    new = chat_server.enter("bob")

    chat_server.leave(old, LeaveReason.QUIT)

    assert chat_server.directory.find("bob") is new


def test_closing_tells_everyone_and_lets_nobody_hear_more(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob")
    chat_server.heard(alice, bob)
    chat_server.say(alice, TEXT, b"everyone gets this", PUBLIC)

    chat_server.room.close()
    chat_server.say(alice, TEXT, b"nobody gets this", PUBLIC)
    chat_server.leave(alice, LeaveReason.SERVER_STOPPING)
    chat_server.room.notify(alice, NoticeCode.GONE, "Nobody gets this either.")
    chat_server.room.remind(alice)

    farewell = "(shutting-down): The server is shutting down."
    assert chat_server.heard(alice, bob) == [
        ["UTF8 alice: everyone gets this", f"UTF8 server>alice {farewell}"],
        ["UTF8 alice: everyone gets this", f"UTF8 server>bob {farewell}"],
    ]
    assert json.loads(chat_server.room.names_json()) == []


# Talking to all


def test_everyone_hears_a_message_the_sender_too(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob", ByteOrder.LITTLE)
    chat_server.heard(alice, bob)

    chat_server.say(alice, TEXT, "привет 😀".encode(), PUBLIC)

    line = ["UTF8 alice: привет 😀"]
    assert chat_server.heard(alice, bob) == [line, line]


def test_all_hear_everything_in_one_and_the_same_order(chat_server: RoomAlone) -> None:
    members = [chat_server.enter(f"user{n}", list(ByteOrder)[n % 2]) for n in range(4)]
    chat_server.heard(*members)
    for round in range(25):
        for member in members:
            chat_server.say(member, TEXT, b"%d" % round, PUBLIC)

    first, *others = chat_server.heard(*members)

    assert len(first) == 100
    assert all(heard == first for heard in others)


def test_the_header_says_who_when_and_which_and_no_more(chat_server: RoomAlone) -> None:
    alice = chat_server.enter("Alice")

    chat_server.say(alice, TEXT, b"hi", PUBLIC)
    run_ready_greenlets()

    assert alice.headers == [{"from": "Alice", "timestamp": TIMESTAMP, "seq": 1}]


@pytest.mark.parametrize("to", [None, "bob"])
def test_a_nonce_comes_back(chat_server: RoomAlone, to: str | None) -> None:
    alice = chat_server.enter("alice")
    chat_server.enter("bob")
    chat_server.heard(alice)

    chat_server.say(alice, TEXT, b"hi", ClientHeader(to=to, nonce="n-1"))
    run_ready_greenlets()

    assert [header["nonce"] for header in alice.headers] == ["n-1"]


@pytest.mark.parametrize(
    ("type", "sent", "arrives"),
    [
        (FILE, "notes.txt", "notes.txt"),
        (FILE, "../../etc/passwd", "passwd"),
        (FILE, None, "file"),
        (FILE, "", "file"),
        (MessageType.IMAGE, None, "image"),
        (MessageType.VOICE, None, "voice"),
        (MessageType.VOICE, "...", "voice"),
        (TEXT, "notes.txt", None),
    ],
)
def test_a_file_name_reaches_nobody_uncleaned(
    chat_server: RoomAlone, type: MessageType, sent: str | None, arrives: str | None
) -> None:
    alice = chat_server.enter("alice")

    chat_server.say(alice, type, b"content", ClientHeader(filename=sent))
    run_ready_greenlets()

    assert [header.get("filename") for header in alice.headers] == [arrives]


# Talking to one


@pytest.mark.parametrize("type", [TEXT, FILE, MessageType.IMAGE, MessageType.VOICE])
@pytest.mark.parametrize("order", list(ByteOrder))
def test_a_private_message_reaches_its_two_users_and_nobody_else(
    chat_server: RoomAlone, type: MessageType, order: ByteOrder
) -> None:
    alice, bob, carol = (
        chat_server.enter("alice", order),
        chat_server.enter("Bob", order),
        chat_server.enter("carol"),
    )
    chat_server.heard(alice, bob, carol)

    chat_server.say(alice, type, b"psst", ClientHeader(to="bOB"))

    line = [f"{type.name} alice>Bob: psst"]
    assert chat_server.heard(alice, bob, carol) == [line, line, []]


def test_a_message_to_oneself_comes_once(chat_server: RoomAlone) -> None:
    alice = chat_server.enter("alice")

    chat_server.say(alice, TEXT, b"note to self", ClientHeader(to="ALICE"))

    assert chat_server.heard(alice) == [["UTF8 alice>alice: note to self"]]


@pytest.mark.parametrize("to", ["nobody", "", "server", "no name at all", "x" * 1000, "\0"])
def test_a_message_to_nobody_is_heard_by_nobody(chat_server: RoomAlone, to: str) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob")
    chat_server.heard(alice, bob)

    assert chat_server.say(alice, TEXT, b"hello?", ClientHeader(to=to)) is NoticeCode.NO_SUCH_USER

    assert chat_server.heard(alice, bob) == [[], []]


def test_a_user_who_has_left_is_not_found(chat_server: RoomAlone) -> None:
    chat_server.leave(chat_server.enter("bob"), LeaveReason.QUIT)

    with pytest.raises(NoSuchUserError):
        chat_server.directory.find("bob")


def test_public_and_private_keep_their_order(chat_server: RoomAlone) -> None:
    alice, bob, carol = (
        chat_server.enter("alice"),
        chat_server.enter("bob"),
        chat_server.enter("carol"),
    )
    chat_server.heard(alice, bob, carol)
    for number in range(10):
        chat_server.say(alice, TEXT, b"%d" % number, PUBLIC)
        chat_server.say(alice, TEXT, b"%d" % number, ClientHeader(to="bob"))

    both = [f"UTF8 alice{to}: {n}" for n in range(10) for to in ("", ">bob")]
    public = [f"UTF8 alice: {n}" for n in range(10)]
    assert chat_server.heard(alice, bob, carol) == [both, both, public]


# Notices


def test_a_notice_comes_to_one_alone_in_its_place(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob")
    chat_server.heard(alice, bob)
    chat_server.say(alice, TEXT, b"1", PUBLIC)

    chat_server.room.notify(bob, NoticeCode.EMPTY, "A text must not be empty.", "n1")
    run_ready_greenlets()

    assert bob.headers[1] == {
        "from": "server",
        "timestamp": TIMESTAMP,
        "to": "bob",
        "nonce": "n1",
        "notice": "empty",
    }
    assert chat_server.heard(alice, bob) == [
        ["UTF8 alice: 1"],
        ["UTF8 alice: 1", "UTF8 server>bob (empty): A text must not be empty."],
    ]


# Offers


def test_a_ping_is_answered_to_one_who_is_here(chat_server: RoomAlone) -> None:
    alice, bob = chat_server.enter("alice"), chat_server.enter("bob", ByteOrder.LITTLE)
    chat_server.leave(alice, LeaveReason.QUIT)
    chat_server.heard(alice, bob)

    chat_server.room.answer_ping(alice, b"a-1")
    chat_server.room.answer_ping(bob, b"b-1")

    [answer] = bob.frames
    header = json.loads(answer.header)
    assert (header["to"], header["notice"], header["nonce"]) == ("bob", "done", "b-1")
    assert alice.frames == []


def test_a_moderator_who_has_left_the_room_keeps_the_news_from_nobody(
    chat_server: RoomAlone,
) -> None:
    bob, eve = chat_server.enter("bob"), chat_server.enter("eve")
    # Still in the directory, as while a session ends.
    chat_server.room.leave(bob, LeaveReason.QUIT)
    chat_server.heard(eve)
    chat_server.room.announce(NoticeCode.MODERATED, "mallory was banned.", besides=bob)
    run_ready_greenlets()
    assert eve.heard == ["UTF8 server (moderated): mallory was banned."]
