"""Import logs of other programs, or our own JSON export, into the history of a room, while no server runs.

Each message is stored at its time. A message that is there already, with the same time, sender and words, is left out;
so a log that has grown is imported again without doubles.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO, NamedTuple

from chat.files.private_files import DIRECTORY_MODE
from chat.server.history.copies import put_in_place
from chat.server.history.exchange.imported import (
    ImportedMessage,
    LineParser,
    LocalClock,
    UnreadableLine,
)
from chat.server.history.exchange.irc_logs import IrssiLog, WeechatLog
from chat.server.history.exchange.json_import import read_json_line
from chat.server.history.exchange.rewriting import (
    Item,
    Renumbering,
    in_order_of_time,
    merge,
    messages_of,
    with_own_numbers,
    write_anew,
)
from chat.server.history.exchange.staging import StagedMessages
from chat.server.history.faults import faults
from chat.server.history.pages import PageSize
from chat.server.history.reader import FILE_NAME, Reader
from chat.server.history.stored import Hole, LogName

# Makes a parser for a log whose local times are in a time zone; None: that of this machine.
MakeParser = Callable[["tzinfo | None"], LineParser]
FORMATS: dict[str, MakeParser] = {
    "irssi": lambda zone: IrssiLog(LocalClock(zone)),
    "weechat": lambda zone: WeechatLog(LocalClock(zone)),
    "json": lambda zone: read_json_line,
}
# A longer line is no line of a log.
_MAX_LINE = 16 << 20
# Unreadable lines, and changed names, that are told one by one.
_TOLD = 20
_NAME_SHOWN = 64  # characters of a changed name
_WORK = f"{FILE_NAME}.import"
_BOM = "\ufeff"


class UnreadableLines(NamedTuple):
    """Count the lines that could not be read; ``first`` has the first of them, each as ``FILE:LINE: why``."""

    lines: int
    first: Sequence[str]


class Imported(NamedTuple):
    """Tell what became of the lines of an import.

    ``added`` messages are new, ``present`` ones were there. ``other`` lines are no messages, and ``replaced`` ones were
    not UTF-8. ``renamed`` has some of the names that were changed, by the beginning of the name in the file. ``oldest``
    is the timestamp of the oldest message, empty if there is none. ``former`` is the path of the former history.
    ``marks`` has new numbers of messages by the former ones, if they have changed.
    """

    added: int
    present: int
    other: int
    replaced: int
    unreadable: UnreadableLines
    renamed: Mapping[str, str]
    oldest: str
    former: Path | None = None
    marks: dict[int, int] = {}  # noqa: RUF012 - never changed


class LogLines:
    """Reads the messages of files, one line at a time, and counts the other lines. Raises HistoryFault."""

    def __init__(self, paths: Sequence[Path], make_parser: Callable[[], LineParser]) -> None:
        self._paths = paths
        self._make_parser = make_parser
        self.other = self.replaced = self._unreadable = 0
        self._told: list[str] = []
        self.renamed: dict[str, str] = {}

    @property
    def unreadable(self) -> UnreadableLines:
        """The lines so far that could not be read."""
        return UnreadableLines(self._unreadable, self._told)

    def __iter__(self) -> Iterator[ImportedMessage | Hole]:
        for path in self._paths:
            with faults(path), path.open("rb") as file:
                yield from self._read(path, file)

    def _read(self, path: Path, file: BinaryIO) -> Iterator[ImportedMessage | Hole]:
        parse = self._make_parser()
        number = 0
        while line := file.readline(_MAX_LINE):
            number += 1
            try:
                if len(line) == _MAX_LINE and not line.endswith(b"\n"):
                    _skip_line(file)
                    raise UnreadableLine(f"longer than {_MAX_LINE >> 20} MiB")
                item = parse(self._decode(line, is_first=number == 1))
            except UnreadableLine as problem:
                self._unreadable += 1
                if len(self._told) < _TOLD:
                    self._told.append(f"{path}:{number}: {problem}")
                continue
            if item is None:
                self.other += 1
                continue
            if isinstance(item, ImportedMessage) and item.own_name and len(self.renamed) < _TOLD:
                self.renamed[item.own_name[:_NAME_SHOWN]] = item.sender
            yield item

    def _decode(self, line: bytes, *, is_first: bool) -> str:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self.replaced += 1
            text = line.decode(errors="replace")
        return (text.removeprefix(_BOM) if is_first else text).rstrip("\r\n")


def _skip_line(file: BinaryIO) -> None:
    while (rest := file.readline(_MAX_LINE)) and not rest.endswith(b"\n"):
        pass


def import_logs(
    directory: Path,
    sources: Sequence[Path],
    make_parser: Callable[[], LineParser],
    room: LogName,
    marks: Iterable[int] = (),
) -> Imported:
    """Import the files ``sources`` into ``room`` of the history in ``directory``, which may be missing there.

    No server may run. ``marks`` are numbers of messages of the room whose new numbers the caller wants to know. If
    nothing is new, or if the import fails, the history stays as it is. Raises HistoryFault.
    """
    work = directory / _WORK
    with ExitStack() as stack:
        with faults(work):
            # An import that was killed has left it.
            shutil.rmtree(work, ignore_errors=True)
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            work.mkdir(mode=DIRECTORY_MODE)
        reader = None
        if (directory / FILE_NAME).exists():
            reader = stack.enter_context(closing(Reader(directory)))
        staged = stack.enter_context(closing(StagedMessages(work / "staged.db")))
        lines = LogLines(sources, make_parser)
        staged.add(lines)
        found, (oldest, _) = staged.count(), staged.times()
        numbers = Renumbering(marks)
        items = _new_items(reader, room, staged, numbers)
        added = staged.count()
        result = Imported(
            *(added, found - added, lines.other, lines.replaced, lines.unreadable),
            *(lines.renamed, oldest),
        )
        if not added:
            return result
        written = write_anew(work / "new", reader, room, items)
        if reader is not None:
            reader.close()
        former = put_in_place(written, directory, "import")
        return result._replace(former=former, marks=numbers.moved())


def _new_items(
    reader: Reader | None, room: LogName, staged: StagedMessages, numbers: Renumbering
) -> Iterator[Item]:
    """Return what the room will have. Removes the messages that it has from ``staged``."""
    if reader is not None and reader.after(room, 0, None, PageSize(1, 1)).runs:
        staged.remove_present(messages_of(reader, room))
        return merge(reader, room, staged, numbers)
    if staged.is_whole():
        return with_own_numbers(room, staged)
    return in_order_of_time(room, staged, numbers)
