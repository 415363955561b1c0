"""Check user names: which are allowed, and when two are equal.

The rules are RFC 8265 (PRECIS): names are shown as UsernameCasePreserved leaves them, and compared as
UsernameCaseMapped. In addition, a name has only letters, marks and digits of any script, ``_``, ``-`` and ``.``; it
begins with a letter or digit, and has 1 to 32 code points. So no name needs an escape in JSON, which the original
client could not read.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from precis_i18n import get_profile

from chat.protocol.confusables import skeleton
from chat.protocol.errors import UserNameError
from chat.protocol.notices import SERVER_NAME

MAX_NAME_LENGTH = 32  # code points
# An early bound, so that a header of 64 KiB does not go through the profile. Width mapping and NFC never make one
# character of more than four.
_MAX_RAW_LENGTH = 4 * MAX_NAME_LENGTH

_PRESERVED = get_profile("UsernameCasePreserved")
_MAPPED = get_profile("UsernameCaseMapped")
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


class UserName(NamedTuple):
    """Hold a valid name as it is shown, and the key by which it is compared."""

    display: str
    key: str


def parse_user_name(raw: str) -> UserName:
    """Check the name that a peer asked for, and return it in the form that the room uses.

    Raises UserNameError with a sentence for the user who chose it. Source: RFC 8265.
    """
    if len(raw) > _MAX_RAW_LENGTH:
        raise UserNameError(f"A name has at most {MAX_NAME_LENGTH} characters.")
    try:
        # The profiles take a twelfth of a login, and say this of such names.
        display, key = (raw, raw.lower()) if _PLAIN.fullmatch(raw) else enforce_profiles(raw)
    except UnicodeError:
        raise UserNameError(_explain(raw)) from None
    # Checked again, because the profile may change the length.
    if len(display) > MAX_NAME_LENGTH:
        raise UserNameError(f"A name has at most {MAX_NAME_LENGTH} characters.")
    if not _starts_well(display[0]):
        raise UserNameError("A name starts with a letter or a digit.")
    if not all(_allowed(character) for character in display):
        raise UserNameError(_explain(raw))
    if looks_like_server(display):
        raise UserNameError(
            f"The name {SERVER_NAME!r}, and every name that looks like it, is reserved."
        )
    return UserName(display, key)


def enforce_profiles(raw: str) -> tuple[str, str]:
    """Return ``raw`` as the profiles show and compare it. Raises UnicodeError if they do not allow it."""
    display = _PRESERVED.enforce(raw)
    return display, _MAPPED.enforce(display)


def name_key(name: str) -> str | None:
    """Return the key of ``name``, or None if no user can have that name."""
    # Checked before the cache: it must not hold a thousand names of 64 KiB each.
    return None if len(name) > _MAX_RAW_LENGTH else _cached_key(name)


@lru_cache(maxsize=1024)
def _cached_key(name: str) -> str | None:
    try:
        return parse_user_name(name).key
    except UserNameError:
        return None


def looks_of(name: str) -> frozenset[str]:
    """Return what ``name`` looks like, in any case: two names that share a value can be mistaken for each other.

    The values are skeletons of UTS #39.
    """
    # A capital may look like another letter than its small form does, so the name is folded before and after the
    # skeleton.
    return frozenset((skeleton(name.casefold()), skeleton(skeleton(name).casefold())))


def looks_like_server(name: str) -> bool:
    """Return whether a reader could take ``name`` for the server's own name."""
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
