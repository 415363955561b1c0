"""The reader's time zone changes while the client runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chat.client import connect
from tests.end_to_end.screens import PyteScreen

ZONES = Path("/usr/share/zoneinfo")
# A client that looks more often than once a minute.
SCRIPT = """
import sys
from chat.client.program import time_zone
time_zone.CHECK = 0.05
from chat.client.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(not (ZONES / "Asia/Kolkata").exists(), reason="no tzdata here")
@pytest.mark.parametrize("mode", ["screen", "plain"])
def test_times_follow_it(address: str, home: Path, mode: str) -> None:
    """Kolkata is at half past when London is at the full hour, whatever the time of the year is."""
    zone = home / "localtime"
    zone.symlink_to(ZONES / "Europe/London")
    options = ["--plain"] if mode == "plain" else []
    command = [sys.executable, "-c", SCRIPT, f"--address={address}", "--username=bob", *options]
    with (
        connect(address, "alice", save_directory=home) as alice,
        PyteScreen(command, home, environment={"TZ": f":{zone}"}) as bob,
    ):
        bob.wait_for("you are in the room as bob")
        alice.send_text("before")
        (before,) = (row for row in bob.wait_for("before$") if row.endswith("before"))
        new = home / "new"
        new.symlink_to(ZONES / "Asia/Kolkata")
        new.replace(zone)
        if mode == "screen":  # what is there already is shown anew, by itself
            bob.wait_until(lambda rows: not any(row == before for row in rows))
            (after,) = (row for row in bob.wait_for("before$") if row.endswith("before"))
            assert (minute_of(after) - minute_of(before)) % 60 == 30
            return
        number = 0
        while True:
            number += 1
            alice.send_text(f"after {number}.")
            (after,) = (row for row in bob.wait_for(f"after {number}\\.$") if f" {number}." in row)
            if (minute_of(after) - minute_of(before)) % 60 >= 30:
                return
            assert number < 2000


def minute_of(row: str) -> int:
    return int(row.split(":")[1])
