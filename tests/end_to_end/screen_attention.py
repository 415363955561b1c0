"""Commands that bob types on the screen to learn who is here, and to choose what is shown."""

from __future__ import annotations

from chat.client import connect
from tests.end_to_end.screen_stage import Stage


def who(stage: Stage) -> None:
    stage.bob.command("/who")
    stage.bob.wait_for(r"-- 2 in the room: alice, bob \(moderator\)$")


def whois(stage: Stage) -> None:
    stage.bob.command("/whois BOB")
    stage.bob.wait_for(r"-- bob is in the room \(moderator\)$")


def presence(stage: Stage) -> None:
    stage.bob.command("/presence none")
    stage.bob.wait_for("-- no joins and leaves are shown$")
    with connect(stage.address, "silent"):
        stage.bob.command("/who")
        stage.bob.wait_for("3 in the room: .*silent$")
    stage.bob.command("/presence all")
    stage.bob.wait_for("-- all joins and leaves are shown$")
    with connect(stage.address, "carol"):
        stage.bob.wait_until(lambda rows: any("carol joined" in row for row in rows))
    stage.bob.wait_until(lambda rows: any("carol came and went" in row for row in rows))
    assert not any("silent joined" in row for row in stage.bob.rows())


def ignore(stage: Stage) -> None:
    stage.bob.command("/clear")
    stage.bob.command("/ignore alice")
    stage.bob.wait_for("-- alice is ignored from now on$")
    stage.bob.command("/ignore")
    stage.bob.wait_for("-- ignored: alice$")
    stage.say("unheard of")
    stage.bob.command("after that")
    rows = stage.bob.wait_for(r"\[bob\]: after that$")
    assert not any("unheard of" in row for row in rows)


def highlight(stage: Stage) -> None:
    stage.bob.command("/clear")
    stage.bob.command("/highlight deploy")
    stage.bob.wait_for("-- deploy is highlighted from now on$")
    stage.say("the deploy is done")
    stage.bob.wait_for("the deploy is done$")
    stage.bob.command("/mentions")
    stage.bob.wait_for("-- mentions:$", r"\[alice\]: the deploy is done$")


def unhighlight(stage: Stage) -> None:
    highlight(stage)
    stage.bob.command("/unhighlight Deploy")
    stage.bob.wait_for("-- Deploy is no longer highlighted$")


def unignore(stage: Stage) -> None:
    ignore(stage)
    stage.bob.command("/unignore alice")
    stage.bob.wait_for("-- alice is no longer ignored$")
    stage.say("heard again")
    stage.bob.wait_for(r"\[alice\]: heard again$")


def shows_earlier(stage: Stage) -> None:
    stage.bob.command("/history 10")
    stage.bob.wait_for("no older messages")
    stage.bob.press("<esc>")
    stage.bob.wait_for(r"-- you are in the room as bob|│ 2 here")


def lists_files(stage: Stage) -> None:
    stage.bob.command("/files no-such-name")
    stage.bob.wait_for("This server keeps no messages")


def shows_raw(stage: Stage) -> None:
    stage.bob.command("/raw on")
    stage.bob.wait_for("without the styles of their markup")
    stage.bob.command("/raw off")


def where(stage: Stage) -> None:
    stage.bob.command("/where")
    stage.bob.wait_for(r"chat/\d")  # the software of the server
