"""Read the welcome: the content of the user's own announcement, as JSON."""

from __future__ import annotations

from typing import Any

from chat.client.connection.events import RoomHistory, UnreadPartner, Welcome
from chat.protocol.headers import parse_json_object
from chat.structs import replace

_ROOM = "lobby"  # the room that every user is in, as the welcome names it


def read_welcome(content: bytes, bare: Welcome) -> Welcome:
    """Add the fields of a welcome to ``bare``. A value of a wrong type counts as missing.

    Raises HeaderError if the content is no JSON object.
    """
    fields = parse_json_object(content)
    sent_limits = fields.get("limits")
    limits: dict[str, Any] = sent_limits if isinstance(sent_limits, dict) else {}
    known: dict[str, Any] = {
        name: value
        for name in ("max_text", "max_file", "inline")
        if type(value := limits.get(name)) is int and value > 0
    }
    if limits.get("resume") is True:
        known["resume"] = True
    return replace(
        bare,
        users=_strings(fields.get("users")) or bare.users,
        server=_string(fields.get("server")),
        session=_string(fields.get("session")),
        limits=replace(bare.limits, **known),
        motd=_string(fields.get("motd")),
        registered=_strings(fields.get("registered")),
        moderators=_strings(fields.get("moderators")),
        history=_read_history(fields, _room_of(fields)),
        mailbox=_read_mailbox(fields),
        account=fields.get("account") is True,
        search=fields.get("search") is True,
        device=device if isinstance(device := fields.get("device"), bool) else None,
    )


def _room_of(fields: dict[str, Any]) -> dict[str, Any]:
    rooms = fields.get("rooms")
    room = rooms.get(_ROOM) if isinstance(rooms, dict) else None
    return room if isinstance(room, dict) else {}


def _read_mailbox(fields: dict[str, Any]) -> RoomHistory | None:
    facts = fields.get("private")
    return _read_history(fields, facts) if isinstance(facts, dict) else None


def _read_history(fields: dict[str, Any], facts: dict[str, Any]) -> RoomHistory | None:
    """Return what the welcome says about a log, by ``facts``; None if the server keeps no messages."""
    epoch, keep = _string(fields.get("epoch")), fields.get("keep")
    if fields.get("history") is not True or epoch is None:
        return None
    last, oldest, read, unread = map(_integer, map(facts.get, ("seq", "oldest", "read", "unread")))
    return RoomHistory(
        epoch,
        keep if isinstance(keep, int | float) and not isinstance(keep, bool) else None,
        0 if last is None else last,
        1 if oldest is None else oldest,
        _ranges(facts.get("lost")),
        _string(facts.get("time")),
        read,
        unread,
        _read_partners(facts.get("partners")),
    )


def _read_partners(value: object) -> tuple[UnreadPartner, ...]:
    partners = value.items() if isinstance(value, dict) else ()
    return tuple(
        UnreadPartner(name, read, _integer(facts.get("unread")) or 0, _string(facts.get("account")))
        for name, facts in partners
        if isinstance(facts, dict) and (read := _integer(facts.get("read"))) is not None
    )


def _ranges(value: object) -> tuple[tuple[int, int], ...]:
    pairs = value if isinstance(value, list) else []
    return tuple(
        (pair[0], pair[1])
        for pair in pairs
        if isinstance(pair, list) and len(pair) == 2 and all(type(end) is int for end in pair)
    )


def _strings(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _integer(value: object) -> int | None:
    return value if type(value) is int else None


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None
