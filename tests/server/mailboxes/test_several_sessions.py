"""Several sessions of one user get the same copy of a private message, and share their read marks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import ByteOrder
from chat.protocol.headers import ClientHeader
from chat.protocol.runs import TextFrames
from chat.server.accounts.accounts import Accounts
from chat.server.attachments.spool import Spool
from chat.server.mailboxes.account_mailboxes import AccountMailboxes
from chat.server.mailboxes.commands import MailboxCommands
from chat.server.room.commands import Commands
from chat.server.settings import Settings
from tests.server.fakes import FakeMember
from tests.server.room_alone import FILE, RoomAlone


class Devices:
    """A room in which registered users have several sessions."""

    def __init__(self, spool: Spool) -> None:
        self.alone = RoomAlone(spool)
        self.serials = count(100)

    def come(
        self, name: str, order: ByteOrder = ByteOrder.BIG, *, inline: int | None = None
    ) -> FakeMember:
        """A further session of the user ``name``."""
        member = FakeMember(name, order, inline=inline)
        member.account_id, member.token = name.encode(), "token"
        member.serial = next(self.serials)
        directory = self.alone.directory
        directory._by_name[name] = (*directory.sessions_of(name), member)
        self.alone.room.join(member)
        return member

    def seqs(self, *members: FakeMember) -> list[list[int]]:
        """The numbers of the messages that each has got since the last look."""
        self.alone.broadcast.flush()
        found = []
        for member in members:
            found.append([header["seq"] for header in member.headers if "seq" in header])
            member.transport.taken.clear()
        return found


@pytest.fixture
def devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devices]:
    devices = Devices(Spool(tmp_path_factory.mktemp("spool"), 1 << 30))
    yield devices
    devices.alone.broadcast.stop()
    devices.alone.offers.clear()


def test_all_sessions_of_both_users_get_their_copy(
    devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, laptop = devices.come("alice"), devices.come("alice", ByteOrder.LITTLE)
    bobs = [devices.come("bob") for _ in range(3)]
    carol = devices.come("carol")
    devices.alone.say_texts(carol, b"hi", to="bob")
    devices.seqs(phone, laptop, *bobs, carol)
    encoded: list[ByteOrder] = []
    encode = TextFrames.encode

    def counted(frames: TextFrames, order: ByteOrder) -> bytes:
        encoded.append(order)
        return encode(frames, order)

    monkeypatch.setattr(TextFrames, "encode", counted)

    devices.alone.say_texts(phone, b"1", b"2", to="bob")

    assert devices.seqs(phone, laptop, *bobs, carol) == [[1, 2]] * 2 + [[2, 3]] * 3 + [[]]
    # Once for each copy and byte order in use.
    assert sorted(encoded, key=str) == [ByteOrder.BIG, ByteOrder.BIG, ByteOrder.LITTLE]


def test_a_message_to_oneself_is_one_copy_for_each_session(devices: Devices) -> None:
    phone, laptop = devices.come("alice"), devices.come("alice")

    devices.alone.say_texts(phone, b"do not forget", to="alice")

    assert devices.seqs(phone, laptop) == [[1], [1]]


def test_each_session_gets_a_file_as_it_wants_it(devices: Devices) -> None:
    phone, laptop = devices.come("alice", inline=10), devices.come("alice")
    bob = devices.come("bob", inline=10)
    devices.seqs(phone, laptop, bob)

    devices.alone.say(laptop, FILE, bytes(100), ClientHeader(to="bob", filename="a"))

    devices.alone.broadcast.flush()
    offered = [member.headers[-1] for member in (phone, bob)]
    [inline] = [frame for frame in laptop.frames if frame.type == FILE]
    assert len(inline.content) == 100
    [id] = {header["id"] for header in offered}
    assert all(devices.alone.offers.find(id, member.serial) for member in (phone, laptop, bob))


def test_sessions_of_another_account_with_the_name_get_nothing(devices: Devices) -> None:
    before, alice = devices.come("bob"), devices.come("alice")
    after = devices.come("bob")
    after.account_id = b"another bob"  # the name was given up, and registered again
    devices.seqs(before, alice, after)

    devices.alone.say_texts(after, b"hi", to="alice")
    devices.alone.say_texts(before, b"hi", to="alice")

    assert devices.seqs(before, after, alice) == [[1], [1], [1, 2]]


def test_a_mark_that_moves_is_told_to_the_other_sessions(devices: Devices) -> None:
    room, directory = devices.alone.room, devices.alone.directory
    accounts = Accounts(None)
    mailboxes = AccountMailboxes(accounts, None, None, Settings().max_waiting)
    commands = Commands(devices.alone.operations, directory.is_here)
    MailboxCommands(mailboxes, accounts, directory, room).serve(commands)
    phone, laptop, bob = devices.come("alice"), devices.come("alice"), devices.come("bob")
    raw = devices.come("alice")
    raw.token = None
    devices.alone.say_texts(bob, b"1", b"2")
    devices.alone.say_texts(bob, b"psst", to="alice")
    devices.seqs(phone, laptop, bob, raw)

    def read(seq: int, partner: str | None = None) -> None:
        command = Command(Verb.READ.value, seq=seq, private=partner is not None, partner=partner)
        commands.execute(phone, command, None)

    read(1)
    read(1)
    read(99, "BOB")
    read(0, "bob")
    read(99)

    devices.alone.broadcast.flush()
    keys = ("notice", "seq", "private", "with")
    heard = [tuple(header.get(key) for key in keys) for header in laptop.headers]
    assert heard == [
        ("read", 1, None, None),
        ("read", 1, True, "BOB"),
        ("read", 2, None, None),
    ]
    assert (phone.headers, bob.headers, raw.headers) == ([], [], [])
