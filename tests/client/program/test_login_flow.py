from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chat.client.connection.connection import Connection
from chat.client.conversation.inbox import Inbox
from chat.client.errors import ConnectError, LoginRefused
from chat.client.program import login_flow
from chat.client.program.client_state import ClientState
from chat.client.program.credentials import Credentials
from chat.client.program.login_flow import (
    NAME_REFUSALS,
    LoginFlow,
    advice,
    credentials_of,
    make_servers,
    wants_password,
)
from chat.client.program.password_file import FilePassword
from chat.client.program.settings import Settings
from chat.client.resuming.resumer import Resumer
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.servers import server_choice
from chat.client.trust.connector import Connector, TrustPolicy, UnknownServer
from chat.net.address import parse_address
from chat.net.fingerprint import fingerprint_of_key
from chat.protocol.notices import Refusal
from tests.client.fake_connection import FakeConnection


class User:
    """Gives answers, and remembers what was said to them."""

    def __init__(self, *answers: str | None) -> None:
        self.heard: list[str] = []
        self._answers = list(answers)

    def ask_name(self, prompt: str, name: str) -> str | None:
        self.heard.append(f"{prompt}{name}")
        return self._answers.pop(0)

    def ask_password(self, prompt: str) -> str | None:
        self.heard.append(prompt)
        return self._answers.pop(0)

    def judge(self, unknown_server: UnknownServer) -> bool:
        raise AssertionError("nobody asks for trust here")

    def tell(self, sentence: str) -> None:
        self.heard.append(sentence)


def flow_of(settings: Settings, user: User | None = None, *, asks: bool = True) -> LoginFlow:
    inbox = Inbox(None, 7)
    resumer = Resumer(GEVENT, lambda message: None)
    return LoginFlow(settings, user or User(), inbox, resumer, lambda connection: None, asks=asks)


class Server:
    """Refuses logins until one has the right name and password."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.logins: list[tuple[str, str | None]] = []
        monkeypatch.setattr(login_flow, "connect_through", self._connect)

    def _connect(
        self, connector: object, username: str, *, password: str | None, **settings: object
    ) -> Connection:
        self.logins.append((username, password))
        if username == "taken":
            raise LoginRefused(Refusal.USERNAME_EXISTS.value, "The name is taken.")
        if username == "banned":
            raise LoginRefused(Refusal.BANNED.value, "You are banned.")
        if password is None:
            raise LoginRefused(Refusal.PASSWORD_NEEDED.value, "This name has a password.")
        if password != "right":
            raise LoginRefused(Refusal.WRONG_PASSWORD.value, "It is wrong.")
        connection = FakeConnection()
        connection.username = username
        return connection.as_connection


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def test_the_user_is_asked_until_they_are_in(server: Server) -> None:
    user = User("taken", "bob", "wrong", "right")
    connection = flow_of(Settings(), user).log_in(lambda: "login-name")
    assert connection.username == "bob"
    assert server.logins == [("taken", None), ("bob", None), ("bob", "wrong"), ("bob", "right")]
    assert user.heard == [
        "your name: login-name",
        "The name is taken.",
        "another name: taken",
        "This name has a password.",
        "the password of bob: ",
        "It is wrong.",
        "the password of bob: ",
    ]


def test_a_user_who_knows_no_password_may_take_another_name(server: Server) -> None:
    user = User("", "robert", "right")
    assert flow_of(Settings(username="bob"), user).log_in(str).username == "robert"
    assert user.heard[2] == "another name: bob"


def test_a_user_who_gives_no_name_is_told_the_refusal(server: Server) -> None:
    with pytest.raises(LoginRefused, match="The name is taken"):
        flow_of(Settings(username="taken"), User(None)).log_in(str)


@pytest.mark.parametrize(("name", "asks"), [("banned", True), ("taken", False), ("bob", False)])
def test_no_question_where_no_answer_helps_or_nobody_can_answer(
    server: Server, name: str, asks: bool
) -> None:
    user = User()
    with pytest.raises(LoginRefused):
        flow_of(Settings(username=name), user, asks=asks).log_in(str)
    assert not user.heard
    assert server.logins == [(name, None)]


def test_a_refusal_of_a_later_login_brings_the_same_questions(server: Server) -> None:
    user = User("right")
    flow = flow_of(Settings(username="bob"), user)
    with pytest.raises(LoginRefused) as refused:
        flow.connect("bob")
    assert not user.heard
    assert flow.log_in_again(refused.value).username == "bob"
    assert user.heard == ["This name has a password.", "the password of bob: "]


def test_all_that_the_settings_say_of_a_connection_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    connection = FakeConnection()

    def connect(*given: object, **named: Any) -> Connection:
        asked.update(named, given=given)
        return connection.as_connection

    monkeypatch.setattr(login_flow, "connect_through", connect)
    address = parse_address("chat.example:8080")
    settings = Settings(
        (address,), "bob", Path("in"), "little", max_save=7, password=FilePassword("secret")
    )
    inbox = Inbox(settings.save_directory, settings.max_save)
    resumer = Resumer(GEVENT, lambda message: None, wishes=CatchUpWishes(50), rooms=["dev"])
    entered: list[Connection] = []
    flow = LoginFlow(settings, User(), inbox, resumer, entered.append)
    flow.connect("bob")
    flow.connect("bob")
    connector, username = asked.pop("given")
    assert (connector.runtime, connector.address) == (GEVENT, address)
    assert username == "bob"
    assert (
        asked
        == {
            "password": "secret",
            "session": "token",  # of the connection before
            "byte_order": "little",
            "inline": 7,
            "saver": inbox.saver,
            "in_flight": resumer.queue.in_flight,
            "replay": 50,
            "rooms": ("dev",),
            "reach": None,
            "device": None,  # a device of this run alone, which the server would remember by the password
        }
    )
    assert entered == [connection.as_connection] * 2


def test_the_rooms_of_the_state_of_this_user_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first login already: the user has no other state yet."""
    settings = Settings((parse_address("chat.example:8080"),), "bob", state=tmp_path / "bob")
    state = ClientState(settings, print, is_person=True)
    state.of("bob").keep_rooms(["den"], by_server=False)
    resumer = Resumer(GEVENT, lambda message: None, rooms=["dev"])
    rooms: list[object] = []
    connection = FakeConnection()

    def connect(*given: object, **named: Any) -> Connection:
        rooms.append(named["rooms"])
        return connection.as_connection

    monkeypatch.setattr(login_flow, "connect_through", connect)
    inbox = Inbox(settings.save_directory, settings.max_save)
    LoginFlow(settings, User(), inbox, resumer, lambda made: None, state=state).connect("bob")
    assert rooms == [("dev", "den")]


def test_all_that_the_settings_say_of_encryption_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    demanded: list[TrustPolicy] = []

    def make(runtime: object, address: object, policy: TrustPolicy, keys: object) -> Connector:
        demanded.append(policy)
        return Connector(GEVENT, parse_address("chat.example:8080"), policy)

    monkeypatch.setattr(server_choice, "Connector", make)
    key = fingerprint_of_key(b"key")
    settings = Settings(
        tls="required", fingerprint=key, insecure=True, known_hosts=tmp_path / "known"
    )
    make_servers(settings, bool)
    (policy,) = demanded
    assert policy == TrustPolicy("required", key, True, policy.known_hosts, bool)
    assert policy.known_hosts.path == tmp_path / "known"


def test_the_password_of_a_name_is_tried_for_another_only_if_one_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str | None] = []

    def connect(*given: object, password: str | None, **named: Any) -> Connection:
        shown.append(password)
        if password is None:
            raise LoginRefused(Refusal.PASSWORD_NEEDED.value, "Everyone must know it here.")
        return FakeConnection().as_connection

    monkeypatch.setattr(login_flow, "connect_through", connect)
    settings = Settings(username="bob", password=FilePassword("of the room"))
    flow_of(settings).connect("robert")
    assert shown == [None, "of the room"]
    with pytest.raises(LoginRefused, match="must know it"):
        flow_of(Settings()).connect("robert")


def test_nobody_is_asked_for_a_password_to_begin_with() -> None:
    assert credentials_of(Settings()).password_of("bob") is None


def test_what_helps_who_cannot_be_asked_for_a_password() -> None:
    needed = LoginRefused(Refusal.PASSWORD_NEEDED.value, "This name has a password.")
    assert advice(needed) == ("This name has a password. Give it with --password-file=<file>.")
    assert advice(LoginRefused(Refusal.WRONG_PASSWORD.value, "It is wrong.")) == "It is wrong."
    assert advice(ConnectError("Nobody there.")) == "Nobody there."


@pytest.mark.parametrize(
    ("refusal", "shown", "asks"),
    [
        (Refusal.PASSWORD_NEEDED, None, True),
        (Refusal.WRONG_PASSWORD, "secret", True),
        (Refusal.TOO_MANY_ATTEMPTS, "secret", True),
        (Refusal.TOO_MANY_ATTEMPTS, None, False),  # too many connections, that is
        (Refusal.BANNED, "secret", False),
        (Refusal.USERNAME_EXISTS, None, False),
    ],
)
def test_who_is_asked_for_a_password(refusal: Refusal, shown: str | None, asks: bool) -> None:
    refused = LoginRefused(refusal.value, "No.")
    assert wants_password(refused, "bob", Credentials(shown, "bob")) is asks


def test_another_name_helps_against_refusals_of_a_name() -> None:
    assert {Refusal.USERNAME_EXISTS.value, Refusal.BAD_USERNAME.value} == NAME_REFUSALS
