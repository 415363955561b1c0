"""Users and programs find what was said long ago: on the screen, in plain lines, and in JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from chat.client import Receipt, connect
from tests.end_to_end.accounts import password_option, register
from tests.end_to_end.client_process import run_client
from tests.end_to_end.screens import PyteScreen, client
from tests.end_to_end.server_process import ServerProcess
from tests.end_to_end.test_json_client import lines, told
from tests.end_to_end.test_reading_back import next_page

LAST = 400
# The numbers of messages with a word that is searched for.
ZEBRAS = {60: "a Zebra crossing", 200: "two zebras: https://example.org", 395: "ZEBRA"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with 400 messages of alice. One is a file, and the last one is of carol."""
    directory = tmp_path_factory.mktemp("data")
    server = ServerProcess("--history=on", f"--data-directory={directory}", "--rate=0")
    address = "{}:{}".format(*server.address)
    with connect(address, "alice", tls="off") as room:
        receipts: list[Receipt] = []
        for number in range(1, LAST):
            if number == 100:
                receipts.append(room.send_file(BytesIO(b"x"), filename="zebra.txt"))
            else:
                receipts.append(room.send_text(ZEBRAS.get(number, f"text {number}")))
        for event in room:
            if getattr(event, "receipt", None) is receipts[-1]:
                break
    with connect(address, "carol", tls="off") as room:
        receipt = room.send_text("zebra of carol")
        for event in room:
            if getattr(event, "receipt", None) is receipt:
                break
    yield address
    server.end()


def test_on_the_screen(address: str, home: Path) -> None:
    with PyteScreen([*client(address, "bob"), "--replay=20"], home, rows=20) as bob:
        bottom = bob.wait_for("you are in the room as bob", r"\[carol\]: zebra of carol$")[1:-2]
        bob.press("<ctrl-r>", "zebr")
        # A busy server answers with a part of what it has: then the number of matches has a plus.
        bob.wait_for(r"search: 1 of \d\+? ")
        bob.press("<ctrl-r>")
        bob.wait_for(r"search: 2 of \d\+? ", r"\[alice\]: ZEBRA$")
        bob.press("<ctrl-r>")
        bob.wait_for(r"search: 3 of \d\+? ", "two zebras", "found on the server")
        bob.press("<enter>")
        bob.wait_for("text 199$", "two zebras", "text 201$", "messages around a match")
        bob.press("<ctrl-r>")
        bob.wait_for("^search:$")
        bob.press("<ctrl-r>")
        bob.wait_for(r"search: 4 of \d\+? ", r"zebra\.txt")
        bob.press("<ctrl-r>")
        bob.wait_for(r"search: 5 of 5\+? ", "a Zebra crossing")
        bob.press("<esc>")
        bob.wait_for("text 199$", "messages around a match")
        bob.press("<esc>")
        bob.wait_until(lambda rows: rows[1:-2] == bottom)
        bob.command("/search has:file zebra")
        bob.wait_for(r"search: 1 of 1\+? ", r"zebra\.txt \(1 byte\), number 1: /get 1 saves it")
        bob.press("<enter>")
        bob.wait_for("text 99$", "text 101$", "/get 1 saves it")
        bob.command("/get 1")
        bob.wait_for("zebra.txt: saved as ")
        assert (home / "zebra.txt").read_bytes() == b"x"


def test_in_plain_lines(address: str, home: Path) -> None:
    output = run_client(
        address,
        "bob",
        "--commands",
        said="/search zebra from:alice\n/history #2\n/search\n/search x:y zz\n/search before:soon\n",
        directory=home,
    )
    shown = [re.sub("^<.*?> ", "", line) for line in output.stdout.splitlines()]
    at = shown.index("-- 4 messages found:")
    assert shown[at + 1 : at + 5] == [
        "[alice]: ZEBRA",
        "[alice]: two zebras: https://example.org",
        "-- alice sent a file: zebra.txt (1 byte), number 1, /get 1 saves it",
        "[alice]: a Zebra crossing",
    ]
    end = shown.index("-- end of the messages around the match")
    assert shown[end - 1] == "[alice]: text 210"
    assert "[alice]: text 199" in shown[at:end]
    assert "nothing found" in output.stdout
    assert "Invalid date 'soon'" in output.stderr
    assert "Expected /search and words" in output.stderr, "the first search has come to its end"


def test_in_json(address: str, home: Path) -> None:
    done = run_client(
        address,
        "robot",
        "--json",
        said=lines(
            {"type": "search", "query": "zebra", "limit": 2, "id": 1},
            {"type": "search", "query": "zebra", "before": 200, "id": 2},
            {"type": "search", "query": "zebra", "has": "link", "id": 3},
            {"type": "search", "query": "zebra", "private": True, "id": 4},
            {"type": "search", "id": 5},
        ),
        directory=home,
    )
    answers = {each["id"]: each for each in told(done.stdout) if "id" in each}
    assert [message["seq"] for message in answers[1]["messages"]] == [400, 395]
    assert 200 < answers[1]["before"] <= 395
    assert [message["seq"] for message in answers[2]["messages"]] == [100, 60]
    assert "before" not in answers[2]
    assert [message["text"] for message in answers[3]["messages"]] == [ZEBRAS[200]]
    assert (answers[4]["code"], answers[5]["code"]) == ("no-history", "bad-command")


def test_by_the_library(address: str) -> None:
    with connect(address, "bob", tls="off") as room:
        assert room.can_search
        assert [message.seq for message in room.search("ZEBRA cross")] == [60]


def test_private_messages_of_registered_users(tmp_path: Path, home: Path) -> None:
    """They go back in the view of their partner, who alone is searched there."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    for name in ("alice", "bob", "carol"):
        register(data, name, "a password")
    server = ServerProcess("--history=on", f"--data-directory={data}", "--rate=0")
    try:
        address = "{}:{}".format(*server.address)
        for name, word in (("carol", "carols zebra"), ("alice", "zebra")):
            with connect(address, name, password="a password", tls="off") as room:
                receipts = [room.send_text(f"{word} {number}", to="bob") for number in range(1, 31)]
                for event in room:
                    if getattr(event, "receipt", None) is receipts[-1]:
                        break
        options = (password_option(home, "a password"), "--replay=5", "--no-state")
        with PyteScreen([*client(address, "bob"), *options], home, rows=16) as bob:
            bob.wait_for("you are in the room as bob")
            bob.command("/query alice")
            bob.wait_for("zebra 30$")
            while not any("── no older messages ─" in row for row in bob.rows()):
                next_page(bob)
            bob.wait_for(r"\]: zebra 1$")
            assert not any("carol" in row for row in bob.rows()[1:-2])
            bob.command("/search zebra")
            bob.wait_for(r"search: \d+ of 30\+?")
    finally:
        server.end()
