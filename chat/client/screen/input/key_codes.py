"""Look up which key a terminal means by a code: the rules of xterm, rxvt, the Linux console, kitty and curses."""

from __future__ import annotations

import re

from chat.client.screen.input.keys import ALT, CTRL, SHIFT

ESC = "\x1b"

# xterm adds 1, 2 or 4 for each modifier that is held, and sends the sum plus one.
SHIFT_HELD, ALT_HELD, CTRL_HELD = 1, 2, 4

_CONTROLS = {
    "\x00": "<ctrl-space>",
    "\b": "<backspace>",
    "\t": "<tab>",
    "\n": "<enter>",
    "\r": "<enter>",
    ESC: "<esc>",
    "\x7f": "<backspace>",
}
_LETTERS = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "F": "end",
    "H": "home",
    "M": "enter",
    "P": "f1",
    "Q": "f2",
    "R": "f3",
    "S": "f4",
}
_NUMBERS = {
    1: "home",
    2: "insert",
    3: "delete",
    4: "end",
    5: "pageup",
    6: "pagedown",
    7: "home",
    8: "end",
    **dict(zip((11, 12, 13, 14, 15), ("f1", "f2", "f3", "f4", "f5"), strict=True)),
    **dict(zip((17, 18, 19, 20, 21), ("f6", "f7", "f8", "f9", "f10"), strict=True)),
    **dict(zip((23, 24), ("f11", "f12"), strict=True)),
}
LINUX_CONSOLE = {"A": "f1", "B": "f2", "C": "f3", "D": "f4", "E": "f5"}
_CODE_POINTS = {9: "tab", 13: "enter", 27: "esc", 32: "space", 127: "backspace"}
# rxvt tells the modifiers by the character after a number; "~": no modifier.
_ENDS = {"~": 0, "$": SHIFT_HELD, "^": CTRL_HELD, "@": CTRL_HELD | SHIFT_HELD}
_KEYPAD = dict(zip("jklmnopqrstuvwxyX", "*+,-./0123456789=", strict=True))
_CURSES = {
    "KEY_UP": "<up>",
    "KEY_DOWN": "<down>",
    "KEY_LEFT": "<left>",
    "KEY_RIGHT": "<right>",
    "KEY_HOME": "<home>",
    "KEY_FIND": "<home>",
    "KEY_A1": "<home>",
    "KEY_END": "<end>",
    "KEY_SELECT": "<end>",
    "KEY_C1": "<end>",
    "KEY_PPAGE": "<pageup>",
    "KEY_A3": "<pageup>",
    "KEY_NPAGE": "<pagedown>",
    "KEY_C3": "<pagedown>",
    "KEY_DC": "<delete>",
    "KEY_IC": "<insert>",
    "KEY_BACKSPACE": "<backspace>",
    "KEY_ENTER": "<enter>",
    "KEY_BTAB": "<shift-tab>",
    "KEY_SR": "<shift-up>",
    "KEY_SF": "<shift-down>",
    "KEY_SLEFT": "<shift-left>",
    "KEY_SRIGHT": "<shift-right>",
    "KEY_SHOME": "<shift-home>",
    "KEY_SEND": "<shift-end>",
    "KEY_SPREVIOUS": "<shift-pageup>",
    "KEY_SNEXT": "<shift-pagedown>",
    "KEY_SDC": "<shift-delete>",
    "KEY_RESIZE": "<resize>",
    "kxIN": "<focus-in>",
    "kxOUT": "<focus-out>",
}
# Button 0 without modifiers; coordinates count from 1.
_LEFT_BUTTON = re.compile(r"0;([1-9]\d{0,3});([1-9]\d{0,3})")
_CURSES_FUNCTION_KEY = re.compile(r"KEY_F\((\d+)\)")
# Keys of terminfo's extensions: kUP5 is Ctrl-Up.
_CURSES_MODIFIED = re.compile(r"k(UP|DN|LFT|RIT|HOM|END|PRV|NXT|DC|IC)([2-8])")
_EXTENDED = {
    "UP": "up",
    "DN": "down",
    "LFT": "left",
    "RIT": "right",
    "HOM": "home",
    "END": "end",
    "PRV": "pageup",
    "NXT": "pagedown",
    "DC": "delete",
    "IC": "insert",
}


# A sequence whose parameters begin with one of these is private (ECMA-48, 5.4.1): an answer of the terminal, not a key.
# Only mouse events come in this form.
_PRIVATE = ("<", "=", ">", "?")


def plain_key(character: str) -> str | None:
    """Return the key that sends only ``character``."""
    code = ord(character)
    if 0x20 <= code < 0x7F or code >= 0xA0:
        return character
    if code >= 0x80:
        return None
    return _CONTROLS.get(character) or f"<ctrl-{chr(code + 0x40).lower()}>"


def with_alt(key: str) -> str:
    """Return the name of ``key``, a character or a name, with Alt."""
    if len(key) == 1:
        key = plain_key(key) or key
    if len(key) == 1:
        return f"<{ALT}{'space' if key == ' ' else _lower(key)}>"
    name = key[1:-1]
    return f"<{CTRL}{ALT}{name.removeprefix(CTRL)}>" if name.startswith(CTRL) else f"<{ALT}{name}>"


def _lower(character: str) -> str:
    lower = character.lower()
    return lower if len(lower) == 1 else character


def _upper(character: str) -> str:
    upper = character.upper()
    return upper if len(upper) == 1 else character


def named(name: str | None, modifiers: int) -> str | None:
    """Return the name of a key with ``modifiers``; None if ``name`` is None."""
    if name is None:
        return None
    ctrl = CTRL if modifiers & CTRL_HELD else ""
    alt = ALT if modifiers & ALT_HELD else ""
    shift = SHIFT if modifiers & SHIFT_HELD else ""
    return f"<{ctrl}{alt}{shift}{name}>"


def modifiers_of(parameter: str) -> int:
    """Return the modifiers by a parameter of xterm or kitty; kitty appends ``:`` and more."""
    digits = parameter.partition(":")[0]
    return max(0, int(digits) - 1) if digits.isdecimal() else 0


def ss3_key(final: str, modifiers: int) -> str | None:
    """Return the key of the sequence ESC O ``final``; None if it is unknown."""
    if final in _KEYPAD:
        return _KEYPAD[final]
    if final in "abcd":  # rxvt
        return named(_LETTERS[final.upper()], modifiers | CTRL_HELD)
    return named(_LETTERS.get(final), modifiers)


def csi_key(parameters: str, final: str, held: int) -> str | None:
    """Return the key of the sequence ESC [ ``parameters`` ``final``; None if it is unknown or no key.

    ``held`` are modifiers that are known already, as from an ESC before the sequence.
    """
    if not parameters and final in ("I", "O"):
        return "<focus-in>" if final == "I" else "<focus-out>"
    if final == "Z":
        return named("tab", held | SHIFT_HELD)
    if not parameters and final in ("a", "b", "c", "d"):  # rxvt
        return named(_LETTERS[final.upper()], held | SHIFT_HELD)
    if parameters.startswith(_PRIVATE):
        return None
    first, *more = parameters.split(";")
    if final == "R" and first not in ("", "1"):  # the position of the cursor, not F3
        return None
    modifier = more[0] if more else ""
    if final == "~" and first == "27" and len(more) == 2:  # xterm's modifyOtherKeys
        return _code_point_key(more[1], held | modifiers_of(modifier))
    if modifier.endswith(":3"):  # kitty: a key was let go
        return None
    held |= modifiers_of(modifier)
    if final == "u":
        return _code_point_key(first.partition(":")[0], held)
    if final in _ENDS:
        return numbered_key(int(first), held | _ENDS[final]) if first.isdecimal() else None
    return named(_LETTERS.get(final), held) if final != "M" else None


def numbered_key(number: int, modifiers: int) -> str | None:
    """Return the key of ESC [ ``number`` ~; None if it is unknown."""
    return named(_NUMBERS.get(number), modifiers)


def _code_point_key(digits: str, modifiers: int) -> str | None:
    """Return a key by its code point (kitty's protocol, "CSI u")."""
    code = int(digits) if digits.isdecimal() else 0
    # A blank without modifiers is a character, not a named key.
    if code in _CODE_POINTS and (modifiers or code != 32):
        return named(_CODE_POINTS[code], modifiers)
    # kitty numbers keys such as Caps Lock in the private use area, which is not printable.
    if code < 32 or code > 0x10FFFF or not chr(code).isprintable():
        return None
    character = chr(code)
    if modifiers & (CTRL_HELD | ALT_HELD):
        return named(_lower(character), modifiers & ~SHIFT_HELD)
    return _upper(character) if modifiers & SHIFT_HELD else character


def sgr_mouse(parameters: str, final: str) -> str | None:
    """Return the key of a mouse event in SGR form (xterm): of the wheel only."""
    button = parameters.partition(";")[0]
    return wheel(int(button)) if final == "M" and button.isdecimal() else None


def clicked_cell(parameters: str, final: str) -> tuple[int, int] | None:
    """Return the column and the row, from 0, of a mouse event in SGR form (xterm) that presses the left button."""
    match = _LEFT_BUTTON.fullmatch(parameters)
    if match is None or final != "M":
        return None
    return int(match[1]) - 1, int(match[2]) - 1


def wheel(button: int) -> str | None:
    """Return the key of a mouse button. The wheel is buttons 64 and 65; modifiers add 4, 8 and 16."""
    return {64: "<wheel-up>", 65: "<wheel-down>"}.get(button & ~0b11100)


def curses_key(name: str) -> str | None:
    """Return the key that curses calls ``name``, such as ``KEY_UP``; None if it is unknown."""
    if name in _CURSES:
        return _CURSES[name]
    if match := _CURSES_FUNCTION_KEY.fullmatch(name):
        return named(f"f{match[1]}", 0)
    if match := _CURSES_MODIFIED.fullmatch(name):
        return named(_EXTENDED[match[1]], int(match[2]) - 1)
    return None
