from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.server.monitoring.http_request import (
    MAX_HEAD,
    BadRequest,
    HeadTooLarge,
    Request,
    WrongVersion,
    parse_request,
)
from tests.tables import table


def test_a_request() -> None:
    data = b"GET /metrics?x=1 HTTP/1.1\r\nHost: chat\r\nACCEPT: \t text/plain; q=0.5 \r\n\r\nrest"
    fields = {"host": "chat", "accept": "text/plain; q=0.5"}
    assert parse_request(data) == Request("GET", "/metrics", fields)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /healthz HTTP/1.0\n\n",
        b"\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n",
        b"GET http://chat:9/healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nX:\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
    ],
)
def test_other_ways_to_write_it(data: bytes) -> None:
    request = parse_request(data)
    assert request is not None
    assert (request.method, request.path) == ("GET", "/healthz")


def test_nothing_is_said_of_one_that_is_not_whole() -> None:
    data = b"GET /healthz HTTP/1.1\r\nHost: chat\r\n\r\n"
    assert [parse_request(data[:size]) for size in range(len(data) - 1)] == [None] * (len(data) - 1)


@table(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01",  # the beginning of TLS: at once, since its sender waits
        b"\0",
        b"\r\r",
        b"GET\r\n\r\n",
        b"GET /healthz\r\n\r\n",  # HTTP 0.9
        b"GET  /healthz HTTP/1.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"G@T / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno field\r\n\r\n",
        b"GET / HTTP/1.1\r\nX : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: 1\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    ],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request(data)
    assert caught.value.status == "400 Bad Request"


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9"])
def test_another_version(version: bytes) -> None:
    with pytest.raises(WrongVersion):
        parse_request(b"PRI * %b\r\n\r\n" % version)


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_a_head_without_end(end: bytes) -> None:
    begin = b"GET / HTTP/1.1\r\nX: "
    assert parse_request(begin + b"x" * (MAX_HEAD - len(begin))) is None
    with pytest.raises(HeadTooLarge):
        parse_request(begin + b"x" * MAX_HEAD + end)
    with pytest.raises(HeadTooLarge):
        parse_request(b"\r\n" * MAX_HEAD)


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t"])
@pytest.mark.parametrize("begin", [b"X:", b"X: a", b"GET ", b""])
def test_many_blanks_before_what_is_broken_take_no_time(begin: bytes, blank: bytes) -> None:
    """Each way to share the blanks out among the parts of a pattern would be tried: more than a test's time."""
    line = begin + blank * 3000 + b"\0"
    with pytest.raises(BadRequest):
        parse_request(b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n")
    with pytest.raises(BadRequest):
        parse_request(b"GET" + line + b"\r\n\r\n")


@given(st.binary(max_size=200))
def test_whatever_comes_it_is_one_or_none_or_bad(data: bytes) -> None:
    for begin in (b"", b"GET / HTTP/1.1\r\n"):
        try:
            request = parse_request(begin + data)
        except BadRequest:
            continue
        assert request is None or request.method.isascii()
