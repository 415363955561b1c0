"""One room for everyone: both byte orders, raw and JSON logins, names and texts of all scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from chat.protocol.descriptor import ByteOrder, MessageType
from tests.end_to_end.server_process import ServerProcess, running_server
from tests.peers.original_client import FILE, IMAGE, LOGIN, LOGOUT, VOICE, OriginalClient
from tests.peers.wire_client import WireClient

KINDS = [(order, raw) for order in ByteOrder for raw in (False, True)]
NAMES = ["Борис", "محمد", "李小龍", "Åsa_1"]
TEXTS = [
    "Съешь же ещё этих мягких французских булок",
    "السلام عليكم ورحمة الله",
    "👩‍👩‍👧 🏳️‍🌈 👍🏽 ☕️",
    'a "quoted\\" text, with\ttabs\nand lines\r\n\x1b[31m and what terminals interpret\x07\0',
    "e\u0301 is not \u00e9, and stays so",
]


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with running_server() as server:
        yield server


def join_in_turn(
    stack: ExitStack, server: ServerProcess, names: list[str], kinds: list[tuple[ByteOrder, bool]]
) -> list[WireClient]:
    """Log users in; each of them reads the announcements of those who came later."""
    users: list[WireClient] = []
    for name, (order, raw) in zip(names, kinds, strict=True):
        newcomer = WireClient.joined(server.address, name, order=order, raw=raw)
        for user in users:
            user.expect_joined(newcomer.name)
        users.append(stack.enter_context(newcomer))
    return users


def test_both_byte_orders_raw_and_json_see_each_other_byte_for_byte(server: ServerProcess) -> None:
    with ExitStack() as stack:
        users = join_in_turn(stack, server, NAMES, KINDS)
        assert [user.name for user in users] == NAMES
        for sender in users:
            for text in TEXTS:
                sender.say(text)
                frames = [user.expect_text(text, sender.name) for user in users]
                assert all(frame == frames[0] for frame in frames)
            for type in (MessageType.FILE, MessageType.IMAGE, MessageType.VOICE):
                content = bytes(range(256)) * 3
                sender.send(type, "имя.bin", content)
                for user in users:
                    user.expect(type, content, sender=sender.name, filename="имя.bin", to=None)


def test_everyone_hears_the_same_in_one_order(server: ServerProcess) -> None:
    with ExitStack() as stack:
        users = join_in_turn(stack, server, NAMES, KINDS)
        for number in range(30):
            for user in users:
                user.say(f"{user.name} {number}")
        heard = [[user.read_frame() for _ in range(30 * len(users))] for user in users]
        assert all(frames == heard[0] for frames in heard)
        for user in users:
            own = [frame.text for frame in heard[0] if frame.sender == user.name]
            assert own == [f"{user.name} {number}" for number in range(30)]
        timestamps = [frame.header["timestamp"] for frame in heard[0]]
        assert timestamps == sorted(timestamps)


@pytest.mark.parametrize("raw", [False, True])
def test_a_user_who_leaves_is_announced_with_the_reason(server: ServerProcess, raw: bool) -> None:
    with WireClient.joined(server.address, "watcher") as watcher:
        for end, reason in [
            (WireClient.leave, "quit"),
            (WireClient.close, "disconnected"),
            (WireClient.reset, "disconnected"),
        ]:
            with WireClient.joined(server.address, "bob", raw=raw) as bob:
                watcher.expect_joined("bob")
                end(bob)
                watcher.expect_left("bob", reason)
        with WireClient.joined(server.address, "bob", raw=raw) as bob:
            watcher.expect_joined("bob")
            bob.send_bytes(bob.encode(MessageType.UTF8, None, b"half", content_size=5))
            bob.finish()
            watcher.expect_left("bob", "disconnected")
            bob.expect_closed()


def test_a_logout_is_the_last_frame_and_ends_the_connection(server: ServerProcess) -> None:
    with (
        WireClient.joined(server.address, "watcher") as watcher,
        WireClient.joined(server.address, "bob") as bob,
    ):
        watcher.expect_joined("bob")
        # All in one write: what is said before counts, what comes after does not.
        bob.send_bytes(
            bob.encode(MessageType.UTF8, None, b"bye")
            + bob.encode(MessageType.LOGOUT)
            + bob.encode(MessageType.UTF8, None, b"one more thing")
        )
        bob.expect_text("bye", "bob")
        bob.expect_closed()
        watcher.expect_text("bye", "bob")
        watcher.expect_left("bob", "quit")


def test_the_original_client_survives_all_that_json_clients_do(server: ServerProcess) -> None:
    name = "ивановъ.x-1_"
    with OriginalClient(server.address, "original") as original:
        original.expect(LOGIN, "original")
        with (
            WireClient.joined(server.address, name, inline=0) as talker,
            WireClient.joined(server.address, "other", raw=True) as other,
        ):
            original.expect(LOGIN, name)
            original.expect(LOGIN, "other")
            talker.expect_joined("other")
            for text in TEXTS:
                talker.say(text, nonce="n-1")
                original.expect_text(text, name)
            for type in (FILE, IMAGE, VOICE):
                filename = '../a/b\\c"d\u202e<\n>.txt'
                # To whom wants offers it is one; here it comes whole.
                talker.send(type, {"filename": filename, "nonce": "n"}, b"\0" * 100_000)
                original.expect(type, name, b"\0" * 100_000, "c_d__.txt")
                talker.send(type, {"filename": filename, "to": "ORIGINAL"}, b"\1" * 10)
                original.expect(type, name, b"\1" * 10, "c_d__.txt")
                talker.send(type, None, b"")
                heard = original.hear()
                assert (heard.type, heard.sender, heard.content) == (type, name, b"")
            with WireClient.joined(server.address, "оriginal") as lookalike:  # a Cyrillic letter
                original.expect(LOGIN, "оriginal")
                lookalike.say("it was me")
                original.expect_text("it was me", "оriginal")
                lookalike.leave()
                original.expect(LOGOUT, "оriginal")
            talker.say("psst", to="original")
            original.expect_text("psst", name)
            talker.say("not for you", to="other")
            other.read_until(MessageType.UTF8, b"not for you")
            talker.say("nobody", to="nobody")
            talker.send(MessageType.UTF8, {"to": 7}, b"refused")
            talker.send(99, None, b"refused")
            talker.leave()
            original.expect(LOGOUT, name)
        original.expect(LOGOUT, "other")
        # It is told what it did wrong, too, as a text like any other.
        original.say("")
        assert original.hear().sender == "server"
        original.send_file('quote"d.txt', b"content")
        original.expect(FILE, "original", b"content", "quote_d.txt")
        original.say("still here")
        original.expect_text("still here", "original")
