"""Several audiences: users in some of them get each frame once, and all frames in one order."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.frames import Frame
from chat.server.delivery.broadcast import Broadcast
from chat.server.delivery.pending import RoomAudience
from chat.server.limits.limits import TokenBucket
from chat.server.settings import Rate
from tests.server.fakes import FakeMember, run_ready_greenlets


def text(content: str) -> Frame:
    return Frame(MessageType.UTF8, b"", content.encode())


def contents(member: FakeMember) -> list[str]:
    return [frame.content.decode() for frame in member.frames]


class Model:
    """Audiences and users, and what each user must get, in order."""

    def __init__(self, broadcast: Broadcast, choices: random.Random) -> None:
        self.broadcast = broadcast
        self.choices = choices
        self.rooms = [RoomAudience() for _ in range(4)]
        self.members_of: list[set[FakeMember]] = [set() for _ in self.rooms]
        self.here: list[FakeMember] = []
        self.expected: dict[FakeMember, list[str]] = {}
        self.numbers: Iterator[int] = iter(range(1_000_000))

    def come(self) -> None:
        order = self.choices.choice(list(ByteOrder))
        member = FakeMember(f"user{next(self.numbers)}", order)
        self.broadcast.add(member.send_queue, [text("welcome")])
        self.here.append(member)
        self.expected[member] = ["welcome"]

    def go(self) -> None:
        member = self.here.pop(self.choices.randrange(len(self.here)))
        self.broadcast.remove(member.send_queue)
        for members in self.members_of:
            members.discard(member)

    def join(self) -> None:
        member, at = self.choices.choice(self.here), self.choices.randrange(4)
        self.broadcast.join(member.send_queue, self.rooms[at])
        self.members_of[at].add(member)

    def part(self) -> None:
        member, at = self.choices.choice(self.here), self.choices.randrange(4)
        self.broadcast.part(member.send_queue, self.rooms[at])
        self.members_of[at].discard(member)

    def say(self) -> None:
        """Post to an audience in one of the four ways."""
        at = self.choices.randrange(5)
        audience = self.rooms[at] if at < 4 else None
        users = self.members_of[at] if at < 4 else set(self.here)
        content = f"{next(self.numbers)} in {at}"
        frame = text(content)
        way = self.choices.randrange(10)
        if way == 0:
            besides = self.choices.choice(self.here)
            users = users - {besides}
            self.broadcast.post_to_others(besides.send_queue, frame, audience)
        elif way < 4:
            self.broadcast.announce(frame, audience)
        elif way == 4:
            self.broadcast.post_attachment(frame, text(content), audience)
        else:
            self.broadcast.post(frame, audience)
        for member in users:
            self.expected[member].append(content)

    def whisper(self) -> None:
        member, content = self.choices.choice(self.here), f"{next(self.numbers)} alone"
        self.expected[member].append(content)
        if self.choices.randrange(2):
            self.broadcast.put(member.send_queue, text(content))
        else:
            self.broadcast.answer(member.send_queue, text(content).encode(member.send_queue.order))

    def let_others_run(self) -> None:
        if self.choices.randrange(2):
            run_ready_greenlets()
        else:
            self.broadcast._flush_alone_now()

    def run(self, steps: int) -> None:
        for _ in range(5):
            self.come()
        whats = [self.come, self.go, self.join, self.part, self.say, self.whisper]
        whats.append(self.let_others_run)
        for _ in range(steps):
            [what] = self.choices.choices(whats, [1, 1, 5, 2, 20, 5, 4])
            if len(self.here) > 2 or what != self.go:
                what()


@pytest.mark.parametrize("seed", range(12))
def test_each_user_gets_what_is_due_to_them_in_one_order(broadcast: Broadcast, seed: int) -> None:
    model = Model(broadcast, random.Random(seed))
    model.run(400)
    broadcast.flush()
    for member, expected in model.expected.items():
        assert contents(member) == expected


def test_a_message_in_one_room_does_not_hurry_what_waits_in_others(broadcast: Broadcast) -> None:
    # On a busy machine what waits must not become due in the middle of the test.
    broadcast._announcements = TokenBucket(Rate(per_second=0.001, burst=10))
    alice, bob = FakeMember("alice"), FakeMember("bob")
    room = RoomAudience()
    for member in (alice, bob):
        broadcast.add(member.send_queue)
    broadcast.join(alice.send_queue, room)
    for number in range(100):  # beyond the burst, they wait
        broadcast.announce(text(f"joined {number}"))
        run_ready_greenlets()
    before = len(bob.transport.sends)
    assert before < 100

    broadcast.announce(text("joined last"))
    broadcast.post(text("in the room"), room)
    run_ready_greenlets()

    assert contents(alice)[-2:] == ["joined last", "in the room"]
    assert len(bob.transport.sends) == before


def test_users_of_two_busy_rooms_share_one_batch(broadcast: Broadcast) -> None:
    rooms = [RoomAudience(), RoomAudience()]
    members = [FakeMember(f"user{number}") for number in range(6)]
    for number, member in enumerate(members):
        broadcast.add(member.send_queue)
        for room in rooms if number > 3 else rooms[number % 2 :][:1]:
            broadcast.join(member.send_queue, room)

    for number in range(10):
        broadcast.post(text(str(number)), rooms[number % 2])
    run_ready_greenlets()

    assert contents(members[0]) == list("02468")
    assert contents(members[5]) == list("0123456789")
    assert [len(member.transport.sends) for member in members] == [1] * 6


def test_a_user_who_has_gone_joins_nothing(broadcast: Broadcast) -> None:
    room, member = RoomAudience(), FakeMember("alice")
    broadcast.add(member.send_queue)
    broadcast.remove(member.send_queue)

    broadcast.join(member.send_queue, room)
    broadcast.post(text("hello"), room)
    run_ready_greenlets()

    assert contents(member) == []
