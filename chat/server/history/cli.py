"""Read, back up and clean the messages that a chat server keeps, running or stopped.

Usage:
  chat-server history export [--format=<form>] [--since=<date>] [--data-directory=<directory>]
                             [--config=<file>]
  chat-server history stats [--json] [--data-directory=<directory>] [--config=<file>]
  chat-server history backup FILE [--data-directory=<directory>] [--config=<file>]
  chat-server history restore FILE [--data-directory=<directory>] [--config=<file>]
  chat-server history purge (--before=<date> | --user=<name> | --number=<n>)
                            [--data-directory=<directory>] [--config=<file>]
  chat-server history (-h | --help)

export prints the messages of the room. backup copies the history into a new file, also while the
server runs. restore puts such a copy in the place of the history, while no server runs; the former
history stays beside it. A backup has no files, images and voice notes over 64K: these are in the
directory "files" of the data directory, under names that never change their content, so any program
that copies directories can back them up. Put them in place before the server starts again: it
removes files that no message of its history uses. purge removes the contents of messages for good:
of those before a date, of all messages of a user, or of one message by its number. Number, sender
and time of a purged message stay. Private messages are never exported.

Options:
  --format=<form>               text, json (an object in each line) or html [default: text]
  --since=<date>                begin at a date or time such as 2026-11-20 or 2026-11-20T09:30, local
  --before=<date>               purge what was said before this date or time
  --user=<name>                 purge all messages of this user, private ones too
  --number=<n>                  purge the message with this number, as the JSON export shows it
  --json                        print a JSON object, for programs
  --data-directory=<directory>  the server's data directory (default: the default of chat-server)
  --config=<file>               settings file of the server, for its data-directory
  -h --help                     show this help

Run this command as the user that the server runs as, or as root.

Exit status: 0 on success; 1 if the command failed; 2 for an invalid option.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timezone
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from chat.config.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_count,
    parse_options,
    report,
)
from chat.config.options import read_choice
from chat.local_time import local_time, with_zone
from chat.protocol.headers import encode_json
from chat.server.config.directory import directory_of
from chat.server.control.client import PURGE, ControlFault, NoServer, ask
from chat.server.history.copies import backup, restore
from chat.server.history.export import as_html, as_json, as_text, read_all
from chat.server.history.faults import HistoryFault
from chat.server.history.files.file_directory import NAME as FILES
from chat.server.history.files.file_index import FileTotals
from chat.server.history.files.file_keeper import FileKeeper
from chat.server.history.purging import Purge, purge
from chat.server.history.reader import FILE_NAME, Reader
from chat.server.history.stored import DEFAULT_ROOM, ROOM
from chat.server.history.writer import Writer
from chat.server.storage.data_directory import DirectoryInUse, held
from chat.sizes import byte_count, counted

PROGRAM = "chat-server"


def main(argv: list[str]) -> int:
    """Execute ``argv``, which begins with ``history``; return the exit status."""
    # A name may have letters that the encoding of the terminal lacks.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options = parse_options(__doc__ or "", argv, PROGRAM)
        _execute(directory_of(options), options)
    except UsageError as problem:
        report(PROGRAM, str(problem))
        return EXIT_USAGE
    except (HistoryFault, ControlFault, DirectoryInUse) as problem:
        report(PROGRAM, str(problem))
        return EXIT_FAILED
    except BrokenPipeError:
        # The reader of the export has read enough, as in ``| head``.
        sys.stdout = None
        return EXIT_OK
    return EXIT_OK


def _execute(directory: Path, options: Mapping[str, Any]) -> None:
    if options["export"]:
        _export(directory, options)
    elif options["stats"]:
        _show_stats(directory, as_json=options["--json"])
    elif options["backup"]:
        size = backup(directory, Path(options["FILE"]).expanduser())
        print(f"{options['FILE']}: {byte_count(size)}")
        files = FileTotals(directory)
        if files.count:
            count = counted(files.count, "file")
            print(f"not in it: {count} of {byte_count(files.bytes)}, in {directory / FILES}")
    elif options["restore"]:
        _restore(directory, Path(options["FILE"]).expanduser())
    else:
        _purge(directory, options)


def _export(directory: Path, options: Mapping[str, Any]) -> None:
    form = read_choice(options["--format"], "--format", values=["text", "json", "html"])
    since = _moment(options["--since"], "--since") if options["--since"] is not None else None
    with closing(_reader(directory)) as reader:
        items = read_all(reader, DEFAULT_ROOM, since)
        if form == "text":
            lines = as_text(items)
        elif form == "json":
            lines = as_json(items)
        else:
            lines = as_html(items, f"The room {DEFAULT_ROOM.key}")
        for line in lines:
            print(line)
        sys.stdout.flush()


def _show_stats(directory: Path, *, as_json: bool) -> None:
    with closing(_reader(directory)) as reader:
        logs, totals = reader.logs(), reader.totals()
    files = FileTotals(directory)
    rooms = {name.key: state for name, state in logs.items() if name.kind == ROOM}
    size = (directory / FILE_NAME).stat().st_size
    if as_json:
        fields = {
            "bytes": size,
            "files": files.count,
            "file_bytes": files.bytes,
            "messages": totals.messages,
            "private_messages": totals.private,
            "oldest": totals.oldest,
            "newest": totals.newest,
            "rooms": {
                key: {"last": state.head, "first": state.oldest, "lost": state.lost}
                for key, state in rooms.items()
            },
        }
        print(encode_json(fields).decode())
        return
    print(f"file       {directory / FILE_NAME}, {byte_count(size)}")
    print(f"files      {files.count:,} beside it, {byte_count(files.bytes)}")
    print(f"messages   {totals.messages:,}, and {totals.private:,} private ones")
    if totals.oldest is not None and totals.newest is not None:
        oldest, newest = (with_zone(local_time(each)) for each in (totals.oldest, totals.newest))
        print(f"kept       from {oldest} to {newest}")
    for key, state in rooms.items():
        missing = sum(hole.last - hole.first + 1 for hole in state.lost)
        lost = f"; {missing:,} numbers given up after crashes" if missing else ""
        print(f"{key:10} numbers {state.oldest:,} to {state.head:,}{lost}")


def _restore(directory: Path, source: Path) -> None:
    if not directory.is_dir():
        raise HistoryFault(f"{directory} does not exist; start the server once, or create it")
    with held(directory):
        former = restore(directory, source)
    print(f"restored {source}; the server begins a new epoch at its next start")
    if former is not None:
        print(f"the former history is {former}")


def _purge(directory: Path, options: Mapping[str, Any]) -> None:
    wanted = Purge(
        before=_moment(options["--before"], "--before") if options["--before"] else None,
        user=options["--user"],
        number=parse_count(options["--number"], "--number", 1) if options["--number"] else None,
    )
    try:
        count = int(ask(directory, PURGE, **wanted._asdict())["messages"])
    except NoServer:
        count = _purge_at_rest(directory, wanted)
    print(f"purged {count:,} message{'' if count == 1 else 's'}")


def _purge_at_rest(directory: Path, wanted: Purge) -> int:
    """Purge while no server runs; the lock of the directory keeps it so."""
    _reader(directory).close()
    with held(directory):
        # The bound of the last run stays in force: this run says nothing.
        writer = Writer(directory, bound=0)
        try:
            count = purge(lambda function, *values: function(writer, *values), wanted)
        finally:
            writer.close()
        # Contents that no message uses any more are removed.
        files = FileKeeper(directory, None)
        files.open(again=True)
        files.close(clean=True)
        return count


def _reader(directory: Path) -> Reader:
    if not (directory / FILE_NAME).exists():
        raise HistoryFault(f"there is no history in {directory}")
    return Reader(directory)


def _moment(text: str, option: str) -> str:
    """Return a local date or time as a timestamp in UTC. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(text).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}={text}: expected a date or time such as 2026-11-20 or 2026-11-20T09:30"
        ) from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
