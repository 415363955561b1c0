"""Parse the head of an HTTP/1.x request (RFC 9112), as far as two read-only pages need it. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

MAX_HEAD = 8 * 1024  # bytes of a request line with all header fields

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_REQUEST_LINE = re.compile(rb"(%b{1,40}) ([!-~]+) HTTP/([0-9])\.[0-9]" % _TOKEN)
# Blanks around the value are taken off later: a pattern that looks for them tries each way to share them out.
_FIELD = re.compile(rb"(%b+):([\t\x20-\x7e\x80-\xff]*)" % _TOKEN)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
# The beginning of a request. A TLS hello begins with 0x16 and is refused at once, since its sender waits for an answer.
_BEGINNING = re.compile(rb"(?:\r?\n)*\r?(?:%b|\Z)" % _TOKEN)


class BadRequest(Exception):
    """The request is broken. The text is a phrase that says why, without anything that the peer sent."""

    status = "400 Bad Request"


class HeadTooLarge(BadRequest):
    status = "431 Request Header Fields Too Large"


class WrongVersion(BadRequest):
    status = "505 HTTP Version Not Supported"


class Request(NamedTuple):
    """``path`` is without the query and as it came; the names of ``fields`` are in lower case."""

    method: str
    path: str
    fields: Mapping[str, str]


def parse_request(data: bytes) -> Request | None:
    """Parse the head at the beginning of ``data``; return None while it is not whole. Ignore the bytes after it.

    Raises BadRequest as soon as no further bytes could make ``data`` a request.
    """
    if not _BEGINNING.match(data):
        raise BadRequest("the request is not HTTP")
    # Skip blank lines before a request (RFC 9112, section 2.2).
    begun = data.lstrip(b"\r\n")
    end = _HEAD_END.search(begun)
    if (len(data) if end is None else end.end()) > MAX_HEAD:
        raise HeadTooLarge("the header is too large")
    if end is None:
        return None
    request_line, *lines = _LINE_END.split(begun[: end.start()])
    return _request(request_line, dict(map(_field, lines)))


def _request(line: bytes, fields: dict[str, str]) -> Request:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise BadRequest("the first line is not that of an HTTP request")
    method, target, version = match.groups()
    if version != b"1":
        raise WrongVersion("the version is not HTTP/1.x")
    try:
        path = urlsplit(target.decode("ascii")).path
    except ValueError:
        raise BadRequest("the target is not a URL") from None
    return Request(method.decode("ascii"), path, fields)


def _field(line: bytes) -> tuple[str, str]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise BadRequest("a header field is malformed")
    return match[1].decode("ascii").lower(), match[2].strip(b" \t").decode("latin-1")
