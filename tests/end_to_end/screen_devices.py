"""Commands that bob types on the screen about an account: devices, blocked users, and lines that were perhaps said."""

from __future__ import annotations

import re

from chat.client import connect
from tests.end_to_end.screen_moderating import BOBS, mallory_at
from tests.end_to_end.screen_stage import Stage


def nothing_in_doubt(stage: Stage) -> None:
    """Lines that are in doubt need a server that was killed: they have a test of their own."""
    for command in ("/again", "/drop", "/again 3"):
        stage.bob.command("/clear")
        stage.bob.command(command)
        stage.bob.wait_for("not done: No line ", "perhaps said")


def block(stage: Stage) -> None:
    with mallory_at(stage) as mallory:
        stage.bob.command("/block mallory")
        stage.bob.wait_for("You get no private messages from mallory any")
        refused = mallory.send_text("psst", "bob")
        next(event for event in mallory if refused.code is not None)
        assert refused.code == "blocked"
        stage.bob.command("/blocks")
        stage.bob.wait_for("blocked: mallory$")
        stage.bob.command("/unblock mallory")
        stage.bob.wait_for("mallory may write to you again")
        mallory.send_text("hello again", "bob")
        stage.bob.wait_for(r"\[mallory -> bob\]: hello again$")
        stage.bob.command("/blocks")
        stage.bob.wait_for("you block nobody$")


def devices(stage: Stage) -> None:
    """Bob's screen is one device; a program that logs in beside it is another, until it is forgotten."""
    state = stage.directory / "program.state"
    program = connect(stage.address, "bob", password=BOBS, reconnect=True, state=state)
    try:
        stage.bob.command("/devices")
        rows = stage.bob.wait_for("devices that need no password:", "/forget NAME has a device ask")
        words = " ".join(" ".join(rows).split())  # a line may take two rows
        listed = re.findall(r"(\S+) first [^()]*\((here|here, this one)\)", words)
        [other] = [name for name, marks in listed if marks == "here"]
        stage.bob.command(f"/forget {other}")
        stage.bob.wait_for(f"The device {other} needs your")
        # It is not in the list any more.
        stage.bob.command("/clear")
        stage.bob.command("/devices")
        rows = stage.bob.wait_for("devices that need no password:", "/forget NAME has a device ask")
        assert not any(f" {other} " in row for row in rows)
    finally:
        program.close()
    stage.leave()


SCENARIOS = {
    "again": nothing_in_doubt,
    "drop": nothing_in_doubt,
    "block": block,
    "unblock": block,
    "blocks": block,
    "devices": devices,
    "forget": devices,
}
