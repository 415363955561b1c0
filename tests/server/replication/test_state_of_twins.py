"""All servers of a cluster decide by the same state, also a server that comes back from its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account
from chat.server.history.faults import HistoryFault
from chat.server.mailboxes.read_marks import ROOM, Mark
from chat.server.replication.stored import state_writer
from chat.server.storage.database import Database, DatabaseFault
from tests.cheap_hashes import hash_cheaply
from tests.server.fakes import wait_until
from tests.server.membership.visitors import PASSWORD, Visitor, come
from tests.server.replication.test_twins_at_random import require_alike
from tests.server.server_in_test import TestServer
from tests.server.twins import Twins, found, open_twins

DAY = 86_400
NEW_LETTER = "\ua7c0"  # of Unicode 14

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """Return two servers, which write their state only when the test says so. Mona moderates; bob has an account."""
    (tmp_path / "adam").mkdir()
    database = Database(tmp_path / "adam")
    for name in ("mona", "bob", "carol"):
        hash = hash_cheaply(PASSWORD)
        add_account(database, parse_user_name(name), hash, is_moderator=name == "mona")
    found(tmp_path)
    monkeypatch.setattr(state_writer, "PERIOD", 3600)
    with open_twins(tmp_path, monkeypatch) as twins:
        yield twins


def member(server: TestServer, name: str) -> Visitor:
    return come(server, name, password=PASSWORD)


def fail_as_a_full_disk_does(work: object) -> None:
    raise DatabaseFault("chat.db: database or disk is full")


def come_back(twins: Twins) -> None:
    """Let berta stop and start again; check that she knows the same as adam, also when she has counted mailboxes."""
    twins.write()
    berta = twins.restart("berta")
    wait_until(lambda: not berta.parts.mailboxes.uncounted, "the mailboxes to be counted")
    require_alike(twins, twins.adam, berta)


def test_numbers_are_those_of_the_log_and_not_of_a_history_that_is_ahead(twins: Twins) -> None:
    mona, bob = member(twins.adam, "mona"), member(twins.berta, "bob")
    mona.do("join", room="kitchen")
    mona.do("room", room="kitchen", kind="closed")
    twins.write()
    mona.say_in("kitchen", "not for bob")
    mona.do("invite", room="kitchen", target="bob")
    bob.do("join", room="kitchen")
    mona.say_in("kitchen", "for bob")
    bob.do("read", room="kitchen", seq=99)
    for server in twins.both:
        assert server.parts.history is not None
        server.parts.history.wait_until_written()

    # Its history has both messages, and its state is from before.
    twins.copy("adam", "carl")
    carl = twins.start("carl")

    require_alike(twins, twins.adam, carl)
    room = carl.parts.service.rooms.find("kitchen")
    assert room is not None
    assert room.since(carl.parts.directory.find("bob")) == 1


def test_guests_stay_invited(twins: Twins) -> None:
    mona, gil = member(twins.adam, "mona"), come(twins.adam, "gil")
    mona.do("join", room="kitchen")
    mona.do("room", room="kitchen", kind="closed")
    mona.do("invite", room="kitchen", target="gil")
    come_back(twins)
    gil.do("join", room="kitchen")
    require_alike(twins, *twins.both)


def test_a_guest_stays_in_a_room_that_was_closed_meanwhile(twins: Twins) -> None:
    mona, gil = member(twins.adam, "mona"), come(twins.adam, "gil")
    mona.do("join", room="kitchen")
    gil.do("join", room="kitchen")
    mona.do("room", room="kitchen", kind="closed")
    come_back(twins)


def test_a_restart_sets_no_marks(twins: Twins) -> None:
    mona, gil = member(twins.adam, "mona"), come(twins.adam, "gil")
    mona.do("join", room="kitchen")
    gil.do("join", room="kitchen")
    mona.say_in("kitchen", "hi")
    gil.do("register", password=PASSWORD)
    come_back(twins)


def test_what_could_not_be_written_is_written_at_the_next_try(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    gil, hugo = come(twins.adam, "gil"), come(twins.adam, "hugo")
    twins.write()
    hugo.say_in(None, "hello")
    gil.leave()
    wait_until(
        lambda: not any(each.parts.directory.named("gil") for each in twins.both),
        "gil to have left",
    )
    assert twins.adam.parts.cluster is not None
    writer = twins.adam.parts.cluster.writer
    with monkeypatch.context() as full_disk:
        full_disk.setattr(writer, "run", fail_as_a_full_disk_does)
        with pytest.raises(DatabaseFault):
            writer.commit()

    hugo.say_in(None, "it is free again")
    twins.write()

    twins.copy("adam", "carl")
    require_alike(twins, twins.adam, twins.start("carl"))


def test_what_waits_for_a_user_is_counted_once(twins: Twins) -> None:
    mona = member(twins.adam, "mona")
    for text in ("one", "two"):
        assert mona.ask(text.encode(), to="bob").text == text
    [(_, size, senders)] = twins.berta.parts.mailboxes.waiting()
    assert (size, list(senders.values())) == (6, [2])
    come_back(twins)


def test_marks_do_not_depend_on_what_a_server_has_counted(twins: Twins) -> None:
    mona, carol, bob = (member(twins.adam, name) for name in ("mona", "carol", "bob"))
    for sender in (mona, carol):
        sender.ask(b"hi", to="bob")
    # As after a restart with a history that has lost what carol said.
    mailboxes = twins.berta.parts.mailboxes
    account = twins.berta.parts.directory.find("bob").account_id
    assert account is not None
    del mailboxes._mailboxes[account].partners["carol"]

    bob.do("read", seq=1, private=True, **{"with": "mona"})

    require_alike(twins, *twins.both)


def test_a_mark_that_does_not_move_is_not_in_the_log(twins: Twins) -> None:
    bob, gil = member(twins.adam, "bob"), come(twins.adam, "gil")
    for number in range(3):
        bob.say_in(None, f"{number}")
    bob.do("read", seq=2)
    gil.ask(b"psst", to="bob")
    bob.do("read", seq=1, private=True, **{"with": "gil"})
    entries = len(twins.engine.entries)

    for user, seq in ((bob, 2), (bob, 1), (gil, 3)):
        assert user.do("read", seq=seq).header["seq"] == seq
    bob.do("read", seq=1, private=True, **{"with": "gil"})
    assert bob.code("read", room="kitchen", seq=9) == "no-such-room"
    assert len(twins.engine.entries) == entries

    assert bob.do("read", seq=9).header["seq"] == 3
    assert len(twins.engine.entries) == entries + 1
    require_alike(twins, *twins.both)


def test_the_first_mark_of_a_user_is_that_of_the_log(twins: Twins) -> None:
    mona = member(twins.adam, "mona")
    twins.engine.is_held = True
    mona.say("before bob came")
    wait_until(lambda: twins.engine.waiting == 1, "the text to be appended")
    coming = gevent.spawn(member, twins.adam, "bob")
    wait_until(lambda: twins.engine.waiting == 2, "the login to be appended")
    twins.engine.release()
    coming.get(timeout=5)

    require_alike(twins, *twins.both)
    bob = twins.berta.parts.directory.find("bob").account_id or b""
    assert twins.berta.parts.mailboxes.marks.of(bob, Mark(ROOM, "lobby")) == 1


def test_no_server_reads_the_files_that_are_behind(twins: Twins) -> None:
    mona = member(twins.adam, "mona")
    mona.do("mute", target="eve")
    mona.do("join", room="kitchen")
    twins.write()
    mona.do("mute", target="gil")
    mona.do("topic", room="kitchen", topic="tea")
    for server in twins.both:
        server.parts.watch.look()
        assert {"eve", "gil"} <= set(server.parts.moderation.entries.mutes)
        room = server.parts.service.rooms.find("kitchen")
        assert room is not None
        assert room.state.topic == "tea"


def test_an_empty_room_goes_on_all_servers_when_one_looks(twins: Twins) -> None:
    gil = come(twins.berta, "gil")
    gil.do("join", room="kitchen")
    gil.do("part", room="kitchen")
    twins.engine.offset = DAY + 60
    twins.adam.parts.rooms.maker._swept = 0
    twins.adam.parts.rooms.maker.sweep_if_due()
    require_alike(twins, *twins.both)
    assert twins.berta.parts.service.rooms.find("kitchen") is None


def test_bans_end_by_the_time_of_the_log(twins: Twins) -> None:
    mona = member(twins.adam, "mona")
    twins.engine.offset = -3600
    mona.do("mute", target="eve", seconds=600)
    mona.do("mute", target="gil", seconds=600)
    assert {"eve", "gil"} <= set(twins.berta.parts.moderation.entries.mutes)
    come_back(twins)


def test_a_purge_that_is_not_done_is_done_after_a_restart(twins: Twins) -> None:
    mona = member(twins.adam, "mona")
    mona.say_in(None, "secret")
    purges = twins.berta.parts.moderating.purges
    assert purges is not None

    def fail(wanted: object) -> int:
        raise HistoryFault("the disk is broken")

    purges.behind._from_history = fail
    mona.do("purge", seq=1)
    require_alike(twins, *twins.both)
    assert purges.behind.waiting()
    gil = come(twins.berta, "gil")
    assert gil.page(after=0) == ["secret"], "the disk of this server still has it"

    twins.write()
    berta = twins.restart("berta")

    gil = come(berta, "gus")
    with gevent.Timeout(5):
        while gil.page(after=0) != [""]:
            gevent.sleep(0.01)


def test_names_have_only_characters_that_all_servers_know(twins: Twins) -> None:
    name = f"a{NEW_LETTER}"
    with twins.adam.connect() as client:
        assert client.try_login({"to": name}).header["error"] == "bad-username"
    mona, gil = member(twins.adam, "mona"), come(twins.berta, "gil")
    for command in ({"command": "join", "room": name}, {"command": "ban", "target": name}):
        keys: dict[str, Any] = dict(command)
        assert mona.ask(**keys).header["notice"] == "bad-command"
    mona.do("kick", target="gil", reason=f"such a{NEW_LETTER}")
    assert "such a\N{REPLACEMENT CHARACTER}" in gil.read_to_end()[-1].text
