"""Read, import, back up and clean the messages that a chat server keeps, running or stopped.

Usage:
  chat-server history export [--format=<form>] [--room=<name>] [--since=<date>]
                             [--data-directory=<directory>] [--config=<file>] [TARGET]
  chat-server history import LOG... --format=<form> [--room=<name>] [--time-zone=<zone>]
                             [--data-directory=<directory>] [--config=<file>]
  chat-server history stats [--json] [--data-directory=<directory>] [--config=<file>]
  chat-server history check [--data-directory=<directory>] [--config=<file>]
  chat-server history backup FILE [--data-directory=<directory>] [--config=<file>]
  chat-server history restore FILE [--data-directory=<directory>] [--config=<file>]
  chat-server history purge (--before=<date> | --user=<name> | --number=<n>)
                            [--data-directory=<directory>] [--config=<file>]
  chat-server history (-h | --help)

export writes the messages of a room: as text or JSON into the new file TARGET, and as html into the
new directory TARGET, with files, images and voice notes beside the page (index.html). Without
TARGET it prints them; an html page then has no attachments. Private messages are never exported.

import takes logs of irssi, of WeeChat, or what export --format=json has written, while no server
runs. Each message gets its place in time, and those behind it another number, so the server begins
a new epoch. A message that is there already is left out. The former history stays beside the new
one. Lines that cannot be read are told, with their numbers.

check compares files, images and voice notes over 64K with their SHA-256, also while the server runs,
and moves damaged ones into the directory "files/damaged".

backup copies the history into a new file, also while the server runs. restore puts such a copy in
the place of the history, while no server runs; the former history stays beside it. A backup has no
files, images and voice notes over 64K: these are in the directory "files" of the data directory,
under names that never change their content, so any program that copies directories can back them
up. Put them in place before the server starts again: it removes files that no message of its
history uses.

purge removes the contents of messages for good: of those before a date, of all messages of a user,
or of one message by its number. Number, sender and time of a purged message stay. In a cluster this
server must run, and all servers purge.

Options:
  --format=<form>               export: text, json (an object in each line) or html [default: text];
                                import: irssi, weechat or json
  --room=<name>                 the room [default: lobby]
  --time-zone=<zone>            where the log was written, such as Europe/Berlin (default: the zone of
                                this machine); our JSON has times in UTC
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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timezone, tzinfo
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chat.config.command_line import (
    EXIT_FAILED,
    UsageError,
    parse_count,
    report,
)
from chat.config.options import read_choice
from chat.files.private_files import make_private_directory
from chat.local_time import exact_timestamp, local_time, with_zone
from chat.protocol.headers import encode_json
from chat.protocol.names import name_key
from chat.sanitize import sanitize
from chat.server.config.directory import directory_of
from chat.server.control.client import PURGE, ControlFault, NoServer, ask
from chat.server.history.copies import backup, restore
from chat.server.history.exchange.history_import import FORMATS, Imported, import_logs
from chat.server.history.exchange.html_export import Exported, export_html, one_page
from chat.server.history.exchange.kept_contents import kept_contents
from chat.server.history.exchange.lines import as_json, as_text, read_all, write_lines
from chat.server.history.faults import HistoryFault
from chat.server.history.files.checking import check_files
from chat.server.history.files.file_directory import NAME as FILES
from chat.server.history.files.file_index import FileTotals
from chat.server.history.files.file_keeper import FileKeeper
from chat.server.history.purging import Purge, purge
from chat.server.history.reader import FILE_NAME, Reader
from chat.server.history.search.at_rest import IndexFacts, describe_index, purging
from chat.server.history.search.index_file import remove_index
from chat.server.history.stored import ROOM, Hole, LogName, StoredRun
from chat.server.history.writer import Writer
from chat.server.mailboxes.read_marks import move_room_marks, room_marks
from chat.server.settings import Settings
from chat.server.storage.data_directory import DirectoryInUse, held
from chat.server.storage.database import Database, DatabaseFault, belongs_to_cluster
from chat.server.subcommand import PROGRAM, run_subcommand
from chat.sizes import byte_count, counted, time_span


def main(argv: list[str]) -> int:
    """Execute ``argv``, which begins with ``history``; return the exit status."""
    try:
        return run_subcommand(
            __doc__ or "",
            argv,
            _execute,
            failed=(HistoryFault, ControlFault, DatabaseFault, DirectoryInUse),
        )
    except OSError as problem:
        if problem.filename is None:
            # The output cannot be written: ``run_to_status`` says so, unless its reader has read enough (``| head``).
            raise
        report(PROGRAM, f"cannot use {problem.filename}: {problem.strerror}")
        return EXIT_FAILED


def _execute(options: dict[str, Any]) -> None:
    directory = directory_of(options)
    if options["export"]:
        _export(directory, options)
    elif options["import"]:
        _import(directory, options)
    elif options["stats"]:
        _show_stats(directory, as_json=options["--json"])
    elif options["check"]:
        _check(directory)
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
    form = read_choice(options["--format"], "--format", values=list(_FORMS))
    since = _moment(options["--since"], "--since") if options["--since"] is not None else None
    target = Path(options["TARGET"]).expanduser() if options["TARGET"] is not None else None
    with closing(_reader(directory)) as reader:
        room = _room(reader, options["--room"])
        items = read_all(reader, room, since)
        title = f"The room {sanitize(room.key)}"
        if form == "html" and target is not None:
            found = export_html(items, title, target, kept_contents(directory))
            print(f"{target / 'index.html'}: {_exported_words(found)}")
            return
        pieces = _FORMS[form](items, title)
        if target is not None:
            write_lines(pieces, target)
            return
        # Programs read JSON as UTF-8, and the page says that it is.
        if form != "text" and isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        for piece in pieces:
            print(piece)
        sys.stdout.flush()


# Each returns pieces of text, which line ends part. Only a page has a title.
_FORMS: Mapping[str, Callable[[Iterable[StoredRun | Hole], str], Iterator[str]]] = {
    "text": lambda items, title: as_text(items),
    "json": lambda items, title: as_json(items),
    "html": one_page,
}


def _exported_words(found: Exported) -> str:
    parts = [(found.messages, "message"), (found.pages, "page"), (found.files, "file")]
    return ", ".join(counted(number, what) for number, what in parts)


def _import(directory: Path, options: Mapping[str, Any]) -> None:
    form = read_choice(options["--format"], "--format", values=list(FORMATS))
    zone = _time_zone(options["--time-zone"])
    if zone is not None and form == "json":
        raise UsageError("--time-zone is for logs in local time; the times of json are in UTC")
    key = name_key(options["--room"])
    if key is None:
        raise UsageError(f"--room={options['--room']}: no room can have this name")
    sources = [Path(source).expanduser() for source in options["LOG"]]
    for source in sources:
        source.stat()  # before anything is made
    make_private_directory(directory)
    _refuse_cluster(directory)
    with held(directory):
        database, room = Database(directory), LogName(ROOM, key)
        marks = room_marks(database, key)
        found = import_logs(directory, sources, lambda: FORMATS[form](zone), room, marks)
        move_room_marks(database, key, found.marks)
        if found.added:
            # The server makes another one: numbers have changed.
            remove_index(directory)
    count, first = found.unreadable
    for line in first:
        report(PROGRAM, line)
    if count > len(first):
        report(PROGRAM, f"{counted(count, 'line')} could not be read; the first are above")
    if not found.added and not found.present:
        raise HistoryFault(f"there is no message of the form {form} in {', '.join(options['LOG'])}")
    _tell_imported(found)


def _tell_imported(found: Imported) -> None:
    present = f"; {found.present} already there" if found.present else ""
    print(f"imported {counted(found.added, 'message')}{present}")
    if found.unreadable.lines:
        print(f"could not read {counted(found.unreadable.lines, 'line')}")
    if found.other:
        print(f"left out {counted(found.other, 'line')} without a message, such as joins")
    if found.replaced:
        print(
            f"{counted(found.replaced, 'line')} had bytes that are not UTF-8; they are \N{REPLACEMENT CHARACTER} now"
        )
    for own, name in found.renamed.items():
        print(f"no user can have the name {sanitize(own)}: it is {name} now")
    if not found.added:
        return
    print("the server begins a new epoch at its next start")
    if found.former is not None:
        print(f"the former history is {found.former}")
    oldest, keep = local_time(found.oldest), Settings().keep or 0.0
    if (datetime.now(timezone.utc) - oldest).total_seconds() > keep:
        print(
            f"the oldest message is of {oldest:%Y-%m-%d}: a server without --keep=forever, or a longer"
            f" time than {time_span(keep)}, removes it"
        )


def _room(reader: Reader, name: str) -> LogName:
    """Return the log of the room with this name. Raises HistoryFault if the history has no such room."""
    room = LogName(ROOM, name_key(name) or "")
    rooms = [log.key for log in reader.logs() if log.kind == ROOM]
    if room.key not in rooms:
        raise HistoryFault(
            f"there is no room {name!r} in {reader.path}; it has {', '.join(sorted(rooms)) or 'none'}"
        )
    return room


def _show_stats(directory: Path, *, as_json: bool) -> None:
    with closing(_reader(directory)) as reader:
        logs, totals = reader.logs(), reader.totals()
        index = describe_index(directory, reader)
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
            "search": index._asdict() if index is not None else None,
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
    print(f"search     {_in_words(index)}")
    for key, state in rooms.items():
        missing = sum(hole.last - hole.first + 1 for hole in state.lost)
        lost = f"; {missing:,} numbers given up after crashes" if missing else ""
        print(f"{key:10} numbers {state.oldest:,} to {state.head:,}{lost}")


def _in_words(index: IndexFacts | None) -> str:
    if index is None:
        return "no index; the server makes it while it runs, unless --search=off"
    behind = f"; {index.behind:,} are not indexed yet" if index.behind else ""
    return f"{index.messages:,} messages indexed, {byte_count(index.bytes)}{behind}"


def _check(directory: Path) -> None:
    found = check_files(directory)
    print(f"checked {counted(found.files, 'file')} of {byte_count(found.bytes)}")
    for path in found.damaged:
        print(f"damaged: it is now {path}")
    if found.damaged:
        raise HistoryFault(f"{counted(len(found.damaged), 'file')} damaged")


def _restore(directory: Path, source: Path) -> None:
    if not directory.is_dir():
        raise HistoryFault(f"{directory} does not exist; start the server once, or create it")
    _refuse_cluster(directory)
    with held(directory):
        former = restore(directory, source)
        # It has words of the former history.
        remove_index(directory)
    print(f"restored {source}; the server begins a new epoch at its next start")
    if former is not None:
        print(f"the former history is {former}")


def _refuse_cluster(directory: Path) -> None:
    """Raise HistoryFault if the other servers of a cluster have the same messages and numbers."""
    if belongs_to_cluster(Database(directory)):
        raise HistoryFault(
            f"{directory} belongs to a cluster, whose servers all have the same messages; to end that, run:"
            " chat-server cluster leave"
        )


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
    if belongs_to_cluster(Database(directory)):
        raise HistoryFault(
            f"{directory} belongs to a cluster, whose servers all have the messages, and no server runs on it; start"
            " it, or use the data directory of a server that runs"
        )
    _reader(directory).close()
    with held(directory):
        # The bound of the last run stays in force: this run says nothing.
        writer = Writer(directory, bound=0)
        try:
            with purging(directory):
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


def _time_zone(text: str | None) -> tzinfo | None:
    """Return the time zone with this name; None for that of this machine. Raises UsageError."""
    if text is None:
        return None
    if text.upper() == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"--time-zone={text}: expected the name of a time zone such as Europe/Berlin or UTC"
        ) from None


def _moment(text: str, option: str) -> str:
    """Return a local date or time as a timestamp in UTC. Raises UsageError."""
    try:
        return exact_timestamp(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}={text}: expected a date or time such as 2026-11-20 or 2026-11-20T09:30"
        ) from None
