"""Commands that bob types on the screen and the server executes: to moderate, and to have an account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chat.client import Connection, Dismissed, LoginRefused, Status, connect
from tests.end_to_end.screen_stage import Stage

BOBS = "correct horse"  # the password of bob, who is a moderator


@contextmanager
def mallory_at(stage: Stage) -> Iterator[Connection]:
    """Connect mallory, on whom bob can act; wait until bob sees that mallory joins and leaves."""
    with connect(stage.address, "mallory") as mallory:
        stage.bob.wait_for("mallory (joined|came back)")
        yield mallory
    stage.bob.wait_for("mallory (left|came and went|joined and left)")
    stage.bob.command("/clear")


def is_told_to_go(mallory: Connection, sentence: str) -> None:
    with pytest.raises(Dismissed, match=sentence):
        list(mallory)


def answer(stage: Stage, *passwords: str) -> None:
    """The questions for a password, in which nothing is seen but how long it is."""
    for password in passwords:
        stage.bob.wait_for(r"^[a-z][^:*]*:$")
        stage.bob.press(password)
        rows = stage.bob.wait_for(rf"^[^:]+: \*{{{len(password)}}}$")
        assert not any(password in row for row in rows)
        stage.bob.press("<enter>")
        stage.bob.wait_until(lambda rows: "*" not in rows[-1])


def register(stage: Stage) -> None:
    stage.bob.command("/reconnect dave")
    stage.bob.wait_for("-- back in the room as dave after ")
    stage.bob.command("/register")
    answer(stage, "battery staple", "battery staple")
    stage.bob.wait_for("the server says: The name dave is yours")
    with pytest.raises(LoginRefused) as refused:
        connect(stage.address, "dave")
    assert refused.value.code == "password-needed"
    stage.leave()


def passwd(stage: Stage) -> None:
    for old, new in ((BOBS, "battery staple"), ("battery staple", BOBS)):
        stage.bob.command("/clear")
        stage.bob.command("/passwd")
        answer(stage, old, new, new)
        stage.bob.wait_for("the server says: Your password was changed")


def kick(stage: Stage) -> None:
    with mallory_at(stage) as mallory:
        stage.bob.command("/kick mallory too loud")
        # First what bob is told: if the server refuses, mallory would wait for ever.
        stage.bob.wait_for(r"the server says: mallory was kicked\.")
        is_told_to_go(mallory, "You were kicked by bob: too loud")


def ban(stage: Stage) -> None:
    with mallory_at(stage) as mallory:
        stage.bob.command("/ban mallory 30m spam")
        stage.bob.wait_for("the server says: mallory and all names that look like it")
        is_told_to_go(mallory, "You are banned")
    with pytest.raises(LoginRefused, match="spam") as refused:
        connect(stage.address, "mallory")
    assert refused.value.code == "banned"
    lift(stage)


def lift(stage: Stage) -> None:
    stage.bob.command("/unban mallory")
    stage.bob.wait_for("the server says: No longer banned: mallory")


def unban(stage: Stage) -> None:
    stage.bob.command("/ban mallory")
    stage.bob.wait_for("the server says: mallory and all names that look like it")
    lift(stage)
    stage.bob.command("/clear")
    with mallory_at(stage):
        pass


def bans(stage: Stage) -> None:
    stage.bob.command("/ban mallory 2h")
    stage.bob.wait_for("the server says: mallory and all names that look like it")
    stage.bob.command("/bans")
    stage.bob.wait_for("the server says: ", r"mallory .*by bob")
    lift(stage)


def mute(stage: Stage) -> None:
    with mallory_at(stage) as mallory:
        stage.bob.command("/mute mallory 10m")
        stage.bob.wait_for("the server says: mallory is muted")
        assert outcome(mallory) is Status.REFUSED
        stage.bob.command("/unmute mallory")
        stage.bob.wait_for("the server says: mallory is no longer muted")
        assert outcome(mallory) is Status.ACCEPTED


def outcome(mallory: Connection) -> Status:
    """Return the status of a text that mallory sends."""
    receipt = mallory.send_text("hello")
    for _ in mallory:
        if receipt.status is not Status.WAITING:
            return receipt.status
    raise AssertionError("the connection was closed")
