"""Ask the server for lists of names, page after page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from chat.client.answers.listings import ListedRoom, read_names, read_rooms
from chat.client.connection.connection import Connection
from chat.client.connection.receipts import Status
from chat.client.errors import ConnectionLost, QueryRefused
from chat.protocol.commands import Command, ListQuery, Verb

Item = TypeVar("Item")

# Names in one answer of the server, at most.
PAGE = 500


def listed_rooms(connection: Connection, query: ListQuery) -> Iterator[ListedRoom]:
    """Yield the rooms that the user may know, in the order of their names. Raises ChatError."""
    return _pages(
        connection, Command(Verb.ROOMS.value), query, read_rooms, lambda listed: listed.name
    )


def listed_users(connection: Connection, room: str | None, query: ListQuery) -> Iterator[str]:
    """Yield the names of the users in a room, in the order of the server. Raises ChatError."""
    command = Command(Verb.NAMES.value, room=room)
    return _pages(connection, command, query, read_names, lambda name: name)


def _pages(
    connection: Connection,
    command: Command,
    query: ListQuery,
    read: Callable[[str], tuple[Item, ...] | None],
    name_of: Callable[[Item], str],
) -> Iterator[Item]:
    """Yield the items of a list; the next page is asked for when a page has been taken."""
    while True:
        receipt = connection.command(command._replace(listing=query))
        # The connection is read by another task. If it is lost, the receipt says so.
        status = receipt.wait()
        if status is Status.LOST:
            raise ConnectionLost("The connection ended before the answer.")
        answer = receipt.answer or ""
        if status is not Status.ACCEPTED:
            raise QueryRefused(receipt.code or "refused", receipt.refusal or "It was refused.")
        page = read(answer)
        if page is None:
            raise QueryRefused("bad-answer", "The server sent no list.")
        yield from page
        last = name_of(page[-1]) if page else None
        # A page that leads no further ends the list, whatever the server says.
        if last is None or len(page) < (query.limit or PAGE) or last == query.after:
            return
        query = query._replace(after=last)
