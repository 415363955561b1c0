"""The strict peer is as strict as it says: it lives on what the original server sent, and dies of anything less."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import gevent.server
import gevent.socket
import pytest

from tests.peers.original_client import (
    FILE,
    IMAGE,
    LOGIN,
    LOGOUT,
    UTF8,
    Died,
    OriginalClient,
    Refused,
)
from tests.tables import table
from tests.wire.replay import original_captures

ACCEPTED = struct.pack("<HH4xQ", LOGIN, 0, 0)


def frame(type: int, header: str | bytes, content: bytes = b"") -> bytes:
    data = header.encode() if isinstance(header, str) else header
    return struct.pack("<HH4sQ", type, len(data), b"\xc4\x7f\0\0", len(content)) + data + content


@contextmanager
def server_that_says(data: bytes) -> Iterator[tuple[str, int]]:
    """Run a server that reads a login, says ``data``, and closes."""

    def serve(sock: gevent.socket.socket, _: object) -> None:
        size = struct.unpack_from("<H", sock.recv(16), 2)[0]
        while size > 0:
            size -= len(sock.recv(size))
        sock.sendall(data)

    server = gevent.server.StreamServer(("127.0.0.1", 0), serve)
    server.start()
    try:
        assert server.server_port is not None
        yield "127.0.0.1", server.server_port
    finally:
        server.stop()


def test_it_lives_on_what_the_original_server_sent() -> None:
    (capture,) = [c for c in original_captures() if str(c) == "alice-server"]
    with server_that_says(capture.data) as address, OriginalClient(address, "alice") as alice:
        alice.expect(LOGIN, "alice")
        alice.expect(LOGIN, "борис")
        alice.expect_text("hello", "alice")
        alice.expect_text("привет, alice", "борис")
        alice.expect(FILE, "alice", b"line one\nline two\n", "notes.txt")
        alice.expect(LOGOUT, "борис")
        assert alice.at_end()


def test_what_it_writes_is_little_endian_with_stray_memory_and_is_reproducible() -> None:
    with gevent.socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        login = gevent.spawn(OriginalClient, listener.getsockname(), "борис", seed=5)
        sock, _ = listener.accept()
        sent = sock.recv(100)
        assert sent[:4] == b"\1\0\x0a\0"
        assert sent[4:8] != bytes(4)
        assert sent[8:] == bytes(8) + "борис".encode()
        sock.sendall(ACCEPTED)
        with login.get() as client:
            client.send_image(b"xyz")
            picture = sock.recv(100)
            assert picture[:4] == b"\6\0\0\0"
            assert picture[8:] == b"\3\0\0\0\0\0\0\0xyz"
        sock.close()


@pytest.mark.parametrize(
    ("type", "name"), [(3, "UsernameExists"), (4, "BadUsername"), (5, "BadLogin")]
)
def test_a_refusal_is_told_by_its_name(type: int, name: str) -> None:
    with server_that_says(frame(type, b"")) as address, pytest.raises(Refused, match=name):
        OriginalClient(address, "alice")


def test_it_dies_of_a_login_reply_that_it_does_not_know() -> None:
    with server_that_says(frame(UTF8, b"")) as address, pytest.raises(Died, match="reply"):
        OriginalClient(address, "alice")


GOOD = '{"from":"борис","timestamp":"2026-11-23T23:03:24.696444485Z"}'


@table(
    ("sent", "cause"),
    [
        (frame(UTF8, GOOD.replace("борис", "\\u0431"), b"x"), "escape"),
        (frame(FILE, GOOD.replace("}", ',"filename":"a\\/b"}'), b"x"), "escape"),
        (frame(UTF8, '{"timestamp":"2026-11-23T23:03:24Z"}', b"x"), "no 'from'"),
        (frame(UTF8, '{"from":"a"}', b"x"), "no 'timestamp'"),
        (frame(UTF8, '{"from":"a","timestamp":7}', b"x"), "no 'timestamp'"),
        (frame(UTF8, GOOD.replace("T", " "), b"x"), "RFC 3339"),
        (frame(UTF8, GOOD.replace("Z", ""), b"x"), "RFC 3339"),
        (frame(UTF8, GOOD.replace("-11-23", "-13-23"), b"x"), "RFC 3339"),
        (frame(UTF8, GOOD.replace("}", ',"filename":1}'), b"x"), "another kind"),
        (frame(UTF8, b"", b"x"), "no JSON"),
        (frame(UTF8, b"\xff", b"x"), "no JSON"),
        (frame(UTF8, "[]", b"x"), "no object"),
        (frame(LOGIN, GOOD, b"{}"), "content on type 1"),
        (frame(LOGOUT, GOOD, b"x"), "content on type 2"),
        (frame(5, GOOD), "doesn't know: 5"),
        (frame(10, GOOD), "doesn't know: 10"),
        (b"\0\7" + bytes(14), "doesn't know: 1792"),
    ],
)
def test_it_dies_of_anything_else(sent: bytes, cause: str) -> None:
    with (
        server_that_says(ACCEPTED + sent) as address,
        OriginalClient(address, "alice") as alice,
        pytest.raises(Died, match=cause),
    ):
        alice.hear()


def test_more_than_16_bytes_of_reply_are_taken_for_frames() -> None:
    with (
        server_that_says(frame(LOGIN, '{"ok":true,"x":1}')) as address,
        OriginalClient(address, "alice") as alice,
        pytest.raises(Died, match="doesn't know"),
    ):
        alice.hear()


def test_optional_keys_change_nothing() -> None:
    sent = frame(IMAGE, GOOD.replace("}", ',"to":"alice","x":[{"y":null}]}'), b"pixels")
    with server_that_says(ACCEPTED + sent) as address, OriginalClient(address, "alice") as alice:
        alice.expect(IMAGE, "борис", b"pixels")
