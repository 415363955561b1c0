"""Every hint names a key that works: the user's own keys, and none that the user has taken away."""

from __future__ import annotations

import ast
import re

from chat.client.program.settings import Table
from chat.client.screen.draw.layout import Size
from chat.client.screen.frontend import _help_page
from chat.client.screen.input.own_keys import OwnKeys
from chat.client.screen.input.questions import YesOrNo
from tests.client.screen.desks import Desk
from tests.package_tree import MODULES, tree_of

_KEY = re.compile(r"\b(?:Ctrl|Alt)-\w|\bEsc\b|\bF\d\b|\bPage (?:Up|Down)\b|\bEnter\b|\[[Yy]/[Nn]\]")
# Where keys get their names, and the texts for users who have not started the screen.
_MAY_NAME_KEYS = {
    "chat.client.cli",
    "chat.client.screen.input.own_keys",  # mistakes in the settings
}
CHANGED = {
    "Enter": "none", "Alt-G": "submit", "F1": "none", "F5": "show-keys", "Ctrl-R": "none", "Alt-T": "search-newer",
    "Ctrl-O": "search", "Alt-S": "search-older", "Up": "none", "Down": "none", "Ctrl-N": "none",
    "Ctrl-P": "none", "Ctrl-S": "none",
    "Esc": "none", "Alt-Q": "back", "Ctrl-G": "none", "Ctrl-C": "none", "Ctrl-X": "clear",
    "Alt-O": "search-cancel", "Page Up": "none", "Alt-U": "page-up", "Page Down": "none",
    "Alt-N": "page-down", "Alt-1": "none", "F2": "view-1", "F3": "view-2", "y": "none", "j": "yes",
}  # fmt: skip


def desk(**entries: str) -> Desk:
    made = Desk(own_keys=OwnKeys(Table(tuple(entries.items()), "f: keys")))
    made.controller.size = Size(100, 12)
    return made


def walk(at: Desk, keys: dict[str, str]) -> list[str]:
    """Go where hints are, with keys that ``keys`` translates; return the row with the hint of each place."""

    def press(key: str) -> None:
        at.type(keys.get(key, key))

    def row(words: str) -> str:
        return next(row.strip() for row in at.screen() if words in row)

    seen = [row("everyone here"), row("/help")]
    at.model.query("alice")
    seen += [row("/close"), row("to the room")]
    at.hear("one", "two one", to="bob")
    press("<f1>")
    seen.append(row("searches"))
    press("<f1>")
    press("<ctrl-r>")
    at.type("one")
    seen.append(row("search: 1"))
    press("<search-cancel>")
    at.type("x")
    press("<ctrl-c>")
    seen.append(row("leaves"))
    at.controller.ask(YesOrNo("Sure?", lambda: None))
    seen.append(row("Sure"))
    press("y")
    assert at.question() is None
    return [*seen, *_help_page(("/who",), at.own_keys)[-3:]]


def test_hints_name_the_usual_keys() -> None:
    assert walk(desk(), {"<search-cancel>": "<esc>"}) == [
        "Type a text: Enter sends it to everyone here.",
        "F1: keys   /help: commands   /quit: leave",
        "Alt-1 is the room, /close closes this view.",
        "[1 room] [2 alice] │ Alt-1: to the room",
        "keys │ Esc closes │ Page Up and Page Down move │ Ctrl-R searches",
        "[1 room] [2 alice] │ search: 1 of 2 │ Ctrl-R, Ctrl-S: other matches, Esc: back",
        "[1 room] [2 alice] │ Ctrl-C again leaves",
        "Sure? [Y/n]:",
        "  Any other line is a text. Enter sends it; // begins a text with a slash.",
        "  :smi and Tab make an emoji; a name that is not completed is sent as it is.",
        "  F1 shows the keys.",
    ]


def test_hints_name_the_keys_of_the_user() -> None:
    own = {
        "<f1>": "<f5>", "<ctrl-r>": "<ctrl-o>", "<search-cancel>": "<alt-o>", "<ctrl-c>": "<ctrl-x>", "y": "j",
    }  # fmt: skip
    assert walk(desk(**CHANGED), own) == [
        "Type a text: Alt-G sends it to everyone here.",
        "F5: keys   /help: commands   /quit: leave",
        "F2 is the room, /close closes this view.",
        "[1 room] [2 alice] │ F2: to the room",
        "keys │ Alt-Q closes │ Alt-U and Alt-N move │ Ctrl-O searches",
        "[1 room] [2 alice] │ search: 1 of 2 │ Alt-S, Alt-T: other matches, Alt-O: back",
        "[1 room] [2 alice] │ Ctrl-X again leaves",
        "Sure? [j/n]:",
        "  Any other line is a text. Alt-G sends it; // begins a text with a slash.",
        "  :smi and Tab make an emoji; a name that is not completed is sent as it is.",
        "  F5 shows the keys.",
    ]


def test_hints_leave_out_keys_that_are_gone() -> None:
    gone = ["F1", "Esc", "Page Up", "Ctrl-R", "Alt-1", "n", "Ctrl-G", "Ctrl-C"]
    at = desk(**dict.fromkeys(gone, "none"))
    at.model.query("alice")
    assert at.screen()[-2] == " [1 room] [2 alice]"
    at.type("/keys<enter>")
    assert at.screen()[0] == " keys │ /close closes"
    at.controller.ask(YesOrNo("Sure?", lambda: None))
    assert at.screen()[-1] == "Sure? [Y]:"


def test_no_text_names_a_key_by_itself() -> None:
    named = []
    for module, path in MODULES.items():
        if not module.startswith("chat.client") or not _KEY.search(path.read_text("utf-8")):
            continue
        tree = tree_of(module)
        docstrings = {
            ast.get_docstring(node, clean=False)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        }
        named += [
            f"{module}: {node.value!r}"
            for node in ast.walk(tree)
            if module not in _MAY_NAME_KEYS and isinstance(node, ast.Constant)
            if isinstance(node.value, str) and node.value not in docstrings
            if _KEY.search(node.value)
        ]
    assert named == []
