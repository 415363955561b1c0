"""The pages for machines, asked for by HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http.client import parse_headers
from io import BytesIO
from pathlib import Path

import pytest
from gevent import socket

from chat.address import Address, parse_address
from chat.server import status
from chat.server.metrics import Metrics
from chat.server.status import StatusServer
from tests.server.house import House


class Page:
    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        self.line, _, rest = head.partition(b"\r\n")
        self.headers = parse_headers(BytesIO(rest + b"\r\n\r\n"))
        self.status = int(self.line.split()[1])


@pytest.fixture
def is_healthy() -> list[bool]:
    return [True]


@pytest.fixture
def server(house: House, is_healthy: list[bool]) -> Iterator[StatusServer]:
    server = StatusServer(parse_address("127.0.0.1:0"), house.services, lambda: is_healthy[0])
    server.start()
    yield server
    server.stop()


def ask(address: Address, request: str) -> Page:
    family = socket.AF_UNIX if address.path is not None else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(5)
        sock.connect(address.path or (address.host, address.port))
        sock.sendall(request.encode())
        raw = b""
        while data := sock.recv(65536):
            raw += data
    return Page(raw)


def get(server: StatusServer, path: str, method: str = "GET") -> Page:
    return ask(server.addresses[0], f"{method} {path} HTTP/1.1\r\nHost: chat\r\n\r\n")


def test_health(server: StatusServer, is_healthy: list[bool]) -> None:
    page = get(server, "/healthz")
    assert (page.status, page.body) == (200, b"ok\n")
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"
    is_healthy[0] = False
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
    page = get(server, "/metrics")
    assert page.status == 500
    assert page.body == b"failed; the log says why\n"
    assert "cannot answer /metrics" in caplog.messages


@pytest.mark.parametrize(
    "nonsense", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\0" * 20_000 + b"\n\n"]
)
def test_nonsense_is_not_worth_a_line(
    server: StatusServer,
    nonsense: bytes,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            with socket.create_connection(server.addresses[0][:2], timeout=5) as sock:
                sock.sendall(nonsense)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    continue
        assert get(server, "/healthz").status == 200
    assert caplog.messages == []
    assert capfd.readouterr() == ("", "")


def test_who_says_nothing_is_hung_up_on(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "_PATIENCE", 0.05)
    silent = [
        socket.create_connection(server.addresses[0][:2], timeout=5)
        for _ in range(3 * status._AT_ONCE)
    ]
    assert get(server, "/healthz").status == 200  # when it is its turn
    for sock in silent:
        assert sock.recv(1) == b""
        sock.close()


def test_on_a_unix_socket(house: House, tmp_path: Path) -> None:
    server = StatusServer(Address(path=str(tmp_path / "status")), house.services, lambda: True)
    server.start()
    assert get(server, "/healthz").body == b"ok\n"
    server.stop()
    assert not (tmp_path / "status").exists()


def test_the_socket_is_closed_with_the_server(server: StatusServer) -> None:
    where = server.addresses[0][:2]
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, timeout=5)
