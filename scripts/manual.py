"""Make the man pages for ``make docs``, from the output of ``--help`` and the keys of the screen.

The text of ``--help`` has a form that is parsed here. Its first line says what the program is. Blocks of options stand
under a heading. A paragraph that begins with a word and a colon begins a section of that name. Indented blocks are
lists of commands, or examples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from docutils import nodes
from docutils.core import publish_from_doctree
from docutils.utils import new_document
from docutils.writers.manpage import Writer

from chat import __version__
from chat.client import cli as client
from chat.client.screen.input.keys import BINDINGS, Action, KeyContext
from chat.server import cli as server

PAGES = Path(__file__).resolve().parent.parent / "docs"
_TITLE = re.compile(r"(?P<title>[A-Z][a-z]+( [a-z]+)?): (?P<text>.*)", re.DOTALL)
_OPTION = re.compile(r"(?P<names>-\S+(?:,? -\S+)?)\s+(?P<text>.*)", re.DOTALL)
_HEADER = '.\\" Made by `make docs` from what --help says: change that.\n'


def main() -> None:
    """Write the man pages."""
    for name, text in pages().items():
        (PAGES / name).write_text(text, encoding="utf-8")
        print(f"docs/{name}")


def pages() -> dict[str, str]:
    """Return the text of each man page, by file name."""
    keys = _section("KEYS", [*_keys(), *_actions()])
    return {
        "chat-client.1": _page("chat-client", client.usage(), {"commands": keys}, "chat-server"),
        "chat-server.1": _page("chat-server", server.__doc__ or "", {}, "chat-client"),
    }


def _page(program: str, usage: str, more: dict[str, nodes.section], see: str) -> str:
    """Return a man page. ``more`` has sections that ``usage`` lacks, by the section that they follow."""
    summary, _, text = usage.partition("\n")
    document = new_document(program)
    document += nodes.title(text=program)
    document += nodes.subtitle(text=summary[0].lower() + summary[1:].rstrip("."))
    section = nodes.field("", nodes.field_name(text="manual_section"))
    section += nodes.field_body("", _paragraph("1"))
    document += nodes.docinfo("", nodes.version(text=f"chat {__version__}"), section)
    for title, content in _sections(text).items():
        document += _section(title.upper(), content)
        if title in more:
            document += more[title]
    document += _section("SEE ALSO", [_paragraph(f"{see}(1)")])
    page = publish_from_doctree(
        document, writer=Writer(), settings_overrides={"output_encoding": "unicode"}
    )
    # The writer's header names docutils, where a reader who finds a mistake can't fix it.
    page = re.sub(r'\A(?:\.\\".*\n)+', lambda _: _HEADER, str(page))
    return page.replace("\n.SH Name\n", "\n.SH NAME\n")


def _sections(text: str) -> dict[str, list[nodes.Element]]:
    sections: dict[str, list[nodes.Element]] = {"synopsis": [], "description": [], "options": []}
    current = "description"
    for block in re.split(r"\n{2,}", text.strip("\n")):
        first, _, rest = block.partition("\n")
        titled = _TITLE.fullmatch(block)
        if first == "Usage:":
            sections["synopsis"].append(_literal(rest))
        elif rest.startswith("  -"):
            sections["options"].append(_section(first.rstrip(":"), [_options(rest)]))
        elif first.startswith("  /"):
            terms = (re.split(r" {2,}", line.strip(), maxsplit=1) for line in block.splitlines())
            sections[current].append(_definitions((term, text) for term, text in terms))
        elif first.startswith("  "):
            sections[current].append(_literal(block))
        elif titled:
            current = titled["title"].lower()
            words = titled["text"]
            sections[current] = [_paragraph(words[0].upper() + words[1:])]
        else:
            sections[current].append(_paragraph(block))
    return sections


def _section(title: str, content: Iterable[nodes.Element]) -> nodes.section:
    section = nodes.section("", nodes.title(text=title), ids=[nodes.make_id(title)])
    section += list(content)
    return section


def _keys() -> Iterator[nodes.section]:
    for where in KeyContext:
        there = (binding for binding in BINDINGS if binding.where is where)
        yield _section(where.value, [_definitions((b.labels, b.help) for b in there)])


def _actions() -> Iterator[nodes.section]:
    names = ((b.action.value, b.help) for b in BINDINGS if b.action is not Action.VIEW)
    others = [("view-1", "to view 1, and so on to view-9"), ("leave", "leave"), ("none", "nothing")]
    yield _section("Actions for own keys", [_definitions([*names, *others])])


def _options(block: str) -> nodes.option_list:
    options = nodes.option_list()
    for item in re.split(r"^  (?=-)", block, flags=re.MULTILINE)[1:]:
        match = _OPTION.fullmatch(item)
        assert match is not None, f"an option and what it does, two blanks between: {item!r}"
        group = nodes.option_group()
        for name in match["names"].replace(",", " ").split():
            group += _option(name)
        description = nodes.description("", _paragraph(match["text"]))
        options += nodes.option_list_item("", group, description)
    return options


def _option(text: str) -> nodes.option:
    name, equals, argument = text.partition("=")
    option = nodes.option("", nodes.option_string(text=name))
    if equals:
        option += nodes.option_argument(text=argument.strip("<>"), delimiter=equals)
    return option


def _definitions(pairs: Iterable[tuple[str, str]]) -> nodes.definition_list:
    items = nodes.definition_list()
    for words, meaning in pairs:
        term = nodes.term("", "", nodes.strong(text=words))
        definition = nodes.definition("", _paragraph(meaning))
        items += nodes.definition_list_item("", term, definition)
    return items


def _paragraph(text: str) -> nodes.paragraph:
    return nodes.paragraph(text=" ".join(text.split()))


def _literal(block: str) -> nodes.literal_block:
    return nodes.literal_block(
        text="\n".join(line.removeprefix("  ") for line in block.split("\n"))
    )


if __name__ == "__main__":
    main()
