"""From what a terminal sends to the names of keys (``chat.client.screen.keys``).

It takes what ``get_wch`` gives, in either of curses' modes: characters with escape sequences left as they are (ECMA-48
and what xterm, rxvt, the Linux console and kitty made of it), or keys that curses has recognized. What no table here
knows disappears: a sequence never becomes text that somebody sends by accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from chat.client.screen.keys import ALT, CTRL, SHIFT

ESC = "\x1b"
PASTE_END = "\x1b[201~"
# No key is longer; what is, is noise.
MAX_SEQUENCE = 64

# xterm adds up 1, 2, 4 for these and sends the sum plus one.
_SHIFT, _ALT, _CTRL = 1, 2, 4

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
_LINUX_CONSOLE = {"A": "f1", "B": "f2", "C": "f3", "D": "f4", "E": "f5"}
_CODE_POINTS = {9: "tab", 13: "enter", 27: "esc", 32: "space", 127: "backspace"}
# rxvt ends a number by what was held; "~" is nothing.
_ENDS = {"~": 0, "$": _SHIFT, "^": _CTRL, "@": _CTRL | _SHIFT}
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

_SS3 = re.compile(r"O(?P<modifier>\d?)(?P<final>[^\d])?")
_CSI = re.compile(
    r"""\[(?: \[ (?P<linux>.)?                      # function keys of the Linux console
        | M (?P<x10>.{3})                           # the mouse before SGR
        | (?P<parameters>[0-?]*) (?P<final>[\ -/]*[@-~])
        | (?P<rxvt>\d+)\$ )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Paste:
    """What was pasted as one; its lines end in ``\\n``."""

    text: str


Input = str | Paste


class Decoder:
    """One for a terminal's whole life: a key may come in pieces.

    ``curses_name`` is ``curses.keyname`` as text: names of keys that curses recognized, by their number.
    """

    def __init__(self, curses_name: Callable[[int], str]) -> None:
        self._curses_name = curses_name
        self._sequence = ""
        self._pasted: list[str] | None = None

    @property
    def is_waiting(self) -> bool:
        """A sequence has begun. If nothing follows within 25 ms or so, it is time to ``flush``."""
        return bool(self._sequence)

    @property
    def is_pasting(self) -> bool:
        """A paste has begun. If nothing follows for a second or so, its end got lost: ``end_paste``."""
        return self._pasted is not None

    def feed(self, value: str | int) -> list[Input]:
        """The keys that are complete with ``value``, one of ``get_wch``'s: a character or a number."""
        if isinstance(value, int):
            return self._feed_curses(self._curses_name(value))
        if self._pasted is not None:
            return self._feed_paste(value)
        if self._sequence:
            return self._continue(value)
        return self._begin(value)

    def flush(self) -> list[Input]:
        """The keys that a sequence was which did not go on: a lone ESC, or Alt and a bracket."""
        sequence, self._sequence = self._sequence, ""
        if len(sequence.lstrip(ESC)) > 1:
            return []
        escapes: list[Input] = ["<esc>"] * sequence.count(ESC)
        if not sequence or sequence.endswith(ESC):
            return escapes
        return [*escapes[1:], _with_alt(sequence[-1])]

    def end_paste(self) -> list[Input]:
        """What has been pasted so far, as if its end had come."""
        if self._pasted is None:
            return []
        text, self._pasted = "".join(self._pasted), None
        return [Paste(text.replace("\r\n", "\n").replace("\r", "\n"))]

    def _begin(self, character: str) -> list[Input]:
        if character == ESC:
            self._sequence = ESC
            return []
        key = _plain(character)
        return [key] if key else []

    def _continue(self, character: str) -> list[Input]:
        body = (self._sequence + character).lstrip(ESC)
        if not body:
            return self._escape_again()
        if character == ESC:  # the one before was never finished
            return [*self.flush(), *self._begin(character)]
        if body[0] not in "[O":
            escapes: list[Input] = ["<esc>"] * self._sequence.count(ESC)
            self._sequence = ""
            return [*escapes[1:], _with_alt(body)]
        return self._sequence_goes_on(body, character)

    def _escape_again(self) -> list[Input]:
        """Two may be Alt with a key that sends a sequence; of more, the first are keys themselves."""
        if self._sequence == ESC:
            self._sequence = ESC + ESC
            return []
        return ["<esc>"]

    def _sequence_goes_on(self, body: str, character: str) -> list[Input]:
        held = _ALT if self._sequence.startswith(ESC + ESC) else 0
        ss3, csi = _SS3.fullmatch(body), _CSI.fullmatch(body)
        if ss3 and ss3["final"]:
            self._sequence = ""
            return _shown(_ss3_key(ss3["final"], held | _modifiers(ss3["modifier"])))
        if csi and body != "[M" and body != "[[":
            self._sequence = ""
            return self._csi(csi, held)
        self._sequence += character
        is_mouse = body.startswith("[M")
        if not is_mouse and (character < " " or character > "~"):
            self._sequence = ""  # it was none, or it was cut short
            return self._begin(character)
        if len(body) > MAX_SEQUENCE:
            self._sequence = ""
        return []

    def _csi(self, csi: re.Match[str], held: int) -> list[Input]:
        if csi["rxvt"]:
            return _shown(_numbered_key(int(csi["rxvt"]), held | _SHIFT))
        if csi["linux"]:
            return _shown(_named(_LINUX_CONSOLE.get(csi["linux"]), held))
        if csi["x10"]:
            return _shown(_wheel(ord(csi["x10"][0]) - 32))
        parameters, final = csi["parameters"], csi["final"]
        if (parameters, final) == ("200", "~"):
            self._pasted = []
            return []
        if parameters.startswith("<"):
            return _shown(_sgr_mouse(parameters[1:], final))
        return _shown(_csi_key(parameters, final, held))

    def _feed_paste(self, character: str) -> list[Input]:
        assert self._pasted is not None
        self._pasted.append(character)
        if character == "~" and "".join(self._pasted[-len(PASTE_END) :]) == PASTE_END:
            del self._pasted[-len(PASTE_END) :]
            return self.end_paste()
        return []

    def _feed_curses(self, name: str) -> list[Input]:
        key = _curses_key(name)
        if self._pasted is not None:
            # Curses took a piece of the pasted text for a key.
            return self._feed_paste("\n") if key == "<enter>" else []
        if self._sequence == ESC and key:
            self._sequence = ""
            return [_with_alt(key)]
        before = self.flush()
        if name == "KEY_MOUSE":  # curses ate the beginning, and leaves the rest
            self._sequence = ESC + "[<"
        return [*before, key] if key else before


def _shown(key: str | None) -> list[Input]:
    return [key] if key else []


def _plain(character: str) -> str | None:
    """The key that sends ``character`` alone."""
    code = ord(character)
    if 0x20 <= code < 0x7F or code >= 0xA0:
        return character
    if code >= 0x80:
        return None
    return _CONTROLS.get(character) or f"<ctrl-{chr(code + 0x40).lower()}>"


def _with_alt(key: str) -> str:
    """``key``, a character or a name, with Alt held."""
    if len(key) == 1:
        key = _plain(key) or key
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


def _named(name: str | None, modifiers: int) -> str | None:
    if name is None:
        return None
    ctrl = CTRL if modifiers & _CTRL else ""
    alt = ALT if modifiers & _ALT else ""
    shift = SHIFT if modifiers & _SHIFT else ""
    return f"<{ctrl}{alt}{shift}{name}>"


def _modifiers(parameter: str) -> int:
    """What was held, by a parameter of xterm or kitty; kitty adds ``:`` and more."""
    digits = parameter.partition(":")[0]
    return max(0, int(digits) - 1) if digits.isdecimal() else 0


def _ss3_key(final: str, modifiers: int) -> str | None:
    if final in _KEYPAD:
        return _KEYPAD[final]
    if final in "abcd":  # rxvt
        return _named(_LETTERS[final.upper()], modifiers | _CTRL)
    return _named(_LETTERS.get(final), modifiers)


def _csi_key(parameters: str, final: str, held: int) -> str | None:
    if not parameters and final in ("I", "O"):
        return "<focus-in>" if final == "I" else "<focus-out>"
    if final == "Z":
        return _named("tab", held | _SHIFT)
    if not parameters and final in ("a", "b", "c", "d"):  # rxvt
        return _named(_LETTERS[final.upper()], held | _SHIFT)
    first, *more = parameters.split(";")
    modifier = more[0] if more else ""
    if final == "~" and first == "27" and len(more) == 2:  # xterm's modifyOtherKeys
        return _code_point_key(more[1], held | _modifiers(modifier))
    if modifier.endswith(":3"):  # kitty: a key was let go
        return None
    held |= _modifiers(modifier)
    if final == "u":
        return _code_point_key(first.partition(":")[0], held)
    if final in _ENDS:
        return _numbered_key(int(first), held | _ENDS[final]) if first.isdecimal() else None
    return _named(_LETTERS.get(final), held) if final != "M" else None


def _numbered_key(number: int, modifiers: int) -> str | None:
    return _named(_NUMBERS.get(number), modifiers)


def _code_point_key(digits: str, modifiers: int) -> str | None:
    """A key by the code point of what it would write (kitty's protocol, "CSI u")."""
    code = int(digits) if digits.isdecimal() else 0
    if code in _CODE_POINTS and (modifiers or code != 32):
        return _named(_CODE_POINTS[code], modifiers)
    if code < 32 or code > 0x10FFFF or not chr(code).isprintable():
        return None
    character = chr(code)
    if modifiers & (_CTRL | _ALT):
        return _named(_lower(character), modifiers & ~_SHIFT)
    return _upper(character) if modifiers & _SHIFT else character


def _sgr_mouse(parameters: str, final: str) -> str | None:
    button = parameters.partition(";")[0]
    return _wheel(int(button)) if final == "M" and button.isdecimal() else None


def _wheel(button: int) -> str | None:
    """The wheel is buttons 64 and 65; 4, 8 and 16 are added for what was held."""
    return {64: "<wheel-up>", 65: "<wheel-down>"}.get(button & ~0b11100)


def _curses_key(name: str) -> str | None:
    if name in _CURSES:
        return _CURSES[name]
    if match := _CURSES_FUNCTION_KEY.fullmatch(name):
        return _named(f"f{match[1]}", 0)
    if match := _CURSES_MODIFIED.fullmatch(name):
        return _named(_EXTENDED[match[1]], int(match[2]) - 1)
    return None
