"""Read and write the keys of a command in a client's JSON header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat.protocol.commands import (
    Command,
    HistoryQuery,
    ListQuery,
    RoomChange,
    SearchQuery,
    Verb,
)
from chat.protocol.errors import HeaderError
from chat.protocol.json_fields import JsonFields

_SEARCHES = (Verb.SEARCH.value, Verb.FILES.value)
# Keys that Python does not allow as names.
_PARTNER, _SENDER = "with", "from"
_LISTS = (Verb.NAMES.value, Verb.ROOMS.value)


def read_command(fields: JsonFields) -> Command | None:
    """Read the command in a header; None if it has none. Raises HeaderError."""
    verb = fields.string("command")
    if verb is None:
        return None
    return Command(
        verb,
        fields.string("target"),
        fields.integer("seconds"),
        fields.string("reason"),
        fields.string("password"),
        fields.string("new_password"),
        _read_history_query(fields) if verb == Verb.HISTORY.value else None,
        fields.integer("seq"),
        *_private_log(fields, verb),
        _read_search_query(fields) if verb in _SEARCHES else None,
        fields.string("room") if verb not in _SEARCHES else None,
        fields.string("topic") if verb == Verb.TOPIC.value else None,
        _read_list_query(fields) if verb in _LISTS else None,
        _read_room_change(fields) if verb == Verb.ROOM.value else None,
    )


def _private_log(fields: JsonFields, verb: str) -> tuple[bool, str | None]:
    if verb not in (Verb.READ.value, Verb.PURGE.value):
        return False, None
    return fields.boolean("private") or False, fields.string(_PARTNER)


def _read_history_query(fields: JsonFields) -> HistoryQuery:
    return HistoryQuery(
        fields.boolean("private") or False,
        fields.integer("after"),
        fields.integer("before"),
        fields.timestamp("at"),
        fields.string("epoch"),
        fields.timestamp("time"),
        fields.integer("limit"),
        fields.string(_PARTNER),
        fields.strings("nonces"),
    )


def _read_search_query(fields: JsonFields) -> SearchQuery:
    return SearchQuery(
        fields.string("query") or "",
        fields.string(_SENDER),
        fields.timestamp("since"),
        fields.timestamp("until"),
        fields.string("has"),
        fields.string("room"),
        fields.boolean("private") or False,
        fields.integer("before"),
        fields.integer("limit"),
    )


def _read_list_query(fields: JsonFields) -> ListQuery:
    return ListQuery(fields.string("prefix"), fields.string("after"), fields.integer("limit"))


def _read_room_change(fields: JsonFields) -> RoomChange:
    return RoomChange(
        fields.string("kind"),
        fields.integer("keep"),
        fields.string("owner"),
        fields.string("history"),
    )


def command_fields(command: Command) -> dict[str, object]:
    """Return the keys of ``command``; the value None stands for an absent key."""
    fields: dict[str, Any] = command._asdict()
    for name in ("verb", "query", "search", "partner", "listing", "change"):
        del fields[name]
    fields.update({"command": command.verb, "private": command.private or None})
    fields[_PARTNER] = command.partner
    if command.query is not None:
        fields.update(_history_fields(command.query))
    if command.search is not None:
        fields.update(_search_fields(command.search))
    for part in (command.listing, command.change):
        if part is not None:
            fields.update(part._asdict())
    return fields


def shared_command_fields(command: Command) -> dict[str, Any]:
    """Return the keys of ``command`` for others to read: without its passwords."""
    fields = command_fields(command._replace(password=None, new_password=None))
    return {key: value for key, value in fields.items() if value is not None}


def read_shared_command(fields: Mapping[str, Any]) -> Command:
    """Return the command that ``shared_command_fields`` has made keys of. Raises HeaderError."""
    command = read_command(JsonFields.of(fields))
    if command is None:
        raise HeaderError("A shared command has no 'command'.")
    return command


def _history_fields(query: HistoryQuery) -> dict[str, object]:
    fields = query._asdict()
    partner = fields.pop("partner")
    return {
        **fields,
        _PARTNER: partner,
        "private": query.private or None,
        "nonces": query.nonces or None,
    }


def _search_fields(query: SearchQuery) -> dict[str, object]:
    fields = query._asdict()
    words, sender = fields.pop("words"), fields.pop("sender")
    return {
        **fields,
        "query": words or None,
        _SENDER: sender,
        "private": query.private or None,
    }
