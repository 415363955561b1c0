from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.screen.model import entries
from chat.client.screen.model.entries import (
    MAX_SPAN,
    Entry,
    Movement,
    Pending,
    Remark,
    Said,
    Shared,
    Step,
    Unsent,
    peer_of,
)
from chat.client.screen.text.spans import Span
from chat.protocol.descriptor import MessageType

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)
ALICE_JOINS = Step(NINE, "alice", joined=True)


def transfer() -> Transfer:
    return Transfer(3, MessageType.IMAGE, "cat.png", 100)


def image(**values: object) -> Shared:
    return Shared(NINE, "alice", MessageType.IMAGE, "cat.png", 100, **values)  # type: ignore[arg-type]


def all_kinds() -> list[Entry]:
    pending = Pending(NINE, 1, "bob", "hello")
    return [
        Said(NINE, "alice", "hello"),
        image(),
        Movement(ALICE_JOINS),
        Remark(NINE, ("hello",), "dim"),
        pending,
        Unsent(pending, "No such user."),
    ]


def test_every_kind_can_be_weighed_and_searched() -> None:
    for entry in all_kinds():
        assert entry.weight >= 100
        assert entry.search_text()
        assert entry.version == entry.version


def test_long_names_of_an_odd_server_weigh_what_they_take() -> None:
    name = "x" * 60_000
    step = Step(NINE, name, joined=True)
    assert Said(NINE, name, "hello", to=name).weight >= 120_000
    assert Shared(NINE, name, MessageType.FILE, "a", 1, to=name).weight >= 120_000
    assert Movement(step).weight >= 60_000
    movement = Movement(ALICE_JOINS)
    before = movement.weight
    assert not movement.fold(step)
    assert movement.fold(Step(NINE, "bob", joined=True))
    assert movement.weight == before


def test_an_entry_itself_is_of_no_kind() -> None:
    entry = Entry(NINE)
    assert entry.version is None
    with pytest.raises(NotImplementedError):
        _ = entry.weight
    with pytest.raises(NotImplementedError):
        entry.search_text()


def test_what_is_kept_fifty_thousand_times_is_small() -> None:
    said = Said(NINE, "alice", "hello", seq=7)
    assert not hasattr(said, "__dict__")
    assert sys.getsizeof(said) <= 96


def test_only_what_somebody_said_is_a_message() -> None:
    assert [type(entry) for entry in all_kinds() if entry.is_message] == [Said, Shared]


def test_a_search_looks_at_what_was_said() -> None:
    assert [entry.search_text() for entry in all_kinds()] == [
        "hello",
        "cat.png",
        "alice",
        "hello",
        "hello",
        "hello",
    ]


def test_joins_and_leaves_are_folded() -> None:
    movement = Movement(ALICE_JOINS)
    leave = Step(NINE + MAX_SPAN, "bob", joined=False)
    before = movement.version
    assert movement.fold(leave)
    assert movement.steps == [ALICE_JOINS, leave]
    assert movement.version != before


def test_those_of_hours_are_not() -> None:
    assert not Movement(ALICE_JOINS).fold(
        Step(NINE + MAX_SPAN + timedelta(seconds=1), "bob", joined=False)
    )


def test_a_crowd_is_not_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_STEPS", 2)
    movement = Movement(ALICE_JOINS)
    assert movement.fold(ALICE_JOINS)
    assert not movement.fold(ALICE_JOINS)
    assert len(movement.steps) == 2


def test_a_download_looks_different_as_it_goes_on() -> None:
    shared = image(transfer=transfer())
    assert shared.transfer is not None
    versions = [shared.version]
    shared.transfer.state = TransferState.RUNNING
    versions.append(shared.version)
    shared.transfer.progress(50, 100)
    versions.append(shared.version)
    shared.transfer.path = Path("cat.png")
    versions.append(shared.version)
    shared.picture = ([Span("▀")],)
    versions.append(shared.version)
    assert len(set(versions)) == 5


def test_our_own_image_looks_different_with_its_picture() -> None:
    shared = image(own=True)
    before = shared.version
    shared.picture = ([Span("▀")],)
    assert shared.version != before


def test_an_upload_looks_different_as_it_goes_on() -> None:
    pending = Pending(NINE, 1, "bob", "a.txt", kind=MessageType.FILE)
    assert pending.version is None
    pending.transfer = transfer()
    before = pending.version
    pending.transfer.progress(50, 100)
    assert pending.version != before


@pytest.mark.parametrize(
    ("entry", "peer"),
    [
        (Said(NINE, "alice", "hello"), None),
        (Said(NINE, "alice", "hello", to="bob"), "alice"),
        (Said(NINE, "bob", "hello", to="alice", own=True), "alice"),
        (image(to="bob"), "alice"),
        (Movement(ALICE_JOINS), None),
    ],
)
def test_with_whom_a_conversation_is(entry: Entry, peer: str | None) -> None:
    assert peer_of(entry) == peer
