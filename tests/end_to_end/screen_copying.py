"""The scenarios of the commands that copy, for ``test_screen_commands``."""

from __future__ import annotations

from tests.end_to_end.screen_stage import Stage


def shows_the_bare_view(stage: Stage) -> None:
    stage.say("worth selecting")
    stage.bob.wait_for("worth selecting$")
    stage.bob.command("/bare")
    stage.bob.wait_until(
        lambda rows: (
            any(row.endswith("[alice]: worth selecting") for row in rows)
            and not any("│" in row for row in rows)
        )
    )
    stage.bob.press("<esc>")
    stage.bob.wait_for(r"^ 127\.0\.0\.1:\d+ │", r"\[alice\]: worth selecting$")


def copies(stage: Stage) -> None:
    stage.say("worth copying")
    stage.bob.wait_for("worth copying$")
    stage.bob.command("/copy")
    stage.bob.wait_for("-- copied 13 characters of alice")
    sequence = b"\x1b]52;c;d29ydGggY29weWluZw==\x07"
    stage.bob.wait_until(lambda rows: sequence in stage.bob.raw)
