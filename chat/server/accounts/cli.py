"""Manage the accounts (registered names) of a chat server, running or stopped.

Usage:
  chat-server users add NAME [--moderator] [--password-file=<file>]
                        [--data-directory=<directory>] [--config=<file>]
  chat-server users remove NAME [--data-directory=<directory>] [--config=<file>]
  chat-server users list [--json] [--data-directory=<directory>] [--config=<file>]
  chat-server users passwd NAME [--password-file=<file>]
                        [--data-directory=<directory>] [--config=<file>]
  chat-server users moderator NAME (on | off) [--data-directory=<directory>] [--config=<file>]
  chat-server users (-h | --help)

Options:
  --moderator               the account may kick, ban and mute
  --password-file=<file>    read the password from the first line of this file (default: from the
                            standard input; on a terminal, ask twice without showing it)
  --json                    print an array of JSON objects, for programs
  --data-directory=<directory>
                            the server's data directory (default: the default of chat-server)
  --config=<file>           settings file of the server, for its data-directory
  -h --help                 show this help

A password has 8 to 1024 bytes. A new password takes effect at the next login. A running server
applies at once that an account was removed, or that a moderator's right was given or taken, and
tells the user. In a cluster this server must run, and the change is made on all servers. Run this
command as the user that the server runs as, or as root.

Exit status: 0 on success; 1 if the command failed; 2 for an invalid option, name or password.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from functools import partial
from getpass import getpass
from typing import Any

from chat.config.command_line import (
    UsageError,
)
from chat.local_time import utc_timestamp
from chat.protocol.errors import UserNameError
from chat.protocol.headers import encode_json
from chat.protocol.names import UserName, parse_user_name
from chat.protocol.passwords import LENGTH_HINT, MAX_PASSWORD
from chat.server.accounts.account_operations import ADD, MODERATOR, PASSWORD, REMOVE
from chat.server.accounts.account_problems import AccountExists, NoSuchAccount
from chat.server.accounts.accounts import (
    Account,
    AccountTable,
    add_account,
    read_accounts,
    remove_account,
    require_free,
    set_moderator,
    set_password,
)
from chat.server.accounts.operator_accounts import (
    AccountsNotChanged,
    change_account,
    list_accounts,
)
from chat.server.accounts.passwords import (
    UnusablePassword,
    check_rules,
    hash_password,
)
from chat.server.config.directory import directory_of
from chat.server.control.client import apply_changes
from chat.server.storage.database import Database, DatabaseFault, belongs_to_cluster
from chat.server.subcommand import run_subcommand

_FROM_NEXT_LOGIN = "The change takes effect at the next login."
_EVERYWHERE = "All servers of the cluster apply this."


def main(argv: list[str]) -> int:
    """Execute ``argv``, which begins with ``users``; return the exit status."""
    return run_subcommand(
        __doc__ or "",
        argv,
        _execute,
        misused=(UserNameError, UnusablePassword),
        failed=(AccountExists, NoSuchAccount, AccountsNotChanged, DatabaseFault),
        interrupted="nothing was changed",
    )


def _execute(options: dict[str, Any]) -> None:
    database = Database(directory_of(options))
    if belongs_to_cluster(database):
        _execute_in_cluster(database, options)
        return
    if options["list"]:
        _list(_register(database), as_json=options["--json"])
        return
    name = parse_user_name(options["NAME"])
    if options["add"]:
        # Check first, so that nobody types a password for a name that is taken.
        require_free(name, _register(database))
        hash = hash_password(_password(options))
        add_account(database, name, hash, is_moderator=options["--moderator"])
        _tell(_registered(name, options), apply_changes(database.path.parent))
    elif options["remove"]:
        remove_account(database, name)
        _tell(_removed(name), apply_changes(database.path.parent))
    elif options["passwd"]:
        _require_known(name, database)
        set_password(database, name, hash_password(_password(options)))
        _tell(_another_password(name), _FROM_NEXT_LOGIN)
    else:
        set_moderator(database, name, options["on"])
        _tell(_role(name, options), apply_changes(database.path.parent))


def _execute_in_cluster(database: Database, options: dict[str, Any]) -> None:
    """Have the running server make the change. The file follows it, so it serves for early refusals only."""
    directory = database.path.parent
    if options["list"]:
        _list(list_accounts(directory), as_json=options["--json"])
        return
    name = parse_user_name(options["NAME"])
    change = partial(change_account, directory, name=name)
    if options["add"]:
        require_free(name, _register(database))
        hash = hash_password(_password(options))
        change(ADD, hash=hash, moderator=options["--moderator"])
        _tell(_registered(name, options), _EVERYWHERE)
    elif options["remove"]:
        change(REMOVE)
        _tell(_removed(name), _EVERYWHERE)
    elif options["passwd"]:
        _require_known(name, database)
        change(PASSWORD, hash=hash_password(_password(options)))
        _tell(_another_password(name), _FROM_NEXT_LOGIN)
    else:
        change(MODERATOR, moderator=options["on"])
        _tell(_role(name, options), _EVERYWHERE)


def _registered(name: UserName, options: dict[str, Any]) -> str:
    role = ", a moderator" if options["--moderator"] else ""
    return f"{name.display} is registered{role}."


def _removed(name: UserName) -> str:
    return f"{name.display} is no longer registered."


def _another_password(name: UserName) -> str:
    return f"The password of {name.display} was changed."


def _role(name: UserName, options: dict[str, Any]) -> str:
    role = "a moderator" if options["on"] else "no longer a moderator"
    return f"{name.display} is {role}."


def _tell(done: str, applied: str) -> None:
    print(f"{done} {applied}")


def _list(accounts: Iterable[Account], *, as_json: bool) -> None:
    if as_json:
        print(encode_json([_fields(account) for account in accounts]).decode())
        return
    for account in accounts:
        role = "moderator" if account.is_moderator else ""
        print(f"{_day(account)}  {role:9}  {account.name}")


def _fields(account: Account) -> dict[str, object]:
    created = datetime.fromtimestamp(account.created, timezone.utc)
    return {
        "name": account.name,
        "moderator": account.is_moderator,
        "created": utc_timestamp(created),
    }


def _day(account: Account) -> str:
    return datetime.fromtimestamp(account.created).astimezone().strftime("%Y-%m-%d")


def _register(database: Database) -> AccountTable:
    """Read the accounts; do not create the database if there is none yet."""
    return AccountTable(read_accounts(database) if database.stamp() is not None else ())


def _require_known(name: UserName, database: Database) -> None:
    if _register(database).find(name.key) is None:
        raise NoSuchAccount(f"{name.display} is not registered.")


def _ask_password() -> str:
    """Ask for the new password until it is usable and was typed twice; Ctrl-C and Ctrl-D end it.

    Raises EOFError, KeyboardInterrupt.
    """
    while True:
        password = getpass(f"password ({LENGTH_HINT}): ")
        try:
            check_rules(password)
        except UnusablePassword as problem:
            print(problem, file=sys.stderr)
            continue
        if getpass("password again: ") == password:
            return password
        print("The two passwords differ.", file=sys.stderr)


def _password(options: dict[str, Any]) -> str:
    """Read the new password from the terminal, the standard input or a file.

    Raises UsageError, UnusablePassword, EOFError.
    """
    path = options["--password-file"]
    if path is None and sys.stdin.isatty():
        return _ask_password()
    where = "the standard input" if path is None else f"--password-file={path}"
    try:
        # Three bytes more than a password may have: the end of the line (two bytes) and one byte too many.
        if path is None:
            line = sys.stdin.buffer.readline(MAX_PASSWORD + 3)
        else:
            with open(path, "rb") as file:
                line = file.readline(MAX_PASSWORD + 3)
        password = line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except OSError as problem:
        raise UsageError(f"{where}: cannot read it ({problem.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{where}: expected a text in UTF-8") from None
    if not password:
        raise UsageError(f"{where}: its first line is empty; expected the password")
    check_rules(password)
    return password
