"""Manage the rooms of a chat server, running or stopped.

Usage:
  chat-server rooms list [--json] [--data-directory=<directory>] [--config=<file>]
  chat-server rooms add NAME [--kind=<kind>] [--history=<mode>] [--keep=<time>] [--topic=<text>]
                        [--owner=<name>] [--data-directory=<directory>] [--config=<file>]
  chat-server rooms set NAME [--kind=<kind>] [--history=<mode>] [--keep=<time>] [--topic=<text>]
                        [--owner=<name>] [--data-directory=<directory>] [--config=<file>]
  chat-server rooms remove NAME [--data-directory=<directory>] [--config=<file>]
  chat-server rooms (-h | --help)

Options:
  --kind=<kind>             open: anyone joins; closed: only invited users; announcements: anyone
                            joins, owners write (default of add: open)
  --history=<mode>          messages that members of a closed room may read: invited: those since
                            their own invitation; all: all messages
  --keep=<time>             how long messages are kept: a number with m, h, d or w, or "server": as
                            long as the server keeps messages
  --topic=<text>            the topic of the room, in one line
  --owner=<name>            a registered user who becomes an owner; the others stay
  --json                    print an array of JSON objects, for programs
  --data-directory=<directory>
                            the server's data directory (default: the default of chat-server)
  --config=<file>           settings file of the server, for its data-directory and default-room
  -h --help                 show this help

A room that you add stays until you remove it. A room of users that has no owner goes when it has
been empty for a day. Messages of a removed room are kept as long as others; nobody can read them. A
running server applies a change at once. In a cluster this server must run, and the change is made
on all servers. Run this command as the user that the server runs as, or as root.

Exit status: 0 on success; 1 if the command failed; 2 for an invalid option or name.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from chat.config.command_line import (
    parse_duration,
)
from chat.config.options import read_choice
from chat.protocol.commands import RoomKind, Visible
from chat.protocol.errors import UserNameError
from chat.protocol.headers import encode_json
from chat.protocol.names import UserName, parse_user_name
from chat.server.accounts.account_problems import NoSuchAccount
from chat.server.accounts.accounts import Account, AccountTable, read_accounts
from chat.server.config.directory import default_room_of, directory_of
from chat.server.control.client import ControlFault, NoServer, apply_changes, ask, ask_cluster
from chat.server.log.unicode_13 import TOO_NEW, is_in_unicode_13
from chat.server.membership.room_wishes import ADD, OPERATOR_ROOM, REMOVE, SET, wished
from chat.server.membership.topics import BadTopic, read_topic
from chat.server.rooms.room import RoomAccess, RoomState
from chat.server.rooms.room_records import (
    UNKNOWN_HEAD,
    RoomChanges,
    StoredRooms,
    read_rooms,
    write_rooms,
)
from chat.server.rooms.rooms import LOBBY, lookalike_of
from chat.server.storage.database import Database, DatabaseFault, belongs_to_cluster
from chat.server.subcommand import run_subcommand


class RoomNotChanged(Exception):
    """The command failed; the text is a sentence for the operator."""


def main(argv: list[str]) -> int:
    """Execute ``argv``, which begins with ``rooms``; return the exit status."""
    return run_subcommand(
        __doc__ or "",
        argv,
        _execute,
        misused=(UserNameError, BadTopic),
        failed=(RoomNotChanged, NoSuchAccount, ControlFault, DatabaseFault),
    )


def _execute(options: dict[str, Any]) -> None:
    database = Database(directory_of(options))
    if options["list"]:
        _list(database, as_json=options["--json"])
        return
    name = parse_user_name(options["NAME"])
    if belongs_to_cluster(database):
        _change_in_cluster(database.path.parent, name, options)
    else:
        _change(database, name, options)


def _list(database: Database, *, as_json: bool) -> None:
    stored = read_rooms(database)
    names = {account.id: account.name for account in _accounts(database)}
    rows = [_fields(room, stored, names) for room in stored.rooms]
    if as_json:
        print(encode_json(rows).decode())
        return
    for row in rows:
        owners = ", ".join(row["owners"]) or "no owner"
        print(f"{row['room']}  {row['kind']}  {row['members']} members  {owners}  {row['topic']}")


def _fields(room: RoomState, stored: StoredRooms, names: dict[bytes, str]) -> dict[str, Any]:
    members = {id: access for (key, id), access in stored.access.items() if key == room.name.key}
    return {
        "room": room.name.display,
        "kind": room.kind.value,
        "topic": room.topic,
        "keep": room.keep,
        "history": (Visible.ALL if room.shows_all else Visible.INVITED).value,
        "owners": sorted(names.get(id, "?") for id, each in members.items() if each.is_owner),
        "members": sum(access.is_member for access in members.values()),
    }


def _change(database: Database, name: UserName, options: dict[str, Any]) -> None:
    stored = read_rooms(database)
    known = next((room for room in stored.rooms if room.name.key == name.key), None)
    defaults = [LOBBY] if known is not None else _default_names(database, options)
    if any(name.key == default.key for default in defaults):
        raise RoomNotChanged(f"Everyone is in {name.display}: it cannot be changed or removed.")
    if options["add"]:
        if known is not None:
            raise RoomNotChanged(f"There is a room {known.name.display} already.")
        other = lookalike_of(name, [*defaults, *(room.name for room in stored.rooms)])
        if other is not None:
            raise RoomNotChanged(f"{name.display} looks like {other.display}, a room.")
        now = int(time.time())
        known = RoomState(
            name, is_operators=True, start=UNKNOWN_HEAD, opened=UNKNOWN_HEAD, created=now
        )
    elif known is None:
        raise RoomNotChanged(f"There is no room {name.display}.")
    shown = known.name.display
    if options["remove"]:
        _write(database, RoomChanges({name.key: None}), stored)
        _tell(f"The room {shown} was removed.", database)
        return
    access = {}
    if options["--owner"] is not None:
        account = _account(database, options["--owner"])
        before = stored.access.get((name.key, account.id), RoomAccess())
        access[name.key, account.id] = before._replace(is_owner=True)
    # The running server knows the number of the last message.
    state = wished(known, _wishes(options), UNKNOWN_HEAD)
    _write(database, RoomChanges({name.key: state}, access), stored)
    _tell(f"The room {shown} was {'added' if options['add'] else 'changed'}.", database)


def _default_names(database: Database, options: dict[str, Any]) -> list[UserName]:
    """Return the names of the default room: in any case, in the settings file, and at the running server.

    With another room of such a name, the server would not start again.
    """
    names = [LOBBY]
    configured = default_room_of(options)
    if configured is not None:
        names.append(configured)
    with suppress(NoServer, ControlFault, KeyError):  # a server of another version does not tell it
        status = ask(database.path.parent, "status")
        names.append(parse_user_name(status["rooms"]["default"]))
    return names


def _wishes(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the options say about a room: see ``wished``. Raises UsageError and BadTopic."""
    kind, history = options["--kind"], options["--history"]
    wishes: dict[str, Any] = {}
    if kind is not None:
        values = tuple(each.value for each in RoomKind)
        wishes["kind"] = read_choice(kind, "--kind", values=values)
    if history is not None:
        values = tuple(each.value for each in Visible)
        chosen = Visible(read_choice(history, "--history", values=values))
        wishes["shows_all"] = chosen is Visible.ALL
    if options["--keep"] is not None:
        keep = options["--keep"]
        wishes["keep"] = None if keep == "server" else int(parse_duration(keep, "--keep"))
    if options["--topic"] is not None:
        wishes["topic"] = read_topic(options["--topic"])
    return wishes


def _change_in_cluster(directory: Path, name: UserName, options: dict[str, Any]) -> None:
    """Have the running server make the change on all servers."""
    if not is_in_unicode_13(options["NAME"]):
        raise UserNameError(TOO_NEW)
    verb = next(verb for verb in (ADD, SET, REMOVE) if options[verb])
    fields = _wishes(options) if verb != REMOVE else {}
    if verb != REMOVE and options["--owner"] is not None:
        fields["owner"] = list(parse_user_name(options["--owner"]))
    shown = ask_cluster(directory, OPERATOR_ROOM, verb=verb, name=list(name), **fields)["room"]
    done = {ADD: "added", SET: "changed", REMOVE: "removed"}[verb]
    print(f"The room {shown} was {done}. All servers of the cluster apply this.")


def _write(database: Database, changes: RoomChanges, stored: StoredRooms) -> None:
    write_rooms(database, changes, stored.version)


def _tell(done: str, database: Database) -> None:
    print(f"{done} {apply_changes(database.path.parent)}")


def _accounts(database: Database) -> list[Account]:
    return read_accounts(database) if database.stamp() is not None else []


def _account(database: Database, owner: str) -> Account:
    name = parse_user_name(owner)
    account = AccountTable(_accounts(database)).find(name.key)
    if account is None:
        raise NoSuchAccount(f"{name.display} is not registered.")
    return account
