"""The pages for machines, asked for by HTTP."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from http.client import parse_headers
from io import BytesIO
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from chat.net.address import Address, parse_address
from chat.server.monitoring import status
from chat.server.monitoring.metrics import Metrics
from chat.server.monitoring.status import StatusServer
from chat.server.net import visitors
from tests.server.server_in_test import TestServer


class Page:
    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        self.line, _, rest = head.partition(b"\r\n")
        self.headers = parse_headers(BytesIO(rest + b"\r\n\r\n"))
        self.status = int(self.line.split()[1])


@pytest.fixture
def trouble() -> list[str]:
    return [""]


@pytest.fixture
def server(chat_server: TestServer, trouble: list[str]) -> Iterator[StatusServer]:
    server = chat_server.parts.make_status_server(parse_address("127.0.0.1:0"), lambda: trouble[0])
    server.start()
    for path in ("/healthz", "/metrics"):
        page = get(server, path)
        assert (page.status, page.body) == (503, b"starting\n")
    server.show_all()
    yield server
    server.stop()


def ask(address: Address, request: str) -> Page:
    family = socket.AF_UNIX if address.path is not None else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(30)
        sock.connect(address.path or (address.host, address.port))
        sock.sendall(request.encode())
        raw = b""
        while data := sock.recv(65536):
            raw += data
    return Page(raw)


def get(server: StatusServer, path: str, method: str = "GET") -> Page:
    return ask(server.addresses[0], f"{method} {path} HTTP/1.1\r\nHost: chat\r\n\r\n")


def test_health(server: StatusServer, trouble: list[str]) -> None:
    page = get(server, "/healthz")
    assert (page.status, page.body) == (200, b"ok\n")
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"
    trouble[0] = "stopping"
    page = get(server, "/healthz")
    assert (page.status, page.body) == (503, b"stopping\n")


def test_metrics(server: StatusServer) -> None:
    page = get(server, "/metrics")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/plain; version=")
    assert b"\nchat_users{" in page.body
    assert int(page.headers["Content-Length"]) == len(page.body)


def test_a_query_is_no_other_page(server: StatusServer) -> None:
    assert get(server, "/healthz?verbose").status == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metric", "/healthz/x", "/%2e%2e/etc/passwd"])
def test_there_is_nothing_else(server: StatusServer, path: str) -> None:
    assert get(server, path).status == 404


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_they_can_only_be_read(server: StatusServer, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        page = get(server, path, method)
        assert page.status == 405
        assert page.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/other"])
def test_head_is_get_without_the_body(server: StatusServer, path: str) -> None:
    whole, head = get(server, path), get(server, path, "HEAD")
    assert head.status == whole.status
    assert head.body == b""
    assert int(head.headers["Content-Length"]) > 0


def test_an_answer_is_the_last_of_its_connection(server: StatusServer) -> None:
    page = ask(server.addresses[0], "GET /healthz HTTP/1.1\r\nHost: chat\r\n\r\n" * 3)
    assert page.headers["Connection"] == "close"
    assert page.body == b"ok\n"


def test_a_fault_of_ours_is_logged_and_answered(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(metrics: Metrics, accept: str) -> tuple[bytes, str]:
        raise ZeroDivisionError

    monkeypatch.setattr(Metrics, "render", fail)
    for _ in range(20):
        page = get(server, "/metrics")
        assert page.status == 500
        assert page.body == b"failed; the log says why\n"
    assert "cannot answer /metrics" in caplog.messages
    # A traceback each would be a log that visitors fill.
    assert len(caplog.messages) < 20


@pytest.mark.parametrize("version", ["a", "1..0", "1.x.0"])
def test_a_format_that_makes_no_sense_is_no_fault_of_ours(
    server: StatusServer, caplog: pytest.LogCaptureFixture, version: str
) -> None:
    accept = f"Accept: application/openmetrics-text;version={version}"
    page = ask(server.addresses[0], f"GET /metrics HTTP/1.1\r\n{accept}\r\n\r\n")
    assert page.status == 200
    assert b"chat_build_info" in page.body
    assert caplog.messages == []


def exchange(server: StatusServer, request: bytes) -> bytes:
    """All that comes back, with the connection left open until the server closes it."""
    with socket.create_connection(server.addresses[0][:2], timeout=30) as sock:
        sock.sendall(request)
        raw = b""
        while data := sock.recv(65536):
            raw += data
    return raw


@pytest.mark.parametrize(
    ("nonsense", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"GET\r\n\r\n", 400),
        (b"\0" * 20_000 + b"\n\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, 431),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nX\r\n\r\n", 400),
    ],
)
def test_a_broken_request_is_answered_and_worth_one_line_however_often(
    server: StatusServer,
    nonsense: bytes,
    status: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            assert Page(exchange(server, nonsense)).status == status
        assert get(server, "/healthz").status == 200
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("bad status request from 127.0.0.1: ")
    assert caplog.records[0].exc_info is None
    assert capfd.readouterr() == ("", "")


def test_a_request_that_ends_in_the_middle_is_broken(server: StatusServer) -> None:
    with socket.create_connection(server.addresses[0][:2], timeout=30) as sock:
        sock.sendall(b"GET /healthz HT")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_connection_without_a_word_is_not_logged(
    server: StatusServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            with socket.create_connection(server.addresses[0][:2], timeout=30) as sock:
                sock.shutdown(socket.SHUT_WR)
                assert sock.recv(1) == b""
    assert caplog.messages == []


def test_a_body_is_ignored_and_does_not_cost_the_answer(server: StatusServer) -> None:
    body = b"x" * 200_000
    head = b"POST /metrics HTTP/1.1\r\nHost: chat\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert Page(exchange(server, head + body)).status == 405


def test_a_silent_client_is_disconnected(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "_PATIENCE", 0.05)
    with socket.create_connection(server.addresses[0][:2], timeout=30) as silent:
        assert silent.recv(1) == b""


def test_so_is_who_says_a_little_again_and_again(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "_PATIENCE", 0.2)
    with socket.create_connection(server.addresses[0][:2], timeout=30) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")

        def go_on() -> None:
            while True:
                slow.sendall(b"X: 1\r\n")
                gevent.sleep(0.01)

        with pytest.raises(OSError):  # in the end; each line alone would have come in time
            go_on()


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nX: 1\r\n"])
def test_idle_visitors_delay_nobody(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(status, "_PATIENCE", 1000.0)
    idle = []
    for _ in range(2 * status._AT_ONCE):
        sock = socket.create_connection(server.addresses[0][:2], timeout=30)
        sock.sendall(said)
        idle.append(sock)
    assert get(server, "/healthz").status == 200  # though none of them has been given up
    for sock in idle[: status._AT_ONCE]:
        assert sock.recv(1) == b"", "the oldest have made way"
    for sock in idle[status._AT_ONCE + 1 :]:
        sock.sendall(b"\r\n" if said else b"GET /healthz HTTP/1.1\r\n\r\n")
        assert sock.recv(8) == b"HTTP/1.1", "and not more than had to"
    for sock in idle:
        sock.close()


def test_a_client_that_does_not_read_the_answer_makes_way_too(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "_PATIENCE", 1000.0)
    monkeypatch.setattr(server._visitors, "_at_once", 3)
    monkeypatch.setattr(Metrics, "render", lambda metrics, accept: (b"x" * 10**8, "text/plain"))
    stuck = []
    for _ in range(3):
        sock = socket.create_connection(server.addresses[0][:2], timeout=30)
        sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert sock.recv(8) == b"HTTP/1.1"
        stuck.append(sock)
    assert get(server, "/healthz").status == 200
    for sock in stuck:
        sock.close()


def test_without_descriptors_one_line_is_logged_and_the_next_visitor_is_served(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(visitors, "_PAUSE", 0.01)
    troubles = [
        OSError(errno.EMFILE, "x"),
        OSError(errno.ECONNABORTED, "x"),
        OSError(errno.EMFILE, "x"),
    ]
    accept = StreamServer.do_read

    def trouble(listener: StreamServer) -> object:
        if troubles:
            raise troubles.pop()
        return accept(listener)

    idle = socket.create_connection(server.addresses[0][:2], timeout=30)
    idle.sendall(b"GET")
    gevent.sleep(0)
    assert get(server, "/healthz").status == 200
    monkeypatch.setattr(StreamServer, "do_read", trouble)
    assert get(server, "/healthz").status == 200
    assert idle.recv(1) == b"", "whose descriptor was needed"
    assert caplog.messages == ["the status address: out of file descriptors"]


def test_on_a_unix_socket(chat_server: TestServer, tmp_path: Path) -> None:
    server = chat_server.parts.make_status_server(
        Address(path=str(tmp_path / "status")), lambda: ""
    )
    server.start()
    server.show_all()
    assert get(server, "/healthz").body == b"ok\n"
    server.stop()
    assert not (tmp_path / "status").exists()


def test_the_socket_is_closed_with_the_server(server: StatusServer) -> None:
    where = server.addresses[0][:2]
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, timeout=30)
