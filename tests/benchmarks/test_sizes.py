"""Bytes tell the number of messages, whether or not a server numbers its messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plan import BenchmarkError
from benchmarks.sizes import CALIBRATING, Sizes, learn, usual

REST = 40  # bytes of a message without its number
counts = st.integers(0, 3000)
firsts = st.integers(1, 1500)


def message(number: int) -> bytes:
    return str(number).encode() + b"x" * REST


def numbered_from(first: int) -> Sizes:
    return Sizes(len(message(first)), first)


@given(firsts, counts)
def test_numbered_messages_have_as_many_bytes_as_if_each_were_written_out(
    first: int, messages: int
) -> None:
    written = sum(len(message(number)) for number in range(first, first + messages))

    assert numbered_from(first).bytes(messages) == written


@given(firsts, st.integers(0, 100_000))
def test_the_whole_messages_in_some_bytes_are_those_that_fit_one_after_the_other(
    first: int, received: int
) -> None:
    fitting, left = 0, received
    while left >= len(message(first + fitting)):
        left -= len(message(first + fitting))
        fitting += 1

    assert numbered_from(first).messages(received) == fitting


@given(
    st.one_of(st.none(), st.integers(1, 10**9)),
    st.integers(20, 70_000),
    st.integers(1, 10**9),
)
def test_messages_and_bytes_are_inverse(number: int | None, size: int, messages: int) -> None:
    sizes = Sizes(size, number)
    end = sizes.bytes(messages)

    assert sizes.messages(end) == messages
    assert sizes.messages(end - 1) == messages - 1


@given(counts)
def test_messages_without_numbers_have_one_size(messages: int) -> None:
    assert Sizes(REST).bytes(messages) == messages * REST
    assert Sizes(REST).messages(messages * REST + REST - 1) == messages


def test_calibration_tells_whether_messages_are_numbered() -> None:
    rest = range(3, CALIBRATING + 1)
    total = sum(len(message(number)) for number in rest)
    following = sum(len(message(number)) for number in range(CALIBRATING + 1, 1201))

    numbered = learn(len(message(2)), len(rest), total)
    assert numbered.bytes(1200 - CALIBRATING) == following
    assert learn(REST, 8, 8 * REST).bytes(1200) == 1200 * REST


@pytest.mark.parametrize("growth", [-1, 2])
def test_sizes_that_fit_no_kind_of_server_are_refused(growth: int) -> None:
    with pytest.raises(BenchmarkError, match="9 messages have"):
        learn(REST, 9, 9 * REST + growth)


def test_a_ping_to_one_receiver_does_not_change_the_usual_size() -> None:
    assert usual([REST] * 9 + [REST + 6]) == REST

    with pytest.raises(BenchmarkError, match="different sizes"):
        usual([REST] * 8 + [REST + 1] * 2)
