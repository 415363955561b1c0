"""User names: which are allowed, and when two are the same.

RFC 8265 (PRECIS): shown as UsernameCasePreserved leaves them, compared as UsernameCaseMapped. On top of that only
letters, marks and digits of any script, ``_``, ``-`` and ``.``; the first a letter or digit; 1 to 32 code points.
That leaves no character that JSON would have to escape, which the original client could not read.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

from precis_i18n import get_profile

from chat.protocol.confusables import skeleton
from chat.protocol.errors import UserNameError
from chat.protocol.notices import SERVER_NAME

MAX_NAME_LENGTH = 32  # code points
# An early bound: a header of 64 KiB need not go through the profile to be found too long. Width mapping and NFC never
# make one character of more than four.
_MAX_RAW_LENGTH = 4 * MAX_NAME_LENGTH

_PRESERVED = get_profile("UsernameCasePreserved")
_MAPPED = get_profile("UsernameCaseMapped")


class UserName(NamedTuple):
    """A valid name as it is shown, and the key by which it is compared."""

    display: str
    key: str


def parse_user_name(raw: str) -> UserName:
    """The name that a peer asked for, in the form the room will use.

    Raises UserNameError with a sentence for the person who chose it.
    """
    if len(raw) > _MAX_RAW_LENGTH:
        raise UserNameError(f"A name has at most {MAX_NAME_LENGTH} characters.")
    try:
        display = _PRESERVED.enforce(raw)
        key = _MAPPED.enforce(display)
    except UnicodeError:
        raise UserNameError(_explain(raw)) from None
    if len(display) > MAX_NAME_LENGTH:
        raise UserNameError(f"A name has at most {MAX_NAME_LENGTH} characters.")
    if not _starts_well(display[0]):
        raise UserNameError("A name starts with a letter or a digit.")
    if not all(_allowed(character) for character in display):
        raise UserNameError(_explain(raw))
    if looks_like_server(display):
        raise UserNameError(f"The name {SERVER_NAME!r}, and what looks like it, is reserved.")
    return UserName(display, key)


def name_key(name: str) -> str | None:
    """The key under which ``name`` would be found, or None if nobody can have that name."""
    # Looked at before the cache is: a thousand names of 64 KiB each are not worth remembering.
    return None if len(name) > _MAX_RAW_LENGTH else _cached_key(name)


@lru_cache(maxsize=1024)
def _cached_key(name: str) -> str | None:
    try:
        return parse_user_name(name).key
    except UserNameError:
        return None


def looks_of(name: str) -> frozenset[str]:
    """What ``name`` looks like (UTS #39 skeleton, in any case): who has one in common can be taken for the other."""
    # Capitals are drawn like other letters than their small forms, so both ways round are looked at.
    return frozenset((skeleton(name.casefold()), skeleton(skeleton(name).casefold())))


def looks_like_server(name: str) -> bool:
    """Whether a reader could take ``name`` for the server's own."""
    return skeleton(SERVER_NAME) in looks_of(name)


def _starts_well(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "L" or category == "Nd"


def _allowed(character: str) -> bool:
    return (
        character in "_-." or unicodedata.category(character)[0] == "M" or _starts_well(character)
    )


def _explain(raw: str) -> str:
    if not raw:
        return "A name must not be empty."
    return "A name is made of letters and digits of any script, '_', '-' and '.'."
