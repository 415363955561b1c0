"""The client and TLS: which server the client trusts, and how it reacts when another server answers."""

from __future__ import annotations

import hashlib
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from chat.client import (
    Attachment,
    Connection,
    NotEncrypted,
    Text,
    UnknownServer,
    UntrustedServer,
    connect,
)
from chat.client.runtime.runtime import Runtime
from tests.client.connectors import ELSEWHERE
from tests.client.runtimes import with_both_runtimes
from tests.end_to_end.client_process import ClientProcess, listening, run_client
from tests.end_to_end.screens import PyteScreen, client
from tests.end_to_end.server_process import ServerProcess, eventually
from tests.tiers import quick_first

INSIDE = "you are in the room as"
DECISION = "the same decision in another frontend; tests/client/trust has the decisions"
PICTURE = re.compile(r"[+|][^\n]{17}[+|]\s*$", re.MULTILINE)


class TestServer:
    """One port, behind which one server may follow another, each with a different key."""

    __test__ = False  # pytest would take it for tests

    def __init__(self, directory: Path) -> None:
        self._known_hosts = directory / "known_hosts"
        self._servers: list[ServerProcess] = []
        self.start()

    @property
    def server(self) -> ServerProcess:
        return self._servers[-1]

    @property
    def key(self) -> str:
        return self.server.wait_for_line(r"the key is (SHA256:\S+)$")[1]

    @property
    def here(self) -> str:
        return f"127.0.0.1:{self.server.address[1]}"

    @property
    def elsewhere(self) -> str:
        """The same, and the client does not know that it is on this machine."""
        return f"{ELSEWHERE}:{self.server.address[1]}"

    @property
    def option(self) -> str:
        return f"--known-hosts={self._known_hosts}"

    @property
    def known(self) -> str:
        """Return the file of servers that the clients remember."""
        return self._known_hosts.read_text() if self._known_hosts.exists() else ""

    def remember(self) -> None:
        self._known_hosts.write_text(f"{self.elsewhere} {self.key}\n")

    def start(self, tls: str = "optional") -> None:
        """Another server, once the one before it is gone."""
        address = self.here if self._servers else "127.0.0.1:0"
        self._servers.append(ServerProcess(f"--tls={tls}", address=address))

    def change(self, tls: str = "optional") -> None:
        self.server.end()
        self.start(tls)

    def log_of_all(self) -> str:
        return "".join(server.log for server in self._servers)

    def end(self) -> None:
        for server in self._servers:
            server.end()


@pytest.fixture
def chat_server(tmp_path: Path) -> Iterator[TestServer]:
    chat_server = TestServer(tmp_path)
    yield chat_server
    chat_server.end()


T = TypeVar("T")


def next_of(kind: type[T], connection: Connection) -> T:
    return next(event for event in connection if isinstance(event, kind))


@with_both_runtimes
class TestTheLibrary:
    def test_talk_and_large_files(
        self, chat_server: TestServer, home: Path, runtime: Runtime
    ) -> None:
        big = home / "big.bin"
        big.write_bytes(hashlib.shake_256(b"big").digest(3_000_000))
        with (
            connect(chat_server.here, "alice", runtime=runtime, tls="required") as alice,
            connect(chat_server.here, "bob", runtime=runtime, save_directory=home) as bob,
        ):
            assert alice.encrypted
            assert bob.encrypted
            alice.send_text("psst", to="bob")
            assert next_of(Text, bob).text == "psst"
            alice.send_file(big)
            path = bob.fetch(next_of(Attachment, bob))
            assert path != big
            assert hashlib.sha256(path.read_bytes()).digest() == (
                hashlib.sha256(big.read_bytes()).digest()
            )

    def test_the_servers_that_it_trusts(
        self, chat_server: TestServer, home: Path, runtime: Runtime
    ) -> None:
        asked: list[UnknownServer] = []

        def trust(stranger: UnknownServer) -> bool:
            asked.append(stranger)
            return True

        def enter(
            fingerprint: str | None = None, trust: Callable[[UnknownServer], bool] | None = None
        ) -> None:
            known_hosts = home / "known_hosts"
            with connect(
                chat_server.elsewhere,
                "alice",
                known_hosts=known_hosts,
                fingerprint=fingerprint,
                trust=trust,
                runtime=runtime,
            ) as alice:
                assert alice.encrypted

        with pytest.raises(UntrustedServer):
            enter()
        enter(fingerprint=chat_server.key)
        enter(trust=trust)
        enter(trust=trust)
        enter()
        assert [str(stranger.fingerprint) for stranger in asked] == [chat_server.key]
        chat_server.change(tls="off")
        with pytest.raises(NotEncrypted):
            enter(trust=trust)
        chat_server.change()
        with pytest.raises(UntrustedServer, match="HAS CHANGED"):
            enter(trust=trust)
        assert len(asked) == 1


class TestPipes:
    def run(
        self, chat_server: TestServer, home: Path, *options: str, address: str = ""
    ) -> tuple[int, str]:
        """The status and what was said of it; and whether what it had to say was said agrees with that."""
        before = chat_server.log_of_all()
        done = run_client(
            address or chat_server.elsewhere,
            "bob",
            chat_server.option,
            *options,
            said="hi\n",
            directory=home,
        )
        was_inside = done.returncode == 0
        if was_inside:  # the log comes a moment later
            visits = before.count("bob left")
            eventually(lambda: chat_server.log_of_all().count("bob left") == visits + 1)
        else:
            assert chat_server.log_of_all().count("bob") == before.count("bob")
        assert ("[bob]: hi" in done.stdout or '"text":"hi"' in done.stdout) == was_inside
        return done.returncode, done.stderr

    @pytest.mark.parametrize("mode", quick_first(["--plain", "--json"], DECISION))
    def test_an_unknown_server(self, chat_server: TestServer, home: Path, mode: str) -> None:
        status, errors = self.run(chat_server, home, mode)
        assert status == 1
        assert len(errors.splitlines()) == 1
        assert f"--fingerprint={chat_server.key}" in errors

    def test_a_fingerprint(self, chat_server: TestServer, home: Path) -> None:
        assert self.run(chat_server, home, f"--fingerprint={chat_server.key}") == (0, "")
        other = "SHA256:" + "A" * 43
        status, errors = self.run(chat_server, home, f"--fingerprint={other}")
        assert status == 1
        assert (
            f"HAS ANOTHER KEY: it is {chat_server.key}, but --fingerprint expects {other}" in errors
        )
        assert not chat_server.known

    @pytest.mark.thorough(DECISION)
    def test_insecure_says_what_it_does(self, chat_server: TestServer, home: Path) -> None:
        status, errors = self.run(chat_server, home, "--insecure")
        assert status == 0
        assert "read and change all messages and passwords" in errors

    @pytest.mark.thorough(DECISION)
    def test_off_says_what_it_does(self, chat_server: TestServer, home: Path) -> None:
        status, errors = self.run(chat_server, home, "--tls=off")
        assert status == 0
        assert "Nothing is encrypted (--tls=off)" in errors
        assert self.run(chat_server, home, "--tls=off", address=chat_server.here) == (0, "")

    def test_a_known_server(self, chat_server: TestServer, home: Path) -> None:
        chat_server.remember()
        assert self.run(chat_server, home) == (0, "")
        chat_server.change()
        status, errors = self.run(chat_server, home)
        assert status == 1
        assert "HAS CHANGED" in errors
        assert f"remove the line of {chat_server.elsewhere} from" in errors

    @pytest.mark.thorough(DECISION)
    def test_a_known_server_is_never_spoken_to_in_plain(
        self, chat_server: TestServer, home: Path
    ) -> None:
        chat_server.remember()
        chat_server.change(tls="off")
        status, errors = self.run(chat_server, home)
        assert status == 1
        assert "does not speak TLS" in errors

    @pytest.mark.thorough(DECISION)
    def test_on_this_machine(self, chat_server: TestServer, home: Path) -> None:
        assert self.run(chat_server, home, "--tls=required", address=chat_server.here) == (0, "")
        chat_server.change(tls="required")
        assert self.run(chat_server, home, address=chat_server.here) == (0, "")
        chat_server.change(tls="off")
        assert self.run(chat_server, home, address=chat_server.here) == (0, "")
        assert self.run(chat_server, home, "--tls=required", address=chat_server.here)[0] == 1


class TestTheTerminal:
    def test_a_key_is_shown_and_asked_about_once(self, chat_server: TestServer, home: Path) -> None:
        def start() -> ClientProcess:
            return ClientProcess(
                chat_server.elsewhere,
                "bob",
                "--plain",
                chat_server.option,
                directory=home,
                terminal=True,
            )

        with start() as bob:
            bob.output.wait_for(r"\(yes/no\) ")
            assert chat_server.key in bob.output.text
            assert len(PICTURE.findall(bob.output.text)) == 11
            bob.type("y\n")
            bob.output.wait_for(r"\(yes/no\) ", 2)
            bob.type("yes\n")
            bob.output.wait_for(f"{INSIDE} bob")
        assert chat_server.known == f"{chat_server.elsewhere} {chat_server.key}\n"
        with start() as bob:
            bob.output.wait_for(f"{INSIDE} bob")
            assert "yes/no" not in bob.output.text

    @pytest.mark.parametrize("answer", quick_first(["no\n", "\x04"], DECISION))
    def test_no_is_no(self, chat_server: TestServer, home: Path, answer: str) -> None:
        with ClientProcess(
            chat_server.elsewhere,
            "bob",
            "--plain",
            chat_server.option,
            directory=home,
            terminal=True,
        ) as bob:
            bob.output.wait_for(r"\(yes/no\) ")
            bob.type(answer)
            assert bob.wait() == 1
            assert "is not trusted" in bob.output.text
        assert not chat_server.known
        assert "bob" not in chat_server.server.log

    @pytest.mark.thorough(DECISION)
    def test_a_server_that_does_not_encrypt(self, chat_server: TestServer, home: Path) -> None:
        chat_server.change(tls="off")
        with ClientProcess(
            chat_server.elsewhere,
            "bob",
            "--plain",
            chat_server.option,
            directory=home,
            terminal=True,
        ) as bob:
            bob.output.wait_for(r"does not encrypt(.|\r|\n)*\(yes/no\) ")
            bob.type("yes\n")
            bob.output.wait_for(f"{INSIDE} bob")
        assert not chat_server.known


class TestTheScreen:
    def test_yes(self, chat_server: TestServer, home: Path) -> None:
        with PyteScreen(client(chat_server.elsewhere, "bob", chat_server.option), home) as bob:
            rows = bob.wait_for(r"remember it.*\[y/n\]")
            assert any(chat_server.key in row for row in rows)
            assert len(PICTURE.findall("\n".join(rows))) == 11
            # With a key between them: Enter and a letter at once would be a paste, and no answer.
            bob.press("<enter>", "<left>", "y")
            bob.wait_for(f"{INSIDE} bob", "bob │.*│ encrypted")
        assert chat_server.known == f"{chat_server.elsewhere} {chat_server.key}\n"

    @pytest.mark.thorough(DECISION)
    def test_no(self, chat_server: TestServer, home: Path) -> None:
        with PyteScreen(client(chat_server.elsewhere, "bob", chat_server.option), home) as bob:
            bob.wait_for(r"remember it.*\[y/n\]")
            bob.press("n")
            assert bob.wait() == 1
            bob.wait_for("is not trusted")
        assert not chat_server.known

    @pytest.mark.thorough(DECISION)
    def test_a_changed_key_stops_it(self, chat_server: TestServer, home: Path) -> None:
        chat_server.remember()
        chat_server.change()
        with PyteScreen(client(chat_server.elsewhere, "bob", chat_server.option), home) as bob:
            assert bob.wait() == 1
            bob.wait_for("HAS CHANGED")


class TestALostConnection:
    """The server is killed, and another answers in its place."""

    def test_the_same_server(self, chat_server: TestServer, home: Path) -> None:
        chat_server.remember()
        data = f"--data-directory={chat_server.server.data_directory}"
        with listening(chat_server.elsewhere, "bob", chat_server.option, directory=home) as bob:
            chat_server.server.send_signal(signal.SIGKILL)
            chat_server.server.wait()
            again = ServerProcess("--tls=optional", data, address=chat_server.here)
            try:
                bob.output.wait_for(f"{INSIDE} bob", 2)
            finally:
                again.end()

    def test_another_key_is_the_end(self, chat_server: TestServer, home: Path) -> None:
        chat_server.remember()
        with listening(chat_server.elsewhere, "bob", chat_server.option, directory=home) as bob:
            chat_server.server.send_signal(signal.SIGKILL)
            chat_server.server.wait()
            chat_server.start()
            assert bob.wait() == 1
            assert "HAS CHANGED" in bob.errors.text

    @pytest.mark.parametrize("is_here", quick_first([False, True], DECISION))
    def test_nothing_is_said_in_plain(
        self, chat_server: TestServer, home: Path, is_here: bool
    ) -> None:
        chat_server.remember()
        address = chat_server.here if is_here else chat_server.elsewhere
        with listening(address, "bob", chat_server.option, directory=home) as bob:
            chat_server.server.send_signal(signal.SIGKILL)
            chat_server.server.wait()
            chat_server.start(tls="off")
            bob.errors.wait_for("does not speak TLS")
            assert "bob" not in chat_server.server.log
