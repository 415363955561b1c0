"""Attacks by unknown clients and by guests on a server. Each attack is bounded in count and in time.

Each attack comes from many addresses of 127.0.0.0/8, of which the server must not exempt any but 127.0.0.1.
"""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable

import gevent
from gevent.pool import Pool

from chat.protocol.descriptor import MessageType
from tests.peers.wire_client import WireClient

PER_ADDRESS = 60  # connections, where an attack is not to be stopped by that limit already
_AT_ONCE = 200  # connections of one attack
_HUGE = (1 << 64) - 1
LOGIN, FILE = MessageType.LOGIN, MessageType.FILE


class Attacker:
    """Makes ``count`` connections to the server's ``port``, for ``seconds`` each if they are to stay.

    ``first`` is the second byte of the addresses that it comes from: 127.FIRST.x.y.
    """

    _names = itertools.count()

    def __init__(self, port: int, count: int, seconds: float, first: int) -> None:
        self.count = count
        self.seconds = seconds
        self.connected = 0
        self._port = port
        self._first = first

    def from_one_address(self, act: Callable[[WireClient], object]) -> None:
        self._all(act, lambda number: f"127.{self._first}.0.2")

    def from_many(self, act: Callable[[WireClient], object]) -> None:
        self._all(act, self._address)

    def admitted(self, client: WireClient) -> WireClient:
        """Log ``client`` in under an unused name; return it."""
        client.login(f"guest{next(self._names)}", raw=True)
        return client

    def hang(self, client: WireClient) -> None:
        """Stay as one is, until the server closes or the time is over."""
        gevent.with_timeout(self.seconds, client.read_to_end, timeout_value=None)

    def _address(self, number: int) -> str:
        host = number // PER_ADDRESS
        return f"127.{self._first}.{host // 250}.{2 + host % 250}"

    def _all(self, act: Callable[[WireClient], object], address: Callable[[int], str]) -> None:
        pool = Pool(max(_AT_ONCE, self.count if self.seconds > 1 else 0))
        for number in range(self.count):
            pool.spawn(self._one, act, address(number))
        pool.join()

    def _one(self, act: Callable[[WireClient], object], source: str) -> None:
        try:
            client = WireClient(("127.0.0.1", self._port), source=source, timeout=self.seconds + 30)
            self.connected += 1
            with client:
                act(client)
        except (OSError, EOFError, AssertionError):
            return  # the server defends itself


def connection_flood(attacker: Attacker) -> None:
    """Connections of one address, that read what they get and go."""

    def act(client: WireClient) -> None:
        client.timeout = 0.2
        client.receive_some(100)

    attacker.from_one_address(act)


def refused_logins(attacker: Attacker) -> None:
    """Logins of one address with names that are none, as often as it may."""

    def act(client: WireClient) -> None:
        while client.try_login("?").type != LOGIN:
            pass

    attacker.from_one_address(act)


def slow_logins(attacker: Attacker) -> None:
    """Slowloris: a login that comes a byte at a time and is never whole."""

    def act(client: WireClient) -> None:
        login = client.encode(LOGIN, "x" * 4000)
        for byte in login[: int(attacker.seconds / 0.2)]:
            client.send_bytes(bytes([byte]))
            gevent.sleep(0.2)
        client.receive_some(100)

    attacker.from_many(act)


def half_frames(attacker: Attacker) -> None:
    """Guests who begin a message and don't go on: in the descriptor, in the header, in a large content."""
    wholes = itertools.cycle([(7, 16), (16, 20), (30, 200_000)])

    def act(client: WireClient) -> None:
        size, content = next(wholes)
        attacker.admitted(client)
        client.send_bytes(client.encode(FILE, "name", bytes(content))[: size + content // 2])
        attacker.hang(client)

    attacker.from_many(act)


def byte_by_byte(attacker: Attacker) -> None:
    """Guests who send each byte by itself."""

    def act(client: WireClient) -> None:
        for byte in client.encode(LOGIN, f"slow{id(client)}") + client.encode(
            FILE, "x", bytes(500)
        ):
            client.send_bytes(bytes([byte]))
            gevent.sleep(0)
        client.receive_some(65536)

    attacker.from_many(act)


def resets(attacker: Attacker) -> None:
    """A reset in every state: before a byte, in a login, in the room, in a content, in a TLS handshake."""

    def nothing(client: WireClient) -> None:
        pass

    def in_a_login(client: WireClient) -> None:
        client.send_bytes(client.encode(LOGIN, "somebody")[:20])

    def after_a_login(client: WireClient) -> None:
        client.send(LOGIN, f"gone{id(client)}")

    def in_the_room(client: WireClient) -> None:
        attacker.admitted(client)

    def in_a_content(client: WireClient) -> None:
        attacker.admitted(client)
        client.send_bytes(client.encode(FILE, "name", bytes(300_000))[:200_000])

    def in_a_handshake(client: WireClient) -> None:
        client.send_bytes(client_hello())

    def in_half_a_hello(client: WireClient) -> None:
        client.send_bytes(client_hello()[:50])

    states = itertools.cycle(
        [
            nothing,
            in_a_login,
            after_a_login,
            in_the_room,
            in_a_content,
            in_a_handshake,
            in_half_a_hello,
        ]
    )

    def act(client: WireClient) -> None:
        next(states)(client)
        client.reset()

    attacker.from_many(act)


def huge_frames(attacker: Attacker) -> None:
    """Frames that announce 2**64 - 1 bytes, of every type, before a login and after one."""
    kinds = itertools.cycle(itertools.product(MessageType, [False, True]))

    def act(client: WireClient) -> None:
        type, inside = next(kinds)
        if inside:
            attacker.admitted(client)
        client.send_bytes(client.encode(type, None, content_size=_HUGE) + bytes(100_000))
        attacker.hang(client)

    attacker.from_many(act)


def broken_handshakes(attacker: Attacker) -> None:
    """TLS hellos that are followed by rubbish, by nothing, or are none."""
    ends = itertools.cycle([b"\x17\x03\x03\x00\x05rubbish", b"", None])

    def act(client: WireClient) -> None:
        end = next(ends)
        client.send_bytes(b"\x16\x03\x01\xff\xff" + bytes(300) if end is None else client_hello())
        if end:
            client.send_bytes(end)
        attacker.hang(client)

    attacker.from_many(act)


def joining_and_leaving(attacker: Attacker) -> None:
    """Guests of one address who come and go as fast as they are let in."""

    def act(client: WireClient) -> None:
        client.timeout = attacker.seconds
        attacker.admitted(client)

    attacker.from_one_address(act)


Attack = Callable[[Attacker], None]

ATTACKS: tuple[Attack, ...] = (
    connection_flood,
    refused_logins,
    slow_logins,
    half_frames,
    byte_by_byte,
    resets,
    huge_frames,
    broken_handshakes,
    joining_and_leaving,
)


def client_hello() -> bytes:
    """Return the first bytes that a TLS client sends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="chat.example.org")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a server")
