"""The played server gives the answers that a client needs."""

from __future__ import annotations

import socket

from benchmarks.clients.hosts import ChatHost, Host, IrcHost, Message
from chat.framing import FrameReader
from chat.protocol.descriptor import ByteOrder, MessageType, encode_frame
from chat.protocol.headers import LoginHeader, encode_client_header, parse_server_header

LOGIN = encode_frame(
    MessageType.LOGIN,
    encode_client_header(LoginHeader("listener", is_json=True)),
    b"",
    ByteOrder.BIG,
)


def byte_by_byte(host: Host, data: bytes) -> bytes:
    """The answers to ``data`` when it comes in the smallest pieces."""
    return b"".join(host.answer(data[number : number + 1]) for number in range(len(data)))


def frames(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Type, header and content of each."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        reader = FrameReader(ours, ByteOrder.BIG)
        found = []
        while (descriptor := reader.read_descriptor()) is not None:
            header = reader.recv_exactly(descriptor.header_size)
            found.append((descriptor.type, header, reader.recv_exactly(descriptor.content_size)))
        return found


def test_lets_our_client_in_once_the_login_is_whole() -> None:
    host = ChatHost()

    assert host.answer(LOGIN[:-1]) == b""
    assert not host.is_inside

    reply, announcement = frames(host.answer(LOGIN[-1:]))
    assert host.is_inside
    assert reply == (MessageType.LOGIN, b"", b"")
    assert parse_server_header(announcement[1]).sender == "listener"


def test_messages_come_as_our_server_sends_them() -> None:
    (frame,) = frames(ChatHost().encode([Message("anna", b"hello")]))

    kind, header, content = frame
    assert (kind, content) == (MessageType.UTF8, b"hello")
    assert parse_server_header(header).sender == "anna"


def test_lets_an_irc_client_join() -> None:
    host = IrcHost()

    greeting = byte_by_byte(host, b"CAP LS 302\r\nNICK listener\r\nUSER listener 0 * :x\r\n")
    assert b"CAP * LS :" in greeting
    assert b" 001 listener :Welcome\r\n" in greeting
    assert not host.is_inside

    joined = byte_by_byte(host, b"JOIN #room\r\n")
    assert host.is_inside
    assert joined.startswith(b":listener!listener@host.example JOIN #room\r\n")


def test_answers_what_irc_clients_ask_when_they_have_joined() -> None:
    host = IrcHost()

    assert b" 324 " in host.answer(b"MODE #room\n")
    assert b" 368 " in host.answer(b"MODE #room b\n")
    assert b" 315 " in host.answer(b"WHO #room\n")
    assert host.answer(b"PING 17\n") == b":irc.example PONG irc.example 17\r\n"
    assert host.answer(b"AWAY\n\n") == b""


def test_irc_messages_come_from_their_senders() -> None:
    data = IrcHost().encode([Message("anna", b"hello"), Message("bert", b"hi")])

    assert data == (
        b":anna!anna@host.example PRIVMSG #room :hello\r\n"
        b":bert!bert@host.example PRIVMSG #room :hi\r\n"
    )
