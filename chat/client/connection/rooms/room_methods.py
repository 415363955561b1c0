"""The commands about rooms as methods, of a connection or of one that comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from chat.client.answers.listings import ListedRoom, read_names, read_rooms
from chat.client.connection.events import Event, Notice
from chat.client.connection.queries.earlier import EarlierMessages
from chat.client.connection.receipts import Receipt
from chat.client.connection.session.known_rooms import KnownRoom
from chat.protocol.commands import Command, ListQuery, RoomChange, RoomKind, Verb, Visible

_PAGE = 500  # names in one answer


class RoomMethods(EarlierMessages):
    """Gives commands about rooms by ``do``. A class with a connection defines it, and what sends and reads."""

    send_text: Callable[..., Receipt]
    send_file: Callable[..., Receipt]

    def known_room(self, name: str | None) -> KnownRoom | None:
        """Return what is known of the room ``name``, in any spelling; None if this user is not in it."""
        raise NotImplementedError

    def do(self, command: Command) -> Event:
        """Send a command and wait until the server has executed it; return the event of the answer.

        Raises QueryRefused if the server refuses it, ConnectionLost, NotSent, NotSupported.
        """
        raise NotImplementedError

    def read_room(self, name: str) -> Any:
        """Wait for the next event of the room ``name``; None at the end, or once the user has left it."""
        raise NotImplementedError

    def part(self, room: str) -> None:
        """Leave a room. Raises QueryRefused, ConnectionLost, NotSupported."""
        self.do(Command(Verb.PART.value, room=room))

    # Lists

    def list_rooms(self, prefix: str = "", *, after: str | None = None) -> Iterator[ListedRoom]:
        """Yield the rooms that this user may know, by name; those that begin with ``prefix``, behind ``after``.

        The next page is fetched when one has been taken. Raises as ``part`` does.
        """
        for answer in self._list(Verb.ROOMS, None, prefix, after):
            yield from read_rooms(answer.sentence) or ()

    def names(
        self, prefix: str = "", *, room: str | None = None, after: str | None = None
    ) -> Iterator[str]:
        """Yield the names of the users in a room (None: the default one), in order; those that begin with ``prefix``.

        Only those behind the name ``after``. Also of a room with very many users. The next page is fetched when one has
        been taken. Raises as ``part`` does.
        """
        for answer in self._list(Verb.NAMES, room, prefix, after):
            yield from read_names(answer.sentence) or ()

    def _list(
        self, verb: Verb, room: str | None, prefix: str, after: str | None
    ) -> Iterator[Notice]:
        while True:
            listing = ListQuery(prefix or None, after, _PAGE)
            answer = self.do(Command(verb.value, room=room, listing=listing))
            if not isinstance(answer, Notice):
                return
            yield answer
            last = _last_name(verb, answer.sentence)
            # A page that leads no further ends it, whatever the server says.
            if last is None or last == after or not answer.more:
                return
            after = last

    # What owners do

    def set_topic(self, topic: str | None, *, room: str) -> None:
        """Change what a room is about; None removes the topic. For owners. Raises as ``part`` does."""
        self.do(Command(Verb.TOPIC.value, room=room, topic=topic))

    def invite(self, user: str, *, room: str) -> None:
        """Invite a user to a room. For owners. Raises as ``part`` does."""
        self.do(Command(Verb.INVITE.value, room=room, target=user))

    def remove(self, user: str, *, room: str) -> None:
        """Take a user out of a room, or take an invitation back. For owners. Raises as ``part`` does."""
        self.do(Command(Verb.REMOVE.value, room=room, target=user))

    def change_room(
        self,
        room: str,
        *,
        kind: RoomKind | str | None = None,
        history: Visible | str | None = None,
        keep: int | None = None,
        owner: str | None = None,
    ) -> None:
        """Change the settings of a room that are not None. For owners.

        ``kind`` is ``open``, ``closed`` or ``announcements``. ``history`` says what members of a closed room may read:
        ``invited``, what was said since their invitation, or ``all``. ``keep``: seconds for which messages are kept; 0:
        as the server keeps them. ``owner``: a registered member who becomes an owner, too. Raises as ``part`` does, and
        ValueError.
        """
        change = RoomChange(
            None if kind is None else RoomKind(kind).value,
            keep,
            owner,
            None if history is None else Visible(history).value,
        )
        self.do(Command(Verb.ROOM.value, room=room, change=change))

    # Reading

    def mark_read(self, seq: int, *, room: str | None = None, partner: str | None = None) -> None:
        """Note that the user has read up to the message ``seq``: of a room, or of the private messages of ``partner``.

        Raises as ``part`` does.
        """
        private = partner is not None
        self.do(Command(Verb.READ.value, seq=seq, room=room, private=private, partner=partner))


def _last_name(verb: Verb, answer: str) -> str | None:
    if verb is Verb.NAMES:
        return (read_names(answer) or (None,))[-1]
    rooms = read_rooms(answer)
    return rooms[-1].name if rooms else None
