"""Turn the characters that a terminal sends into names of keys (``chat.client.screen.input.keys``).

The decoder takes what ``get_wch`` gives in either mode of curses. Without the keypad mode these are characters and raw
escape sequences (ECMA-48, and the forms of xterm, rxvt, the Linux console and kitty). With it, curses recognizes some
keys itself and gives numbers. A sequence that no table knows is dropped, so it never becomes text that a user sends by
accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from chat.client.frontends.pasting import MAX_PASTE
from chat.client.screen.input import key_codes
from chat.client.screen.input.key_codes import ALT_HELD, ESC, SHIFT_HELD, with_alt
from chat.structs import Struct, field

PASTE_END = "\x1b[201~"
# A sequence or a string with more characters than this is abandoned. (A string may be an answer of the terminal.)
MAX_SEQUENCE = 4096
# No key has a longer sequence.
_MAX_KEY = 64

# Seconds without input after which a lone ESC, or Alt with an underscore, counts as a key. Terminals send no mark that
# tells the Esc key from the start of a sequence, so only silence can.
BRIEFLY = 0.1
# Seconds without input after which an unfinished sequence or string is dropped. It may arrive in pieces.
SEQUENCE_PAUSE = 0.5
# Seconds without input after which a paste counts as complete although its end mark has not come.
PASTE_PAUSE = 1.0

# Seconds without input after which an answer about colours (OSC 10 to 19) that has begun is dropped. A slow line may
# deliver it in pieces, and its rest would be typed into the draft.
ANSWER_PAUSE = 3.0
# An answer with more characters is dropped.
_MAX_ANSWER = 64

_BEL = "\a"
# ESC _ begins a string (APC), and is also what Alt-underscore (redo) sends. If at most this many characters follow
# before a silence, it was the key and these characters.
_CAN_BE_TWO_KEYS = "_"
_MAX_TYPED = 3
# DCS, SOS, OSC, PM, APC (ECMA-48, 5.6): each begins a string that ends with ST.
_STRINGS = frozenset("PX]^_")
_C1 = re.compile("[\x80-\x9f]")
_ST = "\x9c"

_SS3 = re.compile(r"O(?P<modifier>\d?)(?P<final>[^\d])?")
_CSI = re.compile(
    r"""\[(?: \[ (?P<linux>.)?                      # function keys of the Linux console
        | M (?P<x10>.{3})                           # the mouse before SGR
        | (?P<parameters>[0-?]*) (?P<final>[\ -/]*[@-~])
        | (?P<rxvt>\d+)\$ )""",
    re.VERBOSE | re.DOTALL,
)
_PARAMETERS = re.compile(r"\[[0-?]*")


class Paste(Struct):
    """Hold one pasted text; its lines end in ``\\n``.

    ``typed`` is the beginning of its first line that was passed on as keys before the paste was recognized.
    """

    text: str
    typed: str = field(default="", compare=False, repr=False)


class Click(Struct):
    """Say that the left button of the mouse was pressed in a cell, counted from 0."""

    column: int
    row: int


Input = str | Paste | Click


class Decoder:
    """Decode the input of one terminal, for its whole life: a key may come in pieces.

    ``curses_name`` is ``curses.keyname``, as text: it gives the name of a key that curses recognized, by its number.
    ``hear`` is called with each answer of the terminal that is no key: an OSC string such as ``]11;rgb:0/0/0``, or what
    kind of terminal it is (DA1), such as ``[?62;22c``.
    """

    def __init__(
        self,
        curses_name: Callable[[int], str] = str,
        hear: Callable[[str], object] = lambda answer: None,
    ) -> None:
        self._curses_name = curses_name
        self._hear = hear
        self._answer = (
            ""  # the string that has begun, and one character more than the limit at most
        )
        self._sequence = ""  # the characters so far; of a string only its beginning
        self._is_eight_bit = False  # began with an 8-bit control, so it can't be a key with Alt
        self._string: int | None = None  # number of characters of the string that has begun
        self._typed = ""  # the first characters of that string
        self._ends_string = False  # its last character was ESC, the first half of ST
        self._pasted: list[str] | None = None

    @property
    def is_waiting(self) -> bool:
        """Return whether a sequence has begun; if nothing follows for ``patience`` seconds, call ``flush``."""
        return bool(self._sequence)

    @property
    def is_pasting(self) -> bool:
        """Return whether a paste has begun; if nothing follows for ``patience`` seconds, call ``end_paste``."""
        return self._pasted is not None

    @property
    def patience(self) -> float | None:
        """Return after how many seconds of silence a sequence or paste ends; None if none has begun."""
        if self._pasted is not None:
            return PASTE_PAUSE
        if not self._sequence:
            return None
        if self._string is not None:
            if self._answer.startswith("1") and self._sequence == ESC + "]":
                return ANSWER_PAUSE
            is_key = self._string == 0 and self._sequence.endswith(_CAN_BE_TWO_KEYS)
            return BRIEFLY if is_key and not self._is_eight_bit else SEQUENCE_PAUSE
        return SEQUENCE_PAUSE if self._sequence.lstrip(ESC) else BRIEFLY

    def feed(self, value: str | int) -> list[Input]:
        """Take ``value``, a character or a number from ``get_wch``, and return the keys that it completes."""
        if isinstance(value, int):
            return self._feed_curses(self._curses_name(value))
        if self._pasted is not None:
            return self._feed_paste(value)
        if self._string is not None:
            return self._feed_string(value)
        if self._sequence:
            return self._continue(value)
        return self._begin(value)

    def flush(self) -> list[Input]:
        """End an unfinished sequence, and return its keys: a lone ESC, or Alt with a bracket."""
        sequence, size, eight_bit = self._sequence, self._string, self._is_eight_bit
        ended_by_esc, typed = self._ends_string, self._typed
        self._forget()
        if (
            size == len(typed) > ended_by_esc
            and sequence == ESC + _CAN_BE_TWO_KEYS
            and not eight_bit
        ):
            keys: list[Input] = [with_alt(_CAN_BE_TWO_KEYS)]
            for character in typed:
                keys += self.feed(character)
            return [*keys, *self.flush()]
        # A sequence or string that was cut short is no key. Its rest must not become text.
        if eight_bit or len(sequence.lstrip(ESC)) > 1 or (size or 0) > ended_by_esc:
            return []
        escapes: list[Input] = ["<esc>"] * sequence.count(ESC)
        if not sequence or sequence.endswith(ESC):
            return escapes
        # The last ESC belongs to the character after it; the ones before are keys themselves.
        held = [*escapes[1:], with_alt(sequence[-1])]
        return [*held, "<esc>"] if ended_by_esc else held

    def end_paste(self) -> list[Input]:
        """End a paste without its end mark, and return it."""
        if self._pasted is None:
            return []
        text, self._pasted = "".join(self._pasted), None
        return [Paste(text.replace("\r\n", "\n").replace("\r", "\n"))]

    def _forget(self) -> None:
        self._sequence, self._string, self._typed, self._answer = "", None, "", ""
        self._is_eight_bit = self._ends_string = False

    def _begin(self, character: str) -> list[Input]:
        if character == ESC:
            self._sequence = ESC
            return []
        if _C1.match(character):
            return self._begin_eight_bit(chr(ord(character) - 0x40))
        key = key_codes.plain_key(character)
        return [key] if key else []

    def _begin_eight_bit(self, introducer: str) -> list[Input]:
        """Take an 8-bit control, which stands for ESC and a letter (ECMA-48, 5.3)."""
        if introducer in _STRINGS:
            self._string = 0
        elif introducer not in "[O":
            return []
        self._sequence, self._is_eight_bit = ESC + introducer, True
        return []

    def _continue(self, character: str) -> list[Input]:
        body = (self._sequence + character).lstrip(ESC)
        if not body:
            return self._escape_again()
        is_mouse = (
            body.startswith("[M") and body != "[M"
        )  # after ESC [ M, any character may be a coordinate
        if not is_mouse and (character == ESC or _C1.match(character)):
            # The sequence before was never finished.
            return [*self.flush(), *self._begin(character)]
        escapes: list[Input] = ["<esc>"] * self._sequence.count(ESC)
        if body in _STRINGS:
            self._sequence, self._string = ESC + body, 0
            return escapes[1:]
        if body[0] not in "[O":
            self._forget()
            return [*escapes[1:], with_alt(body)]
        return self._sequence_goes_on(body, character, is_mouse)

    def _escape_again(self) -> list[Input]:
        """Take another ESC: two may begin Alt with a key that sends a sequence; earlier ones are keys."""
        if self._sequence == ESC:
            self._sequence = ESC + ESC
            return []
        return ["<esc>"]

    def _sequence_goes_on(self, body: str, character: str, is_mouse: bool) -> list[Input]:
        # No sequence contains controls or non-ASCII characters (ECMA-48, 5.4), except the coordinates of the old mouse
        # events.
        if not is_mouse and (character < " " or character > "~"):
            self._forget()  # not a key, or cut short
            return self._begin(character)
        # rxvt and others send Alt as an ESC before the sequence of the key.
        held = ALT_HELD if self._sequence.startswith(ESC + ESC) else 0
        self._sequence += character
        if len(body) > MAX_SEQUENCE:
            self._forget()
            return []
        if _PARAMETERS.fullmatch(body) or body == "[M":
            return []
        ss3, csi = _SS3.fullmatch(body), _CSI.fullmatch(body)
        if ss3 and ss3["final"]:
            self._forget()
            key = key_codes.ss3_key(ss3["final"], held | key_codes.modifiers_of(ss3["modifier"]))
            return _shown(key)
        if csi and body != "[[":
            self._forget()
            return self._csi(csi, held) if len(body) <= _MAX_KEY else []
        return []

    def _csi(self, csi: re.Match[str], held: int) -> list[Input]:
        if csi["rxvt"]:
            return _shown(key_codes.numbered_key(int(csi["rxvt"]), held | SHIFT_HELD))
        if csi["linux"]:
            return _shown(key_codes.named(key_codes.LINUX_CONSOLE.get(csi["linux"]), held))
        if csi["x10"]:
            return _shown(key_codes.wheel(ord(csi["x10"][0]) - 32))
        parameters, final = csi["parameters"], csi["final"]
        if (parameters, final) == ("200", "~"):
            self._pasted = []
            return []
        # Mouse events in SGR form (xterm).
        if parameters.startswith("?") and final == "c":
            self._hear(f"[{parameters}{final}")
        if parameters.startswith("<"):
            cell = key_codes.clicked_cell(parameters[1:], final)
            key = key_codes.sgr_mouse(parameters[1:], final)
            return _shown(key) if cell is None else [Click(*cell)]
        return _shown(key_codes.csi_key(parameters, final, held))

    def _feed_string(self, character: str) -> list[Input]:
        """Swallow a string, an answer of the terminal, up to ST, BEL or the size limit."""
        assert self._string is not None
        if self._ends_string and self._string == 1 and character not in ("\\", ESC):
            # ESC right after the beginning of a string: that was a key with Alt, and ESC begins a new sequence.
            self._ends_string, self._string, self._typed = False, 0, ""
            return [*self.flush(), *self._begin(ESC), *self.feed(character)]
        self._string += 1
        # Only the beginning is kept: a string may be long, and its content is dropped anyway.
        self._typed = (self._typed + character)[:_MAX_TYPED]
        is_st = character == _ST or (self._ends_string and character == "\\")
        self._ends_string = character == ESC
        if is_st or character == _BEL or self._string >= MAX_SEQUENCE:
            answer, introducer = self._answer, self._sequence[-1]
            self._forget()
            if introducer == "]" and len(answer) <= _MAX_ANSWER:
                self._hear(introducer + answer)
        elif not self._ends_string:
            self._answer = (self._answer + character)[: _MAX_ANSWER + 1]
        return []

    def _feed_paste(self, character: str) -> list[Input]:
        assert self._pasted is not None
        self._pasted.append(character)
        # The tail is compared only at the last character of the end mark: a paste may have a million characters.
        if character == "~" and "".join(self._pasted[-len(PASTE_END) :]) == PASTE_END:
            del self._pasted[-len(PASTE_END) :]
            return self.end_paste()
        if len(self._pasted) >= MAX_PASTE and ESC not in self._pasted[-len(PASTE_END) :]:
            # The paste is handed on in pieces, so that its size is bounded. Not while the end mark may have begun: a
            # cut inside it would hide it.
            piece = self.end_paste()
            self._pasted = []
            return piece
        return []

    def _feed_curses(self, name: str) -> list[Input]:
        key = key_codes.curses_key(name)
        if self._pasted is not None:
            # Curses took a piece of the pasted text for a key.
            return self._feed_paste("\n") if key == "<enter>" else []
        if self._sequence == ESC and key:
            self._forget()
            return [with_alt(key)]
        before = self.flush()
        if name == "KEY_MOUSE":  # curses ate the beginning, and leaves the rest
            self._sequence = ESC + "[<"
        return [*before, key] if key else before


def _shown(key: str | None) -> list[Input]:
    return [key] if key else []
