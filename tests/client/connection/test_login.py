from __future__ import annotations

import socket
import threading

import pytest

from chat.client.connection.login import ByteOrderChoice, LoggedIn, log_in, open_transfer
from chat.client.errors import ConnectError, LoginRefused
from chat.client.runtime.runtime import PLAIN, Runtime
from chat.client.trust.connector import Connector, TrustPolicy
from chat.net.address import Address, parse_address
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType
from tests.client.runtimes import with_both_runtimes
from tests.peers.original_server import OriginalServer
from tests.peers.scripted_server import Peer, Script, ScriptedServer


def plain_connector(address: str, runtime: Runtime) -> Connector:
    """Return a connector without TLS: these tests are about the login that follows."""
    return Connector(runtime, parse_address(address), TrustPolicy(tls="off"))


def enter(
    address: str,
    username: str = "alice",
    byte_order: ByteOrderChoice = "auto",
    timeout: float = 5,
    runtime: Runtime = PLAIN,
    password: str | None = None,
    session: str | None = None,
) -> LoggedIn:
    return log_in(
        plain_connector(address, runtime),
        username,
        byte_order=byte_order,
        inline=65536,
        timeout=timeout,
        password=password,
        session=session,
    )


class FarAway(type(PLAIN)):  # type: ignore[misc]
    """Connects to anywhere, where somebody reads all and answers nothing."""

    sent = b""

    def connect(self, address: Address, timeout: float, *_: object) -> FarAway:
        return self

    def settimeout(self, value: float | None) -> None:
        """Do nothing: this stream never waits."""

    def send(self, data: memoryview, timeout: float) -> int:
        self.sent += bytes(data)
        return len(data)

    def recv_into(self, buffer: memoryview) -> int:
        return 0

    def shut(self) -> None:
        """Do nothing: this stream is not really open."""

    close = shut


def enter_and_close(address: str, byte_order: ByteOrderChoice = "auto") -> tuple[ByteOrder, bool]:
    link, original, _ = enter(address, byte_order=byte_order)
    link.close()
    return link.order, original


class TestOurServers:
    def test_a_json_login_in_network_order(self) -> None:
        def script(peer: Peer) -> None:
            login = peer.expect(MessageType.LOGIN)
            assert login.fields == {"to": "alice", "inline": 65536, "status": True}
            assert login.content == b""
            peer.send(MessageType.LOGIN)
            peer.wait_for_end()

        with ScriptedServer(script) as server:
            assert enter_and_close(server.address) == (ByteOrder.BIG, False)

    @pytest.mark.parametrize(
        ("type", "header", "code", "sentence"),
        [
            (MessageType.USERNAME_EXISTS, b"", "username-exists", "This name is already in use."),
            (
                MessageType.BAD_USERNAME,
                b"",
                "bad-username",
                "The server does not accept this name.",
            ),
            (MessageType.BAD_LOGIN, b"", "bad-login", "The server refused the login."),
            (
                MessageType.BAD_LOGIN,
                b'{"error":"server-full","message":"Full."}',
                "server-full",
                "Full.",
            ),
            (
                MessageType.BAD_LOGIN,
                b'{"error":7,"message":"Full."}',
                "bad-login",
                "The server refused the login.",
            ),
            (MessageType.BAD_LOGIN, b'{"error', "bad-login", "The server refused the login."),
        ],
    )
    def test_refused(self, type: MessageType, header: bytes, code: str, sentence: str) -> None:
        def script(peer: Peer) -> None:
            peer.expect(MessageType.LOGIN)
            peer.send(type, header)
            peer.wait_for_end()

        with ScriptedServer(script) as server, pytest.raises(LoginRefused) as caught:
            enter(server.address)
        assert (caught.value.code, str(caught.value)) == (code, sentence)

    def test_a_password_goes_with_the_name(self) -> None:
        def script(peer: Peer) -> None:
            fields = peer.expect(MessageType.LOGIN).fields
            assert fields == {
                "to": "alice",
                "inline": 65536,
                "status": True,
                "password": "correct horse",
            }
            peer.send(MessageType.LOGIN)
            peer.wait_for_end()

        with ScriptedServer(script) as server:
            enter(server.address, password="correct horse").link.close()

    def test_no_byte_of_a_login_with_a_password_goes_where_anybody_could_read_it(self) -> None:
        far_away = FarAway()
        with pytest.raises(LoginRefused, match="not encrypted") as caught:
            enter("192.0.2.1:80", password="correct horse", runtime=far_away)
        assert caught.value.code == "encryption-needed"
        assert far_away.sent == b""

    def test_one_without_goes_there(self) -> None:
        far_away = FarAway()
        with pytest.raises(ConnectError, match="did not answer"):
            enter("192.0.2.1:80", runtime=far_away)
        assert b'"to":"alice"' in far_away.sent

    def test_the_last_session_comes_with_the_name_that_it_gives_up(self) -> None:
        def script(peer: Peer) -> None:
            fields = peer.expect(MessageType.LOGIN).fields
            assert fields == {"to": "alice", "inline": 65536, "status": True, "session": "token"}
            peer.send(MessageType.LOGIN)
            peer.wait_for_end()

        with ScriptedServer(script) as server:
            enter(server.address, session="token").link.close()

    def test_a_transfer_connection_names_its_session(self) -> None:
        def script(peer: Peer) -> None:
            peer.let_transfer()
            peer.wait_for_end()

        with ScriptedServer(script) as server:
            connector = plain_connector(server.address, PLAIN)
            connector.probe(5)
            open_transfer(connector, "token", 5).close()


@with_both_runtimes
class TestTheOriginal:
    def test_is_found_out_and_spoken_to_in_its_own_way(self, runtime: Runtime) -> None:
        with OriginalServer() as server:
            link, original, _ = enter(server.address, "борис", runtime=runtime)
            assert original
            assert link.order is ByteOrder.LITTLE
            assert server.logins == ["борис".encode()]
            link.close()

    def test_little_does_not_try_the_other_first(self, runtime: Runtime) -> None:
        with OriginalServer() as server:
            link, original, _ = enter(server.address, "bob", "little", runtime=runtime)
            assert original
            link.close()

    def test_big_never_falls_back(self, runtime: Runtime) -> None:
        with OriginalServer() as server:
            with pytest.raises(ConnectError, match="does not understand big-endian"):
                enter(server.address, "bob", "big", runtime=runtime)
            assert server.logins == []

    def test_refuses_a_taken_name(self, runtime: Runtime) -> None:
        with OriginalServer() as server:
            first = enter(server.address, "bob", runtime=runtime)
            with pytest.raises(LoginRefused) as caught:
                enter(server.address, "bob", runtime=runtime)
            assert caught.value.code == "username-exists"
            first.link.close()

    @pytest.mark.parametrize("byte_order", ["auto", "little"])
    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ('qu"ote', "made of letters and digits"),
            ("CORP\\bob", "made of letters and digits"),
            ("two\nlines", "made of letters and digits"),
            ("\x1b[2Jbob", "made of letters and digits"),
            ('{"to":"x"}', "starts with a letter"),
            ("../bob", "starts with a letter"),
            ("x" * 33, "at most 32 characters"),
            ("б" * 200, "at most 32 characters"),
            ("sеrver", "is reserved"),  # the second letter is Cyrillic
            ("", "must not be empty"),
        ],
    )
    def test_a_name_against_the_rules_is_not_sent_raw(
        self, runtime: Runtime, name: str, sentence: str, byte_order: ByteOrderChoice
    ) -> None:
        with OriginalServer() as server:
            with pytest.raises(LoginRefused, match=sentence) as caught:
                enter(server.address, name, byte_order, runtime=runtime)
            assert caught.value.code == "bad-username"
            assert server.logins == []

    def test_a_name_is_sent_raw_as_our_own_server_would_write_it(self, runtime: Runtime) -> None:
        with OriginalServer() as server:
            enter(server.address, "ＢＯＢ", runtime=runtime).link.close()
            assert server.logins == [b"BOB"]

    def test_its_reply_is_16_bytes_whatever_is_in_them(self, runtime: Runtime) -> None:
        def script(peer: Peer) -> None:
            peer.order = ByteOrder.LITTLE
            peer.expect(MessageType.LOGIN)
            peer.sock.sendall(
                Descriptor(MessageType.LOGIN, 0x7FC4, 0x6A55).encode(ByteOrder.LITTLE)
            )
            peer.wait_for_end()

        with ScriptedServer(script) as server:
            enter(server.address, "bob", "little", runtime=runtime).link.close()


@pytest.mark.parametrize("byte_order", ["auto", "little"])
def test_half_a_character_is_no_name(byte_order: ByteOrderChoice) -> None:
    with pytest.raises(LoginRefused, match="UTF-8"):
        enter("127.0.0.1:1", "a\udcff", byte_order)


@pytest.mark.parametrize("byte_order", ["auto", "little", "big"])
@pytest.mark.parametrize("letter", ["x", "б"])
def test_a_name_that_fits_into_no_header(letter: str, byte_order: ByteOrderChoice) -> None:
    with pytest.raises(LoginRefused, match="too long: the limit is 64 KiB") as caught:
        enter("127.0.0.1:1", letter * 70_000, byte_order)
    assert caught.value.code == "bad-username"


def test_a_raw_login_is_refused_before_there_is_any_connection() -> None:
    with pytest.raises(LoginRefused, match="made of letters"):
        enter(
            "127.0.0.1:1", 'qu"ote', "little"
        )  # nobody listens there: that would be a ConnectError


def answer_with(data: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.sock.sendall(data)

    return script


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3), "protocol|is invalid|ended"),
        (answer_with(b""), "did not answer"),
        (answer_with(b"\x00\x01\x00"), "ended inside a frame|protocol"),
        (Peer.reset, "reset"),
    ],
    ids=["another protocol", "an end", "half an answer", "a reset"],
)
def test_what_is_no_chat_server(script: Script, problem: str, order: ByteOrderChoice) -> None:
    with ScriptedServer(script) as server, pytest.raises(ConnectError, match=problem):
        enter(server.address, byte_order=order)


def test_an_answer_that_announces_too_much() -> None:
    def script(peer: Peer) -> None:
        peer.expect(MessageType.LOGIN)
        peer.send(MessageType.LOGIN, size=2**64 - 1)
        peer.wait_for_end()

    with ScriptedServer(script) as server, pytest.raises(ConnectError, match="is invalid"):
        enter(server.address)


@with_both_runtimes
def test_a_server_that_says_nothing(runtime: Runtime) -> None:
    with (
        ScriptedServer(Peer.wait_for_end) as server,
        pytest.raises(ConnectError, match="did not answer the login"),
    ):
        enter(server.address, timeout=0.05, runtime=runtime)


def test_a_server_that_says_it_byte_by_byte() -> None:
    """The deadline is for all of it, however much comes in between."""
    closed = threading.Event()

    def script(peer: Peer) -> None:
        peer.expect(MessageType.LOGIN)
        for _ in range(15):
            if closed.wait(0.02):
                return
            peer.sock.sendall(b"\0")

    with ScriptedServer(script) as server:
        with pytest.raises(ConnectError, match="did not answer the login"):
            enter(server.address, timeout=0.1)
        closed.set()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectError, match="Connection refused"):
        enter(f"127.0.0.1:{port}")
