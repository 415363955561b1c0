"""The fuzzer's streams: reproducible, and of every kind."""

from __future__ import annotations

from tests.fuzzing.streams import OFFER, SESSION, End, Stream, generate

STREAMS = [generate(1, index) for index in range(500)]


def test_a_seed_and_an_index_tell_the_stream() -> None:
    assert [generate(1, index) for index in reversed(range(500))] == STREAMS[::-1]
    assert generate(2, 0) != generate(1, 0)


def test_a_stream_is_kept_as_one_line() -> None:
    for stream in STREAMS:
        line = stream.to_json()
        assert "\n" not in line
        assert Stream.from_json(line) == stream


def test_the_pieces_are_the_data_with_what_the_placeholders_stand_for() -> None:
    session, offer = "s" * len(SESSION), "o" * len(OFFER)
    for stream in STREAMS:
        pieces = stream.pieces(session, offer)
        assert all(pieces)
        whole = b"".join(pieces)
        assert whole == stream.data.replace(SESSION, session.encode()).replace(
            OFFER, offer.encode()
        )
        assert len(whole) == len(stream.data)


def test_all_kinds_are_there() -> None:
    assert {stream.end for stream in STREAMS} == set(End)
    assert {stream.data[:2] for stream in STREAMS} >= {b"\0\1", b"\1\0", b"\0\7", b"GE", b""}
    assert any(SESSION in stream.data for stream in STREAMS)
    assert any(OFFER in stream.data for stream in STREAMS)
    assert any(len(stream.cuts) > 50 for stream in STREAMS)
    assert any(b"\xff" * 8 in stream.data[8:] for stream in STREAMS)


def test_the_placeholders_are_as_long_as_what_they_stand_for() -> None:
    assert (len(SESSION), len(OFFER)) == (24, 16)
