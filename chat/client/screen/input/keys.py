"""Name the keys, and define in one table what each of them does.

A printable character is its own name; every other key has a name in angle brackets, modifiers first and in this order:
``<enter>``, ``<ctrl-a>``, ``<alt-backspace>``, ``<ctrl-alt-shift-up>``. ``/keys`` prints the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

CTRL, ALT, SHIFT = "ctrl-", "alt-", "shift-"

NAMED_KEYS = frozenset(
    {
        "enter",
        "tab",
        "esc",
        "space",
        "backspace",
        "delete",
        "insert",
        "home",
        "end",
        "pageup",
        "pagedown",
        "up",
        "down",
        "left",
        "right",
        "wheel-up",
        "wheel-down",
        "scroll-up",
        "scroll-down",
        "leave",
        "focus-in",
        "focus-out",
        "resize",
        *(f"f{number}" for number in range(1, 64)),
    }
)
# With all names in it, the expression would take milliseconds to compile at each start.
_KEY_NAME = re.compile(r"<(?P<modifiers>(?:ctrl-|alt-|shift-)*)(?P<key>[a-z0-9-]+|[^\x00-\x20])>")


class KeyContext(Enum):
    """Name where a key works; the value is the heading that it stands under in ``/keys``."""

    TYPING = "Typing"
    LOG = "Reading"
    VIEWS = "Views and screen"
    SEARCH = "In a search"
    SWITCHER = "In the list of views and people"
    QUESTION = "At a question"


class Action(Enum):
    """Name what a key does. A part of the screen passes on an action that does not concern it."""

    SUBMIT = "submit"
    NEW_LINE = "new-line"
    LEFT = "left"
    RIGHT = "right"
    WORD_LEFT = "word-left"
    WORD_RIGHT = "word-right"
    LINE_START = "line-start"
    LINE_END = "line-end"
    UP = "up"
    DOWN = "down"
    HISTORY_OLDER = "history-older"
    HISTORY_NEWER = "history-newer"
    DELETE_LEFT = "delete-left"
    DELETE_RIGHT = "delete-right"
    DELETE_OR_LEAVE = "delete-or-leave"
    KILL_TO_END = "kill-to-end"
    KILL_TO_START = "kill-to-start"
    KILL_BLANK_WORD_LEFT = "kill-blank-word-left"
    KILL_WORD_LEFT = "kill-word-left"
    KILL_WORD_RIGHT = "kill-word-right"
    YANK = "yank"
    YANK_OLDER = "yank-older"
    TRANSPOSE = "transpose"
    UNDO = "undo"
    REDO = "redo"
    COMPLETE = "complete"
    COMPLETE_BACK = "complete-back"
    CLEAR = "clear"
    LEAVE = "leave"
    PAGE_UP = "page-up"
    PAGE_DOWN = "page-down"
    SCROLL_UP = "scroll-up"
    SCROLL_DOWN = "scroll-down"
    WHEEL_UP = "wheel-up"
    WHEEL_DOWN = "wheel-down"
    TOP = "top"
    BOTTOM = "bottom"
    BACK = "back"
    SEARCH = "search"
    VIEW = "view"
    NEXT_UNREAD = "next-unread"
    VIEW_ABOVE = "view-above"
    VIEW_BELOW = "view-below"
    SWITCH = "switch"
    REDRAW = "redraw"
    SUSPEND = "suspend"
    SHOW_KEYS = "show-keys"
    BARE = "bare"
    SAY_AGAIN = "say-again"
    DROP_LINE = "drop-line"
    SEARCH_OLDER = "search-older"
    SEARCH_NEWER = "search-newer"
    SEARCH_ACCEPT = "search-accept"
    SEARCH_CANCEL = "search-cancel"
    SWITCH_UP = "switch-up"
    SWITCH_DOWN = "switch-down"
    SWITCH_ACCEPT = "switch-accept"
    SWITCH_CANCEL = "switch-cancel"
    YES = "yes"
    NO = "no"


class Binding(NamedTuple):
    """Bind ``keys`` to one action."""

    keys: tuple[str, ...]
    action: Action
    help: str
    where: KeyContext = KeyContext.TYPING

    @property
    def labels(self) -> str:
        """Return the keys as people write them: ``Ctrl-A, Home``."""
        if self.action is Action.VIEW and len(self.keys) == 9:
            return f"{label(self.keys[0])} to {label(self.keys[-1])}"
        return ", ".join(map(label, self.keys))


BINDINGS: tuple[Binding, ...] = (
    Binding(("<enter>",), Action.SUBMIT, "send the message, or run the command"),
    Binding(("<alt-enter>", "<shift-enter>"), Action.NEW_LINE, "begin a new line"),
    Binding(("<tab>",), Action.COMPLETE, "complete a name, path, /command, :emoji"),
    Binding(("<shift-tab>",), Action.COMPLETE_BACK, "complete with the candidate before"),
    Binding(("<up>",), Action.UP, "up a line; if empty: to the message sent before"),
    Binding(("<down>",), Action.DOWN, "down a line, or back from earlier messages"),
    Binding(("<ctrl-p>",), Action.HISTORY_OLDER, "to the message sent before"),
    Binding(("<ctrl-n>",), Action.HISTORY_NEWER, "back to the draft"),
    Binding(
        ("<ctrl-a>", "<home>"), Action.LINE_START, "to the start of the line, or of a scrolled log"
    ),
    Binding(("<ctrl-e>", "<end>"), Action.LINE_END, "to the end of the line, or of a scrolled log"),
    Binding(("<ctrl-b>", "<left>"), Action.LEFT, "a character back"),
    Binding(("<ctrl-f>", "<right>"), Action.RIGHT, "a character forward"),
    Binding(("<alt-b>", "<alt-left>", "<ctrl-left>"), Action.WORD_LEFT, "a word back"),
    Binding(("<alt-f>", "<alt-right>", "<ctrl-right>"), Action.WORD_RIGHT, "a word forward"),
    Binding(("<backspace>",), Action.DELETE_LEFT, "delete the character before"),
    Binding(("<delete>",), Action.DELETE_RIGHT, "delete the character after"),
    Binding(
        ("<ctrl-d>",),
        Action.DELETE_OR_LEAVE,
        "delete the character after; if empty: leave",
    ),
    Binding(("<ctrl-w>",), Action.KILL_BLANK_WORD_LEFT, "cut back to the blank before"),
    Binding(("<alt-backspace>",), Action.KILL_WORD_LEFT, "cut back to the start of the word"),
    Binding(("<alt-d>", "<ctrl-delete>"), Action.KILL_WORD_RIGHT, "cut to the end of the word"),
    Binding(("<ctrl-u>",), Action.KILL_TO_START, "cut back to the start of the line"),
    Binding(("<ctrl-k>",), Action.KILL_TO_END, "cut to the end of the line"),
    Binding(("<ctrl-y>",), Action.YANK, "paste what was cut last"),
    Binding(("<alt-y>",), Action.YANK_OLDER, "after pasting: replace by what was cut before"),
    Binding(("<ctrl-t>",), Action.TRANSPOSE, "swap two characters"),
    Binding(("<ctrl-_>",), Action.UNDO, "undo"),
    Binding(("<alt-_>",), Action.REDO, "redo"),
    Binding(("<ctrl-c>",), Action.CLEAR, "clear the input; twice: leave"),
    Binding(("<pageup>",), Action.PAGE_UP, "a page up", KeyContext.LOG),
    Binding(("<pagedown>",), Action.PAGE_DOWN, "a page down", KeyContext.LOG),
    Binding(("<shift-up>",), Action.SCROLL_UP, "a line up", KeyContext.LOG),
    Binding(("<shift-down>",), Action.SCROLL_DOWN, "a line down", KeyContext.LOG),
    Binding(("<wheel-up>",), Action.WHEEL_UP, "a few lines up", KeyContext.LOG),
    Binding(("<wheel-down>",), Action.WHEEL_DOWN, "a few lines down", KeyContext.LOG),
    Binding(("<alt-<>", "<ctrl-home>"), Action.TOP, "to the oldest line", KeyContext.LOG),
    Binding(("<alt->>", "<ctrl-end>"), Action.BOTTOM, "to the newest line", KeyContext.LOG),
    Binding(
        ("<esc>",), Action.BACK, "close the help; otherwise to the newest line", KeyContext.LOG
    ),
    Binding(("<ctrl-r>",), Action.SEARCH, "search", KeyContext.LOG),
    Binding(
        tuple(f"<alt-{number}>" for number in range(1, 10)),
        Action.VIEW,
        "to the view with that number",
        KeyContext.VIEWS,
    ),
    Binding(
        ("<alt-a>",), Action.NEXT_UNREAD, "to the next view with unread messages", KeyContext.VIEWS
    ),
    Binding(("<alt-up>",), Action.VIEW_ABOVE, "to the view above in the list", KeyContext.VIEWS),
    Binding(("<alt-down>",), Action.VIEW_BELOW, "to the view below in the list", KeyContext.VIEWS),
    Binding(
        ("<alt-k>",), Action.SWITCH, "to a room, a view or a user by any letters", KeyContext.VIEWS
    ),
    Binding(
        ("<alt-c>",), Action.BARE, "the log alone, to copy by mouse; or back", KeyContext.VIEWS
    ),
    Binding(
        ("<alt-s>",), Action.SAY_AGAIN, "say the last perhaps-said line again", KeyContext.VIEWS
    ),
    Binding(("<alt-x>",), Action.DROP_LINE, "drop the last perhaps-said line", KeyContext.VIEWS),
    Binding(("<ctrl-l>",), Action.REDRAW, "draw the screen again", KeyContext.VIEWS),
    Binding(("<ctrl-z>",), Action.SUSPEND, "back to the shell; fg returns", KeyContext.VIEWS),
    Binding(("<f1>",), Action.SHOW_KEYS, "show these keys, or close them", KeyContext.VIEWS),
    Binding(
        ("<ctrl-r>", "<up>", "<ctrl-p>"), Action.SEARCH_OLDER, "the match before", KeyContext.SEARCH
    ),
    Binding(
        ("<ctrl-s>", "<down>", "<ctrl-n>"),
        Action.SEARCH_NEWER,
        "the match after",
        KeyContext.SEARCH,
    ),
    Binding(("<enter>",), Action.SEARCH_ACCEPT, "stay at this match", KeyContext.SEARCH),
    Binding(
        ("<esc>", "<ctrl-g>", "<ctrl-c>"),
        Action.SEARCH_CANCEL,
        "back to where the search began",
        KeyContext.SEARCH,
    ),
    Binding(("<up>", "<ctrl-p>"), Action.SWITCH_UP, "up the list", KeyContext.SWITCHER),
    Binding(("<down>", "<ctrl-n>"), Action.SWITCH_DOWN, "down the list", KeyContext.SWITCHER),
    Binding(("<enter>",), Action.SWITCH_ACCEPT, "go there", KeyContext.SWITCHER),
    Binding(
        ("<esc>", "<alt-k>", "<ctrl-g>", "<ctrl-c>"),
        Action.SWITCH_CANCEL,
        "stay where you are",
        KeyContext.SWITCHER,
    ),
    Binding(("y", "<enter>"), Action.YES, "yes", KeyContext.QUESTION),
    Binding(("n", "<esc>", "<ctrl-g>", "<ctrl-c>"), Action.NO, "no", KeyContext.QUESTION),
)

# The wheel, where a terminal sends arrow keys for it (``chat.client.screen.input.wheel``), and a key that only stands
# for the user's own (``chat.client.screen.input.own_keys``): no list of keys shows them.
_UNLISTED = {
    "<scroll-up>": Action.SCROLL_UP,
    "<scroll-down>": Action.SCROLL_DOWN,
    "<leave>": Action.LEAVE,
}

# Where some keys do something else than usual.
SPECIAL_CONTEXTS = {KeyContext.SEARCH, KeyContext.SWITCHER, KeyContext.QUESTION}
_ACTIONS = {
    (b.where, key): b.action for b in BINDINGS if b.where in SPECIAL_CONTEXTS for key in b.keys
}
_USUAL_ACTIONS = _UNLISTED | {
    key: b.action for b in BINDINGS if b.where not in SPECIAL_CONTEXTS for key in b.keys
}


def action_of(key: str, where: KeyContext = KeyContext.TYPING) -> Action | None:
    """Return what ``key`` does; None if it does nothing, or is a character to insert.

    In a search and in the switcher, keys that are not their own do what they always do. At a question they do nothing.
    """
    # At a question, Y answers as y does; elsewhere the case of a key matters.
    action = _ACTIONS.get((where, key.lower() if where is KeyContext.QUESTION else key))
    if action is None and where is not KeyContext.QUESTION:
        action = _USUAL_ACTIONS.get(key)
    return action


def is_character(key: str) -> bool:
    """Return whether ``key`` is a character to insert."""
    return len(key) == 1


def view_number(key: str) -> int:
    """Return the number in a key of ``Action.VIEW``."""
    return int(key[-2])


def split_keys(text: str) -> list[str]:
    """Split a text such as ``hi<home>x<alt-b>`` into keys; text that is no name of a key is typed as it stands."""
    keys: list[str] = []
    position = 0
    for match in _KEY_NAME.finditer(text):
        key = match["key"]
        if key not in NAMED_KEYS and not (match["modifiers"] and len(key) == 1):
            continue
        keys += text[position : match.start()]
        keys.append(match[0])
        position = match.end()
    return keys + list(text[position:])


def label(key: str) -> str:
    """Return ``key`` as people write it: ``Ctrl-A`` for ``<ctrl-a>``, ``Page Up`` for ``<pageup>``."""
    if is_character(key):
        return key
    name = key[1:-1]
    written = ""
    for modifier in (CTRL, ALT, SHIFT):
        if name.startswith(modifier):
            name = name.removeprefix(modifier)
            written += modifier.capitalize()
    if name not in NAMED_KEYS:
        return written + name.upper()
    words = name.replace("page", "page ").replace("-", " ")
    return written + words.title()


def help_lines(bindings: Sequence[Binding] = BINDINGS) -> list[str]:
    """Return all keys and what they do, under headings."""
    width = max(len(binding.labels) for binding in bindings)
    lines: list[str] = []
    for where in KeyContext:
        lines.append(f"{where.value}:")
        lines += (f"  {b.labels:<{width}}  {b.help}" for b in bindings if b.where is where)
    return lines
