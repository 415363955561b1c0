"""A muted user hears everything and says nothing, and the server answers each of their messages."""

from __future__ import annotations

import pytest

from chat.protocol.descriptor import MessageType
from tests.server.moderators import bob_who_moderates, command, expect_told
from tests.server.server_in_test import TestServer

UTF8, FILE = MessageType.UTF8, MessageType.FILE
M = 1024**2


def test_each_message_of_a_muted_user_is_refused_and_reaches_nobody(
    chat_server: TestServer,
) -> None:
    bob = bob_who_moderates(chat_server)
    eve = chat_server.join("Eve")

    told = command(bob, "mute", "eve", reason="noise")
    eve.send_bytes(eve.encode(UTF8, None, b"hi") * 3 + eve.encode(UTF8, '{"nonce":"0"}', b"hi"))
    eve.say("psst", to="bob", nonce="1")
    eve.send(FILE, {"nonce": "2"}, b"content")
    bob.say("hello")

    assert told == "Eve is muted until further notice. This lasts until the server stops."
    expect_told(eve, "Eve was muted by bob until further notice: noise.")
    heard = [eve.read_frame() for _ in range(7)]
    notices = [frame for frame in heard if frame.header.get("notice") == "muted"]
    assert [frame.header.get("nonce") for frame in notices] == [None, None, None, "0", "1", "2"]
    assert {frame.text for frame in notices} == {"You are muted until further notice: noise."}
    assert [frame.text for frame in heard if frame.sender == "bob"] == ["hello"]
    bob.expect_text("hello", "bob")


def test_a_large_file_is_refused_before_it_comes(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    eve = chat_server.join("eve")
    transfer = chat_server.transfer(eve)
    command(bob, "mute", "eve")

    for connection in (eve, transfer):
        connection.send_bytes(connection.encode(FILE, {"nonce": "n"}, content_size=M))
    eve.expect(UTF8, notice="moderated")

    for connection in (eve, transfer):
        connection.expect_notice("muted", nonce="n")
    assert chat_server.parts.spool.used == 0


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_file_that_is_under_way_when_its_sender_is_muted_reaches_nobody(
    chat_server: TestServer, elsewhere: bool
) -> None:
    bob = bob_who_moderates(chat_server)
    eve = chat_server.join("eve")
    bob.expect_joined("eve")
    connection = chat_server.transfer(eve) if elsewhere else eve
    connection.send_bytes(connection.encode(FILE, {"nonce": "n"}, b"x" * 1000, content_size=M))
    chat_server.upload_begins(M)

    command(bob, "mute", "eve")
    eve.expect(UTF8, notice="moderated")
    connection.send_bytes(b"x" * (M - 1000))

    connection.expect_notice("muted", nonce="n")
    chat_server.space_is_given_back()
    bob.say("next")
    bob.expect_text("next", "bob")


def test_a_mute_holds_after_a_new_login_until_it_is_lifted(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    eve = chat_server.join("eve")
    command(bob, "mute", "eve", seconds=3600)
    eve.leave()
    bob.expect_left("eve")

    eve = chat_server.join("EVE")
    eve.say("hello")
    assert eve.expect_notice("muted").text.startswith("You are muted until 20")

    assert command(bob, "unmute", "eve") == "EVE is no longer muted."
    expect_told(eve, "EVE was unmuted by bob.")
    eve.say("hello")
    eve.expect_text("hello", "EVE")


def test_a_mute_of_an_absent_user_holds_when_they_come(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    command(bob, "mute", "eve")
    eve = chat_server.join("eve")
    eve.say("hello")
    eve.expect_notice("muted")


def test_a_muted_user_may_send_commands_and_leave(chat_server: TestServer) -> None:
    bob = bob_who_moderates(chat_server)
    eve = chat_server.join("eve")
    command(bob, "mute", "eve")
    eve.expect(UTF8, notice="moderated")

    eve.send(UTF8, {"command": "bans"})
    eve.expect_notice("not-allowed")
    eve.leave()
    eve.expect_closed()
