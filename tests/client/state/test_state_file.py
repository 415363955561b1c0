"""The state file: all that was saved is there after any end of the client, and no other client gets in between."""

from __future__ import annotations

import multiprocessing
import os
import stat
from datetime import datetime, timezone
from pathlib import Path

import pytest
import ujson
from hypothesis import given
from hypothesis import strategies as st

from chat.client.state import state_file
from chat.client.state.contents import DamagedState, StateOwner, parse_whole
from chat.client.state.errors import StateFileError, StateInUse
from chat.client.state.finding import open_default, open_given, owner_of
from chat.client.state.kept_rooms import MAX_DRAFT, MAX_DRAFTS, MAX_ROOMS, MAX_VIEWS
from chat.client.state.memory import Memory
from chat.client.state.pending_upload import PendingUpload
from chat.client.state.places import MAILBOX, ROOM, LogPlace, room_log
from chat.client.state.unanswered_line import FirstSending, UnansweredLine
from chat.protocol.names import name_key

BOB = owner_of("chat.example:8080", "Bob")
DEV, DEN = room_log("Dev"), room_log("den")
NOW = datetime(2026, 11, 29, 5, 0, 0, 123456, tzinfo=timezone.utc)


def line(
    nonce: str, text: str = "hi", to: str | None = None, room: str | None = None
) -> UnansweredLine:
    return UnansweredLine(nonce, text, to, NOW, room=room)


def sending(seq: int) -> FirstSending:
    return FirstSending(LogPlace("e", seq, "2026-11-29T05:00:00.000000Z"), "device")


def state_of(memory: Memory) -> tuple[object, ...]:
    accounts = [memory.account(f"n{number}") for number in range(10)]
    places = [memory.place(log) for log in (ROOM, MAILBOX, DEV, DEN)]
    views = [(memory.draft(log), memory.notify(log), memory.read(log)) for log in (ROOM, DEV)]
    rooms = memory.rooms, memory.rooms_are_kept_by_server, views
    return memory.device, places, memory.lines(), memory.uploads(), accounts, rooms


steps = st.lists(
    st.one_of(
        st.tuples(st.just("keep"), st.integers(0, 9)),
        st.tuples(st.just("sent"), st.integers(0, 9)),
        st.tuples(st.just("mark"), st.integers(0, 9)),
        st.tuples(st.just("drop"), st.integers(0, 9)),
        st.tuples(st.just("move"), st.integers(0, 9)),
        st.tuples(st.just("know"), st.integers(0, 9)),
        st.tuples(st.just("upload"), st.integers(0, 9)),
        st.tuples(st.just("end"), st.integers(0, 9)),
        st.tuples(st.just("rooms"), st.integers(0, 9)),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.just("draft"), st.integers(0, 9)),
        st.tuples(st.just("notify"), st.integers(0, 9)),
        st.tuples(st.just("read"), st.integers(0, 9)),
        st.tuples(st.just("save"), st.just(0)),
    ),
    max_size=30,
)


def do(memory: Memory, step: str, number: int, kept: set[str]) -> None:
    """Do one step. ``kept``: the nonces so far, because a client draws another nonce for each line."""
    nonce = f"n{number}"
    if step == "keep" and nonce not in kept:
        kept.add(nonce)
        to, room = ((None, None), ("eve", None), (None, "Dev"))[number % 3]
        memory.keep(line(nonce, "tränen\n\"'", to, room))
    elif step == "sent":
        memory.note_sent([nonce, "unknown"], sending(number))
    elif step == "mark":
        memory.mark(nonce)
    elif step == "drop":
        memory.drop(nonce)
    elif step == "move":
        memory.move((ROOM, MAILBOX, DEV, DEN)[number % 4], LogPlace("e", number))
    elif step == "know":
        memory.know(nonce, None if memory.account(nonce) else "a")
    elif step == "upload" and f"u{number}" not in kept:
        kept.add(f"u{number}")
        to, room = ((None, None), ("eve", None), (None, "Dev"))[number % 3]
        memory.keep_upload(PendingUpload(f"u{number}", "/tmp/ä\n", 8, to, number, 10**18, room))
    elif step == "end":
        memory.end_upload(f"u{number}")
    elif step == "save":
        memory.save()
    else:
        change_rooms(memory, step, number)


def change_rooms(memory: Memory, step: str, number: int) -> None:
    view = DEV if number % 2 else ROOM
    if step == "rooms":
        memory.keep_rooms(["Dev", "den", "straße"][number % 4 :], by_server=number > 4)
    elif step == "leave":
        memory.leave(DEV if number % 2 else DEN)
    elif step == "draft":
        memory.keep_draft(view, "" if number < 3 else f"a line\nand {number}")
    elif step == "notify":
        memory.keep_notify(view, (None, "all", "mentions", "none")[number % 4])
    elif step == "read":
        memory.keep_read(view, LogPlace("e", number, NOW.isoformat()))


@given(steps, st.integers(0, 3), st.data())
def test_a_client_that_is_killed_leaves_the_state_of_one_of_its_saves(
    tmp_path_factory: pytest.TempPathFactory,
    schedule: list[tuple[str, int]],
    long: int,
    data: st.DataObject,
) -> None:
    """Cut off anywhere, the file has what one write has left, and never a half of it."""
    path = tmp_path_factory.mktemp("state") / "bob"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_file, "_LONG", (10**9, 0, 300, 600)[long])
        memory = open_given(path, BOB).memory
        saved = [state_of(memory)]
        kept: set[str] = set()
        for step, number in schedule:
            do(memory, step, number, kept)
            if step == "save":
                saved.append(state_of(memory))
        whole = path.read_bytes()
        # The end of the process closes the file, and nothing else happens.
        memory.forget_file()
        again = open_given(path, BOB).memory
        assert state_of(again) == saved[-1]
        again.forget_file()
    start = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    cut = data.draw(st.integers(start, len(whole)))
    path.write_bytes(whole[:cut])
    reopened = open_given(path, BOB)
    assert reopened.warning is None
    assert state_of(reopened.memory) in saved
    # The torn record is gone, so that later records can be read.
    reopened.memory.move(ROOM, LogPlace("later", 1))
    after = state_of(reopened.memory)
    reopened.memory.close()
    assert state_of(open_given(path, BOB).memory) == after


def test_a_second_client_has_another_device_and_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    first, second = open_default(BOB).memory, open_default(BOB).memory
    other = open_default(owner_of("chat.example:8080", "../Eve/")).memory
    assert len({first.device, second.device, other.device}) == 3
    names = sorted(path.name for path in (tmp_path / "chat").iterdir())
    assert names == [
        "..%2Feve%2F@chat.example:8080.state",
        "bob@chat.example:8080.state",
        "bob@chat.example:8080.state-2",
    ]
    first.close()
    assert open_default(BOB).memory.device == first.device
    for path in (tmp_path / "chat").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_was_named_is_for_one_client(tmp_path: Path) -> None:
    memory = open_given(tmp_path / "bob", BOB).memory
    with pytest.raises(StateInUse, match="in use by another client"):
        open_given(tmp_path / "bob", BOB)
    memory.move(ROOM, LogPlace("e", 1))
    memory.close()
    assert open_given(tmp_path / "bob", BOB).memory.place(ROOM) == LogPlace("e", 1)


def hold_while_it_is_replaced(path: Path, rounds: int) -> None:
    """Open the file again and again, and replace it while it is held."""
    for _ in range(rounds):
        try:
            memory = open_given(path, BOB).memory
        except StateInUse:
            continue
        counted = memory.place(ROOM)
        memory.move(ROOM, LogPlace("e", 1 if counted is None else counted.seq + 1))
        memory.move(MAILBOX, LogPlace("e", 1))
        memory.close()


def test_clients_that_open_and_replace_the_file_never_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "_LONG", 0)  # each save replaces the file
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=hold_while_it_is_replaced, args=(tmp_path / "bob", 300))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    device = None
    opened = 0
    while any(worker.is_alive() for worker in workers):
        try:
            memory = open_given(tmp_path / "bob", BOB).memory
        except StateInUse:
            continue
        opened += 1
        assert device in (None, memory.device), "the device is never drawn twice"
        device = memory.device
        memory.close()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert opened


@pytest.mark.parametrize(
    "damage",
    [
        b"not JSON\n",
        b"[1]\n",
        b'{"chat-client-state":3,"server":"s","user":"u","device":"d"}\n',
        b'{"chat-client-state":"2","server":"s","user":"u","device":"d"}\n',
        b'{"chat-client-state":1,"server":"s","user":"u","device":"short"}\n',
        b'{"chat-client-state":1}\n',
        b"\xff\xfe\n",
    ],
)
def test_a_damaged_file_is_set_aside_and_said(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "bob"
    for number in (1, 2):
        path.write_bytes(damage)
        opened = open_given(path, BOB)
        assert opened.warning is not None
        assert f"bob.damaged-{number}" in opened.warning
        assert (tmp_path / f"bob.damaged-{number}").read_bytes() == damage
        assert opened.memory.lines() == []
        opened.memory.close()


@pytest.mark.parametrize(
    "record",
    [
        b'{"drop":["n"]}',
        b'{"add":[["n"]]}',
        b'{"add":[[1,"t",null,"2026-01-01T00:00:00+00:00",null]]}',
        b'{"add":[["n","t",null,"then",null]]}',
        b'{"add":[["n","t",null,"2026-01-01T00:00:00+00:00",1]]}',
        b'{"add":[["n","t","eve","2026-01-01T00:00:00+00:00","dev"]]}',
        b'{"add":[["n","t",null,"2026-01-01T00:00:00+00:00"]]}',
        b'{"uploads":[["n","/p",8,null,1,1]]}',
        b'{"rooms":["dev"]}',
        b'{"rooms":[["dev"],1]}',
        b'{"rooms":[[""],true]}',
        b'{"rooms":[[1],true]}',
        b'{"rooms":[%b,true]}' % ujson.dumps(["dev"] * (MAX_ROOMS + 1)).encode(),
        b'{"drafts":{"lobby":1}}',
        b'{"drafts":{"lobby":"%b"}}' % (b"x" * (MAX_DRAFT + 1)),
        b'{"notify":{"lobby":"loud"}}',
        b'{"read":{"lobby":["e",-1,null]}}',
        b'{"places":{"kitchen":["e",1,null]}}',
        b'{"places":{"lobby":["e",-1,null]}}',
        b'{"places":[]}',
        b'{"sent":[["nobody",null,[]]]}',
    ],
)
def test_a_record_that_makes_no_sense_is_damage(record: bytes) -> None:
    first = b'{"chat-client-state":2,"server":"s","user":"u","device":"%b"}\n' % (b"d" * 22)
    assert parse_whole(first)[0] == StateOwner("s", "u")
    with pytest.raises(DamagedState):
        parse_whole(first + record + b"\n")


def test_the_file_of_another_user_is_not_touched(tmp_path: Path) -> None:
    open_given(tmp_path / "bob", BOB).memory.close()
    before = (tmp_path / "bob").read_bytes()
    for owner in (owner_of("chat.example:8080", "eve"), owner_of("other:8080", "bob")):
        with pytest.raises(StateFileError, match="Give another file"):
            open_given(tmp_path / "bob", owner)
    assert (tmp_path / "bob").read_bytes() == before


def test_what_can_not_be_a_state_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "fifo" / "below"):
        with pytest.raises(StateFileError, match="can't be used"):
            open_given(path, BOB)


def test_a_file_that_everyone_could_read_is_closed_to_them(tmp_path: Path) -> None:
    open_given(tmp_path / "bob", BOB).memory.close()
    (tmp_path / "bob").chmod(0o644)
    open_given(tmp_path / "bob", BOB).memory.close()
    assert stat.S_IMODE((tmp_path / "bob").stat().st_mode) == 0o600


def test_a_full_disk_loses_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = open_given(tmp_path / "bob", BOB).memory
    memory.keep(line("n1"))
    write = os.write

    def write_a_part(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_a_part)
        with pytest.raises(StateFileError, match="No space left"):
            memory.save()
    memory.keep(line("n2"))
    memory.close()
    assert open_given(tmp_path / "bob", BOB).memory.lines() == [line("n1"), line("n2")]


def test_what_is_remembered_of_rooms_is_bounded(tmp_path: Path) -> None:
    """A hostile server names rooms without end, and a user types without end."""
    memory = open_given(tmp_path / "bob", BOB).memory
    memory.move(ROOM, LogPlace("e", 1))
    memory.move(MAILBOX, LogPlace("e", 1))
    memory.keep_rooms(["x" * 1000, *(f"room{number}" for number in range(1000))], by_server=False)
    for number in range(1000):
        view = room_log(f"room{number}")
        memory.move(view, LogPlace("e", number))
        memory.keep_draft(view, "x" * 2 * MAX_DRAFT)
        memory.keep_notify(view, "none")
        memory.keep_read(view, LogPlace("e", number))
        memory.save()
    memory.close()
    assert (tmp_path / "bob").stat().st_size < 6 * 1024**2
    again = open_given(tmp_path / "bob", BOB).memory
    logs = [room_log(f"room{number}") for number in range(1000)]
    assert again.rooms == tuple(f"room{number}" for number in range(MAX_ROOMS))
    assert [log for log in logs if again.place(log)] == logs[-MAX_ROOMS:]
    assert None not in (again.place(ROOM), again.place(MAILBOX))
    assert [log for log in logs if again.draft(log)] == logs[-MAX_DRAFTS:]
    assert [log for log in logs if again.notify(log)] == logs[-MAX_VIEWS:]
    assert [log for log in logs if again.read(log)] == logs[-MAX_VIEWS:]


NAMES = (
    "dev",
    "DEV",
    "straße",
    "strasse",
    "STRASSE",
    "ﾊﾝ",
    "ハン",
    "ΣΑΣ",
    "σας",
    "İ",
    "ǅ",
    "Ω",
    "\u2126",
)


def test_rooms_are_told_apart_as_the_server_does_it() -> None:
    for one in NAMES:
        for other in NAMES:
            assert (room_log(one) == room_log(other)) is (name_key(one) == name_key(other))
