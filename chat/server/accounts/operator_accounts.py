"""Let the operator's commands about accounts ask the running server, which has the change made by the log.

In a cluster the log decides what the accounts are, so no other process may change the file. ``serve_operator`` is the
server's side; the rest is that of the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from chat.protocol.errors import UserNameError
from chat.protocol.names import UserName, parse_user_name
from chat.server.accounts.account_operations import (
    ADD,
    MODERATOR,
    PASSWORD,
    REMOVE,
    AccountOperations,
)
from chat.server.accounts.account_problems import AccountProblem
from chat.server.accounts.accounts import Account, Accounts
from chat.server.control.client import ControlFault, NoServer, ask
from chat.server.control.messages import CommandFailed
from chat.server.log.log import LogFull
from chat.server.log.operations import NotYetCommitted
from chat.server.storage.database import DatabaseFault

LIST = "accounts"
_PAGE = 200  # accounts in an answer, whose size is bounded


class AccountsNotChanged(Exception):
    """The running server could not be asked, or has refused. The text is one line for the operator."""


Handler = Callable[[Mapping[str, Any]], dict[str, Any]]


def serve_operator(operations: AccountOperations, accounts: Accounts) -> dict[str, Handler]:
    """Return the commands on the control socket, by their names. Each raises CommandFailed."""
    changes: dict[str, Callable[[UserName, Mapping[str, Any]], object]] = {
        ADD: lambda name, fields: operations.add(
            name, fields["hash"], is_moderator=fields["moderator"]
        ),
        REMOVE: lambda name, fields: operations.remove(name),
        PASSWORD: lambda name, fields: operations.replace_password(name, fields["hash"]),
        MODERATOR: lambda name, fields: operations.set_moderator(name, fields["moderator"]),
    }
    handlers: dict[str, Handler] = {
        command: partial(_change, accounts, change) for command, change in changes.items()
    }
    return {**handlers, LIST: partial(_list, accounts)}


def _change(
    accounts: Accounts,
    change: Callable[[UserName, Mapping[str, Any]], object],
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    if not accounts.are_kept:
        raise CommandFailed("This server has no accounts.")
    try:
        change(parse_user_name(fields["name"]), fields)
    except KeyError as problem:
        raise CommandFailed(f"The command has no {problem.args[0]!r}.") from None
    except (UserNameError, AccountProblem, LogFull, NotYetCommitted) as problem:
        raise CommandFailed(str(problem)) from None
    except DatabaseFault as fault:
        raise CommandFailed(f"{fault}.") from None
    return {}


def _list(accounts: Accounts, fields: Mapping[str, Any]) -> dict[str, Any]:
    after = str(fields.get("after", ""))
    rest = [account for account in accounts.look() if account.key > after]
    page = sorted(rest, key=lambda account: account.key)[:_PAGE]
    return {
        "accounts": [
            [account.name, account.key, account.is_moderator, account.created] for account in page
        ]
    }


def change_account(directory: Path, command: str, name: UserName, **fields: Any) -> None:
    """Have the server of ``directory`` change an account on all servers of its cluster. Raises AccountsNotChanged."""
    _ask(directory, command, name=name.display, **fields)


def list_accounts(directory: Path) -> list[Account]:
    """Return the accounts of the cluster, without passwords, sorted by key. Raises AccountsNotChanged."""
    accounts: list[Account] = []
    while True:
        after = accounts[-1].key if accounts else ""
        page = _ask(directory, LIST, after=after)["accounts"]
        accounts += [
            Account(name, key, "", is_moderator, created)
            for name, key, is_moderator, created in page
        ]
        if len(page) < _PAGE:
            return accounts


def _ask(directory: Path, command: str, **fields: Any) -> dict[str, Any]:
    try:
        return ask(directory, command, **fields)
    except NoServer:
        raise AccountsNotChanged(
            f"{directory} belongs to a cluster, whose log has the accounts, and no server runs on it; start it, or"
            " use the data directory of a server that runs"
        ) from None
    except ControlFault as fault:
        raise AccountsNotChanged(str(fault)) from None
