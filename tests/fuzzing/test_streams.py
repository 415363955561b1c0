"""The fuzzer's streams: reproducible, and of every kind."""

from __future__ import annotations

import pytest

from tests.fuzzing.streams import OFFER, SESSION, End, Stream, generate


@pytest.fixture(scope="module")
def streams() -> list[Stream]:
    return [generate(1, index) for index in range(500)]


def test_a_seed_and_an_index_tell_the_stream(streams: list[Stream]) -> None:
    assert [generate(1, index) for index in reversed(range(500))] == streams[::-1]
    assert generate(2, 0) != generate(1, 0)


def test_a_stream_is_kept_as_one_line(streams: list[Stream]) -> None:
    for stream in streams:
        line = stream.to_json()
        assert "\n" not in line
        assert Stream.from_json(line) == stream


def test_the_pieces_are_the_data_with_what_the_placeholders_stand_for(
    streams: list[Stream],
) -> None:
    session, offer = "s" * len(SESSION), "o" * len(OFFER)
    for stream in streams:
        pieces = stream.pieces(session, offer)
        assert all(pieces)
        whole = b"".join(pieces)
        assert whole == stream.data.replace(SESSION, session.encode()).replace(
            OFFER, offer.encode()
        )
        assert len(whole) == len(stream.data)


def test_all_kinds_are_there(streams: list[Stream]) -> None:
    assert {stream.end for stream in streams} == set(End)
    assert {stream.data[:2] for stream in streams} >= {b"\0\1", b"\1\0", b"\0\7", b"GE", b""}
    assert any(SESSION in stream.data for stream in streams)
    assert any(OFFER in stream.data for stream in streams)
    assert any(len(stream.cuts) > 50 for stream in streams)
    assert any(b"\xff" * 8 in stream.data[8:] for stream in streams)


def test_the_placeholders_are_as_long_as_what_they_stand_for() -> None:
    assert (len(SESSION), len(OFFER)) == (24, 16)
