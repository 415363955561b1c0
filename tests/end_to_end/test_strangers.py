"""A stranger who takes a free name, or guesses nonces, suppresses nothing and gets nothing of another user."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cutting.evidence import LOGS, MAILBOX, ROOM
from tests.cutting.lines import Line
from tests.cutting.wire_session import Query, WireSession
from tests.end_to_end.accounts import register
from tests.end_to_end.server_process import ServerProcess, running_server
from tests.peers.wire_client import WireClient

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory: Path = tmp_path_factory.mktemp("strangers") / "data"
    directory.mkdir()
    for name in ("eve", "mallory", "bob"):
        register(directory, name, PASSWORD)
    with running_server("--history=on", f"--data-directory={directory}") as server:
        yield server


class Person:
    """A client with a device of its own, over several connections."""

    def __init__(self, server: ServerProcess, name: str, *, is_registered: bool) -> None:
        self._server = server
        self._login = {"to": name, "device": secrets.token_urlsafe(32)}
        if is_registered:
            self._login["password"] = PASSWORD
        self.come_back()

    def come_back(self) -> None:
        self._echoes: list[str] = []
        self._session = WireSession(self._server.address, dict(self._login), self._take)

    def leave(self) -> None:
        self._session.leave()

    def say(self, body: str, nonce: str, to: str | None = None) -> None:
        self._session.say(Line(body, nonce, to))
        while nonce not in self._echoes:
            self._session.receive()

    def find(self, log: str, *nonces: str) -> list[str]:
        """Look nonces up, as a client does before it says a line again; return the texts."""
        return [each.body for each in self._session.ask(Query(log, 0, nonces=nonces)).messages]

    def _take(self, header: dict, message: object) -> None:
        if message is not None and header["from"] == self._login["to"]:
            self._echoes.append(header["nonce"])


def nonce() -> str:
    return secrets.token_hex(12)


def test_guessed_nonces_fetch_nothing_and_suppress_nothing(server: ServerProcess) -> None:
    eve = Person(server, "eve", is_registered=True)
    mallory = Person(server, "mallory", is_registered=True)
    bob = Person(server, "bob", is_registered=True)
    public, whispered, unsaid = nonce(), nonce(), nonce()
    eve.say("in public", public)
    eve.say("for bob alone", whispered, "bob")
    for log in LOGS:
        assert mallory.find(log, public, whispered) == []
    # Mallory says what eve is about to say, in case that her client believes that it was said.
    mallory.say("not by eve", unsaid)
    mallory.say("not by eve", unsaid, "eve")
    eve.leave()
    eve.come_back()
    assert [eve.find(log, public, whispered, unsaid) for log in LOGS] == [
        ["in public"],
        ["for bob alone"],
    ]
    # The recipient of a message has said none of it, either.
    assert bob.find(MAILBOX, whispered) == []
    for person in (eve, mallory, bob):
        person.leave()


def test_a_stranger_in_a_free_name_is_another_person(server: ServerProcess) -> None:
    eve = Person(server, "wanderer", is_registered=False)
    said, unsaid = nonce(), nonce()
    eve.say("as a guest", said)
    eve.leave()
    mallory = Person(server, "wanderer", is_registered=False)
    assert mallory.find(ROOM, said) == []
    mallory.say("not by eve", unsaid)
    mallory.leave()
    # Without a device, nobody can prove anything.
    with WireClient.joined(server.address, "wanderer") as nobody:
        nobody.say("not by eve either", nonce=unsaid)
        nobody.expect_text("not by eve either", "wanderer")
        nobody.leave()
        nobody.expect_closed()
    eve.come_back()
    assert eve.find(ROOM, said, unsaid) == ["as a guest"]
    eve.leave()
