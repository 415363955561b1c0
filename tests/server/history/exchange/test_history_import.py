"""An import adds each message once, at its time, and changes nothing else; one that fails changes nothing at all."""

from __future__ import annotations

import json
import resource
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.protocol.descriptor import MessageType
from chat.server.history.exchange import history_import
from chat.server.history.exchange.history_import import Imported, import_logs
from chat.server.history.exchange.imported import LocalClock
from chat.server.history.exchange.irc_logs import WeechatLog
from chat.server.history.exchange.json_import import read_json_line
from chat.server.history.faults import HistoryFault
from chat.server.history.reader import FILE_NAME, Reader
from chat.server.history.stored import DEFAULT_ROOM, MAILBOX, Hole, LogName, LogState
from chat.server.history.upkeep import expire
from chat.server.history.writer import Writer
from tests.server.history.exchange.histories import Event, events, exported, said, write
from tests.server.history.exchange.stories import at

MAIL = LogName(MAILBOX, "a1")


@pytest.fixture
def place() -> Iterator[Path]:
    with new_place() as path:
        yield path


@contextmanager
def new_place() -> Iterator[Path]:
    """A new directory for each example of a property."""
    with TemporaryDirectory() as path:
        yield Path(path)


def import_lines(directory: Path, lines: Sequence[str], marks: Sequence[int] = ()) -> Imported:
    directory.mkdir(exist_ok=True)
    source = directory / "source.jsonl"
    source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    found = import_logs(directory, [source], lambda: read_json_line, DEFAULT_ROOM, marks)
    source.unlink()
    return found


def messages(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [fields for fields in map(json.loads, lines) if "seq" in fields]


def without_number(fields: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in fields.items() if key != "seq"}, sort_keys=True)


def states(directory: Path) -> dict[LogName, LogState]:
    with closing(Reader(directory)) as reader:
        return reader.logs()


@settings(max_examples=25)
@given(events, st.sampled_from([1, 1, 9]))
def test_an_export_is_imported_as_it_was(story: list[Event], first: int) -> None:
    with new_place() as place:
        write(place / "a", story, first=first)
        lines = exported(place / "a")
        if not messages(lines):
            return
        found = import_lines(place / "b", lines)
        assert (found.added, found.present, found.unreadable.lines) == (len(messages(lines)), 0, 0)
        assert exported(place / "b") == lines
        # Users have read up to a number that they had here: there was none.
        assert found.marks == {}
        before, after = states(place / "a")[DEFAULT_ROOM], states(place / "b")[DEFAULT_ROOM]
        assert after == before._replace(oldest=before.oldest)
        # A second time, nothing is new.
        file = (place / "b" / FILE_NAME).read_bytes()
        again = import_lines(place / "b", lines)
        assert (again.added, again.present) == (0, len(messages(lines)))
        assert (place / "b" / FILE_NAME).read_bytes() == file


@settings(max_examples=25)
@given(st.data(), events, events)
def test_what_is_missing_is_put_in_its_place(
    data: st.DataObject, story: list[Event], mail: list[Event]
) -> None:
    with new_place() as place:
        write(place / "all", story)
        lines = exported(place / "all")
        # Some messages are there, and all are in the log.
        there = [line for line in lines if data.draw(st.booleans())]
        write(place / "a", mail, MAIL, first=5)
        import_lines(place / "a", there)
        kept, mailbox = messages(exported(place / "a")), exported(place / "a", MAIL)
        mail_state = states(place / "a")[MAIL]
        found = import_lines(place / "a", lines, marks=[each["seq"] for each in kept])
        now = messages(exported(place / "a"))
        assert Counter(map(without_number, now)) == Counter(map(without_number, messages(lines)))
        assert (found.added, found.present) == (len(now) - len(kept), len(kept))
        times = [each["timestamp"] for each in now]
        assert times == sorted(times)
        if found.added:
            # Numbers have no gap that is not told.
            numbers = [each["seq"] for each in now]
            state = states(place / "a")[DEFAULT_ROOM]
            holes = [number for hole in state.lost for number in range(hole.first, hole.last + 1)]
            assert sorted(numbers + holes) == list(range(state.oldest, state.head + 1))
        if found.added and kept:
            # A user who has read up to a message has read up to the same one now.
            by_number = {each["seq"]: without_number(each) for each in now}
            assert {each["seq"]: by_number[found.marks[each["seq"]]] for each in kept} == {
                each["seq"]: without_number(each) for each in kept
            }
        assert (exported(place / "a", MAIL), states(place / "a")[MAIL]) == (mailbox, mail_state)


def text(seconds: float, words: str, **fields: object) -> str:
    return json.dumps(
        {"timestamp": at(seconds), "from": "alice", "type": "utf8", "text": words, **fields}
    )


def words_of(directory: Path) -> list[str | None]:
    return [each.get("text") for each in messages(exported(directory))]


def test_equal_messages_are_as_many_as_they_were(place: Path) -> None:
    assert import_lines(place, [text(1, "lol")] * 2).added == 2
    assert import_lines(place, [text(1, "lol")] * 3).added == 1
    assert words_of(place) == ["lol"] * 3


def test_a_purged_message_does_not_come_back(place: Path) -> None:
    import_lines(place, [text(1, "a"), text(1, "", purged=True), text(1, "c")])
    found = import_lines(place, [text(1, "a"), text(1, "secret"), text(1, "c"), text(1, "d")])
    assert (found.added, found.present) == (1, 3)
    assert words_of(place) == ["a", None, "c", "d"]


def test_a_purged_message_of_the_file_purges_nothing(place: Path) -> None:
    import_lines(place, [text(1, "a")])
    assert import_lines(place, [text(1, "", purged=True)]).present == 1
    assert words_of(place) == ["a"]


def test_a_log_without_numbers_is_put_in_order(place: Path) -> None:
    import_lines(place, [text(3, "c", seq=1), text(1, "a", seq=2), text(2, "b")])
    assert words_of(place) == ["a", "b", "c"]
    assert [each["seq"] for each in messages(exported(place))] == [1, 2, 3]


def test_a_part_of_an_export_gets_new_numbers_and_no_holes(place: Path) -> None:
    import_lines(place, [text(1, "a", seq=5), text(2, "b", seq=70)])
    assert states(place)[DEFAULT_ROOM] == LogState(2, at(2), 1, ())


def test_the_next_start_begins_a_new_epoch(place: Path) -> None:
    writer = Writer(place, bound=100)
    writer.close()
    import_lines(place, [text(1, "a")])
    epochs = []
    for _ in range(2):
        again = Writer(place, bound=100)
        epochs.append((again.opened.epoch, again.opened.epoch_changed))
        again.close()
    assert epochs[0][0] != writer.opened.epoch
    assert epochs == [(epochs[0][0], "messages were imported"), (epochs[0][0], None)]


@settings(max_examples=10)
@given(st.lists(said, min_size=1, max_size=4), st.sampled_from([-9000.0, 30.0]))
def test_old_messages_go_first_also_behind_an_import(mail: list[Event], seconds: float) -> None:
    with new_place() as place:
        write(place, mail, MAIL)
        import_lines(place, [text(seconds, "old"), text(99999, "new")])
        writer = Writer(place, bound=0)
        while expire(writer, at(50000), None):
            pass
        writer.close()
        assert words_of(place) == ["new"]
        assert exported(place, MAIL) == []


def test_all_lines_are_told_that_cannot_be_read(place: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(
        b"\xef\xbb\xbf2026-11-24 09:30:00\talice\tone\r\n"
        b"rubbish\n"
        b"2026-11-24 09:30:01\talice\tcaf\xe9\n"
        b"2026-11-24 09:30:02\t-->\tbob has joined\n"
        b"2026-11-24 09:30:03\tbob\tno line end"
    )
    (tmp_path / "b.log").write_bytes(b"x" * 30 + b"\n" + b"more rubbish\n" * 30)
    found = import_logs(
        place,
        [tmp_path / "a.log", tmp_path / "b.log"],
        lambda: WeechatLog(LocalClock(None)),
        DEFAULT_ROOM,
    )
    assert (found.added, found.other, found.replaced, found.unreadable.lines) == (3, 1, 1, 32)
    assert found.unreadable.first[0].startswith(f"{tmp_path}/a.log:2: ")
    assert found.unreadable.first[1].startswith(f"{tmp_path}/b.log:1: ")
    assert len(found.unreadable.first) == 20
    assert words_of(place) == ["one", "caf\N{REPLACEMENT CHARACTER}", "no line end"]


def test_changed_names_are_told(place: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(
        "".join(
            f"2026-11-24 09:30:00\t{name}\thi\n" for name in ("[bob]", "alice", "[bob]", "n" * 5000)
        )
    )
    found = import_logs(
        place, [tmp_path / "a.log"], lambda: WeechatLog(LocalClock(None)), DEFAULT_ROOM
    )
    assert found.renamed == {"[bob]": "x_bob_", "n" * 64: "n" * 31}


def test_a_line_without_end_is_not_read_into_memory(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_import, "_MAX_LINE", 200)
    found = import_lines(place, [text(1, "a"), text(2, "b" * 1000), text(3, "c")])
    assert (found.added, found.unreadable.lines) == (2, 1)
    assert ":2: longer than" in found.unreadable.first[0]


@pytest.mark.parametrize("limit", [20_000, 120_000])
def test_a_full_disk_changes_nothing(place: Path, limit: int) -> None:
    import_lines(place, [text(1, "a")])
    before = (place / FILE_NAME).read_bytes()
    lines = [text(number, "x" * 400) for number in range(2, 200)]
    source = place / "source.jsonl"
    source.write_text("\n".join(lines))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(HistoryFault, match="cannot use"):
            import_logs(place, [source], lambda: read_json_line, DEFAULT_ROOM)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (place / FILE_NAME).read_bytes() == before
    assert words_of(place) == ["a"]
    assert not [path for path in place.iterdir() if path.is_dir()]


def test_an_import_that_was_killed_is_no_obstacle(place: Path) -> None:
    (place / f"{FILE_NAME}.import" / "new").mkdir(parents=True)
    (place / f"{FILE_NAME}.import" / "staged.db").write_bytes(b"half")
    assert import_lines(place, [text(1, "a")]).added == 1
    assert [path.name for path in place.iterdir() if path.is_dir()] == []


def test_a_server_goes_on_after_an_import(
    open_a_chat_server: Callable[..., Any], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    write(data, [Event(60, "alice", MessageType.UTF8, [b"there"])])
    import_lines(data, [text(1, "before"), text(99, "after")])
    server = open_a_chat_server(data_directory=data)
    bob = server.connect()
    bob.try_login({"to": "bob", "replay": 10})
    bob.expect(MessageType.LOGIN)
    for number, words in enumerate(("before", "there", "after"), 1):
        bob.expect_text(words, "alice", seq=number)
    bob.say("now")
    bob.expect_text("now", "bob", seq=4)
    bob.send(MessageType.UTF8, {"command": "search", "query": "before", "nonce": "s"})
    bob.expect(MessageType.UTF8, b"before", sender="alice", seq=1)


def test_a_hole_stays_between_its_messages(place: Path) -> None:
    kind, hole = MessageType.UTF8, Event(0, "", MessageType.UTF8, [])
    write(place, [Event(10, "a", kind, [b"a"]), hole, Event(10, "b", kind, [b"b"])])
    import_lines(place, [text(5, "new"), text(15, "newer")])
    assert words_of(place) == ["new", "a", "newer", "b"]
    [lost] = states(place)[DEFAULT_ROOM].lost
    assert lost in (Hole(3, 4), Hole(4, 5))
