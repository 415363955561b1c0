"""Read a usage text: the options and the forms of a command line that it documents.

docopt parses command lines by the same text. This module serves what docopt does not: suggestions and completion.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_OPTION = re.compile(r" {2}(?P<names>-\S+(?:,? -\S+)?)(?:\s{2,}(?P<help>.*))?", re.DOTALL)
_TOKEN = re.compile(r"[\[\]()|]|[^\s\[\]()|]+")
_GROUPS = {"[": "]", "(": ")"}


class DocumentedOption(NamedTuple):
    """Hold the names of an option, such as -u and --username, its argument (empty for a switch), and its help."""

    names: tuple[str, ...]
    argument: str
    help: str


class Form(NamedTuple):
    """Hold one form of the command line, such as ``users add NAME [--moderator]``.

    ``words`` are the commands: ``users``, ``add``. ``arguments`` has the words to choose from at each further place;
    none if anything may stand there. ``options`` are the names of the options; ``"[options]"`` stands for all.
    """

    text: str
    words: tuple[str, ...]
    arguments: tuple[tuple[str, ...], ...]
    options: tuple[str, ...]


def options_of(usage: str) -> tuple[DocumentedOption, ...]:
    """Return the options that the help text of ``usage`` explains, in its order."""
    _, _, explained = usage.partition("\nUsage:\n")
    blocks = re.split(r"\n{2,}", explained)[1:]
    items = (item for block in blocks for item in re.split(r"^(?=  -)", block, flags=re.MULTILINE))
    found = filter(None, map(_OPTION.fullmatch, items))
    return tuple(_option(match["names"], match["help"] or "") for match in found)


def forms_of(usage: str) -> tuple[Form, ...]:
    """Return the forms of the command line that ``usage`` begins with."""
    _, _, text = usage.partition("\nUsage:\n")
    block = text.partition("\n\n")[0]
    # A line that is indented further continues the form before it.
    lines = re.split(r"\n(?= {2}\S)", block)
    return tuple(form for line in lines for form in _alternatives(" ".join(line.split())))


def _option(names: str, text: str) -> DocumentedOption:
    words = names.replace(",", " ").split()
    arguments = [word.partition("=")[2] for word in words]
    return DocumentedOption(
        tuple(word.partition("=")[0] for word in words),
        next(filter(None, arguments), ""),
        " ".join(text.split()),
    )


def _alternatives(text: str) -> list[Form]:
    """Return the forms that one line of a usage stands for: ``(a | b) X`` is ``a X`` and ``b X``."""
    forms = [Form(text, (), (), ())]
    tokens = _TOKEN.findall(text)[1:]  # without the name of the program
    while tokens:
        token = tokens.pop(0)
        group = [token]
        if token in _GROUPS:
            end = tokens.index(_GROUPS[token])
            group, tokens = [each for each in tokens[:end] if each != "|"], tokens[end + 1 :]
        options = tuple(each.partition("=")[0] for each in group if each.startswith("-"))
        places = [each for each in group if not each.startswith("-") and each != "..."]
        if token == "[" and places == ["options"]:
            options, places = ("[options]",), []
        words = tuple(place for place in places if place[0].islower())
        if words and token != "[" and not forms[0].arguments:
            chosen = [form._replace(words=(*form.words, word)) for form in forms for word in words]
            forms = chosen + [_with_options(form, options) for form in forms if options]
        else:
            forms = [_with_options(form, options) for form in forms]
            if places:
                forms = [form._replace(arguments=(*form.arguments, words)) for form in forms]
    return forms


def _with_options(form: Form, options: tuple[str, ...]) -> Form:
    return form._replace(options=(*form.options, *options))
