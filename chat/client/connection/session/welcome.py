"""Read what a server tells as JSON: the welcome, which is the content of the user's own announcement, and rooms."""

from __future__ import annotations

from itertools import islice
from typing import Any

from chat.client.connection.events import RoomFacts, RoomHistory, UnreadPartner, Welcome
from chat.client.connection.session.known_rooms import MAX_ROOMS, shortened
from chat.client.connection.session.told_servers import read_node, read_servers
from chat.protocol.errors import HeaderError
from chat.protocol.headers import parse_json_object
from chat.protocol.json_fields import is_number
from chat.structs import replace

_MAX_REFUSED = 1000  # names of rooms, and invitations


def read_welcome(content: bytes, bare: Welcome) -> Welcome:
    """Add the fields of a welcome to ``bare``. A value of a wrong type counts as missing.

    The default room has no ``kind``, whatever its name is. If it has very many users, their number is told in place of
    their names.

    Raises HeaderError if the content is no JSON object.
    """
    fields = parse_json_object(content)
    sent_limits = fields.get("limits")
    limits: dict[str, Any] = sent_limits if isinstance(sent_limits, dict) else {}
    known: dict[str, Any] = {
        name: value
        for name in ("max_text", "max_file", "inline")
        if (value := _integer(limits.get(name)))
    }
    if limits.get("resume") is True:
        known["resume"] = True
    rooms = _rooms_of(fields)
    default = entry = _string(fields.get("default_room"))
    if entry not in rooms:  # a server may call the room "lobby" here, whatever its name is
        entry = next((name for name, facts in rooms.items() if "kind" not in facts), None)
        default = default or entry
    lobby = rooms.pop(entry, {}) if entry is not None else {}
    here = _integer(fields.get("here", lobby.get("here")))
    tells_names = here is None or isinstance(fields.get("users"), list)
    return replace(
        bare,
        users=(_strings(fields.get("users")) or bare.users) if tells_names else (),
        server=_string(fields.get("server")),
        session=_string(fields.get("session")),
        limits=replace(bare.limits, **known),
        motd=_string(fields.get("motd")),
        registered=_strings(fields.get("registered")),
        moderators=_strings(fields.get("moderators")),
        history=_read_history(fields, lobby),
        mailbox=_read_mailbox(fields),
        account=fields.get("account") is True,
        search=fields.get("search") is True,
        device=device if isinstance(device := fields.get("device"), bool) else None,
        rooms=tuple(
            _read_room(name, facts, _read_history(fields, facts))
            for name, facts in islice(rooms.items(), MAX_ROOMS)
        ),
        refused=_read_refused(fields.get("refused")),
        invited=_strings(fields.get("invited"))[:_MAX_REFUSED],
        topic=shortened(_string(lobby.get("topic"))),
        here=here,
        default_room=default,
        node=read_node(fields.get("node")),
        servers=read_servers(servers if isinstance(servers := fields.get("servers"), list) else ()),
    )


def read_room(name: str | None, content: bytes, history: RoomHistory | None) -> RoomFacts:
    """Read the answer to ``join``: the facts about the room ``name``. A value of a wrong type counts as missing.

    ``history`` is what the welcome said about the default room: the epoch and for how long messages are kept.
    """
    try:
        facts = parse_json_object(content)
    except HeaderError:
        facts = {}
    told: dict[str, Any] = {}
    if history is not None:
        told = {"history": "seq" in facts, "epoch": history.epoch, "keep": history.keep}
    return _read_room(name, facts, _read_history({**told, **facts}, facts))


def _read_room(name: str | None, facts: dict[str, Any], history: RoomHistory | None) -> RoomFacts:
    return RoomFacts(
        name,
        _string(facts.get("kind")),
        shortened(_string(facts.get("topic"))),
        _integer(facts.get("here")),
        facts.get("owner") is True,
        history,
        _strings(facts.get("users")),
    )


def _rooms_of(fields: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rooms = fields.get("rooms")
    known = rooms.items() if isinstance(rooms, dict) else ()
    return {name: facts for name, facts in known if isinstance(facts, dict)}


def _read_refused(value: object) -> tuple[tuple[str, str], ...]:
    refused = value.items() if isinstance(value, dict) else ()
    pairs = ((name, code) for name, code in refused if isinstance(code, str))
    return tuple(islice(pairs, _MAX_REFUSED))


def _read_mailbox(fields: dict[str, Any]) -> RoomHistory | None:
    facts = fields.get("private")
    return _read_history(fields, facts) if isinstance(facts, dict) else None


def _read_history(fields: dict[str, Any], facts: dict[str, Any]) -> RoomHistory | None:
    """Return what the welcome says about a log, by ``facts``; None if the server keeps no messages."""
    epoch, keep = _string(fields.get("epoch")), _seconds(fields.get("keep"))
    if fields.get("history") is not True or epoch is None:
        return None
    last, oldest, read, unread = map(_integer, map(facts.get, ("seq", "oldest", "read", "unread")))
    return RoomHistory(
        epoch,
        keep,
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
        if isinstance(pair, list) and len(pair) == 2 and all(map(is_number, pair))
    )


def _strings(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _integer(value: object) -> int | None:
    return value if is_number(value) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, float):
        return value if 0 <= value < 2**63 else None  # 1e999 is valid JSON, and not finite
    return _integer(value)


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None
