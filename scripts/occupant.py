"""Find out what uses an address of this machine: nothing, a chat server, or another program."""

import errno
import socket
from contextlib import suppress
from enum import Enum
from typing import Any

from chat.net.address import Address
from chat.protocol.descriptor import DESCRIPTOR_SIZE, ByteOrder, MessageType, encode_frame

# Seconds for a chat server of this machine to answer a frame. Only a silent program takes that long.
PATIENCE = 3.0
# A frame that no chat server takes before a login. Our server refuses it with a BadLogin, whatever its options, and so
# does an original one, which takes it for a frame of an unknown type. Neither lets anybody into the room for it. The
# content makes a program that reads lines answer at once.
_FRAME = encode_frame(MessageType.LOGOUT, b"", b"\r\n\r\n", ByteOrder.BIG)


class Occupant(Enum):
    """Name the kinds of programs that use an address; the value ends a sentence about an address that is in use."""

    NOTHING = "nothing uses it"
    CHAT = "a chat server listens there"
    HTTP = "a program that answers HTTP listens there"
    SILENT = "a program listens there and does not answer"
    OTHER = "a program that is no chat server listens there"
    UNREACHABLE = "it is in use, but nothing accepts connections there"


def occupant_of(address: Address) -> Occupant:
    """Return what uses ``address``, judged as a client and as a server would find it."""
    try:
        connection = connect(address)
    except OSError:
        return Occupant.NOTHING if _can_be_bound(address) else Occupant.UNREACHABLE
    with connection:
        answer = _ask(connection, _FRAME)
    if answer is None:
        return Occupant.SILENT
    if _is_refusal(answer):
        return Occupant.CHAT
    # Some web servers answer what is no request in the form of HTTP/0.9, which has no beginning of its own.
    with suppress(OSError), connect(address) as connection:
        answer = _ask(connection, b"HEAD / HTTP/1.0\r\n\r\n") or b""
    return Occupant.HTTP if answer.startswith(b"HTTP/") else Occupant.OTHER


def connect(address: Address) -> socket.socket:
    """Return a connection to ``address``. Raises OSError."""
    if address.path is None:
        return socket.create_connection((address.host or "localhost", address.port), timeout=5)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(5)
        connection.connect(address.path)
    except OSError:
        connection.close()
        raise
    return connection


def _ask(connection: socket.socket, question: bytes) -> bytes | None:
    """Send ``question``; return up to 16 bytes of the answer, or None if none came in time."""
    answer = b""
    with suppress(ConnectionError):  # closed or reset: the program has read what it did not like
        connection.settimeout(PATIENCE)
        connection.sendall(question)
        try:
            while len(answer) < DESCRIPTOR_SIZE and (data := connection.recv(DESCRIPTOR_SIZE)):
                answer += data
        except TimeoutError:
            return answer or None
    return answer


def _is_refusal(answer: bytes) -> bool:
    refusal = MessageType.BAD_LOGIN.value
    return len(answer) >= DESCRIPTOR_SIZE and answer[:2] in (
        refusal.to_bytes(2, "big"),
        refusal.to_bytes(2, "little"),
    )


def _can_be_bound(address: Address) -> bool:
    """Return whether no other program has the address. A server may still lack the right to use it."""
    if address.path is not None:
        return True  # a server replaces the socket of one that has ended
    if not address.host:
        return _binds(socket.AF_INET6, ("::", address.port), dual=True) and _binds(
            socket.AF_INET, ("0.0.0.0", address.port)
        )
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError:
        return True  # the server will say what is wrong with the name
    return all(_binds(family, where) for family, _, _, _, where in found)


def _binds(family: int, where: Any, *, dual: bool = False) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
            sock.bind(where)
            sock.listen()
    except OSError as problem:
        return problem.errno != errno.EADDRINUSE
    return True
