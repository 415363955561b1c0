"""Our own server, as it comes, but for the rate limits, which the others don't have."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.load import Login
from benchmarks.peers.peer import Peer
from chat import __version__
from chat.protocol.descriptor import ByteOrder, MessageType, encode_frame
from chat.protocol.headers import ClientHeader, LoginHeader, encode_client_header

ORDER = ByteOrder.BIG
# Over so many bytes our client wants a content offered.
INLINE = 64 * 1024


class Chat(Peer):
    name = "chat"
    program = sys.executable
    announces = True

    def command(self, port: int, directory: Path) -> list[str]:
        options = ("--rate=0", "--max-file=4G", "--tls=off", f"--data-directory={directory}")
        address = f"--address=127.0.0.1:{port}"
        return [sys.executable, "-m", "chat.server.cli", address, *options]

    def version(self) -> str:
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

    def idler(self, number: int) -> Login:
        return json_login(f"user{number}")


def json_login(name: str) -> Login:
    """The login that our client makes."""
    header = encode_client_header(LoginHeader(name, inline=INLINE, is_json=True))
    return Login(encode_frame(MessageType.LOGIN, header, b"", ORDER), _ADMITTED)


def raw_login(name: str) -> Login:
    return Login(encode_frame(MessageType.LOGIN, name.encode(), b"", ORDER), _ADMITTED)


def _name(number: int) -> str:
    return f"user{number:06}"


_ADMITTED = encode_frame(MessageType.LOGIN, b"", b"", ORDER)
