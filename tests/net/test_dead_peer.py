"""Which connections are dead, by what the kernel tells of them."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress

import pytest

from chat.net import dead_peer
from chat.net.dead_peer import DEAD_AFTER, TcpInfo, is_dead, read_tcp_info

LONG, SHORT = DEAD_AFTER + 1, DEAD_AFTER - 1

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")


@pytest.mark.parametrize(
    ("info", "dead"),
    [
        pytest.param(TcpInfo(9, 0, 1, LONG), True, id="retransmissions that nothing answers"),
        pytest.param(TcpInfo(0, 2, 0, LONG), True, id="probes of a window that nothing answers"),
        pytest.param(TcpInfo(9, 0, 1, SHORT), False, id="it may be an outage"),
        pytest.param(TcpInfo(0, 2, 0, SHORT), False, id="a probe that was just sent"),
        pytest.param(TcpInfo(0, 0, 0, 3600.0), False, id="idle: keepalive is there for that"),
        pytest.param(TcpInfo(0, 0, 5, LONG), False, id="idle until a moment ago"),
        pytest.param(TcpInfo(2, 0, 5, LONG), False, id="a lost packet after a long silence"),
        pytest.param(TcpInfo(4, 0, 5, 0.0), False, id="a slow reader that acknowledges"),
    ],
)
def test_a_dead_peer(info: TcpInfo, dead: bool) -> None:
    assert info.is_dead() is dead


def test_two_minutes_and_a_half_are_enough_with_a_look_every_ten_seconds() -> None:
    assert 120 < DEAD_AFTER <= 150 - 10


@needs_linux
def test_the_kernel_tells_of_what_was_not_acknowledged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        with near, far:
            near.sendall(b"hello")
            assert far.recv(5) == b"hello"
            info = read_tcp_info(near)
            assert info is not None
            assert (info.retransmits, info.probes) == (0, 0)
            assert 0 <= info.silence < 60
            assert not is_dead(near, dead_after=0.0)


@needs_linux
def test_a_window_that_stays_closed_is_probed_and_the_probes_are_answered() -> None:
    """Of a reader that has stopped reading the kernel tells how long ago it was last heard of, not that it is gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        with near, far:
            near.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    near.send(bytes(1 << 20))
            heard: list[float] = []
            # The silence grows from one probe to the next, and ends with its answer.
            while len(heard) < 2 or heard[-1] >= heard[-2]:
                info = read_tcp_info(near)
                assert info is not None
                assert not info.is_dead(dead_after=0.5)
                heard.append(info.silence)


def test_unix_sockets_tell_nothing() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert read_tcp_info(near) is None
        assert not is_dead(near)


def test_closed_sockets_tell_nothing() -> None:
    sock = socket.socket()
    sock.close()
    assert not is_dead(sock)


class Terse:
    """A kernel that tells less than is read here."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        return bytes(8)


def test_a_kernel_that_tells_too_little() -> None:
    assert read_tcp_info(Terse()) is None


def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_peer, "_IS_KNOWN", False)
    with socket.socket() as sock:
        assert read_tcp_info(sock) is None
