"""A room with bob at a screen and alice in a program. Tests share the two, since starting a client takes longest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chat.client import Connection, Text, connect
from tests.end_to_end.accounts import password_option, register
from tests.end_to_end.screens import PyteScreen, client
from tests.end_to_end.server_process import running_server


class Stage:
    """Bob at a screen, who stays from one test to the next, and alice, who talks when a test tells her to."""

    def __init__(
        self,
        address: str,
        directory: Path,
        alice: Connection,
        *options: str,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.address = address
        self.directory = directory
        self.alice = alice
        self._options = options
        self._environment = environment
        self._screen: PyteScreen | None = None
        self._tidied = 0

    @property
    def bob(self) -> PyteScreen:
        if self._screen is None:
            self._screen = PyteScreen(
                client(self.address, "bob", *self._options),
                self.directory,
                environment=self._environment,
            )
            self._screen.wait_for("you are in the room as bob")
            self._screen.press("<ctrl-u>")  # a draft of the client before, which was killed
        return self._screen

    def tidy(self) -> None:
        """Nothing asked, nothing written, at the end of the room's log, as bob; else the next one is another bob."""
        screen = self.bob
        if screen.process.poll() is not None:
            self.leave()
            return
        # Another word each time: a new client may begin with the last one, as a draft of the client before.
        self._tidied += 1
        word = f"tidy{self._tidied}"
        screen.press("<ctrl-g>", "<ctrl-end>", "<alt-1>", "<ctrl-c>", word)
        try:
            # The status line lists the views, and nothing else.
            rows = screen.wait_until(
                lambda rows: rows[-1] == word and re.fullmatch(r" \[1 room\][^│]*", rows[-2])
            )
        except AssertionError:
            self.leave()
            raise
        if " │ bob │ " not in rows[0]:
            self.leave()
            return
        screen.press("<ctrl-u>")  # no need to wait: the keys that bob types next come after it

    def leave(self) -> None:
        if self._screen is not None:
            screen, self._screen = self._screen, None
            screen.__exit__(None, None, None)

    def say(self, text: str, to: str | None = None) -> None:
        """Alice says it; when this returns, the server has sent it to all."""
        self.alice.send_text(text, to)
        self.hear(text)

    def hear(self, text: str) -> Text:
        """Wait until alice gets the text, hers or somebody else's."""
        for event in self.alice:
            if isinstance(event, Text) and event.text == text:
                return event
        raise AssertionError("the connection was closed")


@contextmanager
def staged(
    directory: Path,
    *options: str,
    environment: dict[str, str] | None = None,
    moderator_password: str | None = None,
) -> Iterator[Stage]:
    """Open a stage. Bob's client has ``options``, and runs in ``directory``. With the password, bob is a moderator."""
    elsewhere = directory / "of alice"
    elsewhere.mkdir()
    with running_server("--rate=0") as server:
        host, port = server.address
        address = f"{host}:{port}"
        if moderator_password is not None:
            register(server.data_directory, "bob", moderator_password, is_moderator=True)
            options = (*options, password_option(elsewhere, moderator_password))
        with connect(address, "alice", save_directory=elsewhere) as alice:
            stage = Stage(address, directory, alice, *options, environment=environment)
            try:
                yield stage
            finally:
                stage.leave()


def shows_a_neighbour(stage: Stage, key: str) -> None:
    """Press a key that leads from the view of alice to the one above or below, and its opposite, which leads back."""
    stage.bob.command("/query alice")
    stage.bob.wait_for("^ alice alone, at ")
    stage.bob.press(key)
    stage.bob.wait_until(lambda rows: not rows[0].startswith(" alice alone, at "))
    stage.bob.press("<alt-down>" if "up" in key else "<alt-up>")
    stage.bob.wait_for("^ alice alone, at ")
