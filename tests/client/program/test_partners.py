"""A name of private messages that belongs to another account than before is told of once."""

from __future__ import annotations

from pathlib import Path

from chat.client.connection.events import Event, Text
from chat.client.conversation.ui_events import OtherAccount
from chat.client.program.partners import Partners
from chat.client.resuming.events import CatchUpBegan, CatchUpEnded
from chat.client.state.finding import open_given, owner_of
from chat.client.state.memory import Memory
from chat.client.state.places import MAILBOX
from tests.client.fake_connection import NINE


def partners_of(memory: Memory) -> Partners:
    return Partners(lambda: memory)


def from_carol(account: str | None, *, replay: bool = False) -> Text:
    return Text("carol", NINE, "hi", "bob", account=account, replay=replay)


def to_carol(account: str | None) -> Text:
    return Text("bob", NINE, "hi", "Carol", own=True, account=account)


def told(partners: Partners, *events: Event) -> list[bool]:
    return [partners.check(event) is not None for event in events]


def test_another_account_is_told_once_in_either_direction() -> None:
    partners = partners_of(Memory())
    assert (
        told(partners, from_carol("c1"), to_carol("c1"), Text("carol", NINE, "hi")) == [False] * 3
    )
    assert partners.check(to_carol("c2")) == OtherAccount("Carol")
    assert told(partners, from_carol("c2"), from_carol("c3")) == [False, True]


def test_a_guest_who_takes_the_name_is_another_and_an_old_message_is_not() -> None:
    partners = partners_of(Memory())
    events = (
        from_carol("c1"),
        from_carol(None, replay=True),
        from_carol("c1", replay=True),
        from_carol(None),
        from_carol(None),
        from_carol("c1"),
    )
    assert told(partners, *events) == [False, False, False, True, False, False]


def test_a_guest_who_registers_is_the_same() -> None:
    assert told(partners_of(Memory()), from_carol(None), from_carol("c1")) == [False, False]


def test_what_is_known_outlives_the_run_and_older_messages_change_nothing(tmp_path: Path) -> None:
    owner = owner_of("chat.example:8080", "bob")
    before = open_given(tmp_path / "state", owner).memory
    check = partners_of(before).check
    assert check(from_carol("c1")) is None
    assert check(from_carol("c2")) == OtherAccount("carol")
    before.close()
    memory = open_given(tmp_path / "state", owner).memory
    partners = partners_of(memory)
    partners.check(CatchUpBegan(MAILBOX, 2))
    context = [from_carol("c1", replay=True), from_carol("c2", replay=True)]
    assert told(partners, *context) == [False, False]
    partners.check(CatchUpEnded(MAILBOX, 2))
    assert told(partners, from_carol("c2", replay=True), from_carol("c3", replay=True)) == [
        False,
        True,
    ]
    memory.close()


def test_only_so_many_accounts_are_known() -> None:
    memory = Memory()
    for number in range(1001):
        memory.know(f"user{number}", "a")
    memory.know("user1", "b")
    memory.know("another", "a")
    known = [memory.account(name) for name in ("user0", "user1", "user2", "user3", "another")]
    assert known == [None, "b", None, "a", "a"]
