from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.screen.model.rates import Rates
from chat.protocol.descriptor import MessageType

NINE = datetime(2026, 11, 24, 21, 4, 5, tzinfo=timezone.utc)
MIB = 1024 * 1024


@pytest.fixture
def transfer() -> Transfer:
    return Transfer(1, MessageType.FILE, "a.iso", 100 * MIB, state=TransferState.RUNNING)


def look(rates: Rates, transfer: Transfer, seconds: float, done: int) -> str:
    transfer.done = done
    rates.look([transfer], NINE + timedelta(seconds=seconds))
    return rates.describe(transfer)


def test_before_anything_is_known(transfer: Transfer) -> None:
    rates = Rates()
    assert rates.describe(transfer) == "0 %"
    assert look(rates, transfer, 0, 0) == "0 %"


def test_speed_and_time_left(transfer: Transfer) -> None:
    rates = Rates()
    look(rates, transfer, 0, 0)
    assert look(rates, transfer, 2, 20 * MIB) == "20 %, 10 MiB/s, 0:08 left"


def test_looking_too_often_says_nothing(transfer: Transfer) -> None:
    rates = Rates()
    look(rates, transfer, 0, 0)
    assert look(rates, transfer, 0.1, 20 * MIB) == "20 %"


def test_a_change_of_speed_counts_little_by_little(transfer: Transfer) -> None:
    rates = Rates()
    look(rates, transfer, 0, 0)
    look(rates, transfer, 1, 10 * MIB)
    assert look(rates, transfer, 2, 10 * MIB) == "10 %, 7.2 MiB/s, 0:13 left"
    assert look(rates, transfer, 60, 10 * MIB) == "10 %, 0 bytes/s"


def test_at_the_end_nothing_is_left(transfer: Transfer) -> None:
    rates = Rates()
    look(rates, transfer, 0, 0)
    assert look(rates, transfer, 10, 100 * MIB) == "100 %, 10 MiB/s"


@pytest.mark.parametrize(("seconds", "done"), [(-1, 20 * MIB), (2, 0)])
def test_a_clock_set_back_or_a_new_try(transfer: Transfer, seconds: int, done: int) -> None:
    rates = Rates()
    look(rates, transfer, 0, 10 * MIB)
    assert "/s" not in look(rates, transfer, seconds, done)
    assert "10 MiB/s" in look(rates, transfer, seconds + 1, done + 10 * MIB)


def test_what_has_ended_is_forgotten(transfer: Transfer) -> None:
    rates = Rates()
    look(rates, transfer, 0, 0)
    look(rates, transfer, 1, 10 * MIB)
    rates.look([], NINE)
    assert rates.describe(transfer) == "10 %"


@pytest.mark.parametrize(
    ("speed", "left"), [(MIB, "1:30 left"), (10 * 1024, "2:33:36 left"), (1, "99:59:59 left")]
)
def test_long_times(transfer: Transfer, speed: int, left: str) -> None:
    rates = Rates()
    look(rates, transfer, 0, 10 * MIB - speed)
    assert look(rates, transfer, 1, 10 * MIB).endswith(left)
