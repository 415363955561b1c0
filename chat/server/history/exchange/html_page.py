"""Make pages for a browser: messages as HTML, and the pages and the index around them.

A page needs no network, and asks for nothing but the files beside it. Its policy (Content Security Policy, Level 3)
allows the one script and the one style that are in it, by their hashes: nothing that a user wrote could run, even if it
were not escaped.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable
from datetime import date, datetime
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple
from zlib import crc32

from chat.local_time import local_time, with_zone
from chat.protocol.descriptor import MessageType
from chat.sanitize import lines_of, sanitize
from chat.server.history.stored import Hole, StoredRun
from chat.sizes import byte_count

_TEMPLATES = Path(__file__).with_name("templates")
_KINDS = {
    MessageType.UTF8: "text",
    MessageType.FILE: "file",
    MessageType.IMAGE: "image",
    MessageType.VOICE: "voice",
}
_COLOURS = 8  # for names; the style has a class for each
_ACTION = "/me "  # XEP-0245
# The last character is no punctuation, which belongs to the sentence around an address. Sanitized texts name hidden
# characters in angle brackets, where an address ends.
_LINK = re.compile(r"https?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]}]")


class AttachedFile(NamedTuple):
    """Say where a page finds the content of an attachment: a relative URL, and what a browser can show it as.

    ``media`` is ``image``, ``audio``, or empty for a file that is only linked.
    """

    url: str
    media: str


class PageLink(NamedTuple):
    """Describe a page of an export for the index: its file, its messages, and the days that it covers."""

    file: str
    messages: int
    first: date
    last: date


def message_html(message: StoredRun, attached: AttachedFile | None) -> str:
    """Return one message as an element. ``attached`` is None for an attachment whose content is not at hand."""
    moment = local_time(message.timestamp)
    body, kind = _body(message, attached)
    name = sanitize(message.sender)
    # The same user has the same colour on all pages, also in another case.
    colour = crc32(name.casefold().encode()) % _COLOURS
    is_action = kind == "text" and _text(message).startswith(_ACTION)
    return (
        f'<article id="m{message.first}" data-kind="{kind}"{" class=action" if is_action else ""}>'
        f'<a href="#m{message.first}"><time datetime="{escape(message.timestamp)}"'
        f' title="{escape(with_zone(moment))}">{moment:%H:%M:%S}</time></a>'
        f'<b class="n{colour}"><bdi>{escape(name)}</bdi></b>{body}</article>'
    )


def hole_html(hole: Hole) -> str:
    """Return a line that says which numbers were lost."""
    return (
        '<p class="lost">The server ended without a clean stop:'
        f" numbers {hole.first} to {hole.last} were given up.</p>"
    )


def day_html(day: date) -> str:
    """Return the beginning of a day. ``DAY_END`` ends it."""
    return f"<section><h2>{day_name(day)}</h2>"


DAY_END = "</section>"


def day_name(day: date) -> str:
    """Return a day as ``Tuesday, 24 November 2026``, in English like the rest of a page."""
    return f"{_WEEKDAYS[day.weekday()]}, {_short_name(day)}"


def days_name(first: date, last: date) -> str:
    """Return the days from ``first`` to ``last`` as ``24 November 2026 to 2 December 2026``."""
    return _short_name(first) if first == last else f"{_short_name(first)} to {_short_name(last)}"


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _short_name(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def page_parts(title: str, summary: str, links: str, key: str) -> tuple[str, str]:
    """Return the text before and after the messages of a page.

    ``title`` and ``summary`` are plain text, ``links`` is HTML. The index with the same ``key`` may search the page.
    """
    return _parts(
        "page", "img-src 'self' file:; media-src 'self' file:", title, summary, links, key
    )


def index_html(title: str, summary: str, pages: Iterable[PageLink], key: str) -> str:
    """Return the index of several pages, which can search all of them."""
    items = "\n".join(
        f'<li><a href="{page.file}">{days_name(page.first, page.last)}</a>'
        f"<small>{page.messages:,} messages</small></li>"
        for page in pages
    )
    head, tail = _parts("index", "frame-src 'self' file:", title, summary, "", key)
    return f"{head}{items}{tail}"


def links_html(links: Iterable[tuple[str, str]]) -> str:
    """Return links between pages, as pairs of a file and words; empty for none."""
    shown = "".join(f'<a href="{file}">{escape(words)}</a>' for file, words in links)
    return f"<nav>{shown}</nav>" if shown else ""


def zones_of(moments: Iterable[datetime]) -> str:
    """Return the time zones of local times, such as ``CET (UTC+01:00)``; several if the clocks changed."""
    return ", ".join(dict.fromkeys(map(_zone_of, moments)))


def _zone_of(moment: datetime) -> str:
    name, offset = moment.tzname() or "", f"{moment:%z}"
    return name if name == "UTC" else f"{name} (UTC{offset[:3]}:{offset[3:5]})"


def _parts(
    template: str, policy: str, title: str, summary: str, links: str, key: str
) -> tuple[str, str]:
    script, style = _read(f"{template}.js"), _read("style.css")
    page = Template(_read(f"{template}.html")).substitute(
        body=_BODY,
        key=escape(key),
        links=links,
        policy=(
            f"default-src 'none'; base-uri 'none'; form-action 'none'; {policy};"
            f" script-src '{_digest(script)}'; style-src '{_digest(style)}'"
        ),
        script=script,
        style=style,
        summary=escape(summary),
        title=escape(title),
    )
    head, _, tail = page.partition(_BODY)
    return head, tail


# Stands in a page where the messages go. No other part has a NUL: those that users wrote are escaped and sanitized.
_BODY = "\0"


@cache
def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _text(message: StoredRun) -> str:
    return message.contents[0].decode()


def _body(message: StoredRun, attached: AttachedFile | None) -> tuple[str, str]:
    """Return the body of a message as an element, and its kind."""
    if message.purged:
        return '<div class="removed">(removed)</div>', "removed"
    kind = _KINDS[message.type]
    if message.type is not MessageType.UTF8:
        return f"<div>{_attachment(message, attached)}</div>", kind
    text = _text(message)
    if text.startswith(_ACTION):
        text = f"* {message.sender} {text.removeprefix(_ACTION)}"
    return f'<div dir="auto">{_linked(chr(10).join(lines_of(text)))}</div>', kind


def _attachment(message: StoredRun, attached: AttachedFile | None) -> str:
    name = escape(sanitize(message.filename or "file"))
    if attached is None:
        return f"{name} <small>{byte_count(message.size)}, not in this export</small>"
    url = escape(attached.url)
    size = f"<small>{byte_count(message.size)}</small>"
    link = f'<a href="{url}" download="{name}">{name}</a> {size}'
    if attached.media == "image":
        return f'{link}<a href="{url}"><img src="{url}" alt="{name}" loading="lazy"></a>'
    if attached.media == "audio":
        return f'{link}<audio src="{url}" controls preload="none"></audio>'
    return link


def _linked(text: str) -> str:
    """Return a sanitized text as HTML, with links for addresses of the web."""
    shown, position = [], 0
    for found in _LINK.finditer(text):
        url = escape(found[0])
        shown.append(escape(text[position : found.start()]))
        shown.append(
            f'<a href="{url}" rel="noopener noreferrer nofollow" target="_blank">{url}</a>'
        )
        position = found.end()
    shown.append(escape(text[position:]))
    return "".join(shown)
