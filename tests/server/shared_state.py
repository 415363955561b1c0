"""The shared state of servers of a cluster, to compare two of them."""

from __future__ import annotations

from typing import Any

from chat.server.directory.member import Member
from chat.server.parts import ServerParts


def shared_state(parts: ServerParts) -> dict[str, Any]:
    """Return the shared state of a server. Two servers that have applied the same entries have equal ones.

    It leaves out facts about a server's own users, such as unread messages and rates, and history. The serials of
    sessions count by their order only.
    """
    directory, rooms, mailboxes = parts.directory, parts.service.rooms, parts.mailboxes
    members = sorted(directory, key=lambda member: member.serial)
    known = parts.accounts.known
    state: dict[str, Any] = {
        "sessions": [_session(member) for member in members],
        "names": {key: list(map(_id, sessions)) for key, sessions in directory._by_name.items()},
        "rooms": {
            room.state.name.key: {
                "state": room.state,
                "members": sorted(map(_id, room.members.encoded)),
                "access": dict(room.access),
                "invited guests": dict(room.invited_guests),
            }
            for room in rooms
        },
        "rooms of users": {
            key: {room.name for room in of_user} for key, of_user in rooms._of_user.items()
        },
        "rooms of accounts": {
            id: {room.name for room in of_account} for id, of_account in rooms._of_account.items()
        },
        "inviting": {
            key: {room.name for room in inviting} for key, inviting in rooms._inviting.items()
        },
        "accounts": sorted(known, key=lambda account: account.key),
        "devices": sorted(known.devices),
        "bans": sorted(map(repr, parts.moderation.entries._everything())),
        "looks of rooms": dict(rooms._looks),
        "looks": {
            look: set(bans) for look, bans in parts.moderation.entries._by_look.items() if bans
        },
        "blocks": {id: dict(each) for id, each in mailboxes.blocks._blocks.items() if each},
        "marks": {id: dict(each) for id, each in mailboxes.marks._marks.items() if each},
        "waiting": mailboxes.waiting(),
        "numbers": {log: last for log, last in parts.path.sequences._last.items() if last},
    }
    cluster = parts.cluster
    if cluster is not None and cluster.shared_settings is not None and cluster.servers is not None:
        state["settings"] = cluster.shared_settings.stored()
        state["servers"] = cluster.servers.stored()
    return state


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Return a line for each place where two states differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in {**one, **other}
            for line in differences(one.get(key), other.get(key), f"{path}/{key}")
        ]
    return [] if one == other else [f"{path}: {one!r} / {other!r}"]


def _id(member: Member) -> tuple[str, int]:
    return member.home, member.number


def _session(member: Member) -> tuple[Any, ...]:
    return (
        *_id(member),
        member.name,
        member.account_id,
        member.moderator,
        member.knows_rooms,
        member.device,
        member.host,
        member.token_digest,
        member.mailbox,
    )
