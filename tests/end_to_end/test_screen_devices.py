"""Bob's screens, over kills and absences: each device shows everything once, and what one has read is read on both."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat.client import Joined, Left, Text, Welcome, connect
from tests.end_to_end.accounts import password_option, register
from tests.end_to_end.listening import Listening
from tests.end_to_end.screens import PyteScreen, Screen, client
from tests.end_to_end.server_process import ServerProcess, eventually

PASSWORD = "correct horse"
INSIDE = "you are in the room as bob"


class Alice(Listening):
    """Alice, who has an account, in a program that keeps what it hears."""

    def __init__(self, address: str) -> None:
        super().__init__(connect(address, "alice", password=PASSWORD))

    def say(self, text: str, to: str | None = None) -> None:
        self.room.send_text(text, to).wait(30)

    def heard(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Text) and not event.own]

    def comings(self) -> list[str]:
        """Everyone who came or left, in order."""
        return [
            f"{event.username} {type(event).__name__}"
            for event in self.events
            if isinstance(event, Joined | Left)
        ]


class Place:
    """A server where alice and bob have accounts, and bob's devices."""

    def __init__(self, directory: Path) -> None:
        data = directory / "data"
        data.mkdir(0o700)
        self.server = ServerProcess(f"--data-directory={data}", "--history=on", "--rate=0")
        for name in ("alice", "bob"):
            register(data, name, PASSWORD)
        host, port = self.server.address
        self.address = f"{host}:{port}"
        self.alice = Alice(self.address)
        self._directory = directory
        self._password = password_option(directory, PASSWORD)

    @contextmanager
    def device(self, name: str) -> Iterator[PyteScreen]:
        home = self._directory / name
        home.mkdir(exist_ok=True)
        with PyteScreen(client(self.address, "bob", self._password), home) as screen:
            screen.wait_for(INSIDE)
            yield screen

    def state_of(self, name: str) -> str:
        [file] = (self._directory / name).rglob("*.state")
        return file.read_text(encoding="utf-8")

    def unread(self) -> tuple[int | None, int | None]:
        """How much bob has not read, in the room and in private, as the server tells a further device."""
        with connect(self.address, "bob", password=PASSWORD) as room:
            welcome = next(event for event in room if isinstance(event, Welcome))
        assert welcome.history is not None
        assert welcome.mailbox is not None
        return welcome.history.unread, welcome.mailbox.unread

    def end(self) -> None:
        self.alice.close()
        self.server.send_signal(signal.SIGCONT)
        self.server.end()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.end()


def leave(screen: PyteScreen) -> None:
    screen.press("<ctrl-d>")
    assert screen.wait() == 0


def shown(screen: Screen, *texts: str) -> None:
    """Wait until each of the texts is on the screen, and check that none is there twice."""
    rows = screen.wait_for(*(rf"\]: {re.escape(text)}$" for text in texts))
    for text in texts:
        assert sum(row.endswith(f"]: {text}") for row in rows) == 1, "\n".join(rows)


def is_noted_as_sent(text: str, state: str) -> bool:
    """Return whether the last record with the text, which may be its draft, tells of its sending, too."""
    _, found, rest = state.rpartition(text)
    return bool(found) and '"sent"' in rest


def test_a_killed_client_looks_up_its_line_and_says_it_once(place: Place) -> None:
    with place.device("laptop") as laptop:
        laptop.command("an answered line")
        shown(laptop, "an answered line")
        place.server.send_signal(signal.SIGSTOP)
        laptop.command("a line without an answer")
        laptop.wait_for(r"\[bob\]: a line without an answer …$")
        eventually(lambda: is_noted_as_sent("a line without an answer", place.state_of("laptop")))
        laptop.process.kill()
        laptop.process.wait()
    place.server.send_signal(signal.SIGCONT)
    with place.device("laptop") as laptop:
        shown(laptop, "a line without an answer")
        assert laptop.rows()[-1] == "", "the line is a draft no more"
        laptop.command("the end")
        shown(laptop, "an answered line", "a line without an answer", "the end")
        eventually(lambda: "the end" in place.alice.heard())
    assert place.alice.heard() == ["an answered line", "a line without an answer", "the end"]


def test_two_devices_of_one_user(place: Place) -> None:
    alice = place.alice
    with place.device("laptop") as laptop, place.device("phone") as phone:
        alice.say("hello")
        for screen in (laptop, phone):
            shown(screen, "hello")
        leave(laptop)
        leave(phone)
    eventually(lambda: alice.comings() == ["bob Joined", "bob Left"])
    missed = [f"missed {number}" for number in range(5)]
    for text in missed:
        alice.say(text)
    alice.say("for you alone", "bob")
    with place.device("laptop") as laptop:
        shown(laptop, *missed)
        laptop.wait_for("5 new since")
        # The private one is in a view of its own.
        laptop.press("<alt-2>")
        shown(laptop, "for you alone")
        laptop.press("<alt-1>")
        eventually(lambda: place.unread() == (0, 0))
        with place.device("phone") as phone:
            shown(phone, *missed)
            assert not any("new since" in row for row in phone.rows())
            # What the phone has read while nobody looks at the laptop is not new there.
            laptop.press("<focus-out>")
            # Keys are handled in their order, but messages come on another way.
            laptop.send("a draft")
            laptop.wait_for(r"a draft$")
            laptop.press("<ctrl-u>")
            # The phone must not tell what it has read before the laptop has been seen.
            phone.process.send_signal(signal.SIGSTOP)
            alice.say("one more")
            shown(laptop, "one more")
            laptop.wait_for("1 new since")
            phone.process.send_signal(signal.SIGCONT)
            shown(phone, "one more")
            laptop.wait_until(lambda rows: not any("new since" in row for row in rows))
            leave(phone)
        alice.say("still here?")
        shown(laptop, "one more", "still here?")
        laptop.command("yes")
        eventually(lambda: alice.heard() == ["yes"])
        assert alice.comings() == ["bob Joined", "bob Left", "bob Joined"]
