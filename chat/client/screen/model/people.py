"""Track who is in the room, by the server's events and by who speaks."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from itertools import islice

from chat.client.attention.names import folded
from chat.client.connection.session.known_rooms import MAX_USERS, has_room_for


class People:
    """Hold the names of users here, in the order in which they came.

    ``registered`` are the users here whose name is their account, ``moderators`` those who may moderate.
    ``are_complete``: the names are all users here. They are not without a connection, and an original server tells only
    of users who come, go or speak.
    """

    def __init__(self) -> None:
        self.are_complete = False
        self.names: dict[str, None] = {}  # a set that keeps the order
        self.registered: set[str] = set()
        self.moderators: set[str] = set()
        self._sorted: list[str] | None = None
        self._most: int | None = None  # of what ``most`` measures

    def __len__(self) -> int:
        return len(self.names)

    def reset(
        self, names: Iterable[str], registered: Iterable[str] = (), moderators: Iterable[str] = ()
    ) -> None:
        """Replace all names by the server's list; an empty list means that the server has sent none."""
        worth = (name for name in names if has_room_for(name, 0))
        self.names = dict.fromkeys(islice(worth, MAX_USERS))
        self.are_complete = bool(self.names)
        self.registered = self.names.keys() & registered
        self.moderators = self.names.keys() & moderators
        self._sorted = self._most = None

    def add(self, name: str) -> None:
        """Add ``name``, unless it is there or the limits are reached."""
        if name not in self.names and has_room_for(name, len(self.names)):
            self.names[name] = None
            self._most = None
            if self._sorted is not None:
                insort(self._sorted, name, key=folded)

    def remove(self, name: str) -> None:
        """Remove ``name``, if it is there."""
        if name in self.names:
            self.mark(name, registered=False, moderator=False)
            del self.names[name]
            self._most = None
            if self._sorted is not None:
                index = bisect_left(self._sorted, folded(name), key=folded)
                del self._sorted[self._sorted.index(name, index)]

    def mark(self, name: str, *, registered: bool, moderator: bool) -> None:
        """Record what ``name`` is, if they are here."""
        if name not in self.names:
            return
        for names, belongs in ((self.registered, registered), (self.moderators, moderator)):
            if belongs:
                names.add(name)
            else:
                names.discard(name)

    def sign_of(self, name: str) -> str:
        """Return ``@`` for a moderator, ``+`` for another registered user, and a blank for a guest.

        No name contains these characters, so no user can fake them.
        """
        if name in self.moderators:
            return "@"
        return "+" if name in self.registered else " "

    def in_order(self) -> list[str]:
        """Return the names in alphabetical order, in any case."""
        # Sorted once, and only when drawn. Then users who come or go are put in or taken out, because it takes too long
        # to sort ten thousand names while a user types.
        if self._sorted is None:
            self._sorted = sorted(self.names, key=folded)
        return self._sorted

    def most(self, measure: Callable[[str], int]) -> int:
        """Return the largest ``measure`` of a name, 0 without names; measured again only after a change."""
        if self._most is None:
            self._most = max(map(measure, self.names), default=0)
        return self._most

    def spelling(self, name: str) -> str:
        """Return ``name`` as the server writes it, if a user of that name is here."""
        if name in self.names:
            return name
        wanted = folded(name)
        return next((known for known in self.names if folded(known) == wanted), name)
