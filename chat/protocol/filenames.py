"""Clean file names from peers, so that a file can be saved under them on any system.

The original client writes to ``save_directory/filename`` unchecked, so the server cleans every name before it passes
the name on. Our client cleans names again, because it may talk to another server.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from precis_i18n.unicode import UnicodeData

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
# ZERO WIDTH NON-JOINER and ZERO WIDTH JOINER: Persian, Indic scripts and emoji are misspelled without them.
_JOINERS = frozenset("\u200c\u200d")
# The blocks of pictographs. They contain other symbols too; a joiner between two symbols shows nothing misleading.
_PICTOGRAPH = "[\u00a9\u00ae\u203c\u2049\u2100-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
# UTS #51: emoji_zwj_sequence, and emoji_tag_sequence (the flag of a region).
# Not compiled here: that takes a while at each start, and few names have a joiner.
_JOINED_EMOJI = rf"{_PICTOGRAPH}[\ufe0f\U0001f3fb-\U0001f3ff]*(?:\u200d{_PICTOGRAPH}[\ufe0f\U0001f3fb-\U0001f3ff]*)+"
_FLAG = "\U0001f3f4[\U000e0030-\U000e007a]{3,6}\U000e007f"
# Code points on each side of a joiner that are looked at. No text has more marks on a letter.
_CONTEXT = 16
# Bytes of a name whose joiners are judged.
_MAX_JUDGED_SIZE = 4 * MAX_FILENAME_SIZE


def clean_filename(name: str, default: str = DEFAULT_FILENAME) -> str:
    """Return a safe base name of ``name``: never empty, hidden, an option, a path, or over 200 bytes.

    Control and format characters are dropped, and each of ``<>:"/\\|?*`` becomes ``_``. Joiners stay where RFC 5892
    (A.1, A.2) allows them, and in emoji sequences (UTS #51). Leading dots and blanks are dropped, a leading ``-``,
    ``+`` or ``@`` gets a ``_`` before it. A name that is too long is cut before its extension. If nothing is left, the
    result is ``default``. Cleaning a clean name changes nothing.
    """
    name = _SEPARATORS.split(_drop_invisible(name))[-1]
    # Judging a joiner takes much longer than a character, and a header may be 64 KiB of joiners.
    if not _JOINERS.isdisjoint(name):
        name = _drop_misplaced_joiners(_shorten(name, _MAX_JUDGED_SIZE))
    name = _FORBIDDEN.sub("_", name)
    name = _strip(name)
    if name.startswith(_TAKEN_FOR_OPTIONS):
        name = f"_{name}"
    # Once more, because the cut may leave blanks, or a part of an emoji sequence, at the end.
    name = _strip(_drop_misplaced_joiners(_drop_invisible(_shorten(name, MAX_FILENAME_SIZE))))
    return name or default


def _drop_invisible(name: str) -> str:
    """Drop control and format characters, except for joiners and the tags in the flag of a region."""
    if name.isprintable():
        return name
    flags = {place for flag in re.finditer(_FLAG, name) for place in range(*flag.span())}
    return "".join(
        c
        for place, c in enumerate(name)
        if unicodedata.category(c) not in _DROPPED_CATEGORIES or c in _JOINERS or place in flags
    )


def _drop_misplaced_joiners(name: str) -> str:
    """Drop joiners that are neither in an emoji sequence nor where RFC 5892 (A.1, A.2) allows them."""
    if _JOINERS.isdisjoint(name):
        return name
    emoji = {
        place for joined in re.finditer(_JOINED_EMOJI, name) for place in range(*joined.span())
    }
    return "".join(
        c
        for place, c in enumerate(name)
        if c not in _JOINERS or place in emoji or _is_joiner_allowed(name, place)
    )


def _is_joiner_allowed(name: str, place: int) -> bool:
    from precis_i18n.context import context_rule_error  # a client needs it for few names

    start = max(0, place - _CONTEXT)
    around = name[start : place + _CONTEXT + 1]
    return place > 0 and not context_rule_error(around, place - start, _unicode())


@lru_cache(maxsize=1)
def _unicode() -> UnicodeData:
    from precis_i18n.unicode import UnicodeData

    return UnicodeData()


def _strip(name: str) -> str:
    """Drop leading dots and blanks (hidden files), and trailing blanks (which some systems drop by themselves)."""
    # In one step: a header may be 64 KiB of dots, and dropping them one by one would copy gigabytes.
    return _LEADING.sub("", name, count=1).rstrip()


def _shorten(name: str, most: int) -> str:
    """Cut ``name`` to at most ``most`` bytes of whole characters.

    The extension is kept if it leaves room for a stem.
    """
    if len(name.encode()) <= most:
        return name
    stem, dot, extension = name.rpartition(".")
    suffix = dot + extension
    if not stem or len(suffix.encode()) > most // 2:
        stem, suffix = name, ""
    return _cut(stem, most - len(suffix.encode())) + suffix


def _cut(text: str, size: int) -> str:
    """Return the longest beginning of ``text`` whose UTF-8 takes at most ``size`` bytes."""
    return text.encode()[:size].decode(errors="ignore")
