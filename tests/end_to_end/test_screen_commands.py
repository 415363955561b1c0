"""Every command of the full-screen client, typed into the real program.

``SCENARIOS`` has one for each command; a command without one is a failure.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from chat.client import Attachment, MessageType
from chat.client.conversation.commands import COMMANDS, Availability, help_lines
from chat.client.screen.input import keys
from tests.end_to_end import (
    screen_attention,
    screen_copying,
    screen_devices,
    screen_moderating,
    screen_rooms,
)
from tests.end_to_end.screen_stage import Stage, staged
from tests.end_to_end.server_process import eventually

MAX_SAVE = 100 * 1024  # bytes; what is larger waits for /get
ROOM = r"^ 127\.0\.0\.1:\d+ │"  # the title of its view

Scenario: TypeAlias = Callable[[Stage], None]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("home")
    programs = tmp_path_factory.mktemp("programs")
    for name in ("xdg-open", "open"):  # the desktop
        (programs / name).write_text('#!/bin/sh\nprintf %s "$1" > "$HOME/opened"\n')
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    with staged(
        home,
        f"--max-save={MAX_SAVE}",
        "--save-directory=.",
        environment={"PATH": path},
        moderator_password=screen_moderating.BOBS,
    ) as stage:
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Iterator[Stage]:
    assert shared.bob.process.poll() is None
    yield shared
    shared.tidy()


def attachment_to(stage: Stage) -> Attachment:
    """The next one that alice gets."""
    for event in stage.alice:
        if isinstance(event, Attachment) and not event.own:
            return event
    raise AssertionError("the connection was closed")


def file_from_alice(stage: Stage, name: str, size: int) -> str:
    """Send a file as alice; return its number on bob's screen, as soon as the screen shows it."""
    path = stage.directory / "of alice" / name
    path.write_bytes(b"x" * size)
    stage.alice.send_file(path)
    pattern = re.compile(rf"alice sent a file: {re.escape(name)} \(.*\), number (\d+):")
    rows = stage.bob.wait_for(pattern.pattern)
    return next(found[1] for row in rows if (found := pattern.search(row)))


def is_gone(stage: Stage, pattern: str) -> None:
    """Wait until no row of the log has it."""
    stage.bob.wait_until(lambda rows: not any(re.search(pattern, row) for row in rows[1:-1]))


# Scenarios.


def msg(stage: Stage) -> None:
    stage.bob.command("/msg alice psst")
    assert stage.hear("psst").to == "alice"
    stage.bob.wait_for(r"\[bob -> alice\]: psst$")


def reply(stage: Stage) -> None:
    stage.say("a question", to="bob")
    stage.bob.wait_for(r"\[alice -> bob\]: a question$")
    stage.bob.command("/reply an answer")
    assert stage.hear("an answer").to == "alice"
    stage.bob.wait_for(r"\[bob -> alice\]: an answer$")


def me(stage: Stage) -> None:
    stage.bob.command("/me waves")
    stage.bob.wait_for(r"\* bob waves$")
    stage.hear("/me waves")


def sends(command: str, kind: MessageType, words: str, beginning: bytes = b"") -> Scenario:
    def scenario(stage: Stage) -> None:
        name = f"two words.{command}"
        (stage.directory / name).write_bytes(beginning.ljust(8))
        stage.bob.command(f"/{command} {name}")
        stage.bob.wait_for(rf"bob sent {words}: {name} \(8 bytes\)$")
        got = attachment_to(stage)
        assert (got.kind, got.filename, got.size, got.to) == (kind, name, 8, None)

    return scenario


def get(stage: Stage) -> None:
    number = file_from_alice(stage, "large.bin", 2 * MAX_SAVE)
    stage.bob.wait_for(f"/get {number} saves it")
    assert not (stage.directory / "large.bin").exists()
    stage.bob.command(f"/get {number}")
    # It may stand in the next row.
    stage.bob.wait_until(lambda rows: "large.bin" in saved_names(rows))
    assert (stage.directory / "large.bin").read_bytes() == b"x" * 2 * MAX_SAVE


def saved_names(rows: list[str]) -> list[str]:
    log = rows[1:-2]  # without the title, the status line and the input
    text = "".join(row.strip() if row.startswith(" ") else f"\n{row}" for row in log)
    return re.findall(r"saved as ?.*?([\w. -]+)$", text, re.MULTILINE)


def transfers(stage: Stage) -> None:
    number = file_from_alice(stage, "listed.txt", 5)
    stage.bob.wait_until(lambda rows: "listed.txt" in saved_names(rows))
    stage.bob.command("/transfers")
    stage.bob.wait_for("-- attachments:", rf"^ +{number}\. listed\.txt from alice, 5 bytes: saved")


def cancel(stage: Stage) -> None:
    with open(stage.directory / "endless.bin", "wb") as file:
        file.truncate(1000 * 1024**2)
    stage.bob.command("/file endless.bin")
    rows = stage.bob.wait_for(r"sending \d+\. endless\.bin")
    number = re.findall(r"sending (\d+)\.", rows[-2])[0]
    stage.bob.command(f"/cancel {number}")
    stage.bob.wait_for("sending a file: endless.bin$", "not sent: The transfer was cancelled")
    stage.bob.wait_until(lambda rows: "sending" not in rows[-2])
    stage.bob.command("/transfers")
    stage.bob.wait_for(rf"{number}\. endless\.bin to everyone, .*: cancelled$")


def opens(stage: Stage) -> None:
    number = file_from_alice(stage, "shown.txt", 5)
    stage.bob.wait_until(lambda rows: "shown.txt" in saved_names(rows))
    stage.bob.command(f"/open {number}")
    opened = stage.directory / "opened"
    eventually(lambda: opened.exists() and Path(opened.read_text()).name == "shown.txt")


def names(stage: Stage) -> None:
    stage.bob.command("/names")
    stage.bob.wait_for("│ alice$", "│@bob$")
    stage.bob.command("/names")
    is_gone(stage, "│ alice$")


def query(stage: Stage) -> None:
    stage.bob.command("/query alice")
    stage.bob.wait_for("^ alice alone, at ", "^to alice alone:$")
    stage.bob.command("between us")
    assert stage.hear("between us").to == "alice"
    stage.say("in public")
    stage.say("quite so", to="bob")
    rows = stage.bob.wait_for(r"\[bob -> alice\]: between us$", r"\[alice -> bob\]: quite so$")
    assert not any("in public" in row for row in rows)
    close(stage)


def close(stage: Stage) -> None:
    stage.bob.command("/query alice")
    stage.bob.wait_for("^ alice alone, at ")
    stage.bob.command("/close")
    stage.bob.wait_for(ROOM)
    stage.bob.command("/close")
    stage.bob.wait_for("The room can't be closed")
    stage.bob.press("<ctrl-u>")


def search(stage: Stage) -> None:
    stage.say("a needle")
    stage.bob.wait_for("a needle$")
    stage.bob.command("/search NEEDLE")
    stage.bob.wait_for("^search: NEEDLE$", r"search: 1 of 1\b")


def clear(stage: Stage) -> None:
    stage.say("soon to be gone")
    stage.bob.wait_for("soon to be gone$")
    stage.bob.command("/clear")
    is_gone(stage, "^<")
    stage.say("what comes then")
    stage.bob.wait_for(r"\[alice\]: what comes then$")


def save(stage: Stage) -> None:
    stage.say("worth keeping")
    stage.bob.wait_for("worth keeping$")
    stage.bob.command("/save the log.txt")
    stage.bob.wait_for("the log is saved as")
    log = (stage.directory / "the log.txt").read_text(encoding="utf-8")
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.* \[alice\]: worth keeping$", log, re.M)
    stage.bob.command("/save the log.txt")
    stage.bob.wait_for("nothing is overwritten|exists already")
    stage.bob.press("<ctrl-u>")


def log(stage: Stage) -> None:
    stage.say("before it was written")
    stage.bob.wait_for("before it was written$")
    stage.bob.command("/log on")
    stage.bob.wait_for("-- the log is written to")
    stage.say("worth writing")
    (path,) = stage.directory.rglob("*.log")
    eventually(lambda: "[alice]: worth writing\n" in path.read_text(encoding="utf-8"))
    stage.bob.command("/log off")
    stage.bob.wait_for("-- the log is off from now on$")
    stage.say("not written")
    stage.bob.wait_for("not written$")
    stage.leave()
    assert "before" not in path.read_text(encoding="utf-8")
    assert "not written" not in path.read_text(encoding="utf-8")


def bell(stage: Stage) -> None:
    stage.leave()  # it is not rung often; a client that has just come has not rung
    stage.bob.command("/bell off")
    stage.bob.wait_for("-- the bell is off$")
    stage.say("bob, wake up")
    stage.bob.wait_for("bob, wake up$")
    # With the next frame everything before it has been sent.
    stage.bob.press("awake")
    stage.bob.wait_for("^awake$")
    assert b"\a" not in stage.bob.raw
    stage.leave()
    stage.bob.command("/bell off")
    stage.bob.command("/bell on")
    stage.bob.wait_for("-- the bell is on$")
    stage.say("bob, wake up")
    stage.bob.wait_until(lambda rows: b"\a" in stage.bob.raw)


def mouse(stage: Stage) -> None:
    stage.leave()
    stage.bob.command("/mouse")
    stage.bob.wait_for("-- the mouse is the client's: hold Shift to select text; /mouse gives")
    on, off = b"\x1b[?1000h", b"\x1b[?1000l"
    stage.bob.wait_until(lambda rows: on in stage.bob.raw)
    assert off not in stage.bob.raw
    stage.bob.command("/mouse off")
    stage.bob.wait_for("-- the mouse is the terminal's: it selects text")
    stage.bob.wait_until(lambda rows: off in stage.bob.raw)


def reconnect(stage: Stage) -> None:
    stage.bob.press("/reconnect")
    stage.bob.wait_for("^/reconnect$")
    stage.bob.press("<enter>")
    stage.bob.wait_for("-- back in the room as bob after ")
    stage.bob.command("/reconnect robert")
    stage.bob.wait_for("-- back in the room as robert after ", "│ robert │")
    stage.bob.command("said as robert")
    assert stage.hear("said as robert").sender == "robert"
    stage.leave()


def shows_keys(stage: Stage) -> None:
    stage.bob.command("/keys")
    stage.bob.wait_for("^ keys │ Esc closes", *(re.escape(line) for line in keys.help_lines()[:3]))
    stage.bob.press("<esc>")
    stage.bob.wait_for(ROOM)


def shows_help(stage: Stage) -> None:
    stage.bob.command("/help")
    # More than the screen has room for: from the first line to the last.
    lines = help_lines(None, Availability.SCREEN)
    stage.bob.wait_for(
        "^ commands │ Esc closes", *(rf"^  {re.escape(line)}$" for line in lines[:3])
    )
    stage.bob.press("<ctrl-end>")
    stage.bob.wait_for(*(rf"^  {re.escape(line)}$" for line in lines[-3:]))
    stage.bob.press("<esc>")
    stage.bob.wait_for(ROOM)
    stage.bob.command("/help cancel")
    stage.bob.wait_for(r"^ +/cancel \[N\]  cancel transfer")


def quits(stage: Stage) -> None:
    stage.bob.command("famous last words")
    stage.bob.command("/quit")
    assert stage.bob.wait() == 0
    stage.hear("famous last words")


SCENARIOS: dict[str, Scenario] = {
    **screen_rooms.SCENARIOS,
    **screen_devices.SCENARIOS,
    "msg": msg,
    "reply": reply,
    "me": me,
    "file": sends("file", MessageType.FILE, "a file"),
    "image": sends("image", MessageType.IMAGE, "an image", b"\x89PNG\r\n\x1a\n"),
    "voice": sends("voice", MessageType.VOICE, "a voice message", b"OggS"),
    "get": get,
    "transfers": transfers,
    "cancel": cancel,
    "open": opens,
    "who": screen_attention.who,
    "whois": screen_attention.whois,
    "presence": screen_attention.presence,
    "names": names,
    "where": screen_attention.where,
    "query": query,
    "close": close,
    "ignore": screen_attention.ignore,
    "unignore": screen_attention.unignore,
    "highlight": screen_attention.highlight,
    "unhighlight": screen_attention.unhighlight,
    "mentions": screen_attention.highlight,
    "bare": screen_copying.shows_the_bare_view,
    "copy": screen_copying.copies,
    "search": search,
    "clear": clear,
    "save": save,
    "log": log,
    "bell": bell,
    "mouse": mouse,
    "reconnect": reconnect,
    "register": screen_moderating.register,
    "passwd": screen_moderating.passwd,
    "kick": screen_moderating.kick,
    "ban": screen_moderating.ban,
    "unban": screen_moderating.unban,
    "bans": screen_moderating.bans,
    "mute": screen_moderating.mute,
    "unmute": screen_moderating.mute,
    "history": screen_attention.shows_earlier,
    "files": screen_attention.lists_files,
    "raw": screen_attention.shows_raw,
    "keys": shows_keys,
    "help": shows_help,
    "quit": quits,
}


def test_every_command_has_a_scenario() -> None:
    assert set(SCENARIOS) == {
        command.name for command in COMMANDS if command.where & Availability.SCREEN
    }


@pytest.mark.parametrize("name", [c.name for c in COMMANDS if c.where & Availability.SCREEN])
def test_command(stage: Stage, name: str) -> None:
    SCENARIOS[name](stage)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/hlep", "Unknown command /hlep; did you mean /help?"),
        ("/msg alice", "Expected /msg NAME TEXT."),
        ("/get 9999", "There is no attachment number 9999."),
        ("/file no such file", "no such file"),
        ("/msg nobody-here hello", "not sent: "),
    ],
)
def test_what_is_refused_is_shown_and_leaves_the_input(
    stage: Stage, line: str, answer: str
) -> None:
    stage.bob.command(line)
    stage.bob.wait_until(lambda rows: not rows[-1] and any(answer in row for row in rows[1:-1]))
    stage.bob.press("<up>")
    stage.bob.wait_until(lambda rows: rows[-1] == line)
    stage.bob.press("<ctrl-u>")


def test_a_path_as_a_terminal_types_it(stage: Stage) -> None:
    (stage.directory / "it's a (1).txt").write_text("dropped", encoding="utf-8")
    stage.bob.command(rf"/file {stage.directory}/it\'s\ a\ \(1\).txt")
    stage.bob.wait_for(r"bob sent a file: it's a \(1\)\.txt")


def test_tab_lists_what_fits(stage: Stage) -> None:
    stage.bob.press("/un", "<tab>")
    stage.bob.wait_for("/unban +/unblock +/unhighlight +/unignore +/unmute")
    stage.bob.press("<tab>", "<tab>", "<ctrl-u>")
    stage.bob.wait_until(lambda rows: not any("/unhighlight" in row for row in rows))
