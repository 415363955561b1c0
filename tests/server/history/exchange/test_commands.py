"""``chat-server history export`` and ``import``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.reader import FILE_NAME
from chat.server.history.rows import pack
from chat.server.history.stored import DEFAULT_ROOM, ROOM, LogName
from chat.server.history.writer import Writer
from chat.server.mailboxes.read_marks import PARTNER, Mark, ReadMarks
from chat.server.storage.database import Database, DatabaseThread
from tests.server.fakes import wait_until
from tests.server.history.exchange.stories import PNG
from tests.server.history.kept_room import MAIL, exported, text
from tests.server.server_in_test import TestServer


@pytest.mark.usefixtures("kept")
def test_a_reader_that_has_read_enough_is_told_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from chat.start import server; sys.exit(server())"
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                code,
                "history",
                "export",
                f"--data-directory={tmp_path / 'data'}",
            ],
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.stderr == b""


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


def test_a_page_of_a_running_server_has_what_users_have_sent(
    run: Any, open_a_chat_server: Callable[..., TestServer], tmp_path: Path
) -> None:
    alice = open_a_chat_server(data_directory=tmp_path / "data").join("alice")
    contents = {"small.png": PNG, "large.bin": bytes(range(256)) * 1024}
    alice.say("look")
    alice.expect_text("look", "alice")
    for name, content in contents.items():
        alice.send(MessageType.FILE, {"filename": name}, content)
        alice.expect(MessageType.FILE, content, sender="alice")
    wait_until(lambda: json.loads(run("stats", "--json")[1])["messages"] == 3, "the disk")
    status, out, err = run("export", "--format=html", str(tmp_path / "out"))
    assert (status, err) == (0, "")
    assert out == f"{tmp_path / 'out' / 'index.html'}: 3 messages, 1 page, 2 files\n"
    files = {path.name: path.read_bytes() for path in (tmp_path / "out" / "files").iterdir()}
    assert files == {"2-small.png": PNG, "3-large.bin": contents["large.bin"]}


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
