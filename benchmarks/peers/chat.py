"""Run our own server, today's or a commit's, with its defaults but without rate limits, which the others lack."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commits import Commit, name_at
from benchmarks.load import Login
from benchmarks.peers.peer import Peer
from chat import __version__
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import ByteOrder, MessageType, encode_frame
from chat.protocol.headers import ClientHeader, LoginHeader, encode_client_header

ORDER = ByteOrder.BIG
# Our client wants contents over so many bytes as offers.
INLINE = 64 * 1024


class Chat(Peer):
    name = "chat"
    program = sys.executable
    announces = True
    has_rooms = True

    def __init__(self, commit: Commit | None = None) -> None:
        self._commit = commit
        if commit is not None:
            self.name = name_at(self.name, commit)
            self.source = commit.source

    def command(self, port: int, directory: Path) -> list[str]:
        command = ["-m", "chat.server.cli", f"--address=127.0.0.1:{port}"]
        options = self.options(directory)
        if self._commit is None:
            return [sys.executable, *command, *options]
        # A server without an option lacks its subject too: TLS, limits, a place for data.
        known = self._commit.options
        understood = [option for option in options if option.partition("=")[0] in known]
        return [str(self._commit.python), *command, *understood]

    def options(self, directory: Path) -> Sequence[str]:
        """Return the options of the server; files may be put in ``directory``."""
        return (
            *("--rate=0", "--max-file=4G", "--tls=off", f"--data-directory={directory}"),
            *("--max-users=30000", "--max-rooms=30000"),
        )

    def version(self) -> str:
        commit = self._commit
        if commit is not None:
            return commit.description
        return f"chat {__version__}, Python {sys.version.split()[0]}"

    def receiver(self, number: int) -> Login:
        return raw_login(f"user{number}")

    def sender(self, number: int) -> Login:
        return raw_login(f"sender{number:04}")

    def message(self, content: bytes) -> bytes:
        return encode_frame(MessageType.UTF8, b"", content, ORDER)

    def user(self, number: int) -> Login:
        return raw_login(_name(number))

    def private_message(self, number: int, content: bytes) -> bytes:
        header = encode_client_header(ClientHeader(to=_name(number)))
        return encode_frame(MessageType.UTF8, header, content, ORDER)

    def member(self, number: int, rooms: Sequence[int]) -> Login:
        """Return a login, and commands that join rooms: the first user makes them."""
        login = LoginHeader(_name(number), inline=INLINE, is_json=True, join=())
        hello = encode_frame(MessageType.LOGIN, encode_client_header(login), b"", ORDER)
        for place, room in enumerate(rooms):
            hello += _command(Verb.JOIN, room, _IN if place == len(rooms) - 1 else None)
        return Login(hello, b'"nonce":"%b"' % _IN.encode() if rooms else _ADMITTED)

    def visit(self, room: int) -> bytes:
        return _command(Verb.PART, room) + _command(Verb.JOIN, room)

    def room_message(self, room: int, content: bytes) -> bytes:
        header = encode_client_header(ClientHeader(room=_room(room)))
        return encode_frame(MessageType.UTF8, header, content, ORDER)

    def idler(self, number: int) -> Login:
        return json_login(f"user{number}")


def json_login(name: str) -> Login:
    """Return the login that our client makes."""
    header = encode_client_header(LoginHeader(name, inline=INLINE, is_json=True))
    return Login(encode_frame(MessageType.LOGIN, header, b"", ORDER), _ADMITTED)


def raw_login(name: str) -> Login:
    return Login(encode_frame(MessageType.LOGIN, name.encode(), b"", ORDER), _ADMITTED)


def _name(number: int) -> str:
    return f"user{number:06}"


def _command(verb: Verb, room: int, nonce: str | None = None) -> bytes:
    header = ClientHeader(command=Command(verb.value, room=_room(room)), nonce=nonce)
    return encode_frame(MessageType.UTF8, encode_client_header(header), b"", ORDER)


def _room(number: int) -> str:
    return f"room{number:05}"


_IN = "the-last-room"
_ADMITTED = encode_frame(MessageType.LOGIN, b"", b"", ORDER)
