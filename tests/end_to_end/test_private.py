"""A private message reaches one user, and a refused message reaches nobody."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from chat.protocol.descriptor import MESSAGES, ByteOrder, MessageType
from tests.end_to_end.server_process import ServerProcess, running_server
from tests.peers.wire_client import Header, WireClient

TYPES = sorted(MESSAGES)


class People(NamedTuple):
    """Three in a room who have all seen each other come."""

    alice: WireClient
    bob: WireClient
    carol: WireClient

    def expect_silence_before(self, marker: str) -> None:
        """Check that nothing reached bob and carol before the text that alice says now."""
        self.alice.say(marker)
        for person in self:
            person.expect_text(marker, "alice")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("--rate=0") as server:
        yield server


@pytest.fixture(params=[(order, raw) for order in ByteOrder for raw in (False, True)])
def people(server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[People]:
    order, raw = request.param
    other = ByteOrder.LITTLE if order is ByteOrder.BIG else ByteOrder.BIG
    with (
        WireClient.joined(server.address, "alice", order=order, raw=raw) as alice,
        WireClient.joined(server.address, "bob", order=order, raw=not raw) as bob,
        WireClient.joined(server.address, "carol", order=other, raw=raw) as carol,
    ):
        for earlier, later in ((alice, bob), (alice, carol), (bob, carol)):
            earlier.expect_joined(later.name)
        people = People(alice, bob, carol)
        yield people
        for person in people:  # their names are free again afterwards
            person.leave()
            person.read_to_end()


def test_a_private_message_reaches_its_reader_and_its_sender_only(people: People) -> None:
    alice, bob, _ = people
    for type in TYPES:
        for size in (1, 100_000 if type != MessageType.UTF8 else 10_000):
            content = bytes([97 + type]) * size
            alice.send(type, {"to": "bob", "nonce": f"{type}-{size}"}, content)
            for person in (alice, bob):
                person.expect(type, content, sender="alice", to="bob", nonce=f"{type}-{size}")
            people.expect_silence_before(f"after {type} {size}")


def test_a_name_is_found_in_any_case_and_told_as_the_server_knows_it(people: People) -> None:
    alice, bob, _ = people
    alice.say("psst", to="BoB")
    alice.expect_text("psst", "alice", to="bob")
    bob.expect_text("psst", "alice", to="bob")
    people.expect_silence_before("after")


def test_to_oneself_comes_once_and_null_means_everyone(people: People) -> None:
    alice = people.alice
    alice.say("note to self", to="alice")
    alice.expect_text("note to self", "alice", to="alice")
    people.expect_silence_before("after")
    alice.say("to all", to=None)
    for person in people:
        person.expect_text("to all", "alice", to=None)


BROKEN: list[tuple[Header, str]] = [
    ({"to": "nobody"}, "no-such-user"),
    ({"to": ""}, "no-such-user"),
    ({"to": "server"}, "no-such-user"),
    ({"to": "x" * 60_000}, "no-such-user"),
    (b'{"to": "bob"', "bad-header"),
    (b'{"to": "bo', "bad-header"),
    (b"{", "bad-header"),
    (b'{"to": "bob"} ,', "bad-header"),
    (b'  {"to": "bob"', "bad-header"),
    (b'\xef\xbb\xbf{"to": "bob"', "bad-header"),
    ({"to": 7}, "bad-header"),
    ({"to": ["bob"]}, "bad-header"),
    ({"to": {"name": "bob"}}, "bad-header"),
    ({"to": True}, "bad-header"),
    (b'{"to": "bob", "to": null}', "bad-header"),
    (b'{"to": "bob", "to": "carol"}', "bad-header"),
    (b'{"to": "bo\\ud800b"}', "bad-header"),
    (b'{"to": "bob\xff"}', "bad-header"),
    (b'{"to": NaN}', "bad-header"),
    (b'{"to":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "bad-header"),
    ({"to": "bob", "nonce": ""}, "bad-header"),
    ({"to": "bob", "nonce": "a b"}, "bad-header"),
    ({"to": "bob", "nonce": "x" * 65}, "bad-header"),
    ({"to": "bob", "filename": 1}, "bad-header"),
]


def test_a_broken_header_is_a_notice_and_nobody_else_sees_a_byte(people: People) -> None:
    for header, code in BROKEN:
        for type in TYPES:
            people.alice.send(type, header, b"secret")
            people.alice.expect_notice(code)
    people.expect_silence_before("after")


def test_a_raw_header_on_a_text_is_refused_since_it_may_be_a_broken_private_one(
    people: People,
) -> None:
    for header in ("bob", "to: bob", '"to": "bob"}', "[]", b"\xff"):
        people.alice.send(MessageType.UTF8, header, b"secret")
        people.alice.expect_notice("bad-header")
    people.expect_silence_before("after")


def test_what_is_no_message_is_refused_whole(people: People) -> None:
    alice = people.alice
    for type in (0, 1, 3, 4, 5, 10, 255, 0xFFFF):
        alice.send(type, None, b"x" * 1000)
        alice.expect_notice("bad-type")
        alice.send(type, {"nonce": "n-1"}, b"")
        alice.expect_notice("bad-type", nonce="n-1")
    alice.send(MessageType.UTF8, {"to": "bob", "nonce": "n-2"}, b"")
    alice.expect_notice("empty", nonce="n-2")
    for content in (b"\xff", b"cut \xd0", b"\xed\xa0\x80", b"\xc0\xaf"):
        alice.send(MessageType.UTF8, {"nonce": "n-3"}, content)
        alice.expect_notice("not-utf8", nonce="n-3")
    alice.send(MessageType.FILE, {"fetch": "something", "nonce": "n-4"}, b"")
    alice.expect_notice("bad-header", nonce="n-4")
    people.expect_silence_before("after")


def test_a_thousand_frames_in_one_write_are_each_answered_once_in_order(people: People) -> None:
    alice, bob, _ = people
    kinds: list[tuple[int, dict[str, Any], bytes, str | None]] = [
        (MessageType.UTF8, {}, b"public", None),
        (MessageType.UTF8, {"to": "bob"}, b"private", None),
        (MessageType.FILE, {"filename": "f"}, b"file", None),
        (MessageType.IMAGE, {"to": "carol"}, b"", None),
        (MessageType.VOICE, {}, b"v" * 2000, None),
        (MessageType.UTF8, {}, b"", "empty"),
        (MessageType.UTF8, {}, b"\xff", "not-utf8"),
        (MessageType.UTF8, {}, b"x" * 65_537, "too-large"),
        (MessageType.FILE, {"to": "nobody"}, b"lost", "no-such-user"),
        (MessageType.VOICE, {"filename": 7}, b"lost", "bad-header"),
        (77, {}, b"what", "bad-type"),
    ]
    rng = random.Random(1)
    sent = [rng.choice(kinds) for _ in range(1000)]
    data = b"".join(
        alice.encode(type, {**fields, "nonce": f"n-{number}"}, content)
        for number, (type, fields, content, _) in enumerate(sent)
    )
    heard_by_bob: list[bytes] = []
    alice.send_bytes(data)
    for number, (type, fields, content, notice) in enumerate(sent):
        if notice is not None:
            alice.expect_notice(notice, nonce=f"n-{number}")
        else:
            to = fields.get("to")
            alice.expect(type, content, sender="alice", nonce=f"n-{number}", to=to, notice=None)
            if to in (None, "bob"):
                heard_by_bob.append(content)
    for content in heard_by_bob:
        assert bob.read_frame().content == content
    alice.say("after")
    bob.expect_text("after", "alice")
