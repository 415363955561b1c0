from __future__ import annotations

from datetime import timedelta

import pytest

from chat.client.attention.presence import MAX_SPEAKERS, RECENTLY, Presence, PresenceMode
from tests.client.fake_connection import NINE


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        (PresenceMode.ALL, ["alice", "bob"]),
        (PresenceMode.SMART, ["alice"]),
        (PresenceMode.NONE, []),
    ],
)
def test_whose_joins_and_leaves_are_shown(mode: PresenceMode, shown: list[str]) -> None:
    presence = Presence(mode)
    presence.spoke("alice", NINE)
    assert [name for name in ("alice", "bob") if presence.is_shown(name, NINE)] == shown


def test_a_user_who_talked_long_ago_is_no_longer_part_of_the_conversation() -> None:
    presence = Presence(PresenceMode.SMART)
    presence.spoke("alice", NINE)
    assert presence.is_shown("alice", NINE + RECENTLY)
    assert not presence.is_shown("alice", NINE + RECENTLY + timedelta(seconds=1))


def test_a_change_of_the_mode_counts_what_was_said_before() -> None:
    presence = Presence()
    presence.spoke("alice", NINE)
    presence.mode = PresenceMode.SMART
    assert presence.is_shown("alice", NINE)


def test_the_user_who_has_been_silent_longest_is_forgotten() -> None:
    presence = Presence(PresenceMode.SMART)
    for number in range(MAX_SPEAKERS):
        presence.spoke(f"user-{number}", NINE)
    presence.spoke("user-0", NINE)
    presence.spoke("one more", NINE)
    assert presence.is_shown("user-0", NINE)
    assert not presence.is_shown("user-1", NINE)
