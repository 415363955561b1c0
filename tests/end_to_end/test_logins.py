"""From the first byte to a name in the room, in all its outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import gevent
import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from tests.end_to_end.server_process import ServerProcess, eventually, running_server
from tests.peers.original_client import OriginalClient, Refused
from tests.peers.wire_client import Header, WireClient, WireFrame

LOGIN = MessageType.LOGIN
USERNAME_EXISTS = MessageType.USERNAME_EXISTS
BAD_USERNAME = MessageType.BAD_USERNAME
BAD_LOGIN = MessageType.BAD_LOGIN

ORDERS = list(ByteOrder)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server() as server:
        yield server


def assert_refused(answer: WireFrame, type: MessageType, error: str | None) -> None:
    """Bare to a raw client (``error`` is None); the code and a sentence to a JSON one."""
    assert (answer.type, answer.content) == (type, b"")
    if error is None:
        assert answer.header == {}
    else:
        assert answer.header["error"] == error
        assert answer.header["message"].endswith(".")
        assert set(answer.header) == {"error", "message"}


def refused_logins() -> list[tuple[Header, MessageType, str | None]]:
    """Headers of logins that are refused, with the answer; ``error`` of None is a bare one."""
    bad_names = [
        "",
        "a" * 33,
        "two words",
        ".hidden",
        "-x",
        "\u0301x",
        'quo"te',
        "back\\slash",
        "new\nline",
        "\u202egnp",
        "zero\u200bwidth",
        "server",
        "SERVER",
        "ѕеrvеr",
        "😀",
        "[alice]",
    ]
    raw: list[tuple[Header, MessageType, str | None]] = [
        (name, BAD_USERNAME, None) for name in bad_names
    ]
    raw += [(name, BAD_USERNAME, None) for name in (b"\xff", b"caf\xe9", b"\xed\xa0\x80")]
    raw += [("taken", USERNAME_EXISTS, None), ("TAKEN", USERNAME_EXISTS, None)]
    json_forms: list[tuple[Header, MessageType, str | None]] = [
        ({"to": name}, BAD_USERNAME, "bad-username") for name in bad_names
    ]
    json_forms += [
        ({"to": "Taken"}, USERNAME_EXISTS, "username-exists"),
        ({}, BAD_USERNAME, "bad-username"),
        ({"to": None}, BAD_USERNAME, "bad-username"),
        ({"to": 7}, BAD_LOGIN, "bad-header"),
        ({"to": ["x"]}, BAD_LOGIN, "bad-header"),
        ({"to": "x", "inline": "1"}, BAD_LOGIN, "bad-header"),
        ({"to": "x", "inline": -1}, BAD_LOGIN, "bad-header"),
        ({"session": 7}, BAD_LOGIN, "bad-header"),
        ({"session": "made-up"}, BAD_LOGIN, "no-such-session"),
        (b'{"to": "x"', BAD_LOGIN, "bad-header"),
        (b'{"to": "x", "to": "y"}', BAD_LOGIN, "bad-header"),
        (b'{"to": "\\ud800"}', BAD_LOGIN, "bad-header"),
        (b'{"to":' + b"[" * 2000, BAD_LOGIN, "bad-header"),
        (b'{"to": "\xff"}', BAD_USERNAME, "bad-username"),
    ]
    return raw + json_forms


@pytest.mark.parametrize("order", ORDERS)
def test_every_refusal_leaves_another_try(server: ServerProcess, order: ByteOrder) -> None:
    with WireClient.joined(server.address, "taken") as taken:
        cases = refused_logins()
        for start in range(0, len(cases), 4):
            with WireClient(server.address, order=order) as client:
                for header, type, error in cases[start : start + 4]:
                    assert_refused(client.try_login(header), type, error)
                client.login("fifth", raw=bool(start % 8))
                taken.expect_joined("fifth")
                client.leave()
                client.read_to_end()
                taken.expect_left("fifth", "quit")
        taken.leave()
        taken.read_to_end()


@pytest.mark.parametrize("order", ORDERS)
def test_there_are_five_tries(server: ServerProcess, order: ByteOrder) -> None:
    with WireClient(server.address, order=order) as client:
        for _ in range(5):
            assert_refused(client.try_login("no name"), BAD_USERNAME, None)
        client.expect_closed()


def test_other_types_before_login_are_refused_and_skipped(server: ServerProcess) -> None:
    for order in ORDERS:
        with WireClient(server.address, order=order) as client:
            # Type 2 first: the byte order is told by any known type.
            client.send(MessageType.LOGOUT, "header", b"content")
            client.send(MessageType.UTF8, {"to": "x"}, b"too early" * 1000)
            client.send(MessageType.FILE, "f", client.encode(LOGIN, "inside") * 5000)
            client.send(4242, b"\xff", b"")
            for _ in range(4):
                assert_refused(client.read_frame(), BAD_LOGIN, None)
            client.login("patient")
            client.leave()
            client.read_to_end()


def test_content_of_a_login_is_skipped_up_to_64_kib(server: ServerProcess) -> None:
    for size in (1, 65_535, 65_536):
        with WireClient(server.address) as client:
            assert client.try_login("content", b"\1" * size) == (LOGIN, {}, b"")
            client.expect(LOGIN, b"", sender="content")
            client.say("in step")
            client.expect_text("in step", "content")
            client.leave()
            client.read_to_end()
    with WireClient(server.address) as client:
        client.send_bytes(client.encode(LOGIN, "content", content_size=65_537))
        assert_refused(client.read_frame(), BAD_LOGIN, None)
        client.expect_closed()


def test_a_login_header_has_at_most_16_kib(server: ServerProcess) -> None:
    for size, error in ((16_383, None), (16_384, None), (16_385, "closed")):
        with WireClient(server.address) as client:
            padding = json.dumps({"to": "padded", "x": ""})
            header = json.dumps({"to": "padded", "x": "-" * (size - len(padding))})
            assert len(header) == size
            answer = client.try_login(header)
            if error is None:
                assert answer == (LOGIN, {}, b"")
                client.leave()
                client.read_to_end()
            else:
                # Judged on the descriptor alone, so the form is not known yet.
                assert_refused(answer, BAD_LOGIN, None)
                client.expect_closed()


@pytest.mark.parametrize(
    "start", [b"GE", b"\0\0", b"\1\1", b"\0\12", b"\12\0", b"\xff\0", b"\x16\3"]
)
def test_what_opens_no_chat_is_closed_without_a_byte(server: ServerProcess, start: bytes) -> None:
    with WireClient(server.address) as client:
        client.send_bytes(start + b"T / HTTP/1.1\r\n\r\n")
        client.expect_closed()


@pytest.mark.parametrize("order", ORDERS)
def test_success_is_a_bare_descriptor_and_then_the_own_announcement(
    server: ServerProcess, order: ByteOrder
) -> None:
    with WireClient(server.address, order=order) as client:
        client.send(LOGIN, "raw", b"")
        bare = bytes([0, 1] if order is ByteOrder.BIG else [1, 0]) + bytes(14)
        assert client.receive_exactly(16) == bare
        own = client.expect(LOGIN, b"", sender="raw")
        assert set(own.header) == {"from", "timestamp"}
        client.leave()
        client.read_to_end()


def test_a_name_comes_as_the_server_knows_it(server: ServerProcess) -> None:
    for asked, known in [("ｂｏｂ", "bob"), ("e\u0301va", "\u00e9va"), ("Алиса", "Алиса")]:
        with WireClient(server.address) as client:
            client.login(asked)
            assert client.name == known
            assert client.welcome["users"] == [known]
            client.leave()
            client.read_to_end()


def test_the_welcome_says_who_is_here_and_what_is_allowed(tmp_path: Path) -> None:
    motd = tmp_path / "motd"
    motd.write_text('Добро пожаловать! "Be nice" \\o/\n', encoding="utf-8")
    options = ("--max-text=1000", "--max-file=2K", f"--motd={motd}")
    with running_server(*options) as server, ExitStack() as stack:
        names = ["one", "Два", "three"]
        for name in names:
            stack.enter_context(WireClient.joined(server.address, name, raw=name == "one"))
        with WireClient.joined(server.address, "four", inline=512) as client:
            welcome = client.welcome
            assert welcome["users"] == [*names, "four"]
            assert welcome["limits"] == {"max_text": 1000, "max_file": 2048, "inline": 512}
            assert welcome["motd"] == 'Добро пожаловать! "Be nice" \\o/'
            assert "/" in welcome["server"]
            assert len(welcome["session"]) >= 16
            client.leave()
            client.read_to_end()
        with WireClient.joined(server.address, "five") as client:
            assert client.welcome["users"] == [*names, "five"]
            assert client.welcome["limits"]["inline"] is None
            assert client.welcome["session"] != welcome["session"]


def test_a_full_server_says_so_and_closes() -> None:
    with running_server("--max-users=2") as server, ExitStack() as stack:
        stack.enter_context(WireClient.joined(server.address, "one"))
        two = stack.enter_context(WireClient.joined(server.address, "two"))
        with WireClient(server.address) as third:
            assert_refused(third.try_login("third"), BAD_LOGIN, None)
            third.expect_closed()
        with WireClient(server.address) as third:
            assert_refused(third.try_login({"to": "third"}), BAD_LOGIN, "server-full")
            third.expect_closed()
        with pytest.raises(Refused, match="BadLogin"):
            OriginalClient(server.address, "third")
        two.open_transfer(server.address).close()  # no user more
        two.leave()
        two.read_to_end()
        stack.enter_context(WireClient.joined(server.address, "third"))


def test_the_limit_of_an_address_holds_on_loopback_if_nothing_is_exempt() -> None:
    options = ("--exempt=", "--max-per-address=3")
    with running_server(*options) as server, ExitStack() as stack:
        first, *_ = [
            stack.enter_context(WireClient.joined(server.address, f"user{n}")) for n in range(3)
        ]
        with WireClient(server.address) as over:
            answer = over.try_login({"to": "fourth"})
            assert_refused(answer, BAD_LOGIN, "too-many-connections")
            over.expect_closed()
        # Another address is not touched by it.
        other = stack.enter_context(WireClient(server.address, source="127.0.0.2"))
        other.login("other")
        first.leave()
        first.read_to_end()
        first.close()
        # A connection counts until the server has seen it closed.
        eventually(lambda: is_let_in(server, "fourth"))


def is_let_in(server: ServerProcess, name: str) -> bool:
    with WireClient(server.address) as client:
        answer = client.try_login({"to": name})
        assert answer.header.get("error") in (None, "too-many-connections")
        return answer.type == LOGIN


def test_exempt_addresses_have_no_limit() -> None:
    options = ("--exempt=127.0.0.0/30", "--max-per-address=1")
    with running_server(*options) as server, ExitStack() as stack:
        for number in range(5):
            stack.enter_context(WireClient.joined(server.address, f"user{number}"))
        source = "127.0.0.77"
        stack.enter_context(WireClient.joined(server.address, "counted", source=source))
        with WireClient(server.address, source=source) as over:
            assert_refused(over.try_login({"to": "over"}), BAD_LOGIN, "too-many-connections")


def test_a_trickling_login_is_cut_at_the_time_limit() -> None:
    with running_server("--login-timeout=1") as server:
        with WireClient(server.address) as trickling, WireClient(server.address) as silent:
            data = trickling.encode(LOGIN, "trickling" * 3)

            def trickle() -> None:
                for byte in data:
                    trickling.send_bytes(bytes([byte]))
                    gevent.sleep(0.1)

            trickler = gevent.spawn(trickle)
            trickling.expect_closed()
            silent.expect_closed()
            assert not trickler.ready()  # it was cut, not answered
            trickler.kill()
        # A user who is in stays in: the time limit is for logins.
        with (
            WireClient.joined(server.address, "quick") as quick,
            WireClient(server.address) as late,
        ):
            late.expect_closed()
            quick.say("still here")
            quick.expect_text("still here", "quick")


def test_500_silent_connections_keep_nobody_out() -> None:
    with running_server() as server, ExitStack() as stack:
        for number in range(500):
            silent = stack.enter_context(WireClient(server.address))
            silent.send_bytes(b"\0\1"[: number % 3])
        with WireClient.joined(server.address, "alice") as alice:
            alice.say("hello")
            alice.expect_text("hello", "alice")


def test_running_out_of_descriptors_refuses_new_connections_with_one_line() -> None:
    with running_server(descriptors=24) as server, ExitStack() as stack:
        alice = stack.enter_context(WireClient.joined(server.address, "alice"))
        before = len(server.open_files())
        crowd = [stack.enter_context(WireClient(server.address)) for _ in range(60)]
        server.wait_for_line("out of file descriptors")
        alice.say("still served")
        alice.expect_text("still served", "alice")
        for client in crowd:
            client.close()
        eventually(lambda: len(server.open_files()) <= before)
        stack.enter_context(WireClient.joined(server.address, "bob"))
        alice.expect_joined("bob")
        assert server.log.count("out of file descriptors") == 1
