"""Ask a running server, or have it do something.

Usage:
  chat-server status [--json] [--data-directory=<directory>] [--config=<file>]
  chat-server say [--data-directory=<directory>] [--config=<file>] [--] [TEXT...]
  chat-server reload [--data-directory=<directory>] [--config=<file>]
  chat-server (status | say | reload) (-h | --help)

status shows the users, rates, memory and addresses of the server now. say shows a text to everyone
in the room, as an announcement of the operator; without TEXT it reads the text from the standard
input, which may have several lines. reload has the server read its settings again, and the files
that they name, as SIGHUP does; it prints what has changed, and fails if there is a mistake: then
nothing changes.

Options:
  --json                    print a JSON object, for programs
  --data-directory=<directory>
                            the server's data directory (default: the default of chat-server)
  --config=<file>           settings file of the server, for its data-directory
  -h --help                 show this help

Run this command as the user that the server runs as, or as root.

Exit status: 0 on success; 1 if no server runs there, or the command failed; 2 for an invalid option
or text.
"""

from __future__ import annotations

import sys
from typing import Any

from chat.config.command_line import (
    UsageError,
)
from chat.protocol.headers import encode_json
from chat.server.config.directory import directory_of
from chat.server.control.client import RELOAD, ControlFault, NoServer, ask
from chat.server.control.status_report import status_lines
from chat.server.subcommand import run_subcommand
from chat.sizes import counted

# JSON takes up to three bytes for a byte of a text, so that this fits into a request.
_MAX_TEXT = 64 * 1024


def main(argv: list[str]) -> int:
    """Execute ``argv``, which begins with ``status`` or ``say``; return the exit status."""
    return run_subcommand(
        __doc__ or "",
        argv,
        _execute,
        failed=(NoServer, ControlFault),
        interrupted="nothing was announced",
    )


def _execute(options: dict[str, Any]) -> None:
    directory = directory_of(options)
    if options["status"]:
        _show(ask(directory, "status"), as_json=options["--json"])
        return
    if options["reload"]:
        for line in ask(directory, RELOAD)["told"]:
            print(line)
        return
    if not options["TEXT"] and sys.stdin.isatty():
        ask(directory, "status")  # so that nobody types a text for a server that does not run
    users = ask(directory, "say", text=_text(options["TEXT"]))["users"]
    print(f"announced to {counted(users, 'user')}")


def _show(status: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(encode_json(status).decode())
        return
    for line in status_lines(status):
        print(line)


def _text(words: list[str]) -> str:
    """Return the text to announce: from the command line, or from the standard input. Raises UsageError."""
    if words:
        text = " ".join(words)
    else:
        if sys.stdin.isatty():
            print(
                "Type the announcement; Ctrl-D at the beginning of a line sends it.",
                file=sys.stderr,
            )
        data = sys.stdin.buffer.read(_MAX_TEXT + 1)
        if len(data) > _MAX_TEXT:
            raise UsageError(f"the text is too long; expected at most {_MAX_TEXT // 1024} KiB")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise UsageError("the standard input: expected a text in UTF-8") from None
    if not text.strip():
        raise UsageError("the text is empty; expected an announcement")
    return text
