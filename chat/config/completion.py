"""Collect what a shell can complete on a command line: options, their values, and commands, from the usage texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from chat.config.options import Option
from chat.config.usage import DocumentedOption, Form, forms_of, options_of

_HELP = ("-h", "--help")
_PATHS = {"<file>": "file", "<directory>": "directory"}


class CompletedOption(NamedTuple):
    """Hold the names of an option, the name of its value (empty for a switch), and a short help.

    The value is one of ``words``, or a path if ``paths`` is "file" or "directory", or anything.
    """

    names: tuple[str, ...]
    value: str
    words: tuple[str, ...]
    paths: str
    help: str


class CompletedCommand(NamedTuple):
    """Hold one command, such as ``users add``; the program itself has no ``words``.

    ``arguments`` has the words that may stand at each place after the command; none of them if anything may.
    """

    words: tuple[str, ...]
    options: tuple[CompletedOption, ...]
    arguments: tuple[tuple[str, ...], ...]


def completed_commands(
    usages: Sequence[str], table: Iterable[Option]
) -> tuple[CompletedCommand, ...]:
    """Return all commands of a program.

    ``usages`` are the usage texts of the program and its commands; ``table`` knows the values of options.
    """
    values = {f"--{option.name}": option.values for option in table}
    forms = [(form, options_of(usage)) for usage in usages for form in forms_of(usage)]
    # A form that ends with dots stands for the forms in another usage text.
    forms = [(form, options) for form, options in forms if not form.text.endswith(" ...")]
    prefixes = {form.words[:end] for form, _ in forms for end in range(len(form.words) + 1)}
    return tuple(_command(words, forms, values) for words in sorted(prefixes))


def _command(
    words: tuple[str, ...],
    forms: Sequence[tuple[Form, Sequence[DocumentedOption]]],
    values: Mapping[str, tuple[str, ...]],
) -> CompletedCommand:
    next_words = {
        form.words[len(words)]
        for form, _ in forms
        if form.words[: len(words)] == words and len(form.words) > len(words)
    }
    own = [(form, options) for form, options in forms if form.words == words]
    arguments = max((form.arguments for form, _ in own), key=len, default=())
    named = {name for form, _ in own for name in form.options} | {*_HELP}
    found: dict[tuple[str, ...], CompletedOption] = {}
    for _, options in own:
        for option in options:
            if "[options]" in named or named & set(option.names):
                found.setdefault(option.names, _completed(option, values))
    return CompletedCommand(
        words,
        tuple(found.values()),
        (tuple(sorted(next_words)), *arguments) if next_words else arguments,
    )


def _completed(option: DocumentedOption, values: Mapping[str, tuple[str, ...]]) -> CompletedOption:
    value = option.argument.strip("<>")
    words = values.get(option.names[-1], ()) if option.argument else ()
    if not words and "|" in value:
        words = tuple(value.split("|"))
    return CompletedOption(
        option.names,
        value.replace("|", " or "),
        words,
        _PATHS.get(option.argument, ""),
        _short(option.help),
    )


def _short(help: str) -> str:
    """Return the first sentence of a help text, without the default."""
    text = help.partition(" (default:")[0]
    return re.split(r"(?<=[^.\s])[.;:](?:\s|$)", text, maxsplit=1)[0]
