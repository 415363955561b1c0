"""``chat-server history``: with and without a running server."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account
from chat.server.history import cli
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.reader import FILE_NAME
from chat.server.history.rows import pack
from chat.server.history.search.index_file import INDEX_FILE
from chat.server.history.search.index_upkeep import IndexUpkeep
from chat.server.history.stored import DEFAULT_ROOM, MAILBOX, ROOM, LogName, StoredRun
from chat.server.history.writer import Writer
from chat.server.mailboxes.read_marks import PARTNER, Mark, ReadMarks
from chat.server.storage.data_directory import held
from chat.server.storage.database import Database, DatabaseThread
from tests.server.server_in_test import TestServer

MAIL = LogName(MAILBOX, "a1")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command on the data directory; its exit status and what it printed."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["history", *arguments, f"--data-directory={tmp_path / 'data'}"])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def kept(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "data", bound=100)
    for log in (DEFAULT_ROOM, MAIL):
        writer.add_logs([log])
    for day in range(1, 6):
        writer.write(
            [pack(text(DEFAULT_ROOM, day, "alice" if day % 2 else "bob", f"on day {day}"))]
        )
    writer.write([pack(text(MAIL, 1, "alice", "very private"))])
    writer.close()


def text(log: LogName, number: int, sender: str, content: str) -> StoredRun:
    time = f"2026-11-{number:02d}T12:00:00.000000Z"
    data = [content.encode()]
    return StoredRun(log, number, time, sender, None, b"", MessageType.UTF8, [None], data)


def exported(run: Any) -> dict[int, str]:
    lines = [json.loads(line) for line in run("export", "--format=json")[1].splitlines()]
    return {line["seq"]: line.get("text", "") for line in lines}


@pytest.mark.usefixtures("kept")
def test_the_room_is_exported_without_private_messages(run: Any) -> None:
    status, out, err = run("export", "--since=2026-11-03")
    assert (status, err) == (0, "")
    assert [line.rpartition("> ")[2] for line in out.splitlines()] == [
        "on day 3",
        "on day 4",
        "on day 5",
    ]
    for form in ("text", "json", "html"):
        assert "private" not in run("export", f"--format={form}")[1]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("form", "name"), [("text", "out"), ("json", "out"), ("html", "out/index.html")]
)
def test_an_export_into_a_file_says_what_an_export_on_the_terminal_says(
    run: Any, tmp_path: Path, form: str, name: str
) -> None:
    printed = run("export", f"--format={form}")[1]
    status, out, err = run("export", f"--format={form}", str(tmp_path / "out"))
    assert (status, err) == (0, "")
    written = (tmp_path / name).read_text(encoding="utf-8")
    assert "private" not in written
    if form == "html":
        assert out == f"{tmp_path / name}: 5 messages, 1 page, 0 files\n"
        assert written.count("<article") == printed.count("<article") == 5
    else:
        assert (out, written) == ("", printed)
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0
    status, _, err = run("export", f"--format={form}", str(tmp_path / "out"))
    assert (status, len(err.splitlines())) == (1, 1)
    assert (tmp_path / name).read_text(encoding="utf-8") == written


@pytest.mark.usefixtures("kept")
def test_no_form_of_export_has_anything_private(run: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    directory = FileDirectory(data)
    directory.prepare()
    arrived, digest = directory.new_path(), sha256(b"secret" * 20_000).digest()
    arrived.write_bytes(b"secret" * 20_000)
    directory.place(arrived, digest)
    private = text(MAIL, 2, "bob", "secret")._replace(to="secret", nonces=[b"secret"])
    file = private._replace(type=MessageType.FILE, filename="secret.txt")
    writer = Writer(data, bound=0)
    writer.write(
        [
            pack(private._replace(sender="secret")),
            pack(file._replace(first=3, size=6)),
            pack(file._replace(first=4, size=120_000, contents=[digest])),
        ]
    )
    writer.close()
    for form in ("text", "json", "html"):
        assert "secret" not in run("export", f"--format={form}")[1]
        assert run("export", f"--format={form}", str(tmp_path / form))[0] == 0
        for path in [tmp_path / form, *(tmp_path / form).rglob("*")]:
            assert "secret" not in path.name
            assert path.is_dir() or b"secret" not in path.read_bytes()


@pytest.mark.usefixtures("kept")
def test_a_room_is_exported_by_its_name(run: Any, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "data", bound=0)
    garden = LogName(ROOM, "garden")
    writer.write([pack(text(garden, 1, "bob", "in the garden"))], logs=[garden])
    writer.close()
    assert run("export", "--room=Garden")[1].endswith("<bob> in the garden\n")
    assert "garden" not in run("export")[1]
    status, out, err = run("export", "--room=cellar", str(tmp_path / "out"))
    assert (status, out) == (1, "")
    assert err.endswith("history.db; it has garden, lobby\n")
    # A mailbox is no room.
    assert run("export", "--room=a1")[0] == 1


@pytest.mark.usefixtures("kept")
def test_stats(run: Any) -> None:
    status, out, _ = run("stats", "--json")
    stats = json.loads(out)
    assert (status, stats["messages"], stats["private_messages"]) == (0, 5, 1)
    assert stats["rooms"]["lobby"] == {"last": 5, "first": 1, "lost": []}
    assert "5, and 1 private" in run("stats")[1]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("--before=2026-11-03", ["", "", "on day 3", "on day 4", "on day 5"]),
        ("--user=ALICE", ["", "on day 2", "", "on day 4", ""]),
        ("--number=4", ["on day 1", "on day 2", "on day 3", "", "on day 5"]),
    ],
)
def test_messages_are_purged_at_rest(run: Any, what: str, left: list[str], tmp_path: Path) -> None:
    assert run("purge", what)[0] == 0
    assert list(exported(run).values()) == left
    is_private_gone = what != "--number=4"
    assert (b"very private" in (tmp_path / "data" / FILE_NAME).read_bytes()) != is_private_gone


@pytest.fixture
def indexed(kept: None, tmp_path: Path) -> Path:
    """The path of an index of what is kept."""
    upkeep = IndexUpkeep(tmp_path / "data")
    upkeep.add_some(upkeep.open())
    upkeep.close()
    return tmp_path / "data" / INDEX_FILE


def test_stats_tell_of_the_index(run: Any, indexed: Path, tmp_path: Path) -> None:
    assert json.loads(run("stats", "--json")[1])["search"] == {
        "bytes": indexed.stat().st_size,
        "messages": 6,
        "behind": 0,
    }
    writer = Writer(tmp_path / "data", bound=0)
    writer.write([pack(text(DEFAULT_ROOM, 6, "alice", "not indexed"))])
    writer.close()
    assert "6 messages indexed" in run("stats")[1]
    assert "; 1 are not indexed yet" in run("stats")[1]
    indexed.write_bytes(b"damaged" * 1000)
    assert "no index" in run("stats")[1]
    indexed.unlink()
    assert json.loads(run("stats", "--json")[1])["search"] is None


@pytest.mark.parametrize("is_damaged", [False, True])
def test_messages_are_purged_from_the_index_too(
    run: Any, indexed: Path, *, is_damaged: bool
) -> None:
    assert b"private" in indexed.read_bytes()
    if is_damaged:
        indexed.write_bytes(b"damaged" + indexed.read_bytes()[7:])
    assert run("purge", "--user=alice")[0] == 0
    assert b"private" not in indexed.read_bytes()
    if not is_damaged:
        assert b"on day 2" in indexed.read_bytes()
        assert json.loads(run("stats", "--json")[1])["search"]["messages"] == 6


def test_a_restored_history_has_no_index_of_the_former_one(
    run: Any, indexed: Path, tmp_path: Path
) -> None:
    assert run("backup", str(tmp_path / "copy.db"))[0] == 0
    assert run("restore", str(tmp_path / "copy.db"))[0] == 0
    assert not indexed.exists()


@pytest.mark.usefixtures("kept")
def test_a_backup_is_restored(run: Any, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy.db")
    assert run("backup", copy)[0] == 0
    assert run("purge", "--user=alice")[0] == 0
    status, out, _ = run("restore", copy)
    assert (status, "new epoch" in out) == (0, True)
    assert exported(run)[1] == "on day 1"


IRSSI = """\
--- Log opened Sun Nov 01 09:00:00 2026
09:00 -!- carol [~carol@example.org] has joined #chat
09:00 < carol> first of all
rubbish
--- Day changed Mon Nov 02 2026
13:00 <@carol> between
"""


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "irssi.log"
    path.write_text(IRSSI)
    return str(path)


@pytest.mark.usefixtures("kept")
def test_a_log_is_imported_between_the_messages_that_are_there(run: Any, log: str) -> None:
    before = exported(run)
    status, out, err = run("import", log, "--format=irssi", "--time-zone=UTC")
    assert (status, err) == (
        0,
        f"chat-server: {log}:4: no time such as 09:30 at its beginning\n",
    )
    assert out.splitlines()[:4] == [
        "imported 2 messages",
        "could not read 1 line",
        "left out 3 lines without a message, such as joins",
        "the server begins a new epoch at its next start",
    ]
    former = out.splitlines()[4].removeprefix("the former history is ")
    assert list(exported(run).values()) == [
        *("first of all", "on day 1", "on day 2", "between", "on day 3", "on day 4", "on day 5")
    ]
    status, out, _ = run("import", log, "--format=irssi", "--time-zone=UTC")
    assert (status, out.splitlines()[0]) == (0, "imported 0 messages; 2 already there")
    # The former history is whole.
    assert run("restore", former)[0] == 0
    assert exported(run) == before


def test_an_import_may_be_the_beginning(run: Any, log: str, tmp_path: Path) -> None:
    assert run("import", log, "--format=irssi", "--time-zone=Asia/Tokyo", "--room=Garden")[0] == 0
    assert {path.name for path in (tmp_path / "data").iterdir()} >= {FILE_NAME, "server.lock"}
    status, out, _ = run("export", "--room=garden", "--format=json")
    assert (status, [json.loads(line)["timestamp"] for line in out.splitlines()]) == (
        0,
        ["2026-11-01T00:00:00.000000Z", "2026-11-02T04:00:00.000000Z"],
    )


@pytest.mark.usefixtures("kept")
def test_an_import_moves_read_marks_with_their_messages(run: Any, log: str, tmp_path: Path) -> None:
    thread = DatabaseThread(Database(tmp_path / "data"))
    lobby, marks = Mark(ROOM, DEFAULT_ROOM.key), ReadMarks(thread)
    readers = {
        number: add_account(thread.database, parse_user_name(f"reader{number}"), "hash").id
        for number in (0, 1, 2, 3, 5)
    }
    for number, account in readers.items():
        marks.put(account, lobby, number)
        marks.put(account, Mark(PARTNER, "bob"), number)
    marks.write()
    assert run("import", log, "--format=irssi", "--time-zone=UTC")[0] == 0
    again = ReadMarks(thread)
    again.start()
    # The import is first of all, and between 2 and 3. Nobody has unread messages of a time before they came.
    found = {number: again.of(account, lobby) for number, account in readers.items()}
    assert found == {0: 1, 1: 2, 2: 3, 3: 5, 5: 7}
    assert [again.of(account, Mark(PARTNER, "bob")) for account in readers.values()] == [*readers]
    thread.close()


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["export"], "history.db: permission denied; run this as the user that the server runs as"),
        (["stats"], "history.db: permission denied"),
        (["backup", "{tmp}/copy.db"], "history.db: permission denied"),
        (["purge", "--number=1"], "server.lock: Permission denied"),
        (["import", "{log}", "--format=irssi"], "server.lock: Permission denied"),
        (["restore", "{tmp}/data/history.db"], "history.db: permission denied"),
        (["export", "{tmp}/no/such"], "no/such: No such file or directory"),
        (["export", "--format=html", "{tmp}/data"], "data exists already"),
        (["backup", "{tmp}/irssi.log"], "irssi.log: File exists"),
        (["restore", "{tmp}/fifo"], "fifo: it is not a file"),
        (["restore", "{tmp}/irssi.log"], "irssi.log: file is not a database"),
        (["restore", "{tmp}/none"], "none: No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    run: Any, log: str, tmp_path: Path, command: list[str], words: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    before = exported(run)
    (tmp_path / "data" / "server.lock").touch(0o600)
    arguments = [each.format(tmp=tmp_path, log=log) for each in command]
    if "ermission" in words:
        with without_rights(tmp_path / "data" / words.partition(":")[0]):
            status, out, err = run(*arguments)
    else:
        status, out, err = run(*arguments)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert words in err
    assert exported(run) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "fifo", "irssi.log"]


@contextmanager
def without_rights(path: Path) -> Iterator[None]:
    """Be a user who may do everything in the directory, but not read ``path``."""
    user, modes = os.geteuid(), {path: 0o600}
    if user == 0:
        for parent in path.parents:
            modes[parent] = stat.S_IMODE(parent.stat().st_mode)
            parent.chmod(modes[parent] | stat.S_IXGRP | stat.S_IXOTH)
        for each in (path.parent, path.parent.parent, *path.parent.iterdir()):
            os.chown(each, 65534, -1)
    path.chmod(0)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        for each, mode in modes.items():
            each.chmod(mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("command", ["restore", "import"])
def test_files_that_root_makes_belong_to_the_server(
    run: Any, log: str, tmp_path: Path, command: str
) -> None:
    assert run("import", log, "--format=irssi")[0] == 0
    data, copy = tmp_path / "data", tmp_path / "copy.db"
    assert run("backup", str(copy))[0] == 0
    for path in data.iterdir():
        path.unlink()
    os.chown(data, 65534, 65534)
    arguments = (
        ["restore", str(copy)] if command == "restore" else ["import", log, "--format=irssi"]
    )
    assert run(*arguments)[0] == 0
    assert {path.name: path.stat().st_uid for path in data.iterdir()} == dict.fromkeys(
        (FILE_NAME, "server.lock"), 65534
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["{log}", "--format=text"], "--format=text: expected irssi, weechat or json"),
        (["{log}", "--format=json", "--time-zone=UTC"], "UTC"),
        (["{log}", "--format=irssi", "--time-zone=Mars"], "such as Europe/Berlin"),
        (["{log}", "--format=irssi", "--time-zone=../../etc/passwd"], "such as Europe/Berlin"),
        (["{log}", "--format=irssi", "--room=a/b"], "no room can have this name"),
        (["{log}"], "--format"),
    ],
)
def test_a_mistake_in_an_import_is_one_line(
    run: Any, log: str, wrong: list[str], words: str, tmp_path: Path
) -> None:
    status, out, err = run("import", *(each.format(log=log) for each in wrong))
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("source", "form", "words"),
    [
        ("missing.log", "irssi", "missing.log: No such file"),
        ("", "irssi", "Is a directory"),
        ("irssi.log", "json", "there is no message of the form json in"),
    ],
)
def test_an_import_that_fails_says_why_and_changes_nothing(
    run: Any, log: str, source: str, form: str, words: str, tmp_path: Path
) -> None:
    before = exported(run)
    status, out, err = run("import", log, str(tmp_path / source), f"--format={form}")
    assert (status, out) == (1, "")
    assert words in err.splitlines()[-1]
    assert exported(run) == before
    assert not list((tmp_path / "data").glob("*before*"))


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    "command",
    [["restore", "copy.db"], ["purge", "--number=1"], ["import", os.devnull, "--format=irssi"]],
)
def test_nothing_is_changed_behind_the_back_of_a_server(
    run: Any, tmp_path: Path, command: list[str]
) -> None:
    with held(tmp_path / "data"):
        status, _, err = run(*command)
    assert (status, "uses" in err) == (1, True)


@pytest.mark.parametrize("command", [["export"], ["stats"], ["backup", "x"], ["purge", "--user=a"]])
def test_without_history_there_is_one_line(run: Any, command: list[str]) -> None:
    status, _, err = run(*command)
    assert (status, len(err.splitlines())) == (1, 1)
    assert "no history" in err


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    "wrong",
    [
        ["export", "--format=xml"],
        ["export", "--since=yesterday"],
        ["purge"],
        ["purge", "--number=0"],
        ["purge", "--user=a", "--number=1"],
    ],
)
def test_a_mistake_is_one_line(run: Any, wrong: list[str]) -> None:
    status, _, err = run(*wrong)
    assert (status, len(err.splitlines())) == (2, 1)


def test_a_running_server_purges_what_it_would_show(
    run: Any, open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    server = open_a_chat_server(data_directory=data)
    control = server.parts.make_control_server(data, list)
    control.start()
    try:
        alice = server.join("alice")
        for number in (1, 2):
            alice.say(f"text {number}")
            alice.expect_text(f"text {number}", "alice")
        # In a thread: the server goes on meanwhile.
        status = gevent.get_hub().threadpool.apply(run, ("purge", "--number=1"))
        assert status[:2] == (0, "purged 1 message\n")
        bob = server.connect()
        bob.try_login({"to": "bob", "replay": 10})
        bob.expect(MessageType.LOGIN)
        bob.expect(MessageType.UTF8, b"", sender="alice", seq=1, purged=True)
        bob.expect_text("text 2", "alice", seq=2)
    finally:
        control.stop()
