"""The counts of a mailbox, beside a list of all its messages."""

from __future__ import annotations

import random

import pytest

from chat.server.mailboxes.mailbox import MAX_PARTNERS, Mailbox
from chat.server.settings import WaitingBounds
from tests.tiers import quick_first

BOUNDS = WaitingBounds(messages=10, size=1000, of_one=4)


@pytest.mark.parametrize("seed", quick_first(range(20), "many seeds", quick=4))
def test_unread_messages_are_counted_by_partner(seed: int) -> None:
    rng = random.Random(seed)
    mailbox, head = Mailbox(), 0
    unread: dict[str, list[int]] = {name: [] for name in "abc"}
    for _ in range(200):
        name = rng.choice("abc")
        if rng.random() < 0.6:
            count = rng.choice((1, 1, 3))
            head += rng.choice((0, 0, 1))  # one of the user's own
            mailbox.receive(name, name.upper(), b"", head + 1, count)
            unread[name] += range(head + 1, head + 1 + count)
            head += count
        else:
            seq = rng.randint(max(0, head - 20), head)
            mailbox.read(name, seq)
            unread[name] = [number for number in unread[name] if number > seq]
        assert {key: each.unread for key, each in mailbox.partners.items()} == {
            key: len(numbers) for key, numbers in unread.items() if numbers
        }
        for key, each in mailbox.partners.items():
            assert (each.first, each.last) == (unread[key][0], unread[key][-1])


@pytest.mark.parametrize("seed", range(5))
def test_what_came_before_and_what_came_since_are_counted_together(seed: int) -> None:
    rng = random.Random(seed)
    whole, before, since = Mailbox(), Mailbox(), Mailbox()
    for number in range(1, 200):
        name = rng.choice("abcdef")
        for mailbox in (whole, before if number < 120 else since):
            mailbox.receive(name, name.upper(), name.encode(), number, 1)
            mailbox.wait(name.encode(), 1, 4)
    before.extend(since)
    assert [(key, each.unread, each.last) for key, each in before.partners.items()] == [
        (key, each.unread, each.last) for key, each in whole.partners.items()
    ]
    bounds = WaitingBounds(messages=200, size=4 * 200, of_one=40)
    for name in "abcdef":
        for count in range(1, 40):
            assert before.is_full_for(name.encode(), count, 4 * count, bounds) == whole.is_full_for(
                name.encode(), count, 4 * count, bounds
            )


def test_many_ranges_share_a_count_that_is_exact_again_when_they_are_read() -> None:
    mailbox = Mailbox()
    for number in range(1, 1000, 2):
        mailbox.receive("a", "a", b"", number, 1)
    assert mailbox.unread == 500
    mailbox.read("a", 500)
    assert 250 <= mailbox.unread <= 500
    mailbox.read("a", 990)
    assert mailbox.unread == 5
    mailbox.read("a", 999)
    assert (mailbox.unread, mailbox.partners) == (0, {})


def test_guests_with_ever_new_names_do_not_fill_the_memory() -> None:
    mailbox = Mailbox()
    for number in range(1, 1000):
        mailbox.receive(f"guest{number}", "guest", b"", number, 1)
    assert len(mailbox.partners) == MAX_PARTNERS
    assert "guest999" in mailbox.partners


def test_messages_that_are_not_kept_any_more_are_not_unread() -> None:
    mailbox = Mailbox()
    mailbox.receive("a", "a", b"", 1, 10)
    mailbox.receive("b", "b", b"", 11, 10)
    mailbox.drop_before(16)
    assert {key: each.unread for key, each in mailbox.partners.items()} == {"b": 5}


def test_what_waits_is_bounded_by_sender_by_number_and_by_size_until_the_user_comes() -> None:
    mailbox = Mailbox()
    assert mailbox.is_full_for(b"a", 4, 10, BOUNDS) is None
    mailbox.wait(b"a", 4, 10)
    assert "of yours" in (mailbox.is_full_for(b"a", 1, 10, BOUNDS) or "")
    mailbox.wait(b"b", 4, 10)
    assert mailbox.is_full_for(b"c", 2, 10, BOUNDS) is None
    assert mailbox.is_full_for(b"c", 3, 10, BOUNDS) == "the mailbox is full"
    assert mailbox.is_full_for(b"c", 1, 981, BOUNDS) == "the mailbox is full"
    mailbox.came()
    assert mailbox.is_full_for(b"a", 4, 1000, BOUNDS) is None
