"""No server of a cluster comes to differ from the others: by its settings, its clock, its faults, or odd names."""

from __future__ import annotations

import dataclasses
import errno
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol import names
from chat.protocol.descriptor import MessageType
from chat.protocol.errors import UserNameError
from chat.protocol.names import UserName
from chat.protocol.runs import Run
from chat.server.log.log import Change, Entry, Record
from tests.server.fakes import wait_until
from tests.server.membership.visitors import come
from tests.server.server_in_test import TestServer
from tests.server.shared_state import differences, shared_state
from tests.server.twins import Twins, found, open_twins

NEW_LETTER = "\ua7cb"  # of Unicode 16: its small form is an older letter
OLD_LETTER = "\u0264"


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    found(tmp_path)
    with open_twins(tmp_path, monkeypatch) as twins:
        yield twins


def require_alike(twins: Twins) -> None:
    def alike() -> bool:
        adam, berta = (shared_state(each.parts) for each in twins.both)
        return not differences(adam, berta)

    wait_until(alike, "the servers to know the same")


def test_a_reload_changes_shared_settings_on_all_servers_and_the_others_on_one(
    twins: Twins,
) -> None:
    twins.engine.is_held = True
    adam, berta = (each.parts for each in twins.both)

    adam.reload.use(dataclasses.replace(adam.settings, max_users=1, max_text=10))

    # Not before the log has it.
    assert adam.settings.max_users == berta.settings.max_users > 1
    assert (adam.settings.max_text, berta.settings.max_text > 10) == (10, True)
    twins.engine.release()
    assert (adam.settings.max_users, berta.settings.max_users) == (1, 1)
    require_alike(twins)


def test_a_reload_without_other_shared_settings_says_nothing_in_the_log(twins: Twins) -> None:
    before, parts = len(twins.engine.entries), twins.adam.parts

    parts.reload.use(dataclasses.replace(parts.settings, max_text=10))

    assert twins.engine.waiting == 0
    assert len(twins.engine.entries) == before


def test_rooms_are_swept_once_a_minute_also_if_the_engine_has_another_time(twins: Twins) -> None:
    twins.engine.offset = -3600.0
    makers = [each.parts.rooms.maker for each in twins.both]
    for maker in makers:
        maker._swept -= 120
    before = len(twins.engine.entries)

    makers[0].sweep_if_due()
    wait_until(lambda: len(twins.engine.entries) > before, "the rooms to be swept")
    for _ in range(3):
        for maker in makers:
            maker.sweep_if_due()

    assert twins.engine.waiting == 0
    assert len(twins.engine.entries) == before + 1


def test_no_server_takes_a_newer_letter_for_an_older_one(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = come(twins.adam, "alice")
    come(twins.berta, OLD_LETTER)
    alice.do("join", room=OLD_LETTER)
    alice.hear()
    parse = names.parse_user_name

    def parse_as_a_later_python(raw: str) -> UserName:
        if NEW_LETTER in raw:
            return UserName(raw, parse(raw.replace(NEW_LETTER, OLD_LETTER)).key)
        return parse(raw)

    monkeypatch.setattr(names, "parse_user_name", parse_as_a_later_python)
    with pytest.raises(UserNameError):
        parse(NEW_LETTER)

    assert alice.ask(b"hello", to=NEW_LETTER).header["notice"] == "no-such-user"
    assert alice.ask(b"hello", room=NEW_LETTER).header["notice"] == "no-such-room"
    late = come(twins.berta, "late", join=[NEW_LETTER])

    assert "refused" not in late.welcome
    require_alike(twins)


def test_a_login_names_a_hundred_rooms_at_most(twins: Twins) -> None:
    come(twins.adam, "alice", join=["den"] * 100)

    with twins.adam.connect() as client:
        answer = client.try_login({"to": "bob", "join": ["den"] * 101})

    assert answer.header["error"] == "bad-header"


def entry_of(record: Record | Change) -> Entry:
    return Entry(1, "2026-01-01T00:00:00Z", (record,), "run of adam")


def carry_out(server: TestServer, problem: Exception) -> Change:
    """Let a server carry out an operation that raises ``problem``."""

    def fail(change: Change) -> None:
        raise problem

    change = Change("fail", {})
    operations = server.parts.operations
    operations._handlers.pop("fail", None)
    operations.add("fail", fail)
    server.parts.service._apply(entry_of(change))
    return change


def test_a_server_that_cannot_carry_out_what_others_have_does_not_go_on(twins: Twins) -> None:
    with pytest.raises(OSError, match="no space"):
        carry_out(twins.adam, OSError(errno.ENOSPC, "no space"))
    with pytest.raises(MemoryError):
        carry_out(twins.adam, MemoryError())


def test_a_bug_that_all_servers_have_ends_none_of_them(
    twins: Twins, caplog: pytest.LogCaptureFixture
) -> None:
    problem = KeyError("a bug")
    with caplog.at_level(logging.ERROR):
        change = carry_out(twins.adam, problem)

    assert change.outcome is not None
    assert change.outcome.problem is problem
    assert "cannot carry out the operation fail" in caplog.text
    caplog.clear()


@pytest.mark.parametrize("problem", [OSError(errno.EIO, "broken"), ValueError("a bug")])
def test_a_message_that_one_server_cannot_deliver_ends_that_server(
    twins: Twins, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    alice = come(twins.adam, "alice")
    service = twins.berta.parts.service
    raised: list[Exception] = []

    def fail(*arguments: object) -> None:
        raise problem

    apply = service._apply

    def apply_and_note(entry: Entry) -> None:
        try:
            apply(entry)
        except OSError as fault:
            raised.append(fault)

    monkeypatch.setattr(service, "_say_texts", fail)
    monkeypatch.setattr(twins.berta.parts.log, "_apply", apply_and_note)
    alice.say_in(None, "hello")

    assert raised == ([problem] if isinstance(problem, OSError) else [])


def test_commands_that_are_refused_are_not_said_in_the_log(twins: Twins) -> None:
    mallory = come(twins.adam, "mallory")
    come(twins.berta, "alice")
    mallory.say_in(None, "hello")
    before = len(twins.engine.entries)

    for _ in range(3):
        for command in ("kick", "ban", "unban", "mute", "unmute"):
            assert mallory.code(command, target="alice") == "not-allowed"
        assert mallory.code("topic", topic="mine") == "not-allowed"
        assert mallory.code("topic", room="nowhere", topic="mine") == "no-such-room"

    assert (len(twins.engine.entries), twins.engine.waiting) == (before, 0)


def test_a_user_who_cannot_be_told_of_a_change_does_not_end_the_log(
    twins: Twins, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(told: object) -> None:
        raise OSError(errno.EPIPE, "broken")

    come(twins.adam, "alice")
    server = twins.adam
    change, record = Change("nothing", {}), Record(server.session("alice"), text_run("hello"))
    server.parts.operations.add("nothing", lambda change: None)
    change.on_settled = record.on_settled = fail

    with caplog.at_level(logging.ERROR):
        for each in (change, record):
            server.parts.service._apply(entry_of(each))

    assert change.is_settled
    assert record.rejection is None
    assert [record.getMessage() for record in caplog.records] == [
        "cannot tell a user what the log has committed"
    ] * 2
    caplog.clear()


def text_run(text: str) -> Run:
    content = text.encode()
    return Run(MessageType.UTF8, [content], [None], len(content))
