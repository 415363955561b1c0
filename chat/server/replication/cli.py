"""Found a cluster of servers, look at it, end it, and take a server out of service.

Usage:
  chat-server cluster status [--json] [--data-directory=<directory>] [--config=<file>]
  chat-server cluster init [--cluster=<url>] [--data-directory=<directory>] [--config=<file>]
  chat-server cluster leave [--cluster=<url>] [--data-directory=<directory>] [--config=<file>]
  chat-server drain [--wait] [--data-directory=<directory>] [--config=<file>]
  chat-server (cluster | drain) (-h | --help)

cluster status shows how a running server stands to the log of its cluster: whether it follows the
log, how far it has applied it, what waits for the engine, and all servers that hold a lease.

cluster init makes the data of a stopped server the beginning of a cluster: its users, accounts,
rooms and messages, with their numbers. It refuses an engine that has a log with this prefix.

cluster leave makes the data of a stopped server that of a server alone again, and ends the log in
the engine. It refuses that while another server follows the log. If the data lacks something of the
log, or the engine is not known, a new epoch begins: clients are told that messages may be missing.

drain asks the users of a running server to go to the other servers of the cluster, some at a time.
Then the server stops. Clients that know this come back within seconds, and send again what was not
answered; connections of other clients end when the server stops. SIGTERM does the same.

Options:
  --cluster=<url>           the engine, as for the server (default: that of the settings file, if
                            the files in it can be read here)
  --json                    print a JSON object, for programs
  --wait                    return only when the server has stopped
  --data-directory=<directory>
                            the server's data directory (default: the default of chat-server)
  --config=<file>           settings file of the server, for its data-directory
  -h --help                 show this help

Run this command as the user that the server runs as, or as root.

Exit status: 0 on success; 1 if the command failed, or the server does not follow the log; 2 for an
invalid option.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from chat.config.command_line import UsageError
from chat.files.private_files import make_private_directory
from chat.protocol.headers import encode_json
from chat.server.config.cluster_options import missing_extra
from chat.server.config.directory import directory_of, engine_of, known_engine_of
from chat.server.control.client import CLUSTER_STATUS, DRAIN, ControlFault, NoServer, ask
from chat.server.replication.cluster_report import cluster_lines, is_ready
from chat.server.storage.data_directory import DirectoryInUse, held
from chat.server.subcommand import run_subcommand
from chat.sizes import counted

_LOOK_AGAIN = 0.5  # seconds


class NotChanged(Exception):
    """The data directory was not changed. The text is one line for the operator."""


class NotReady(Exception):
    """The server does not follow the log. The text is one line for the operator."""


def main(argv: list[str]) -> int:
    """Execute ``argv``, which begins with ``cluster`` or ``drain``; return the exit status."""
    return run_subcommand(
        __doc__ or "",
        argv,
        _execute,
        failed=(NoServer, ControlFault, NotReady, NotChanged, DirectoryInUse),
        interrupted="the server goes on with what it was asked to do",
    )


def _execute(options: dict[str, Any]) -> None:
    directory = directory_of(options)
    if options["drain"]:
        _drain(directory, wait=options["--wait"])
        return
    if options["init"] or options["leave"]:
        print(_found_or_leave(directory, options))
        return
    status = ask(directory, CLUSTER_STATUS)
    if options["--json"]:
        print(encode_json(status).decode())
    else:
        for line in cluster_lines(status):
            print(line)
    if not is_ready(status):
        raise NotReady(f"the server {status['node']} does not follow the log")


def _found_or_leave(directory: Path, options: dict[str, Any]) -> str:
    """Change the data of a stopped server; return a line about it. Raises UsageError, DirectoryInUse, NotChanged."""
    missing = missing_extra("this command")
    if missing is not None:
        raise UsageError(missing)
    # Imported only here: it needs redis-py, which is an extra.
    from chat.server.replication.stored.founding import CannotFound, found_cluster, leave_cluster

    url = engine_of(options) if options["init"] else known_engine_of(options)
    try:
        make_private_directory(directory)
        with held(directory):
            if options["init"]:
                assert url is not None, "the option is there"
                return found_cluster(directory, url)
            return leave_cluster(directory, url)
    except CannotFound as problem:
        raise NotChanged(str(problem)) from None
    except OSError as problem:
        raise NotChanged(
            f"cannot use {problem.filename or directory}: {problem.strerror}"
        ) from None


def _drain(directory: Path, *, wait: bool) -> None:
    answer = ask(directory, DRAIN)
    users, servers = counted(answer["users"], "user"), counted(answer["servers"], "other server")
    print(f"moving {users} to {servers}; then the server stops", flush=True)
    if wait:
        _wait_for_the_end(directory)
        print("the server has stopped")


def _wait_for_the_end(directory: Path) -> None:
    """Ask the server until it has stopped listening for commands, which it does last."""
    while True:
        try:
            ask(directory, CLUSTER_STATUS)
        except NoServer:
            return
        except ControlFault:
            pass  # it stopped while it was asked, or is busy; the next question tells
        time.sleep(_LOOK_AGAIN)
