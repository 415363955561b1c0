"""The program of the screen over a connection and a terminal that are not there.

On real ones it runs in the end-to-end tests.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.client.connection.events import Text, Welcome
from chat.client.connection.receipts import Status
from chat.client.conversation import conversation
from chat.client.errors import ConnectError, LoginRefused
from chat.client.program import login_flow
from chat.client.program.settings import Mode, Settings
from chat.client.screen import app as module
from chat.client.screen import painter
from chat.client.screen.app import App
from chat.client.screen.draw.layout import Size
from chat.client.screen.input.decoder import Input
from chat.client.screen.terminal.terminal import TerminalGone, TerminalUnusable
from chat.client.trust.connector import Connector
from chat.protocol.notices import Refusal
from chat.structs import replace
from tests.client.fake_connection import NINE, FakeConnection
from tests.client.screen.fake_terminal import PATIENCE, FakeTerminal

SETTINGS = Settings(username="bob", mode=Mode.SCREEN, no_state=True)
TAKEN = LoginRefused(Refusal.USERNAME_EXISTS.value, "The name is taken.")


class Run:
    """An app at work. ``outcomes`` are what comes of its tries to connect, under the names in ``names``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.terminal = FakeTerminal()
        self.connection = FakeConnection()
        self.outcomes: list[Exception | FakeConnection] = [self.connection]
        self.names: list[str] = []
        self.passwords: list[str | None] = []  # that were shown with them
        self.signals: dict[int, Callable[[], object]] = {}
        self.app: App
        self._running: gevent.Greenlet[..., int] | None = None
        monkeypatch.setattr(module, "Terminal", lambda theme: self.terminal)
        monkeypatch.setattr(login_flow, "connect_through", self._connect)
        monkeypatch.setattr(gevent, "signal_handler", self.signals.__setitem__)
        monkeypatch.setattr(gevent.get_hub(), "exception_stream", None)
        monkeypatch.setattr(painter, "FRAME", 0.0)
        monkeypatch.setattr(painter, "REST", 0)

    def start(self, settings: Settings = SETTINGS) -> Run:
        self.app = App(settings)
        self._running = gevent.spawn(self.app.run)
        return self

    def enter(self, settings: Settings = SETTINGS) -> Run:
        """Into the room."""
        self.start(settings)
        self.connection.receive(Welcome("bob", NINE, ("alice", "bob")))
        self.terminal.wait_for("you are in the room as bob, with alice")
        return self

    def wait(self) -> int:
        """The exit status."""
        assert self._running is not None
        status: int = self._running.get(timeout=PATIENCE)
        assert not self.terminal.is_on
        return status

    def kill(self) -> None:
        if self._running is not None:
            self._running.kill()

    def _connect(self, connector: Connector, username: str, **settings: Any) -> FakeConnection:
        self.names.append(username)
        self.passwords.append(settings["password"])
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        outcome.username = username
        outcome.in_flight = settings["in_flight"]
        return outcome


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = Run(monkeypatch)
    yield run
    run.kill()


def problem(capfd: pytest.CaptureFixture[str]) -> str:
    """The one line at the end."""
    said = capfd.readouterr().err
    assert said.startswith("chat-client: ")
    assert said.count("\n") == 1
    return said.removeprefix("chat-client: ").rstrip()


def nothing_said(capfd: pytest.CaptureFixture[str]) -> bool:
    return capfd.readouterr() == ("", "")


class TestEntering:
    def test_a_first_connection_that_fails_ends_it(
        self, run: Run, capfd: pytest.CaptureFixture[str]
    ) -> None:
        run.outcomes = [ConnectError("Can't connect to 127.0.0.1:8080: Connection refused.")]
        assert run.start().wait() == 1
        assert problem(capfd) == "Can't connect to 127.0.0.1:8080: Connection refused."

    def test_a_name_that_is_taken_can_be_mended(self, run: Run) -> None:
        run.outcomes = [TAKEN, TAKEN, run.connection]
        run.start()
        run.terminal.wait_for("The name is taken.")
        run.terminal.wait_for("another name: bob")
        run.terminal.type("by<enter>")
        run.terminal.wait_for("another name: bobby")
        run.terminal.type("<backspace><enter>")
        run.connection.receive(Welcome("bobb", NINE))
        run.terminal.wait_for("you are in the room as bobb")
        assert run.names == ["bob", "bobby", "bobb"]

    def test_a_refusal_for_another_reason_ends_it(
        self, run: Run, capfd: pytest.CaptureFixture[str]
    ) -> None:
        run.outcomes = [
            LoginRefused(Refusal.SERVER_FULL.value, "The room is full; try again later.")
        ]
        assert run.start().wait() == 1
        assert problem(capfd) == "The room is full; try again later."

    def test_a_user_without_a_name_is_asked_for_one(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOGNAME", "robert")
        run.start(replace(SETTINGS, username=None))
        run.terminal.wait_for("your name: robert")
        run.terminal.type("<enter>")
        run.connection.receive(Welcome("robert", NINE))
        run.terminal.wait_for("you are in the room as robert")

    def test_a_login_without_a_name_offers_none(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def nobody() -> str:
            raise KeyError("getpwuid(): uid not found: 4711")

        monkeypatch.setattr("getpass.getuser", nobody)
        run.start(replace(SETTINGS, username=None))
        run.terminal.wait_for("your name:")
        assert run.terminal.rows[-1] == "your name:"

    def test_a_user_who_gives_no_name_leaves(
        self, run: Run, capfd: pytest.CaptureFixture[str]
    ) -> None:
        run.start(replace(SETTINGS, username=None))
        run.terminal.wait_for("your name:")
        run.terminal.type("<ctrl-u><ctrl-d>")
        assert run.wait() == 1
        assert run.names == []
        assert nothing_said(capfd)

    def test_a_terminal_that_cannot_be_used(
        self, run: Run, capfd: pytest.CaptureFixture[str]
    ) -> None:
        run.terminal.unusable = TerminalUnusable("the terminal can't be used: it is a teapot")
        assert run.start().wait() == 1
        assert problem(capfd) == (
            "the terminal can't be used: it is a teapot, or --plain, which needs no screen"
        )
        assert run.names == []


class TestInside:
    def test_what_is_typed_is_said(self, run: Run) -> None:
        run.enter().terminal.type("hello<enter>")
        run.terminal.wait_for("[bob]: hello …")
        assert [receipt.text for receipt in run.connection.sent] == ["hello"]
        run.connection.receive(Text("bob", NINE, "hello", own=True))
        run.connection.answer()
        run.connection.receive(Text("alice", NINE, "hi there"))
        run.terminal.wait_for("[alice]: hi there")
        assert sum("[bob]: hello" in row for row in run.terminal.rows) == 1

    def test_a_key_shows_before_the_next_frame(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run.enter()
        monkeypatch.setattr(painter, "FRAME", 1000.0)
        run.connection.receive(Text("alice", NINE, "the last frame"))
        run.terminal.wait_for("the last frame")
        for number in range(100):
            run.connection.receive(Text("alice", NINE, f"flood {number}"))
        run.terminal.type("is anybody there?")
        run.terminal.wait_for("is anybody there?")
        assert not any("flood" in row for row in run.terminal.rows)
        run.terminal.type("<pageup>")
        run.terminal.wait_for("flood")

    def test_a_long_text_goes_in_pieces_as_the_server_wants_them(self, run: Run) -> None:
        run.enter().terminal.type("x" * 150 + "<enter>")
        run.terminal.wait_for("x …")
        run.connection.answer()
        run.connection.receive(Text("alice", NINE, "that was long"))
        run.terminal.wait_for("that was long")
        assert [len(receipt.text or "") for receipt in run.connection.sent] == [100, 50]

    def test_what_is_refused_can_be_fetched_back(self, run: Run) -> None:
        run.enter().terminal.type("/msg nobody psst<enter>")
        run.terminal.wait_for("psst …")
        run.connection.answer(Status.REFUSED, "unknown-user", "There is no nobody.")
        run.connection.receive(Text("alice", NINE, "so?"))
        run.terminal.wait_for("not sent: There is no nobody.")
        run.terminal.type("<up>")
        run.terminal.wait_for("/msg nobody psst")

    def test_a_reply(self, run: Run) -> None:
        run.enter().terminal.type("/reply hm<enter>")
        run.terminal.wait_for("not done: There is no private message")
        run.connection.receive(Text("alice", NINE, "psst", to="bob"))
        run.terminal.wait_for("psst")
        run.terminal.type("<up><enter>")
        run.terminal.wait_for("hm …")
        assert [(r.text, r.to) for r in run.connection.sent] == [("hm", "alice")]

    def test_the_bell(self, run: Run) -> None:
        run.enter()
        run.connection.receive(Text("alice", NINE, "bob!"))
        with gevent.Timeout(PATIENCE, AssertionError("silence")):
            while b"\a" not in run.terminal.done:
                gevent.sleep(0)
        run.connection.receive(Text("alice", NINE, "well?"))
        run.terminal.wait_for("well?")
        assert run.terminal.done == [b"\a"]

    def test_an_ignored_user_is_not_heard(self, run: Run) -> None:
        run.enter(replace(SETTINGS, ignore=("Eve",)))
        run.connection.receive(Text("eve", NINE, "buy!"))
        run.connection.receive(Text("alice", NINE, "hello"))
        run.terminal.wait_for("hello")
        assert not any("buy!" in row for row in run.terminal.rows)

    def test_the_column_of_names(self, run: Run) -> None:
        run.enter(replace(SETTINGS, names=True)).terminal.wait_for("│ alice")

    def test_the_screen_follows_its_size(self, run: Run) -> None:
        run.enter()
        run.terminal.size = Size(50, 5)
        run.terminal.resized.set()
        run.terminal.wait_for("you are in the room")
        with gevent.Timeout(PATIENCE, AssertionError("not drawn anew")):
            while len(run.terminal.rows) != 5:
                gevent.sleep(0)

    @pytest.mark.parametrize(("key", "done"), [("<ctrl-z>", "suspend"), ("<ctrl-l>", "redraw")])
    def test_keys_of_the_terminal(self, run: Run, key: str, done: str) -> None:
        run.enter().terminal.type(key + "drawn")
        run.terminal.wait_for("drawn")
        assert run.terminal.done == [done]

    def test_an_attachment_that_is_not_there(self, run: Run) -> None:
        run.enter().terminal.type("/open 7<enter>")
        run.terminal.wait_for("There is no attachment number 7.")

    def test_connecting_again_under_another_name(self, run: Run) -> None:
        run.outcomes.append(FakeConnection())
        second = run.outcomes[1]
        assert isinstance(second, FakeConnection)
        run.enter().terminal.type("a draft/<ctrl-u>/reconnect robert<enter>")
        second.receive(Welcome("robert", NINE))
        run.terminal.wait_for("back in the room as robert")
        assert run.names == ["bob", "robert"]
        assert run.connection.closed


class TestLeaving:
    @pytest.mark.parametrize("keys", ["<ctrl-d>", "<ctrl-c><ctrl-c>", "/quit<enter>"])
    def test_by_keys(self, run: Run, keys: str, capfd: pytest.CaptureFixture[str]) -> None:
        run.enter().terminal.type(keys)
        assert run.wait() == 0
        assert run.connection.closed
        assert nothing_said(capfd)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_by_a_signal(self, run: Run, number: signal.Signals) -> None:
        run.enter().signals[number]()
        assert run.wait() == 0
        assert run.connection.closed

    def test_nobody_sits_there_any_more(self, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
        run.enter().terminal.hang_up()
        assert run.wait() == 0
        assert nothing_said(capfd)

    def test_that_nobody_sits_there_may_show_while_it_draws(self, run: Run) -> None:
        def gone(sequence: bytes) -> None:
            raise TerminalGone("it was closed")

        run.enter().terminal.write = gone  # type: ignore[method-assign]
        run.connection.receive(Text("alice", NINE, "bob!"))
        assert run.wait() == 0

    def test_last_words_are_waited_for(self, run: Run) -> None:
        run.enter().terminal.type("good bye<enter><ctrl-d>")
        run.terminal.wait_for("good bye …")
        assert not run.connection.closed
        run.connection.answer()
        run.connection.receive(Text("bob", NINE, "good bye", own=True))
        assert run.wait() == 0

    def test_but_not_for_ever(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(conversation, "LAST_WORDS", 0.01)
        run.enter().terminal.type("good bye<enter><ctrl-d>")
        assert run.wait() == 0


def test_a_fault_is_one_line_that_names_its_report(
    run: Run, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.enter()

    def broken(key: Input) -> None:
        raise ZeroDivisionError("made by a test")

    # No key makes the controller fail.
    monkeypatch.setattr(run.app._controller, "press", broken)
    run.terminal.type("x")
    assert run.wait() == 1
    (written,) = (tmp_path / "state").rglob("fault-*.txt")
    assert problem(capfd) == (
        f"internal fault: ZeroDivisionError: made by a test; the details are in {written}"
    )
    assert "Traceback" in written.read_text(encoding="utf-8")
