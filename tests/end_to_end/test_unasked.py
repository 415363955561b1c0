"""Where nobody named a directory, nothing that others send lies in it before somebody asks for it.

Each frontend of the client runs in a directory with a Makefile, against our server and one like the original.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from chat.protocol.descriptor import MessageType
from tests.client.screen.made_pictures import quarters, saved
from tests.end_to_end.client_process import ClientProcess
from tests.end_to_end.screens import PyteScreen, client
from tests.end_to_end.server_process import eventually, running_server
from tests.peers.original_server import OriginalServer
from tests.peers.wire_client import WireClient
from tests.tiers import quick_first

SIGNALS = "each signal; tests/test_start.py and test_plain_client.py have all"
FILE, IMAGE, UTF8 = MessageType.FILE, MessageType.IMAGE, MessageType.UTF8

# Names that tools read, run or take for options by themselves. The tests ask for the first one later.
NAMES = {
    "GNUmakefile": b"all:\n\t@echo theirs\n",
    "--checkpoint-action=exec=sh x": b"",
    "-rf": b"x",
    "sitecustomize.py": b"raise SystemExit(1)\n",
    "conftest.py": b"raise SystemExit(1)\n",
    ".envrc": b"echo theirs\n",
    "large.bin": b"x" * 15_000,
}
PICTURE = saved(quarters(8, 8), "PNG")


class Place(NamedTuple):
    """Directories of a client: where it is started, its HOME, and its temporary files."""

    project: Path
    home: Path
    temporary: Path

    @property
    def environment(self) -> dict[str, str]:
        # What the client remembers by itself goes into a directory of its own.
        state = self.home.parent / "state"
        return {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "XDG_STATE_HOME": str(state),
        }

    def contents(self) -> dict[Path, bytes | None]:
        """All that is in the project and at home."""
        found: dict[Path, bytes | None] = {}
        for directory in (self.project, self.home):
            for path in sorted(directory.rglob("*")):
                with suppress(FileNotFoundError):  # renamed since it was listed
                    found[path] = path.read_bytes() if path.is_file() else None
        return found

    def make(self) -> str:
        return subprocess.run(
            ["make", "-s"], cwd=self.project, capture_output=True, text=True, check=True
        ).stdout


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "project", tmp_path / "home", tmp_path / "tmp")
    for path in made:
        path.mkdir()
    (made.project / "Makefile").write_text("all:\n\t@echo ours\n")
    return made


class Room(NamedTuple):
    """A server's address, and mallory there, who sends files and texts."""

    address: str
    send: Callable[[int, str, bytes], None]


@contextmanager
def our_room() -> Iterator[Room]:
    with running_server("--rate=0") as server:
        host, port = server.address
        with WireClient.joined(server.address, "mallory", inline=0) as mallory:

            def send(kind: int, name: str, content: bytes) -> None:
                mallory.send(kind, {"filename": name} if name else None, content)

            yield Room(f"{host}:{port}", send)


@contextmanager
def original_room() -> Iterator[Room]:
    with OriginalServer() as server:
        yield Room(
            server.address,
            lambda kind, name, content: server.say(
                "mallory", kind, content, name if kind == FILE else None
            ),
        )


ROOMS = {"ours": our_room, "original": original_room}


def send_everything(room: Room) -> None:
    for name, content in NAMES.items():
        room.send(FILE, name, content)
    room.send(IMAGE, "picture.png", PICTURE)
    room.send(UTF8, "", b"that is all")


class Mode(NamedTuple):
    """A frontend of the client. ``ask``: the input that makes it save attachment 1, None if there is none."""

    options: tuple[str, ...]
    inside: str
    ask: str | None
    is_terminal: bool = False


INSIDE = "you are in the room"
MODES = {
    "plain": Mode(("--plain",), INSIDE, "/get 1\n", is_terminal=True),
    "commands": Mode(("--commands",), INSIDE, "/get 1\n"),
    "pipe": Mode((), INSIDE, None),
    "listen": Mode(("--listen",), INSIDE, None),
    "json": Mode(("--json",), '"welcome"', '{"type":"get","number":1}\n'),
    "json listen": Mode(("--json", "--listen"), '"welcome"', None),
}


@pytest.mark.parametrize("kind", quick_first(ROOMS, "the original servers, for each frontend"))
@pytest.mark.parametrize("name", MODES)
def test_nothing_lands_in_a_directory_that_nobody_named(place: Place, kind: str, name: str) -> None:
    mode = MODES[name]
    before = place.contents()
    with (
        ROOMS[kind]() as room,
        ClientProcess(
            room.address,
            "bob",
            *mode.options,
            directory=place.project,
            environment=place.environment,
            terminal=mode.is_terminal,
        ) as bob,
    ):
        bob.output.wait_for(mode.inside)
        send_everything(room)
        bob.output.wait_for("that is all")
        told = bob.output.text
        assert place.contents() == before
        assert place.make() == "ours\n"
        if mode.ask is None:
            assert "--save-directory=DIR" in told
            bob.send_signal(signal.SIGTERM)
        else:
            assert "/get 1 saves it" in told or '"number":1,"state":"offered"' in told
            bob.type(mode.ask)
            eventually(lambda: place.contents() != before)
            bob.output.wait_for("saved as GNUmakefile|" + '"path":"GNUmakefile"')
            saved_as = place.project / "GNUmakefile"
            assert place.contents() == {**before, saved_as: NAMES["GNUmakefile"]}
            if mode.is_terminal:
                bob.type("\x04")
            else:
                bob.end_input()
        bob.wait()
    assert not list(place.temporary.iterdir())


@pytest.mark.parametrize("kind", quick_first(ROOMS, "the original servers, for each frontend"))
def test_nor_on_the_screen_where_a_picture_is_seen_all_the_same(place: Place, kind: str) -> None:
    before = place.contents()
    with ROOMS[kind]() as room:
        environment = place.environment
        with PyteScreen(
            client(room.address, "bob"),
            place.project,
            columns=110,
            rows=40,
            environment=environment,
        ) as bob:
            bob.wait_for("you are in the room as bob")
            send_everything(room)
            bob.wait_for("that is all", "▀▀▀▀", "number 1: /get 1 saves it")
            assert place.contents() == before
            assert place.make() == "ours\n"
            bob.command("/open 1")
            bob.wait_for("Attachment 1 is not saved here; /get 1 saves it")
            bob.press("<ctrl-u>")
            bob.command("/get 1")
            bob.wait_for("saved as GNUmakefile")
            saved_as = place.project / "GNUmakefile"
            assert place.contents() == {**before, saved_as: NAMES["GNUmakefile"]}
            bob.command("/get 3")
            bob.wait_for("saved as _-rf")
            bob.command("/quit")
            assert bob.process.wait(20) == 0
    assert not list(place.temporary.iterdir())


@pytest.mark.parametrize("kind", quick_first(ROOMS, "the original servers, for each frontend"))
def test_into_a_directory_that_is_named_they_are_saved_as_they_come(
    place: Place, kind: str
) -> None:
    inbox = place.home / "inbox"
    inbox.mkdir()
    with (
        ROOMS[kind]() as room,
        ClientProcess(
            room.address,
            "bob",
            f"--save_directory=={inbox}",
            directory=place.project,
            environment=place.environment,
        ) as bob,
    ):
        bob.output.wait_for(INSIDE)
        send_everything(room)
        bob.output.wait_for("is saved as", count=len(NAMES) + 1)
        bob.end_input()
        assert bob.wait() == 0
    picture = "picture.png" if kind == "ours" else "image"
    expected = {name.lstrip("."): content for name, content in NAMES.items()}
    for name in ("--checkpoint-action=exec=sh x", "-rf"):
        expected[f"_{name}"] = expected.pop(name)
    assert {path.name: path.read_bytes() for path in inbox.iterdir()} == {
        **expected,
        picture: PICTURE,
    }
    assert [path.name for path in place.project.iterdir()] == ["Makefile"]
    assert not list(place.temporary.iterdir())


class TestWhatWaitsHere:
    """An original server sends files with their messages; they wait in a private directory."""

    @pytest.fixture
    def server(self) -> Iterator[OriginalServer]:
        with OriginalServer() as server:
            yield server

    @pytest.fixture
    def bob(self, server: OriginalServer, place: Place) -> Iterator[ClientProcess]:
        """Start bob's client, and wait until it has received one file."""
        with ExitStack() as stack:
            bob = stack.enter_context(
                ClientProcess(
                    server.address,
                    "bob",
                    "--commands",
                    directory=place.project,
                    environment=place.environment,
                )
            )
            bob.output.wait_for(INSIDE)
            server.say("mallory", FILE, b"what for", "a.txt")
            eventually(lambda: list(place.temporary.glob("*/a.txt")))
            yield bob

    def test_nobody_else_can_look_at_it(self, bob: ClientProcess, place: Place) -> None:
        (private,) = place.temporary.iterdir()
        assert private.stat().st_mode & 0o7777 == 0o700

    def test_it_outlives_the_connection(
        self, bob: ClientProcess, server: OriginalServer, place: Place
    ) -> None:
        server.drop_everyone()
        bob.output.wait_for(INSIDE, count=2)
        bob.type("/get 1\n")
        bob.output.wait_for("number 1, a.txt, is saved as a.txt")
        assert (place.project / "a.txt").read_bytes() == b"what for"

    @pytest.mark.parametrize(
        "number", quick_first([signal.SIGTERM, signal.SIGINT, signal.SIGHUP], SIGNALS)
    )
    def test_it_goes_with_the_client_whatever_ends_it(
        self, bob: ClientProcess, place: Place, number: signal.Signals
    ) -> None:
        bob.send_signal(number)
        bob.wait()
        assert not list(place.temporary.iterdir())

    def test_and_at_the_end_of_the_input(
        self, bob: ClientProcess, server: OriginalServer, place: Place
    ) -> None:
        bob.end_input()
        assert bob.wait() == 0
        assert not list(place.temporary.iterdir())
