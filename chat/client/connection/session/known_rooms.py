"""The rooms that this user is in, and what is known of them. No I/O.

A hostile server must not fill the memory: the names of all rooms together have a limit, and so has the number of rooms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chat.client.connection.events import RoomFacts, RoomHistory
from chat.structs import replace

# Limits of the known names: ten times the users of a full room, and characters of each name.
MAX_USERS = 100_000
MAX_USERNAME = 256
# Further rooms are not known. Our server lets a user be in 50.
MAX_ROOMS = 200
MAX_STRANGE = 1000  # names of other rooms that a server may mention in frames of one connection
LOBBY = "lobby"  # means the default room on every server, whatever the server calls that room
MAX_TOPIC = 4096  # characters; a longer topic is cut. Our server allows 250


def has_room_for(name: str, known: int) -> bool:
    """Return whether one more name may be remembered, if ``known`` names are."""
    return known < MAX_USERS and len(name) <= MAX_USERNAME


def shortened(topic: str | None) -> str | None:
    """Return a topic that is not too long to be kept and drawn; None if there is none."""
    return topic[:MAX_TOPIC] if topic else None


class KnownRoom:
    """A room that this user is in, as the server tells about it.

    ``name`` is as the server writes it; None: the default room. ``users`` is a set that keeps its order. It has all
    users in the room if ``is_listed``; otherwise the server has told no names, and ``users`` is empty. ``kind`` and
    ``is_owner`` are as the server told them last.
    """

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.users: dict[str, None] = {}
        self.is_listed = False
        self.kind: str | None = None
        self.topic: str | None = None
        self.is_owner = False
        self.history: RoomHistory | None = None
        self._counted: int | None = None

    @property
    def here(self) -> int | None:
        """How many users are in the room; None if unknown."""
        return len(self.users) if self.is_listed else self._counted

    def note(self, facts: RoomFacts) -> None:
        """Take over what the server tells about the room, but for its users."""
        self.kind, self.is_owner, self.history = facts.kind, facts.is_owner, facts.history
        self.change_topic(facts.topic)
        self._counted = facts.here

    def change_topic(self, topic: str | None) -> None:
        """Note what the room is about; None or an empty text: nothing."""
        self.topic = shortened(topic)

    def count(self, here: int) -> None:
        """Note that the server only counts the users, and that so many are here."""
        self.users.clear()
        self.is_listed, self._counted = False, here

    def come(self, by: int) -> None:
        """Note that users whose names are not known came, or left if ``by`` is negative."""
        if self._counted is not None:
            self._counted = max(self._counted + by, 0)


class KnownRooms:
    """The default room, and the rooms that this user is in beside it, by their names.

    ``default_name`` is the name that the server gives the default room; None if it tells none.
    """

    def __init__(self) -> None:
        self.default = KnownRoom(None)
        self.default.is_listed = True
        self.default_name: str | None = None
        self.others: dict[str, KnownRoom] = {}
        self._strange: set[str] = set()

    def __iter__(self) -> Iterator[KnownRoom]:
        yield self.default
        yield from self.others.values()

    def get(self, name: str | None) -> KnownRoom | None:
        """Return the room with this name, as the server writes it; None if the user is not in it."""
        return self.default if name is None else self.others.get(name)

    def find(self, name: str) -> KnownRoom | None:
        """Return the room with this name, in any spelling; None if the user is not in it."""
        if name in (self.default_name, LOBBY):
            return self.default
        exact = self.others.get(name)
        if exact is not None or (self.default_name is None and not self.others):
            return exact
        from chat.protocol.names import name_key  # its tables take a while to load

        key = name_key(name)
        if key is not None and key in (LOBBY, name_key(self.default_name or LOBBY)):
            return self.default
        same = (room for shown, room in [*self.others.items()] if name_key(shown) == key)
        return next(same, None) if key is not None else None

    def may_mention(self, name: str) -> bool:
        """Return whether a frame of the server may name this room; False if it names too many, or the name is too long.

        Programs remember the rooms of which they hear, such as invitations, and messages in a room that was left.
        """
        if name in self.others or name in self._strange:
            return True
        if len(name) > MAX_USERNAME or len(self._strange) >= MAX_STRANGE:
            return False
        self._strange.add(name)
        return True

    def enter(self, facts: RoomFacts) -> KnownRoom | None:
        """Note that the user is in a room; None if there are too many rooms."""
        room = self.get(facts.name)
        if room is None:
            assert facts.name is not None, "the default room is always there"
            if len(self.others) >= MAX_ROOMS or len(facts.name) > MAX_USERNAME:
                return None
            room = self.others[facts.name] = KnownRoom(facts.name)
        room.note(facts)
        if facts.users:
            self.list_users(room, facts.users)
        return room

    def leave(self, name: str) -> None:
        """Note that the user is not in the room any more."""
        self.others.pop(name, None)

    def change_epoch(self, epoch: str) -> None:
        """Note that messages are numbered under another epoch from now on."""
        if self.default.history is not None:
            self.default.history = replace(self.default.history, epoch=epoch)

    def list_users(self, room: KnownRoom, names: Iterable[str]) -> None:
        """Note the names of all users in ``room``."""
        room.users.clear()
        room.is_listed = True
        known = self._count_names()
        for name in names:
            if has_room_for(name, known):
                room.users[name] = None
                known += 1

    def see(self, room: KnownRoom, name: str) -> None:
        """Note that a user is in ``room``."""
        if name in room.users:
            return
        if not room.is_listed:
            room.come(1)
        elif has_room_for(name, self._count_names()):
            room.users[name] = None

    def miss(self, room: KnownRoom, name: str) -> None:
        """Note that a user has left ``room``."""
        if room.is_listed:
            room.users.pop(name, None)
        else:
            room.come(-1)

    def _count_names(self) -> int:
        return sum(len(room.users) for room in self)
