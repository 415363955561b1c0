"""Find the word that makes a command line wrong, and suggest what may have been meant.

docopt only says which words are left over. This module compares the words with the usage text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from chat.config.usage import DocumentedOption, Form, forms_of, options_of

_ADDRESS_LIKE = re.compile(r".*[:.].*|[0-9]+|localhost", re.DOTALL)


def find_mistake(usage: str, arguments: Sequence[str], meant: Mapping[str, str]) -> str | None:
    """Return one line about the first unknown option or command; None if there is no such word.

    ``meant`` has options of other programs, without dashes, and the options of this program that do the same.
    """
    mistake = find_unknown_option(usage, arguments, meant)
    if mistake is not None:
        return mistake
    options = options_of(usage)
    names = [name for option in options for name in option.names]
    words = [word for word, option in _split(arguments, options) if not option]
    if words and "--address" in names and _ADDRESS_LIKE.fullmatch(words[0]):
        return f"unexpected {words[0]!r}: did you mean --address={words[0]}?"
    return _word_mistake(words, forms_of(usage))


def find_unknown_option(
    usage: str, arguments: Sequence[str], meant: Mapping[str, str]
) -> str | None:
    """Return one line about the first unknown option, None if all are known; ``meant`` as above."""
    options = options_of(usage)
    names = [name for option in options for name in option.names]
    for _, name in _split(arguments, options):
        if name and name not in names:
            return _option_mistake(name, names, meant)
    return None


def nearest_form(usage: str, arguments: Sequence[str]) -> str:
    """Return the form of the command line that shares the most commands with ``arguments``."""
    words = [word for word, option in _split(arguments, options_of(usage)) if not option]

    def shared(form: Form) -> int:
        return sum(1 for one, other in zip(form.words, words, strict=False) if one == other)

    return max(forms_of(usage), key=shared).text


def _split(
    arguments: Sequence[str], options: Sequence[DocumentedOption]
) -> Iterator[tuple[str, str]]:
    """Yield each word, with the name of the option that it gives, or ``""``. Values after an option are left out."""
    names = [name for option in options for name in option.names]
    with_value = {name for option in options if option.argument for name in option.names}
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            yield from ((each, "") for each in rest)
        elif word.startswith("--"):
            name, equals, _ = word.partition("=")
            name = _in_full(name, names)
            yield word, name
            if name in with_value and not equals:
                next(rest, None)
        elif word.startswith("-") and word != "-":
            name = word.partition("=")[0]
            # docopt reads -username as -u with the value "sername".
            is_short = word[:2] in names and f"-{name}" not in names
            yield word, word[:2] if is_short else name
            if word in with_value:
                next(rest, None)
        else:
            yield word, ""


def _in_full(name: str, names: Collection[str]) -> str:
    """Return the one long option that begins with ``name``, as docopt does, or else ``name``."""
    longer = [each for each in names if each.startswith(name)]
    return longer[0] if name not in names and len(longer) == 1 else name


def _option_mistake(name: str, names: Sequence[str], meant: Mapping[str, str]) -> str:
    longer = [each for each in names if name.startswith("--") and each.startswith(name)]
    if longer:
        return f"the option {name} may be {_alternatives(longer)}"
    bare = name.lstrip("-")
    # Compared without dashes, which would make all names look alike.
    nearest = meant.get(bare) or _nearest(bare, [each.removeprefix("--") for each in names], "--")
    return f"unknown option {name}" + (f": did you mean {nearest}?" if nearest else "")


def _word_mistake(words: Sequence[str], forms: Sequence[Form]) -> str | None:
    """Return one line about the first word that no form has at its place, or about a missing word."""
    for index, word in enumerate(words):
        places = [(form, _place(form, index)) for form in forms]
        fitting = [form for form, place in places if place == () or word in (place or ())]
        if fitting:
            forms = fitting
            continue
        expected = sorted({each for _, place in places for each in place or ()})
        if not expected:
            return None  # one word too many: docopt names it
        nearest = _nearest(word, expected)
        hint = f"did you mean {nearest}?" if nearest else f"expected {_alternatives(expected)}"
        kind = "command" if any(len(form.words) > index for form in forms) else "word"
        return f"unknown {kind} {word!r}: {hint}"
    return _missing_word(words, forms) if words else None


def _missing_word(words: Sequence[str], forms: Sequence[Form]) -> str | None:
    """Return one line about the word that ``forms``, which have ``words``, need next; None if one needs no more."""
    forms = [form for form in forms if "--help" not in form.options]
    if not forms or any(len(form.words) + len(form.arguments) <= len(words) for form in forms):
        return None
    next_words = sorted({word for form in forms for word in _place(form, len(words)) or ()})
    if next_words:
        return f"a word is missing after {words[-1]!r}: expected {_alternatives(next_words)}"
    return f"an argument is missing after {words[-1]!r}: expected {forms[0].text}"


def _place(form: Form, index: int) -> tuple[str, ...] | None:
    """Return the words that ``form`` may have at a place; none of them: any word; None: no word."""
    places = [*((word,) for word in form.words), *form.arguments]
    return places[index] if index < len(places) else None


def _nearest(word: str, known: Collection[str], dashes: str = "") -> str | None:
    from difflib import get_close_matches  # imported late: most command lines have no mistake

    found = get_close_matches(word.lower().replace("_", "-"), known, n=1)
    return f"{dashes}{found[0]}" if found else None


def _alternatives(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
