"""Clean file names from peers, so that a file can be saved under them on any system.

The original client writes to ``save_directory/filename`` unchecked, so the server cleans every name before it passes
the name on. Our client cleans names again, because it may talk to another server.
"""

from __future__ import annotations

import re
import unicodedata

# Bytes of UTF-8. Leaves room for " (1)" and ".part" under the usual limit of 255.
MAX_FILENAME_SIZE = 200
DEFAULT_FILENAME = "file"

_SEPARATORS = re.compile(r"[/\\]")
_LEADING = re.compile(r"\A[.\s]+")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
# A shell expands ``*`` to such names, and programs take them for options: ``tar`` runs what a name that begins with "-"
# says (``--checkpoint-action=…``), ``vim`` and ``less`` run "+" commands, compilers and many others read their options
# from the file after an "@".
_TAKEN_FOR_OPTIONS = ("-", "+", "@")
# Cc: control, Cf: format (invisible, turns text around), Cs: lone surrogates, Zl and Zp: line and paragraph ends.
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def clean_filename(name: str, default: str = DEFAULT_FILENAME) -> str:
    """Return a safe base name of ``name``: never empty, hidden, an option, a path, or over 200 bytes.

    Control and format characters are dropped, and each of ``<>:"/\\|?*`` becomes ``_``. Leading dots and blanks are
    dropped, a leading ``-``, ``+`` or ``@`` gets a ``_`` before it. A name that is too long is cut before its
    extension. If nothing is left, the result is ``default``. Cleaning a clean name changes nothing.
    """
    name = "".join(c for c in name if unicodedata.category(c) not in _DROPPED_CATEGORIES)
    name = _SEPARATORS.split(name)[-1]
    name = _FORBIDDEN.sub("_", name)
    name = _strip(name)
    if name.startswith(_TAKEN_FOR_OPTIONS):
        name = f"_{name}"
    # Once more, because the cut may leave blanks at the end.
    name = _strip(_shorten(name))
    return name or default


def _strip(name: str) -> str:
    """Drop leading dots and blanks (hidden files), and trailing blanks (which some systems drop by themselves)."""
    # In one step: a header may be 64 KiB of dots, and dropping them one by one would copy gigabytes.
    return _LEADING.sub("", name, count=1).rstrip()


def _shorten(name: str) -> str:
    """Cut ``name`` to at most ``MAX_FILENAME_SIZE`` bytes of whole characters.

    The extension is kept if it leaves room for a stem.
    """
    if len(name.encode()) <= MAX_FILENAME_SIZE:
        return name
    stem, dot, extension = name.rpartition(".")
    suffix = dot + extension
    if not stem or len(suffix.encode()) > MAX_FILENAME_SIZE // 2:
        stem, suffix = name, ""
    return _cut(stem, MAX_FILENAME_SIZE - len(suffix.encode())) + suffix


def _cut(text: str, size: int) -> str:
    """Return the longest beginning of ``text`` whose UTF-8 takes at most ``size`` bytes."""
    return text.encode()[:size].decode(errors="ignore")
