"""Play the scenes: each ends with a screen that the documentation shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageDraw

from scripts.screens.drawing import DARK, Look, Screen, read
from scripts.screens.stage import Stage
from scripts.screens.tmux import Terminal

ME = "борис"
_BACKUP_SIZE = 24 << 20  # bytes

_TALK = """\
alice: The deploy of last night is done, nothing to report.
小林: 好的 👍
carol: Who has the keys of the rack?
alice: They hang next to the printer.
carol: Found them.
小林: The deploy script needs Python 3.10 now; I wrote it down in the README.
alice: Thanks! Then the old machine has to go.
carol: I'll take it home. It still makes a good heater.
alice: :)
小林: Lunch at half past twelve?
carol: Half past. The usual place.
alice: I'm late, order something without meat for me.
carol: Will do.
小林: The disk of the backup server is at 91 percent.
alice: That's the logs again. I'll look.
carol: Can we deploy before lunch, then? It takes ten minutes.
alice: Yes, go on. Nobody is on the machine.
carol: deploying…
carol: done: 14 files, no errors 🎉
小林: 太好了!
alice: The disk is at 64 percent. It was the logs.
carol: It is always the logs.
alice: I've written a timer that packs them every night, and sends me a line when it can't.
小林: See you at lunch.
"""


def play(look: Look = DARK) -> Iterator[tuple[str, Screen]]:
    """Play all scenes in one room, on terminals with the background of ``look``; yield each screen with its name."""
    with Stage(look.background) as stage:
        for name in ("alice", "小林", "carol"):
            stage.person(name)
        _provide_files(stage.directory)
        for name, scene in zip(NAMES, _SCENES, strict=True):
            yield name, scene(stage)


def _room(stage: Stage) -> Screen:
    alice, lin, carol = stage.people[:3]
    terminal = stage.screen(ME, "--names=on", "--save-directory=downloads")
    alice.say("Good morning! The plan for today: https://wiki.example.org/plan")
    lin.say("早上好! 我马上看 👀")
    _say(terminal, "Привет! Дочитываю и отвечу 📖")
    alice.say("/file plan.pdf")
    terminal.wait_for("downloads/plan.pdf")
    stage.person("ci").say("build 1742: 812 tests passed in 41 s ✅")
    alice.say('борис, can you have a look at the printer? It wants "PC LOAD LETTER" again.')
    carol.say(f"/msg {ME} it only needs paper, but let her believe it is magic 🪄")
    _say(terminal, "/me gets the wand", r"\* борис gets the wand")
    lin.say("😂")
    terminal.wait_for("😂")
    terminal.type("alice: готово, проверяй 🖨")
    return _shown(terminal, "готово, проверяй 🖨")


def _files(stage: Stage) -> Screen:
    alice, lin, carol = stage.people[:3]
    terminal = stage.screen(ME, "--save-directory=downloads", slow=True)
    alice.say("Look what the sky did last night:")
    alice.say("/image evening.png")
    terminal.wait_for("downloads/evening.png", "▀{20}")
    lin.say("哇!")
    carol.say("And here is what I promised. Sorry, it is a bit large.")
    carol.say("/file backup.tar")
    terminal.type("/open 1")
    return _shown(
        terminal, r"number 2: \[###-------\] 37 %", r"fetching 2.*B/s, \d+:\d\d left", "^/open 1"
    )


def _search(stage: Stage) -> Screen:
    terminal = stage.screen(ME)
    _talk(stage)
    terminal.wait_for("See you at lunch")
    terminal.press("C-r")
    terminal.type("deploy")
    terminal.press("C-r")
    terminal.press("C-r")
    terminal.wait_for("scrolled up")
    stage.person("carol").say("I'm on my way. Who else is coming?")
    stage.person("alice").say("Me, in five minutes.")
    return _shown(terminal, "2 new below", "search: 3 of 4", "^search: deploy$")


def _query(stage: Stage) -> Screen:
    alice, lin, carol = stage.people[:3]
    terminal = stage.screen(ME, "--names=on")
    terminal.enter("/query carol")
    terminal.wait_for("carol alone")
    carol.say(f"/msg {ME} Have you seen what the new one can do?")
    _say(terminal, "not yet. Is it good?", r"\[борис -> carol\]: not yet. Is it good\? +│")
    carol.say(f"/msg {ME} It talks to the old one, and it never asks for anything.")
    carol.say(f"/msg {ME} I have it on every machine here 🙂")
    alice.say("Coffee is ready.")
    lin.say("马上来 ☕")
    terminal.type("I'll try it on ")
    return _shown(terminal, r"\[1 room 2\] \[2 carol\]", "every machine here", "try it on$")


def _small(stage: Stage) -> Screen:
    alice, lin, carol = stage.people[:3]
    terminal = stage.screen(ME, columns=40, rows=12)
    carol.say("Are you on the train already?")
    _say(terminal, "yes, and the window of this telephone is enough to talk in")
    alice.say("Have a good trip, борис 🚆")
    lin.say("一路平安!")
    terminal.type("thank you! I'll be there at ")
    return _shown(terminal, "一路平安", "I'll be there at$")


def _lost(stage: Stage) -> Screen:
    alice = stage.people[0]
    terminal = stage.screen(ME)
    alice.say("I'm moving the server to the other rack, hold on.")
    _say(terminal, "go ahead, we can wait")
    stage.kill_server()
    # After this line the client adds no other remark.
    terminal.wait_for("Connection refused. Trying again.")
    terminal.enter("this is said as soon as it can be")
    terminal.wait_for("as soon as it can be …$")
    terminal.type("and this stays here until ")
    return _shown(terminal, r"no connection, next try in \d+ s", "stays here until$")


def _back(stage: Stage) -> Screen:
    with Stage(stage.background, keeps_messages=True) as other:
        alice, lin, carol = (other.person(name) for name in ("alice", "小林", "carol"))
        terminal = other.screen(ME)
        alice.say("I have to restart the build server at four.")
        _say(terminal, "fine, I'm on the train until then")
        terminal.enter("/quit")
        # The end is when the client notes what it has seen.
        terminal.wait_until_over()
        other.clear()
        lin.say("The build server is down?")
        alice.say("For ten minutes, yes.")
        carol.say("It's back. Who watches the first build?")
        alice.say("борис does, I think.")
        lin.say("好的 👍")
        carol.say("The first build was green 🎉")
        terminal = other.screen(ME)
        terminal.wait_for("6 new since")
        carol.say("борис is back, ask him")
        terminal.wait_for("ask him")
        terminal.type("green, even without me: ")
        return _shown(terminal, "6 new since", "ask him", "without me:$")


def _found(stage: Stage) -> Screen:
    with Stage(stage.background, keeps_messages=True) as other:
        _talk(other)
        terminal = other.screen(ME, "--replay=4")
        terminal.wait_for("See you at lunch")
        terminal.enter("/search deploy from:carol")
        terminal.wait_for("search: 1 of 2", "found on the server")
        terminal.press("C-r")
        terminal.wait_for("search: 2 of 2")
        terminal.press("Enter")
        return _shown(terminal, "Can we deploy", "search: 2 of 2", "scrolled up")


def _earlier(stage: Stage) -> Screen:
    with Stage(stage.background, keeps_messages=True) as other:
        _talk(other)
        terminal = other.screen(ME, "--replay=4")
        terminal.wait_for("See you at lunch")
        for shown in ("The disk of the backup", "no older messages"):
            terminal.press("PageUp")
            terminal.wait_for(shown)
        terminal.type("who has the keys now? ")
        return _shown(terminal, "no older messages", "keys now")


def _texts(stage: Stage) -> Screen:
    alice, lin, carol = stage.people[:3]
    terminal = stage.screen(ME)
    alice.say("The option is `--durable`: *every* message is on the disk **before** it is said.")
    alice.say("See https://wiki.example.org/durable_rooms and src/*.py, log_*.py for the rest.")
    carol.say("> before it is said")
    carol.say("And how long does that take?")
    _type_lines(
        terminal,
        "```python",
        "def wait(seq: int) -> float:",
        "    # seconds",
        '    return measure("fsync", seq) * 1000',
        "```",
    )
    terminal.press("Enter")
    # The colours of code come a moment later.
    terminal.wait_for_colours(r"mdef\x1b")
    lin.say("好! `fsync` 是 2 ms 😮")
    terminal.type("two, :smi")
    terminal.press("Tab")
    return _shown(terminal, "好!", "two, 😄$", "smiley_cat")


def _type_lines(terminal: Terminal, *lines: str) -> None:
    """Type one message of several lines, without sending it."""
    first, *further = lines
    terminal.type(first)
    for line in further:
        terminal.press("M-Enter")
        terminal.type(line)


def _rooms(stage: Stage) -> Screen:
    with Stage(stage.background) as other:
        topic = "What we build, and when. Questions are welcome"
        other.manage("rooms", "add", "dev", f"--topic={topic}")
        for name in ("den", "lunch", "ops"):
            other.manage("rooms", "add", name)
        other.manage("rooms", "add", "news", "--kind=announcements")
        alice, lin, carol = map(other.person, ("alice", "小林", "carol"))
        for person in (alice, lin, carol):
            person.start("/join dev")
            person.wait_for("you are in the room")
        terminal = other.screen(
            ME, "--room=dev,den,lunch,news,ops", "--names=on", columns=96, rows=16
        )
        terminal.wait_for("5 !news")
        other.manage("rooms", "set", "den", "--kind=closed")
        terminal.enter("/query carol")
        terminal.wait_for("carol alone")
        terminal.enter("/rooms den")
        terminal.wait_for("=den")
        terminal.press("M-2")
        terminal.wait_for("^>2 #dev")
        lin.say("Version 2.4 is nearly done: three tests are red.")
        carol.say("Does anyone have the keys of the rack?")
        alice.say("борис, who reviews the last change?")
        lin.say("`test_rooms` is the only one that I don't understand.")
        carol.say(f"/msg {ME} The keys are with you, aren't they?")
        _say(terminal, "I do, after lunch", rf"\[{ME}\]: I do, after lunch +│")
        alice.say("Thanks!")
        for person, room, words in (
            *((carol, "lunch", "Half past twelve?"), (lin, "lunch", "好的")),
            *((alice, "ops", "The disk is at 64 percent."), (alice, "ops", f"{ME}, see above")),
        ):
            person.start(f"/join {room}")
            person.say(words)
        terminal.wait_for(r"=den", r"#ops +@1 2", r"carol +@1", "Thanks!")
        terminal.type("the red one is mine: ")
        return _shown(terminal, "the red one is mine:$", "#lunch +2")


def _switcher(stage: Stage) -> Screen:
    with Stage(stage.background) as other:
        alice, lin, carol, _ = map(other.person, ("alice", "小林", "carol", "build-server"))
        terminal = other.screen(ME, "--names=on")
        for name in ("carol", "alice"):
            terminal.enter(f"/query {name}")
            terminal.wait_for(f"{name} alone")
        alice.say(f"/msg {ME} The build server does not answer.")
        lin.say("Who restarts the build server?")
        carol.say(f"/msg {ME} Is it you who breaks the build again?")
        _say(terminal, "one moment, I look", rf"\[{ME} -> alice\]: one moment.*look +│")
        terminal.wait_for(r"\[2 carol 1\]")
        terminal.press("M-k")
        terminal.type("r")
        return _shown(terminal, "^go to: r$", "> .*room", r"build-server")


def _talk(stage: Stage) -> None:
    for line in _TALK.splitlines():
        name, _, text = line.partition(": ")
        stage.person(name).say(text)


def _say(terminal: Terminal, line: str, shown: str | None = None) -> None:
    """Say ``line``, and wait until the server has sent it back."""
    terminal.enter(line)
    terminal.wait_for(shown or rf"\[{ME}\]: {' '.join(line.split()[:3])}(?!.*…)")


def _shown(terminal: Terminal, *patterns: str) -> Screen:
    return read(terminal.wait_for(*patterns))


def _provide_files(directory: Path) -> None:
    (directory / "plan.pdf").write_bytes(b"%PDF-1.4\n".ljust(48_211))
    with (directory / "backup.tar").open("wb") as file:
        file.truncate(_BACKUP_SIZE)
    draw_evening().save(directory / "evening.png")


def draw_evening() -> Image.Image:
    """Draw a sunset behind two rows of hills, with a lake."""
    width, height = 320, 180
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    top, low = (28, 30, 92), (250, 150, 60)
    for y in range(height):
        share = min(y / 115, 1.0)
        colour = tuple(round(a + (b - a) * share) for a, b in zip(top, low, strict=True))
        draw.line((0, y, width, y), fill=colour)
    draw.ellipse((185, 58, 245, 118), fill=(255, 236, 150))
    far = [(0, 96), (60, 70), (120, 100), (180, 84), (240, 108), (320, 82), (320, 180), (0, 180)]
    draw.polygon(far, fill=(120, 60, 100))
    near = [(0, 112), (50, 118), (110, 96), (170, 122), (320, 112), (320, 180), (0, 180)]
    draw.polygon(near, fill=(50, 35, 70))
    draw.rectangle((0, 132, width, height), fill=(36, 62, 120))
    for y in range(136, height, 8):
        half = 34 - (y - 136) // 2
        draw.rectangle((215 - half, y, 215 + half, y + 3), fill=(240, 190, 110))
    return image


_SCENES: tuple[Callable[[Stage], Screen], ...] = (
    _room,
    _files,
    _search,
    _query,
    _small,
    _texts,
    _lost,
    _back,
    _found,
    _earlier,
    _rooms,
    _switcher,
)
NAMES = tuple(scene.__name__.strip("_") for scene in _SCENES)
