"""What both programs have of their options: one table for the command line and for the file of settings.

The words given for an option come from either; what they mean is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from chat.address import Address, parse_address
from chat.command_line import UsageError


class Given(NamedTuple):
    """The words given for an option, and where: ``--max-save``, or a file and the key in it."""

    text: str
    where: str


class Kind(Enum):
    """What the file may say for an option."""

    TEXT = "a text in quotes"
    COUNT = "a whole number"
    SIZE = 'a number of bytes or a text such as "64K"'
    RATE = 'a number or a text such as "50/200"'
    SWITCH = "true or false"
    NAMES = 'a list of names such as ["bob"]'
    NETWORKS = 'a list of networks such as ["10.0.0.0/8"]'


class Option(NamedTuple):
    """``--name`` on the command line, ``name`` in the file.

    ``parse`` makes of words, and where they were given, the value of a field of the settings, which is called as the
    option is unless ``sets`` says otherwise; raises UsageError. The words of a switch are on and off, however it is
    turned.
    """

    name: str
    kind: Kind
    parse: Callable[[str, str], Any]
    in_file: bool = True
    sets: str = ""

    @property
    def field(self) -> str:
        return self.sets or self.name.replace("-", "_")


def given_on_command_line(options: Mapping[str, str | bool | None]) -> dict[str, Given]:
    """What docopt found there, by name without the dashes; it must not have been told any defaults."""
    return {
        name.removeprefix("--"): Given(text if isinstance(text, str) else "on", name)
        for name, text in options.items()
        if text not in (None, False)
    }


def read_given(
    options: Sequence[Option],
    given: Mapping[str, Given],
    problems: list[str],
    unless: Collection[str] = (),
) -> dict[str, Any]:
    """The values, by field, but for the fields in ``unless``, which are not even looked at.

    What makes no sense is added to ``problems``, one line each. Two spellings of one option are both fine as long as
    they agree.
    """
    values: dict[str, Any] = {}
    for option in options:
        if option.name not in given or option.field in unless:
            continue
        try:
            value = option.parse(*given[option.name])
        except UsageError as problem:
            problems.append(str(problem))
            continue
        if values.setdefault(option.field, value) != value:
            names = (other.name for other in options if other.field == option.field)
            both = " and ".join(given[name].where for name in names if name in given)
            problems.append(f"{both} say different things: give one")
    return values


def suggestion(key: str, known: Sequence[str]) -> str:
    """What may have been meant by a ``key`` that is not known: the end of a sentence."""
    from difflib import get_close_matches

    nearest = get_close_matches(key.lower().replace("_", "-"), known, n=1)
    return f"expected {nearest[0]}?" if nearest else f"expected one of {', '.join(known)}"


def read_address(text: str, where: str) -> Address:
    """Raises UsageError."""
    try:
        return parse_address(text)
    except ValueError as problem:
        raise UsageError(f"{where}: {problem}") from None


def read_path(text: str, where: str, expected: str) -> Path:
    """``~`` is a home directory. Raises UsageError for what can be no path at all."""
    if not text.strip():  # pathlib takes an empty path for the current directory
        raise UsageError(f"{where} is empty: expected {expected}")
    if "\0" in text:
        raise UsageError(f"{where}={text!r}: expected {expected}")
    try:
        return Path(text).expanduser()
    except RuntimeError as problem:  # ~ of nobody
        raise UsageError(
            f"{where}={text}: {str(problem).rstrip('.')}; expected {expected}"
        ) from None


def read_choice(text: str, where: str, *, values: Collection[str]) -> str:
    """Raises UsageError for what is none of ``values``."""
    if text not in values:
        *others, last = values
        raise UsageError(f"{where}={text}: expected {', '.join(others)} or {last}")
    return text


def read_switch(text: str, where: str) -> bool:
    """Raises UsageError for what is neither on nor off."""
    return read_choice(text, where, values=("on", "off")) == "on"
