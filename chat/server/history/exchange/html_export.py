"""Write the history of a room as pages for a browser, with the attachments beside them.

A history of up to 5,000 messages is one page, ``index.html``. A longer one is several pages and an index that searches
them all, so that neither this program nor a browser holds more than one page in memory.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from chat.files.private_files import make_private_directory, private_opener
from chat.local_time import local_time
from chat.protocol.descriptor import MessageType
from chat.server.history.exchange.attachment_files import (
    AttachmentFiles,
    ContentSource,
    content_in_record,
)
from chat.server.history.exchange.html_page import (
    DAY_END,
    PageLink,
    day_html,
    days_name,
    hole_html,
    index_html,
    links_html,
    message_html,
    page_parts,
    zones_of,
)
from chat.server.history.faults import HistoryFault, faults
from chat.server.history.stored import Hole, StoredRun

# The bounds of a page: messages, and characters of HTML. A browser lays out so many at once, and searches them as one
# types. After half of that, a page ends with its day.
PAGE_MESSAGES, PAGE_CHARACTERS = 5000, 4 << 20

_INDEX = "index.html"
_FILES = "files"


class Exported(NamedTuple):
    """Count what an export has."""

    messages: int
    pages: int
    files: int


def export_html(
    items: Iterable[StoredRun | Hole],
    title: str,
    target: Path,
    contents: ContentSource = content_in_record,
) -> Exported:
    """Write ``items``, runs of one message and holes in order, into the new or empty directory ``target``.

    ``contents`` finds the contents of attachments. The files are for their owner only. If the export fails, nothing of
    it is left. Raises HistoryFault.
    """
    with faults(target):
        is_new = not target.exists()
        if not is_new and (not target.is_dir() or any(target.iterdir())):
            raise HistoryFault(f"{target} exists already; name a new directory, or an empty one")
        make_private_directory(target)
        try:
            return _Export(title, target, contents).write(items)
        except BaseException:
            _remove(target, keep=not is_new)
            raise


def one_page(items: Iterable[StoredRun | Hole], title: str) -> Iterator[str]:
    """Return the pieces of a single page of any length, in which attachments are only named."""
    head, tail = page_parts(title, "Files, images and voice notes are not in this page.", "", "")
    yield head
    body = _Body()
    for item in items:
        yield from body.add(item, None)
    yield from body.end()
    yield tail


class _Body:
    """Puts messages under their days."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        # A moment for each offset from UTC that a time has.
        self.moments: list[datetime] = []
        self.messages = 0
        self.first_day = self.last_day = date.min

    def add(self, item: StoredRun | Hole, files: AttachmentFiles | None) -> Iterator[str]:
        if isinstance(item, Hole):
            yield hole_html(item)
            return
        moment = local_time(item.timestamp)
        if self._last is None or self.last_day != moment.date():
            yield from self.end()
            yield day_html(moment.date())
        if self._last is None or self._last.utcoffset() != moment.utcoffset():
            self.moments.append(moment)
        self._last, self.last_day = moment, moment.date()
        if self.messages == 0:
            self.first_day = self.last_day
        self.messages += 1
        has_file = files is not None and item.type is not MessageType.UTF8 and not item.purged
        yield message_html(item, files.write(item) if files is not None and has_file else None)

    def end(self) -> Iterator[str]:
        if self._last is not None:
            yield DAY_END


class _Page:
    """A page that is being filled."""

    def __init__(self, number: int) -> None:
        self.file = f"page-{number:04}.html"
        self.body = _Body()
        self.text: list[str] = []
        self.size = 0

    def add(self, item: StoredRun | Hole, files: AttachmentFiles) -> None:
        pieces = list(self.body.add(item, files))
        self.text += pieces
        self.size += sum(map(len, pieces))

    def is_full(self, following: StoredRun | Hole) -> bool:
        """Return whether ``following`` belongs on another page."""
        if isinstance(following, Hole) or self.body.messages == 0:
            return False
        share = max(self.body.messages / PAGE_MESSAGES, self.size / PAGE_CHARACTERS)
        is_new_day = local_time(following.timestamp).date() != self.body.last_day
        return share >= 1 or (share >= 0.5 and is_new_day)

    @property
    def link(self) -> PageLink:
        return PageLink(self.file, self.body.messages, self.body.first_day, self.body.last_day)


class _Export:
    def __init__(self, title: str, target: Path, contents: ContentSource) -> None:
        self._title = title
        self._target = target
        self._files = AttachmentFiles(target / _FILES, _FILES, contents)
        self._pages: list[PageLink] = []
        # Pages answer only the index that knows it.
        self._key = secrets.token_urlsafe(12)

    def write(self, items: Iterable[StoredRun | Hole]) -> Exported:
        page = _Page(1)
        for item in items:
            if page.is_full(item):
                following = _Page(len(self._pages) + 2)
                self._write_page(page, following)
                page = following
            page.add(item, self._files)
        is_alone = not self._pages
        if is_alone:
            page.file = _INDEX
        self._write_page(page, None)
        messages = sum(each.messages for each in self._pages)
        if not is_alone:
            covered = days_name(self._pages[0].first, page.body.last_day)
            summary = f"{messages:,} messages, {covered}, on {len(self._pages)} pages."
            self._write(_INDEX, index_html(self._title, summary, self._pages, self._key))
        return Exported(messages, len(self._pages), self._files.count)

    def _write_page(self, page: _Page, following: _Page | None) -> None:
        links = [(self._pages[-1].file, "Earlier")] if self._pages else []
        if following is not None or self._pages:
            links.append((_INDEX, "All pages"))
        if following is not None:
            links.append((following.file, "Later"))
        head, tail = page_parts(self._title, _summary(page), links_html(links), self._key)
        self._write(page.file, "".join([head, *page.text, *page.body.end(), tail]))
        self._pages.append(page.link)

    def _write(self, name: str, text: str) -> None:
        path = self._target / name
        with open(path, "x", encoding="utf-8", newline="", opener=private_opener) as file:
            file.write(text)


def _summary(page: _Page) -> str:
    if not page.body.messages:
        return "No messages."
    covered = days_name(page.body.first_day, page.body.last_day)
    count = page.body.messages
    return (
        f"{count:,} message{'' if count == 1 else 's'}, {covered}."
        f" Times are in {zones_of(page.body.moments)}."
    )


def _remove(target: Path, *, keep: bool) -> None:
    """Remove what an export that failed has written, and with ``keep`` not the directory itself."""
    if not keep:
        shutil.rmtree(target, ignore_errors=True)
        return
    for path in target.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
