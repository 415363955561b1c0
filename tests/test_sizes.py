"""Sizes as both programs write them."""

from __future__ import annotations

import pytest

from chat.sizes import byte_count, counted, over_limit, time_span


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (10 * 1024**2, "10 MiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**3, "1 GiB"),
        (2**63, "8388608 TiB"),
    ],
)
def test_sizes_as_people_read_them(size: int, shown: str) -> None:
    assert byte_count(size) == shown


@pytest.mark.parametrize(
    ("size", "limit", "sentence"),
    [
        (3 * 1024**3 + 5, 1024**3, "it has 3.0 GiB, and the limit is 1 GiB"),
        (900, 800, "it has 900 bytes, and the limit is 800 bytes"),
        (64 * 1024 + 1, 64 * 1024, "it has 1 byte more than the limit of 64 KiB"),
        (1024**3 + 2048, 1024**3, "it has 2 KiB more than the limit of 1 GiB"),
    ],
)
def test_a_size_over_its_limit(size: int, limit: int, sentence: str) -> None:
    assert over_limit(size, limit) == sentence


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "1 second"),
        (59.6, "1 minute"),
        (90, "90 seconds"),
        (36 * 3600, "36 hours"),
        (86400, "1 day"),
        (30 * 86400.0, "30 days"),
    ],
)
def test_a_span_of_time_is_told_in_whole_units(seconds: float, shown: str) -> None:
    assert time_span(seconds) == shown


def test_one_thing_is_no_plural() -> None:
    assert [counted(number, "user") for number in (0, 1, 2)] == ["0 users", "1 user", "2 users"]
