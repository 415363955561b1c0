"""Users come and go with several devices, many at once and in random order; everyone else sees the truth."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account, read_accounts
from chat.server.accounts.passwords import hash_password
from chat.server.history.pages import PageSize
from chat.server.history.stored import mailbox_of
from chat.server.storage.database import Database
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.fakes import wait_until
from tests.server.late_log import LateLog, commit_at_random
from tests.server.server_in_test import TestServer, open_chat_server
from tests.tiers import quick_first

LOGIN, LOGOUT, TEXT = MessageType.LOGIN, MessageType.LOGOUT, MessageType.UTF8
RIGHT = "correct horse"
MEMBERS, GUESTS = ("alice", "bob"), ("carol", "dave")
DEVICES = (None, *(letter * 24 for letter in "abcd"))
ROUNDS, AT_ONCE = 25, 8

pytestmark = pytest.mark.usefixtures("cheap_hashes")


class Checker:
    """Collect what the users see, and compare it."""

    def __init__(self) -> None:
        # The text of each private message of a member, by its number.
        self.private: dict[str, dict[int, str]] = defaultdict(dict)
        self.said: set[str] = set()  # texts that came back to who said them

    def heard(self, name: str, frame: WireFrame) -> None:
        """Check that all sessions of a member get the same private message under the same number."""
        text = self.private[name].setdefault(frame.header["seq"], frame.text)
        assert text == frame.text, f"two messages of {name} with one number"


class Device:
    """A client that reads all the time."""

    def __init__(self, client: WireClient, device: str | None, checker: Checker) -> None:
        self.client, self.device, self.checker = client, device, checker
        self.name = ""
        self.names: set[str] = set()  # as the client knows who is here
        self.numbers: list[int] = []  # of the private messages of a member
        self.first = 0  # the number of the next one at the login
        self.is_in, self.is_over = Event(), Event()
        self.problem: BaseException | None = None
        gevent.spawn(self._read)

    def leave(self) -> None:
        self.client.leave()
        assert self.is_over.wait(30), "the session does not end"

    def _read(self) -> None:
        try:
            while True:
                self._take(self.client.read_frame())
        except (EOFError, OSError):
            self.client.close()  # the session has ended
        except BaseException as problem:  # noqa: BLE001 - reported by the test
            self.problem = problem
        finally:
            self.is_in.set()
            self.is_over.set()

    def _take(self, frame: WireFrame) -> None:
        sender = frame.sender
        if "error" in frame.header:
            raise EOFError  # somebody else has the guest's name
        if frame.type == LOGIN and not frame.header:
            return
        if frame.type == LOGIN and not self.name:
            assert sender is not None
            self.name = sender
            welcome = json.loads(frame.content)
            self.names = set(welcome["users"])
            if sender in MEMBERS:
                self.first = welcome["private"]["seq"] + 1
            assert len(welcome["users"]) == len(self.names), "a name is listed twice"
            assert sender in self.names
            self.is_in.set()
        elif frame.type == LOGIN:
            assert sender not in self.names, f"{self.name} hears twice that {sender} came"
            self.names.add(str(sender))
        elif frame.type == LOGOUT:
            assert sender in self.names, f"{self.name} hears twice that {sender} left"
            self.names.discard(str(sender))
        elif frame.type == TEXT and "to" in frame.header and sender != "server":
            if self.name in MEMBERS:
                self._count(frame.header["seq"])
                self.checker.heard(self.name, frame)
            if sender == self.name:
                self.checker.said.add(frame.text)

    def _count(self, seq: int) -> None:
        assert not self.numbers or seq == self.numbers[-1] + 1, f"{self.name}: {seq} out of turn"
        self.numbers.append(seq)


class Schedule:
    """Let random things happen to one server."""

    def __init__(self, server: TestServer, seed: int) -> None:
        self.server, self.rng = server, random.Random(seed)
        self.checker = Checker()
        self.everyone: list[Device] = []
        self.texts = 0
        self.observer = self.come_in("eve", None)

    def come_in(self, name: str, device: str | None) -> Device:
        client = self.server.connect(timeout=60)
        fields = {"to": name, "device": device, "password": RIGHT if name in MEMBERS else None}
        client.send(LOGIN, {key: value for key, value in fields.items() if value is not None})
        came = Device(client, device, self.checker)
        self.everyone.append(came)
        assert came.is_in.wait(30), "the login was not answered"
        return came

    def act(self) -> Callable[[], object]:
        """Choose what to do next."""
        here = [each for each in self._living() if each.name and each is not self.observer]
        what = self.rng.choice(("come", "come", "come", "leave", "vanish", "say", "say", "say"))
        if what == "come" or not here:
            name, device = self.rng.choice(MEMBERS + GUESTS), self.rng.choice(DEVICES)
            return lambda: self.come_in(name, device)
        who = self.rng.choice(here)
        if what == "leave":
            return who.leave
        if what == "vanish":
            return who.client.reset
        self.texts += 1
        text, to = f"text {self.texts}", self.rng.choice(MEMBERS)
        return lambda: who.client.say(text, to=to)

    def run(self) -> None:
        for _ in range(ROUNDS):
            acts = [gevent.spawn(_bravely, self.act()) for _ in range(AT_ONCE)]
            gevent.joinall(acts, raise_error=True, timeout=30)
            self.check()

    def check(self) -> None:
        """Wait until everything has come, and compare."""
        parts = self.server.parts
        wait_until(self._is_settled, "the sessions to end")
        here = set(self.server.here())
        wait_until(
            lambda: all(each.names == here for each in self._living()),
            "everyone to know who is here",
        )
        for each in self.everyone:
            if each.problem is not None:
                raise each.problem
        for name in MEMBERS + GUESTS:
            sessions = parts.directory.sessions_of(name)
            devices = [session.device for session in sessions]
            assert len(devices) == len(set(devices)), "a device is here twice"
            assert len(sessions) <= (3 if name in MEMBERS else 1)
            assert (name in here) == bool(sessions)
        assert (
            parts.service.names_json()
            == json.dumps(self.server.here(), separators=(",", ":")).encode()
        )
        for name in MEMBERS:
            wait_until(partial(self._have_all, name), f"all sessions of {name} to hear everything")

    def _is_settled(self) -> bool:
        """Return whether both sides know the same sessions."""
        ours = Counter((each.name, _hash(each.device)) for each in self._living())
        theirs = Counter((each.name.key, each.device) for each in self.server.parts.directory)
        return ours == theirs

    def _living(self) -> list[Device]:
        return [each for each in self.everyone if not each.is_over.is_set()]

    def _have_all(self, name: str) -> bool:
        """Return whether all sessions of a member have heard all private messages since they came."""
        history = self.server.parts.history
        sessions = self.server.parts.directory.sessions_of(name)
        assert history is not None
        return not sessions or all(
            each.numbers == list(range(each.first, history.state(sessions[0].mailbox).head + 1))
            for each in self._living()
            if each.name == name
        )


def _hash(device: str | None) -> bytes | None:
    return hashlib.sha256(device.encode()).digest() if device is not None else None


def _bravely(act: Callable[[], object]) -> None:
    """Act; a session that has ended meanwhile is no mistake."""
    try:
        act()
    except OSError:
        return


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(tmp_path / "data")
    for name in MEMBERS:
        add_account(database, parse_user_name(name), hash_password(RIGHT))
    return database


@pytest.fixture(params=["at once", "late messages", "late logins"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, database: Database
) -> Iterator[TestServer]:
    """A server whose log commits at once, or messages late, or also logins and leaves."""
    settings: dict[str, Any] = {
        "data_directory": database.path.parent,
        "max_sessions": 3,
        "rate": None,
    }
    if request.param == "at once":
        with open_chat_server(tmp_path, **settings) as server:
            yield server
        return
    with open_chat_server(tmp_path, LateLog, **settings) as server:
        log = server.parts.log
        assert isinstance(log, LateLog)
        log.holds_changes = request.param == "late logins"
        committing = gevent.spawn(commit_at_random, log, random.Random(1))
        yield server
        log.holds_changes = False
        committing.kill()
        log.commit()


@pytest.mark.parametrize("seed", quick_first(range(4), "many seeds"))
def test_many_devices_come_and_go(server: TestServer, database: Database, seed: int) -> None:
    schedule = Schedule(server, seed)
    schedule.run()

    checker = schedule.checker
    assert len(checker.said) > 20, "the schedule does not say enough"
    for name, heard in list(checker.private.items()):
        heard = dict(heard)  # before the history is read: a late log still commits
        kept = private_messages_of(server, database, name)
        assert sorted(kept) == list(range(1, len(kept) + 1)), "a number is missing"
        # A message whose two users have no session left is kept, and nobody has heard it.
        assert heard.items() <= kept.items()


def private_messages_of(server: TestServer, database: Database, name: str) -> dict[int, str]:
    """Return the private messages of a member that history has, by their numbers."""
    history = server.parts.history
    [id] = [account.id for account in read_accounts(database) if account.name == name]
    assert history is not None
    page = history.after(mailbox_of(id, name), 0, None, PageSize(100_000, 1 << 30))
    return {
        run.first + index: content.decode()
        for run in page.runs
        for index, content in enumerate(run.contents)
    }
