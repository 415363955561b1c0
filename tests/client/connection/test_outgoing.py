from __future__ import annotations

import errno
import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.connection.outgoing import encode_header, encode_text, open_source, split_text
from chat.client.connection.receipts import Receipt
from chat.client.errors import NotSent, TransferFailed
from chat.protocol.descriptor import MessageType
from chat.protocol.headers import ClientHeader, looks_like_json, parse_client_header


def receipt(
    kind: MessageType, filename: str | None = None, to: str | None = None, nonce: str | None = None
) -> Receipt:
    return Receipt(threading.Event(), kind, filename=filename, to=to, nonce=nonce)


@given(st.text(), st.integers(4, 20))
def test_splitting_loses_nothing_and_cuts_no_character(text: str, limit: int) -> None:
    pieces = split_text(text, limit)
    assert "".join(pieces) == text
    assert all(0 < len(piece.encode()) <= limit for piece in pieces)


def test_splitting_fills_the_pieces() -> None:
    assert split_text("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert split_text("ab😀c", 5) == ["ab", "😀c"]
    with pytest.raises(ValueError, match="4 bytes"):
        split_text("abc", 3)


def test_a_text_may_have_exactly_the_limit() -> None:
    assert encode_text("жж", 4) == "жж".encode()
    with pytest.raises(NotSent, match="it has 5 bytes, and the limit is 4"):
        encode_text("ббa", 4)


@pytest.mark.parametrize(("text", "problem"), [("", "empty"), ("a\udcff", "surrogate")])
def test_texts_that_cannot_be_sent(text: str, problem: str) -> None:
    with pytest.raises(NotSent, match=problem):
        encode_text(text, 100)


def test_a_json_header_says_to_whom_and_what() -> None:
    header = encode_header(receipt(MessageType.FILE, "a {b}.txt", "боб", "n-1"), raw=False)
    parsed = parse_client_header(header, names_a_file=True)
    assert parsed == ClientHeader(to="боб", filename="a {b}.txt", nonce="n-1")


def test_names_that_fit_no_header() -> None:
    for name in ("\udcff", "x" * 70_000):
        with pytest.raises(NotSent, match=r"not a valid user name|too long"):
            encode_header(receipt(MessageType.UTF8, to=name), raw=False)


def test_the_original_gets_a_file_name_and_nothing_else() -> None:
    assert encode_header(receipt(MessageType.FILE, "имя.txt"), raw=True) == "имя.txt".encode()
    for kind in (MessageType.UTF8, MessageType.IMAGE, MessageType.VOICE):
        assert encode_header(receipt(kind, "name"), raw=True) == b""


def test_a_raw_file_name_is_never_taken_for_json() -> None:
    header = encode_header(receipt(MessageType.FILE, "{to}.txt"), raw=True)
    assert header == b"_to}.txt"
    assert not looks_like_json(header)


def test_a_path_is_opened_measured_and_closed(tmp_path: Path) -> None:
    path = tmp_path / ".notes?.txt"
    path.write_bytes(b"some bytes")
    with open_source(path, None) as source:
        assert (source.filename, source.size) == ("notes_.txt", 10)
        assert b"".join(source.pieces(source.file.read)) == b"some bytes"
    assert source.file.closed
    with open_source(str(path), "other") as source:
        assert source.filename == "other"


def test_a_file_is_sent_from_where_it_stands_and_stays_open() -> None:
    file = io.BytesIO(b"head and body")
    file.seek(9)
    with open_source(file, None) as source:
        assert (source.filename, source.size) == ("file", 4)
        assert b"".join(source.pieces(source.file.read)) == b"body"
    assert not file.closed


def test_an_open_file_has_the_name_it_was_opened_by(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"x")
    with path.open("rb") as file, open_source(file, None) as source:
        assert source.filename == "report.pdf"


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, problem in (
        (str(tmp_path), "is not a regular file|Is a directory"),
        (str(pipe), "is not a regular file"),
        (str(tmp_path / "nothing"), "No such file"),
        ("a\0b", "Can't read"),
    ):
        opening = open_source(path, None)
        with pytest.raises(NotSent, match=problem):
            opening.__enter__()


@pytest.mark.parametrize("path", ["", " ", "\n"])
def test_no_path_is_not_the_current_directory(path: str) -> None:
    with pytest.raises(NotSent, match="The path is empty"), open_source(path, None):
        raise AssertionError("it was opened")


def test_a_pipe_cannot_be_measured() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with open(reading, "rb") as file:
        opening = open_source(file, "log")
        with pytest.raises(NotSent, match="Can't measure"):
            opening.__enter__()


def test_a_file_that_shrinks_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "shrinking"
    path.write_bytes(bytes(1_000_000))
    with open_source(path, None) as source:
        pieces = source.pieces(source.file.read)
        next(pieces)
        os.truncate(path, 10)
        with pytest.raises(TransferFailed, match="became shorter"):
            list(pieces)


def test_a_disk_that_fails_is_told() -> None:
    def fail(size: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    reading = r"^Can't read 'film': Input/output error\.$"
    with (
        open_source(io.BytesIO(b"x"), "film") as source,
        pytest.raises(TransferFailed, match=reading),
    ):
        list(source.pieces(fail))


def test_a_file_that_grows_is_sent_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"12345")
    with open_source(path, None) as source:
        path.write_bytes(b"1234567890")
        assert b"".join(source.pieces(source.file.read)) == b"12345"
