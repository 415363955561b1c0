"""Copy all that a chat server keeps, and put such a copy in the place of its data.

Usage:
  chat-server backup DIRECTORY [--data-directory=<directory>] [--config=<file>]
  chat-server restore DIRECTORY [--data-directory=<directory>] [--config=<file>]
  chat-server (backup | restore) (-h | --help)

backup copies accounts, rooms, bans, messages, attachments and the server's own key into DIRECTORY,
also while the server runs. DIRECTORY is made if it is missing. If it has an earlier backup, that is
replaced, and only attachments that are new are copied.

restore puts a backup in the place of the data, while no server runs there. The former files stay
beside the new ones, under names with "before" and the time; attachments stay, too, until the server
finds that no message uses them. At its next start the server begins a new epoch: clients are told
that messages may be missing. A server of a cluster becomes a server alone; "chat-server cluster
init" makes it the beginning of a cluster.

A backup is secret: it has all messages, the hashes of passwords, and the key of the server.

Options:
  --data-directory=<directory>  the server's data directory (default: the default of chat-server)
  --config=<file>               settings file of the server, for its data-directory
  -h --help                     show this help

Run this command as the user that the server runs as, or as root.

Exit status: 0 on success; 1 if the command failed, or an attachment is damaged; 2 for an invalid
option.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chat.server.backup.contents import CopiedContents
from chat.server.backup.copies import BackedUp, CannotCopy, Restored, back_up, restore
from chat.server.config.directory import directory_of
from chat.server.history.faults import HistoryFault
from chat.server.storage.data_directory import DirectoryInUse
from chat.server.storage.database import DatabaseFault
from chat.server.subcommand import run_subcommand
from chat.sizes import byte_count, counted


def main(argv: list[str]) -> int:
    """Execute ``argv``, which begins with ``backup`` or ``restore``; return the exit status."""
    return run_subcommand(
        __doc__ or "",
        argv,
        _execute,
        failed=(CannotCopy, HistoryFault, DatabaseFault, DirectoryInUse),
    )


def _execute(options: dict[str, Any]) -> None:
    directory, other = directory_of(options), Path(options["DIRECTORY"]).expanduser()
    if options["backup"]:
        backed_up = back_up(directory, other)
        print(*_backup_lines(backed_up, other), sep="\n")
        _require_whole(backed_up.contents)
    else:
        restored = restore(directory, other)
        print(*_restore_lines(restored, directory), sep="\n")
        _require_whole(restored.contents)


def _backup_lines(done: BackedUp, target: Path) -> Iterable[str]:
    sizes = (f"{name} {byte_count(size)}" for name, size in done.sizes.items())
    yield f"{target}: {', '.join(sizes)}"
    if done.kept:
        new = f"{done.contents.files} of them new, {byte_count(done.contents.bytes)}"
        yield f"{counted(done.kept, 'attachment')} over 64 KiB, {new}"


def _restore_lines(done: Restored, directory: Path) -> Iterable[str]:
    copied = counted(done.contents.files, "attachment")
    yield f"restored {', '.join(done.names)} and {copied} in {directory}"
    yield from (f"the former file is {path}" for path in done.former)
    if done.was_in_cluster:
        yield "it was the data of a cluster, and is that of a server alone now"


def _require_whole(contents: CopiedContents) -> None:
    """Raise CannotCopy if contents are damaged: all others were copied."""
    if contents.damaged:
        first, count = contents.damaged[0], len(contents.damaged)
        raise CannotCopy(f"{counted(count, 'attachment')} not copied: damaged, such as {first}")
