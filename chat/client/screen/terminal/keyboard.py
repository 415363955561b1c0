"""Turn the bytes of a terminal into keys and pastes, even where the terminal does not mark pastes.

GNU screen, the Linux console and others pass on a paste as if it were typed. Then Enter would send each line, and a
line such as ``/file …`` would be executed. Nobody types that fast: an Enter that is followed by text within 10 ms
belongs to a paste. The paste goes on until nothing has come for half a second; control characters in it do nothing. A
tab may belong to the first line of a paste, so it is held back as well, with the text that follows without a pause.

This module has no clock. The moments come in as arguments, in seconds of any clock that only goes forward. Only
``expire`` ends a pause; the moment of a ``feed`` never does, because a busy machine may read late what came early.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

from chat.client.frontends.pasting import ENTER_PAUSE, MAX_PASTE, PASTE_QUIET
from chat.client.screen.input.decoder import PASTE_END, Decoder, Input, Paste
from chat.client.screen.input.wheel import ArrowWheel

# Characters that are held until it is clear whether they are a paste. If there are more, they are keys.
MAX_HELD = 4096

_LINE_ENDS = frozenset("\r\n")
_BREAKS = _LINE_ENDS | {"\t"}
_FOCUS = frozenset({"<focus-in>", "<focus-out>"})


class Keyboard:
    """Read the keyboard of one terminal, for its whole life.

    ``is_asking`` tells whether a single key would answer a question now. Then text that comes without a pause counts as
    pasted even without an Enter in it: the ``y`` of a pasted word is no answer. ``hear`` is called with the answers of
    the terminal to what it was asked, see ``Decoder``.
    """

    def __init__(
        self,
        is_asking: Callable[[], bool] = lambda: False,
        hear: Callable[[str], object] = lambda answer: None,
    ) -> None:
        self._is_asking = is_asking
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors=_C1_KEPT)
        self._decoder = Decoder(hear=hear)
        self._wheel = ArrowWheel()
        self._held: list[str] = []  # characters that may begin a paste
        self._ends_line = False  # an Enter is among them
        self._ending = ""  # characters after the Enter, while they may be the end of a marked paste
        # Text that came last without a pause, and was passed on as keys, since it may have been typed.
        self._typed: list[str] = []
        self._pasted: list[str] | None = None
        self._fed_at = 0.0

    def feed(self, data: bytes, now: float) -> list[Input]:
        """Take ``data``, which came at ``now``; return the keys and pastes that are complete."""
        # After a pause, earlier text can't be the beginning of a paste.
        if now >= self._fed_at + ENTER_PAUSE and not self._held:
            self._typed.clear()
        self._fed_at = now
        inputs: list[Input] = []
        for character in self._utf8.decode(data):
            inputs += self._handle(character)
        return self._wheel.feed(inputs, now)

    def patience(self, now: float) -> float | None:
        """Return the seconds until ``expire`` must be called if nothing comes; None means never."""
        pause, turn = self._pause, self._wheel.patience(now)
        if pause is None:
            return turn
        left = max(0.0, self._fed_at + pause - now)
        return left if turn is None else min(left, turn)

    def expire(self, now: float) -> list[Input]:
        """Return the keys and pastes that are complete because nothing has come until ``now``."""
        return self._wheel.feed(self._expire(now), now) + self._wheel.expire(now)

    def _expire(self, now: float) -> list[Input]:
        pause = self._pause
        if pause is None or now < self._fed_at + pause:
            return []
        decoder = self._decoder
        if decoder.is_pasting:
            return decoder.end_paste()
        if decoder.is_waiting:
            return self._outside_paste(decoder.flush())
        if self._pasted is not None:
            return self._end_paste()
        return self._release_all()

    @property
    def _pause(self) -> float | None:
        pause = self._decoder.patience
        if pause is None and self._pasted is not None:
            return PASTE_QUIET
        return ENTER_PAUSE if pause is None and self._held else pause

    def _handle(self, character: str) -> list[Input]:
        if self._held and self._ends_line and PASTE_END.startswith(self._ending + character):
            return self._end_stalled_paste(character)
        if self._ending:
            return [*self._release_all(), *self._handle(character)]
        decoder = self._decoder
        is_plain = not (decoder.is_waiting or decoder.is_pasting)
        is_break = is_plain and character in _BREAKS
        # Python calls a no-break space or a zero-width joiner unprintable, but both are text.
        is_text = is_plain and (character.isprintable() or character >= "\xa0")
        if self._pasted is not None:
            if is_break or is_text:
                return self._paste(character)
            return self._outside_paste(decoder.feed(character))
        if is_text and self._held and (self._ends_line or self._is_asking()):
            self._pasted, self._held = [*self._held, character], []
            return []
        if is_break or (is_text and (self._held or self._is_asking())):
            return self._hold(character)
        released = self._release()
        if is_text:
            self._typed.append(character)
            del self._typed[:-MAX_HELD]
        else:
            self._typed.clear()
        return [*released, *decoder.feed(character)]

    def _end_stalled_paste(self, character: str) -> list[Input]:
        """Take a character of a possible end mark after a held Enter.

        A marked paste that stalls is handed on without its mark. Its last line may come later, and then the user did
        not type the Enter in it.
        """
        self._ending += character
        if self._ending != PASTE_END:
            return []
        self._pasted, self._held, self._ending = self._held, [], ""
        return self._end_paste()

    def _release_all(self) -> list[Input]:
        ending, self._ending = self._ending, ""
        inputs = self._release()
        for character in ending:
            inputs += self._handle(character)
        return inputs

    def _hold(self, character: str) -> list[Input]:
        if not self._held:
            self._ends_line = False
        self._held.append(character)
        self._ends_line = self._ends_line or character in _LINE_ENDS
        return self._release() if len(self._held) >= MAX_HELD else []

    def _release(self) -> list[Input]:
        """Return the held characters as keys; as a paste, if there are several and one would be an answer."""
        text, self._held = _lines("".join(self._held)), []
        if text:
            self._typed.clear()
        # Several characters without a pause are no answer to a question: nobody types that fast.
        if len(text) > 1 and self._is_asking():
            return [Paste(text)]
        return [key for character in text for key in self._decoder.feed(character)]

    def _paste(self, character: str) -> list[Input]:
        assert self._pasted is not None
        self._pasted.append(character)
        if len(self._pasted) < MAX_PASTE:
            return []
        piece = self._end_paste()
        self._pasted = []
        return piece

    def _end_paste(self) -> list[Input]:
        text, self._pasted = _lines("".join(self._pasted or [])), None
        typed, self._typed = "".join(self._typed), []
        return [Paste(text, typed)] if text else []

    def _outside_paste(self, inputs: list[Input]) -> list[Input]:
        """Drop keys in the middle of a paste, but keep changes of the focus and marked pastes."""
        if self._pasted is None:
            return inputs
        return [each for each in inputs if isinstance(each, Paste) or each in _FOCUS]


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _keep_c1(problem: UnicodeError) -> tuple[str, int]:
    """Keep 8-bit controls (ECMA-48, C1), which are not UTF-8 but sent by some terminals; replace other bytes."""
    assert isinstance(problem, UnicodeDecodeError)
    wrong = problem.object[problem.start : problem.end]
    is_c1 = len(wrong) == 1 and 0x80 <= wrong[0] <= 0x9F
    return chr(wrong[0]) if is_c1 else "\N{REPLACEMENT CHARACTER}", problem.end


_C1_KEPT = "chat-c1-kept"
codecs.register_error(_C1_KEPT, _keep_c1)
