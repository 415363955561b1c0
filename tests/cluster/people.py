"""The people of a run: accounts, guests, roles, and rooms."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

PASSWORD = "the password of all"
# Beside the default room: two open ones; a closed one, whose owner lets users in and puts them out; and one that the
# operator removes, and users make again.
OPEN_ROOMS = ("dev", "ops")
CLOSED_ROOM, PASSING_ROOM = "den", "yard"
_OTHER_SCRIPTS = {1: "Жанна", 2: "Åse", 4: "ハン"}  # of members, by number
HOST, MODERATOR, READER = "host", "judge", "reader"


class Role(str, Enum):
    """List what a person does beside talking."""

    GUEST = "guest"
    MEMBER = "member"
    HOST = "host"  # owns the closed room
    MODERATOR = "moderator"


class Person(NamedTuple):
    """One client: a device of the user ``user``. ``is_victim``: a moderator may kick, mute and ban them."""

    client: str
    user: str
    role: Role = Role.MEMBER
    is_victim: bool = False
    has_further_device: bool = False

    @property
    def is_guest(self) -> bool:
        return self.role is Role.GUEST


def make_people(count: int) -> list[Person]:
    """Return ``count`` clients, at least 8: a host, a moderator, guests who share names, and members."""
    people = [Person(HOST, HOST, Role.HOST), Person(MODERATOR, MODERATOR, Role.MODERATOR)]
    # Two guests for each name: only one of them can be there.
    guests = max(2, count // 6)
    people += [
        Person(f"guest-{number}", f"visitor-{number // 2}", Role.GUEST, is_victim=number >= 2)
        for number in range(guests)
    ]
    devices = max(1, count // 12)  # users with a second one
    members = count - len(people) - devices
    for number in range(members):
        name = f"member-{number}"
        user = _OTHER_SCRIPTS.get(number, name)
        has_two = number < devices
        is_victim = not has_two and number % 4 == 3
        people.append(Person(name, user, is_victim=is_victim, has_further_device=has_two))
        if has_two:
            people.append(Person(f"{name}-phone", user, has_further_device=True))
    return people


def accounts_of(people: list[Person]) -> list[str]:
    """Return the names that are registered, each once."""
    return list(dict.fromkeys(person.user for person in people if not person.is_guest))
