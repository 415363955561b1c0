"""One room that this user is in: to iterate over and to send to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from chat.client.connection.events import Attachment, MessagePage, Text
from chat.client.connection.receipts import Receipt
from chat.client.connection.rooms.room_methods import RoomMethods
from chat.protocol.commands import RoomKind, Visible


class Room:
    """A room beside the default one, made by ``join`` or ``rooms`` of a connection. Iterating yields its events.

    The methods that send, ask and change are those of the connection, for this room; they raise what those raise. The
    loop over the room ends after ``LeftRoom``, and when the connection is closed. From its first step on, the events
    of this room come to it, and no longer to the loop over the connection; all others wait for that loop. So a program
    may read rooms and the connection in several tasks, or one room alone. Of more than 10,000 events, or 16 MiB, that
    wait for a loop the oldest are dropped: ``EventsDropped`` tells how many.
    """

    def __init__(self, host: RoomMethods, name: str) -> None:
        self._host = host
        self._name = name

    def __repr__(self) -> str:
        return f"<Room {self._name!r}>"

    # What is known of the room

    @property
    def name(self) -> str:
        """The name, as the server writes it."""
        return self._name

    @property
    def is_member(self) -> bool:
        """Whether this user is in the room."""
        return self._host.known_room(self._name) is not None

    @property
    def users(self) -> list[str]:
        """The users in the room, this user too.

        Empty if the server has not told their names: in a room with very many users, and until ``join`` if the room
        came with the login. ``names`` asks for them.
        """
        known = self._host.known_room(self._name)
        return [] if known is None else list(known.users)

    @property
    def here(self) -> int | None:
        """How many users are in the room; None if unknown."""
        known = self._host.known_room(self._name)
        return None if known is None else known.here

    @property
    def topic(self) -> str | None:
        """The topic; None if the room has none."""
        known = self._host.known_room(self._name)
        return None if known is None else known.topic

    @property
    def kind(self) -> str | None:
        """``open``, ``closed`` or ``announcements``, as the server told it last; None if unknown."""
        known = self._host.known_room(self._name)
        return None if known is None else known.kind

    @property
    def is_owner(self) -> bool:
        """Whether this user may change the room, as the server told it last."""
        known = self._host.known_room(self._name)
        return known is not None and known.is_owner

    # Reading

    def __iter__(self) -> Iterator[Any]:
        """Yield the events of this room, until the user leaves it or the connection is closed.

        Raises ConnectionLost, and what iterating over the connection raises.
        """
        while (event := self.read()) is not None:
            yield event

    def read(self) -> Any:
        """Wait for the next event of this room; None at the end. Raises as iterating does."""
        return self._host.read_room(self._name)

    # Sending

    def send_text(self, text: str, **options: Any) -> Receipt:
        """Send a text to the room: see ``Connection.send_text``."""
        return self._host.send_text(text, room=self._name, **options)

    def send_file(self, source: str | Path | BinaryIO, **options: Any) -> Receipt:
        """Send a file to the room: see ``Connection.send_file``."""
        return self._host.send_file(source, room=self._name, **options)

    def part(self) -> None:
        """Leave the room."""
        self._host.part(self._name)

    # Earlier messages

    def history(self, **options: Any) -> MessagePage:
        """Return a page of earlier messages of the room: see ``Connection.history``."""
        return self._host.history(room=self._name, **options)

    def earlier(self, **options: Any) -> Iterator[Text | Attachment]:
        """Yield earlier messages of the room, page by page: see ``Connection.earlier``."""
        return self._host.earlier(room=self._name, **options)

    def pages(self, **options: Any) -> Iterator[MessagePage]:
        """Yield the pages of ``earlier``: see ``Connection.pages``."""
        return self._host.pages(room=self._name, **options)

    def search(self, words: str = "", **options: Any) -> Iterator[Text | Attachment]:
        """Yield the messages of the room that match, newest first: see ``Connection.search``."""
        return self._host.search(words, room=self._name, **options)

    def files(self, words: str = "", **options: Any) -> Iterator[Attachment]:
        """Yield the attachments of the room that can be fetched, newest first: see ``Connection.files``."""
        return self._host.files(words, room=self._name, **options)

    def mark_read(self, seq: int) -> None:
        """Note that the user has read the room up to the message ``seq``."""
        self._host.mark_read(seq, room=self._name)

    # Users and settings

    def names(self, prefix: str = "") -> Iterator[str]:
        """Ask for the names of the users in the room, page by page: see ``Connection.names``."""
        return self._host.names(prefix, room=self._name)

    def set_topic(self, topic: str | None) -> None:
        """Change what the room is about; None removes the topic. For owners."""
        self._host.set_topic(topic, room=self._name)

    def invite(self, user: str) -> None:
        """Invite a user to the room. For owners."""
        self._host.invite(user, room=self._name)

    def remove(self, user: str) -> None:
        """Take a user out of the room, or take an invitation back. For owners."""
        self._host.remove(user, room=self._name)

    def change(
        self,
        *,
        kind: RoomKind | str | None = None,
        history: Visible | str | None = None,
        keep: int | None = None,
        owner: str | None = None,
    ) -> None:
        """Change the settings of the room that are not None: see ``Connection.change_room``. For owners."""
        self._host.change_room(self._name, kind=kind, history=history, keep=keep, owner=owner)
