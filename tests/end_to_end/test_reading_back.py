"""Users and programs read what was said long before they came: on the screen, in plain lines, and in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from chat.client import Receipt, connect
from tests.end_to_end.client_process import run_client
from tests.end_to_end.screens import PyteScreen, client
from tests.end_to_end.server_process import ServerProcess
from tests.end_to_end.test_json_client import lines, told

LAST = 400


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the texts 1 to 400 of alice, but for a file in place of 390."""
    directory = tmp_path_factory.mktemp("data")
    server = ServerProcess("--history=on", f"--data-directory={directory}", "--rate=0")
    host, port = server.address
    with connect(f"{host}:{port}", "alice", tls="off") as room:
        receipts: list[Receipt] = []
        for number in range(1, LAST + 1):
            if number == 390:
                receipts.append(room.send_file(BytesIO(b"GIF89a"), filename="cat.gif"))
            else:
                receipts.append(room.send_text(f"text {number}"))
        for event in room:
            if getattr(event, "receipt", None) is receipts[-1]:
                break
    yield f"{host}:{port}"
    server.end()


def texts(screen: PyteScreen) -> list[int]:
    """Return the numbers of the texts on the screen."""
    found = (re.search(r"\[alice\]: text (\d+)$", row) for row in screen.rows())
    return [int(match[1]) for match in found if match]


def test_the_screen_goes_back_to_the_first_message_and_to_a_day(address: str, home: Path) -> None:
    with PyteScreen([*client(address, "bob"), "--replay=20"], home, rows=20) as bob:
        bob.wait_for("you are in the room as bob")
        seen: set[int] = set(texts(bob))
        while True:
            rows = next_page(bob)
            seen.update(texts(bob))
            if any("── no older messages ─" in row for row in rows):
                break
        assert seen == {*range(1, LAST + 1)} - {390}
        bob.press("<esc>")
        bob.wait_for("you are in the room as bob")
        day = re.search(r"(\d{4}-\d\d-\d\d)", str(told_by(address, home)["timestamp"]))
        assert day
        bob.command(f"/history {day[1]}")
        bob.wait_for("text 1$", "── no older messages ─")


def next_page(screen: PyteScreen) -> list[str]:
    """Page up, and return the rows once they are others, and all of them are drawn."""
    before = seen = screen.rows()[1:-2]
    screen.press("<pageup>")

    def is_drawn(rows: list[str]) -> bool:
        nonlocal seen
        last, seen = seen, rows[1:-2]
        # Where the words stood, messages appear.
        return last == seen != before and not any("── fetching older" in row for row in rows)

    return screen.wait_until(is_drawn, "nothing moved")


def told_by(address: str, home: Path) -> dict[str, object]:
    """Return the first message, as a program gets it."""
    output = run_client(
        address,
        "robot",
        "--json",
        said=lines({"type": "history", "after": 0, "limit": 1, "id": 1}),
        directory=home,
    ).stdout
    [answer] = [each for each in told(output) if each["type"] == "history"]
    message: dict[str, object] = answer["messages"][0]
    return message


def test_plain_lines(address: str, home: Path) -> None:
    output = run_client(
        address,
        "bob",
        "--commands",
        said="/history 3\n/history 1\n/history 9999\n/history 8\n",
        directory=home,
    )
    shown = [line.partition("> ")[2] for line in output.stdout.splitlines()]
    history = [line for line in shown if "[alice]" in line or "alice sent" in line]
    assert history == [
        *(f"[alice]: text {number}" for number in (398, 399, 400)),
        "[alice]: text 397",
        "[alice]: text 389",
        "-- alice sent a file: cat.gif (6 bytes), number 1, /get 1 saves it",
        *(f"[alice]: text {number}" for number in (391, 392, 393, 394, 395, 396)),
    ]
    assert "Expected /history N, 1 to 1000, or a date" in output.stderr


def test_json_lines(address: str, home: Path) -> None:
    done = run_client(
        address,
        "robot",
        "--json",
        said=lines(
            {"type": "history", "limit": 2, "id": 1},
            {"type": "history", "before": 4, "id": 2},
            {"type": "history", "around": 390, "limit": 3, "id": 3},
            {"type": "history", "before": 4, "epoch": "another", "id": 4},
            {"type": "history", "private": True, "id": 5},
            {"type": "history", "before": 391, "limit": 1, "id": 6},
        ),
        directory=home,
    )
    answers = {each["id"]: each for each in told(done.stdout) if "id" in each}
    assert [m["text"] for m in answers[1]["messages"]] == ["text 399", "text 400"]
    assert answers[1]["older"] is True
    assert [m["seq"] for m in answers[2]["messages"]] == [1, 2, 3]
    assert "older" not in answers[2]
    around = answers[3]["messages"]
    assert [m["seq"] for m in around] == [390, 391]
    # It has one number, however often it is shown.
    assert (around[0]["number"], answers[6]["messages"][0]["number"]) == (1, 1)
    assert answers[3]["older"] is answers[3]["newer"] is True
    assert (answers[4]["code"], answers[5]["code"]) == ("bad-place", "no-history")
    assert done.returncode == 1
    assert json.dumps(answers[3]).count('"replay": true') == 2
