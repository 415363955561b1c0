"""Manage the bans and mutes of a chat server, running or stopped.

Usage:
  chat-server bans list [--json] [--data-directory=<directory>] [--config=<file>]
  chat-server bans add TARGET [--mute | --name] [--for=<time>] [--reason=<text>]
                       [--data-directory=<directory>] [--config=<file>]
  chat-server bans remove TARGET [--mute | --name] [--data-directory=<directory>] [--config=<file>]
  chat-server bans (-h | --help)

TARGET is a user name or an IP address. A ban of a name also covers all names that look like it. A
ban of an IPv6 address covers its /64.

Options:
  --mute                    refuse the user's messages instead of their login
  --name                    TARGET is a user name, even if it looks like an address
  --for=<time>              a number with s, m, h, d or w (default: until further notice)
  --reason=<text>           a reason, which the user is told
  --json                    print an array of JSON objects, for programs
  --data-directory=<directory>
                            the server's data directory (default: the default of chat-server)
  --config=<file>           settings file of the server, for its data-directory
  -h --help                 show this help

A running server applies a change at once, and disconnects banned users. A ban or mute made
here also applies to moderators, and moderators can't lift it. In a cluster this server must run,
and the change is made on all servers. Run this command as the user that the server runs as, or as
root.

Exit status: 0 on success; 1 if the command failed; 2 for an invalid option or target.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from chat.config.command_line import (
    parse_duration,
)
from chat.protocol.errors import UserNameError
from chat.protocol.headers import encode_json
from chat.protocol.names import parse_user_name
from chat.server.config.directory import directory_of
from chat.server.control.client import ControlFault, apply_changes, ask_cluster
from chat.server.log.unicode_13 import TOO_NEW, is_in_unicode_13
from chat.server.moderation.ban_records import read_records, write_records
from chat.server.moderation.bans import (
    MAX_ENTRIES,
    NAME,
    NETWORK,
    OPERATOR,
    OPERATOR_BAN,
    BadBan,
    Ban,
    BanList,
    Mute,
    NoAddress,
    as_fields,
    in_words,
    is_loopback,
    read_end,
    read_fields,
    read_network,
    read_reason,
)
from chat.server.settings import Network
from chat.server.storage.database import Database, DatabaseFault, belongs_to_cluster
from chat.server.subcommand import run_subcommand

_EVERYWHERE = "All servers of the cluster apply this."


class NotDone(Exception):
    """The command failed; the text is a sentence for the operator."""


def main(argv: list[str]) -> int:
    """Execute ``argv``, which begins with ``bans``; return the exit status."""
    return run_subcommand(
        __doc__ or "",
        argv,
        _execute,
        misused=(UserNameError, BadBan),
        failed=(NotDone, ControlFault, DatabaseFault),
    )


def _execute(options: dict[str, Any]) -> None:
    database = Database(directory_of(options))
    if options["list"]:
        _list(database, as_json=options["--json"])
    elif belongs_to_cluster(database):
        _change_in_cluster(database.path.parent, options)
    elif options["add"]:
        _add(database, options)
    else:
        _remove(database, options)


def _list(database: Database, *, as_json: bool) -> None:
    entries = _entries(database).all()
    if as_json:
        print(encode_json([_fields(entry) for entry in entries]).decode())
        return
    for entry in entries:
        print(entry.in_words(local=True))


def _add(database: Database, options: dict[str, Any]) -> None:
    if len(_entries(database)) >= MAX_ENTRIES:
        raise NotDone(f"There are already {MAX_ENTRIES} bans and mutes; remove some first.")
    entry = _entry(options)
    write_records(database, add=[entry])
    print(f"{entry.in_words(local=True)} {apply_changes(database.path.parent)}")


def _remove(database: Database, options: dict[str, Any]) -> None:
    target, entries = options["TARGET"], _entries(database)
    found: list[Ban | Mute] = []
    if options["--mute"]:
        mute = entries.mute_of(parse_user_name(target).key)
        found += [] if mute is None else [mute]
    else:
        network = _network(options)
        key = in_words(network) if network is not None else parse_user_name(target).key
        found += entries.about(key)
    if not found:
        raise NotDone(f"{target} is not {'muted' if options['--mute'] else 'banned'}.")
    write_records(database, remove=found)
    applied = apply_changes(database.path.parent)
    for entry in found:
        print(f"removed: {entry.in_words(local=True)}")
    print(applied)


def _change_in_cluster(directory: Path, options: dict[str, Any]) -> None:
    """Have the running server make the change on all servers."""
    target = options["TARGET"]
    if not is_in_unicode_13(target):
        raise BadBan(TOO_NEW)
    if options["add"]:
        entry = _entry(options)
        ask_cluster(directory, OPERATOR_BAN, add=as_fields(entry))
        print(f"{entry.in_words(local=True)} {_EVERYWHERE}")
        return
    network = _network(options)
    key = in_words(network) if network is not None else parse_user_name(target).key
    kind = "mute" if options["--mute"] else "ban"
    ended = ask_cluster(directory, OPERATOR_BAN, **{kind: key})["entries"]
    if not ended:
        raise NotDone(f"{target} is not {'muted' if options['--mute'] else 'banned'}.")
    for fields in ended:
        print(f"removed: {read_fields(fields).in_words(local=True)}")
    print(_EVERYWHERE)


def _entries(database: Database) -> BanList:
    """Read the entries in force; do not create the database if there is none yet."""
    entries = BanList()
    if database.stamp() is not None:
        bans, mutes = read_records(database)
        entries.add(*bans, *mutes)
        entries.remove(*entries.expired())
    return entries


def _entry(options: dict[str, Any]) -> Ban | Mute:
    """Build the entry to add. Raises BadBan, UserNameError, UsageError."""
    now, target = int(time.time()), options["TARGET"]
    until, reason = read_end(_seconds(options["--for"]), now), read_reason(options["--reason"])
    network = _network(options)
    if network is not None:
        if is_loopback(network):
            raise BadBan(
                "Loopback addresses can't be banned: all users of this machine share them."
            )
        return Ban(NETWORK, in_words(network), until, OPERATOR, reason, now)
    name = parse_user_name(target)
    if options["--mute"]:
        return Mute(name.key, until, OPERATOR, reason, now)
    return Ban(NAME, name.key, until, OPERATOR, reason, now, name.display)


def _network(options: dict[str, Any]) -> Network | None:
    """Return the network that the target means; None if the target is a name. Raises BadBan."""
    if options["--mute"] or options["--name"]:
        return None
    target = options["TARGET"]
    try:
        return read_network(target)
    except NoAddress as problem:
        hint = "A user who has this name: --name."
        raise BadBan(f"{target}: {problem} {hint}") from None


def _seconds(text: str | None) -> int | None:
    return parse_duration(text, "--for") if text is not None else None


def _fields(entry: Ban | Mute) -> dict[str, object]:
    common = {
        "until": entry.until,
        "by": entry.by,
        "reason": entry.reason,
        "created": entry.created,
    }
    if isinstance(entry, Mute):
        return {"kind": "mute", "target": entry.name_key, **common}
    return {"kind": entry.kind, "target": entry.target, "name": entry.name, **common}
