"""Write the contents of attachments as files beside an exported page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from mimetypes import guess_type
from pathlib import Path
from urllib.parse import quote

from chat.files.private_files import DIRECTORY_MODE, private_opener
from chat.protocol.filenames import clean_filename
from chat.server.history.exchange.html_page import AttachedFile
from chat.server.history.stored import StoredRun

# Returns the content of an attachment in pieces; None if it is not at hand. Raises OSError and HistoryFault, and the
# pieces may end with DamagedContent.
ContentSource = Callable[[StoredRun], Iterable[bytes] | None]

# Files that a browser, or a web server on which the export is put, would run get the suffix ``.txt``: by their
# extension, and by the end of their media type.
_RUN = frozenset(
    (
        *("asp", "aspx", "cgi", "eml", "hta", "htm", "html", "jhtml", "js", "jse", "jsp", "mht"),
        *("mhtml", "mjs", "php", "php3", "php4", "php5", "phps", "pht", "phtml", "pl", "shtm"),
        *(
            "shtml",
            "svg",
            "svgz",
            "swf",
            "vbs",
            "wasm",
            "wsf",
            "xht",
            "xhtml",
            "xml",
            "xsl",
            "xslt",
        ),
    )
)
# A web server may also run a file that has one of these extensions anywhere in its name (Apache, mod_mime, "Files with
# Multiple Extensions").
_RUN_BY_SERVER = re.compile(
    r"\.(?=(?:aspx?|cgi|jhtml|jsp|php[3-57s]?|pht|phtml|pl|shtml?)(?:\.|\Z))", re.IGNORECASE
)
_RUN_TYPES = ("html", "xml", "javascript")
# A browser may guess the type of other files by the first bytes (WHATWG, MIME Sniffing, section 7).
_LOOKED_AT = 1024
_MARKUP = b"<"
# What a page shows itself, by the first bytes of the file and not by its name.
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_SOUNDS = (b"OggS", b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\x1a\x45\xdf\xa3")
_RIFF = {b"WEBP": "image", b"WAVE": "audio"}


class DamagedContent(Exception):
    """Report that the content is not what the user sent: the disk has damaged it."""


def content_in_record(message: StoredRun) -> Iterable[bytes] | None:
    """Return the content that the history file has itself: that of attachments up to 64 KiB."""
    [content] = message.contents
    return [content] if len(content) == message.size else None


class AttachmentFiles:
    """Write files into ``directory``, which is made for the first of them; ``url`` is its relative URL in pages."""

    def __init__(self, directory: Path, url: str, contents: ContentSource) -> None:
        self._directory = directory
        self._url = url
        self._contents = contents
        self._written: dict[bytes | None, AttachedFile | None] = {}
        self.count = 0

    def write(self, message: StoredRun) -> AttachedFile | None:
        """Write the content of an attachment, and return where it is. None if it is not at hand, or damaged.

        A large content that several messages have is written once. Raises OSError, and whatever the source of the
        contents raises.
        """
        digest = message.digest
        if digest not in self._written:
            attached = self._write(message)
            if digest is None:
                return attached
            self._written[digest] = attached
        return self._written[digest]

    def _write(self, message: StoredRun) -> AttachedFile | None:
        pieces = self._contents(message)
        if pieces is None:
            return None
        self._directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        pieces = iter(pieces)
        # Enough to tell the type, if the source gives pieces of a sensible size.
        beginning = next(pieces, b"")
        name = _safe_name(message, beginning[:_LOOKED_AT])
        path = self._directory / name
        with open(path, "xb", opener=private_opener) as file:
            try:
                file.write(beginning)
                file.writelines(pieces)
            except DamagedContent:
                path.unlink()
                return None
        self.count += 1
        return AttachedFile(f"{self._url}/{quote(name)}", media_of(beginning))


def media_of(beginning: bytes) -> str:
    """Return what a browser can show a file as, by its first bytes: ``image``, ``audio``, or empty for neither."""
    if beginning.startswith(_IMAGES):
        return "image"
    if beginning.startswith(b"RIFF"):
        return _RIFF.get(beginning[8:12], "")
    return "audio" if beginning.startswith(_SOUNDS) or beginning[4:8] == b"ftyp" else ""


def _safe_name(message: StoredRun, beginning: bytes) -> str:
    """Return a file name that no other message has, and that no browser takes for a page."""
    # The number comes first. So a name is never hidden, and never that of a file that a web server obeys.
    name = f"{message.first}-{clean_filename(message.filename or '')}"
    extension = name.rpartition(".")[2].lower()
    kind, _ = guess_type(name)
    name = _RUN_BY_SERVER.sub("_", name)
    is_markup = _MARKUP in beginning if kind is None else kind.endswith(_RUN_TYPES)
    if is_markup or extension in _RUN:
        return f"{name}.txt"
    return name
