"""The lines on the control socket, read and written without a socket."""

from __future__ import annotations

import pytest

from chat.server.control.messages import (
    MAX_REQUEST,
    BadMessage,
    CommandFailed,
    encode_error,
    encode_request,
    encode_result,
    parse_answer,
    parse_request,
)
from tests.tables import table


def test_a_request_is_one_line_and_comes_back() -> None:
    line = encode_request("say", {"text": "привет\nweiter \udcff"})

    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert parse_request(line) == ("say", {"text": "привет\nweiter \udcff"})


def test_the_longest_text_of_the_command_line_fits() -> None:
    for text in ("ж" * (32 * 1024), "𝕏" * (16 * 1024), "\n" * (64 * 1024)):
        assert len(encode_request("say", {"text": text})) <= MAX_REQUEST


def test_an_answer_is_a_result_or_an_error() -> None:
    assert parse_answer(encode_result({"users": 3})) == {"users": 3}
    with pytest.raises(CommandFailed, match=r"^It failed\.$"):
        parse_answer(encode_error("It failed."))


@table(
    "line",
    [
        *(b"", b"\n", b"{", b"\xff", b"[]", b"7", b"[" * 100_000, b'{"command":"say"}'),
        *(b'{"version":2,"command":"say"}', b'{"version":1}', b'{"version":1,"command":7}'),
    ],
)
def test_other_lines_are_no_requests(line: bytes) -> None:
    with pytest.raises(BadMessage):
        parse_request(line)


@pytest.mark.parametrize("line", [b"", b"{}", b'{"version":1}', b'{"version":1,"result":[]}'])
def test_other_lines_are_no_answers(line: bytes) -> None:
    with pytest.raises(BadMessage):
        parse_answer(line)


def test_an_older_or_newer_server_is_named_as_the_reason() -> None:
    with pytest.raises(BadMessage, match="different versions"):
        parse_answer(b'{"version":9,"result":{}}')
