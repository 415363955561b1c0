"""The keyboard tells typed text from pasted text by the moments at which the input arrives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.frontends.pasting import ENTER_PAUSE, MAX_PASTE, PASTE_QUIET
from chat.client.screen.input.decoder import PASTE_PAUSE, Input, Paste
from chat.client.screen.input.keys import split_keys
from chat.client.screen.input.wheel import TURN_LASTS, TURN_PAUSE
from chat.client.screen.terminal.keyboard import MAX_HELD, Keyboard

LINES = [f"/file /etc/passwd {number}" for number in range(31)]
SOON, LATER = ENTER_PAUSE * 0.9, ENTER_PAUSE * 1.1


class Typist:
    """Types at a keyboard, by a clock that stands still meanwhile. ``seen`` is all that came of it."""

    def __init__(self) -> None:
        self.is_asked = False
        self.keyboard = Keyboard(lambda: self.is_asked)
        self.now = 0.0
        self.seen: list[Input] = []

    def type(self, data: bytes | str, *, at_once: int = 4096, pause: float = 0.0) -> None:
        sent = data.encode() if isinstance(data, str) else data
        for start in range(0, len(sent), at_once):
            self.seen += self.keyboard.feed(sent[start : start + at_once], self.now)
            if pause:
                self.rest(pause)

    def rest(self, seconds: float) -> None:
        """Let ``seconds`` pass without input."""
        end = self.now + seconds
        while (patience := self.keyboard.patience(self.now)) is not None:
            if self.now + patience > end:
                break
            self.now += patience + 1e-9  # floating-point numbers are rounded
            self.seen += self.keyboard.expire(self.now)
        self.now = end

    def take(self) -> list[Input]:
        self.rest(10)
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture
def typist() -> Typist:
    return Typist()


def pasted(seen: list[Input]) -> str:
    """Return the text that would be in the draft, if no part of it was a command."""
    assert all(isinstance(each, Paste) or len(str(each)) == 1 for each in seen), seen
    return "".join(each.text if isinstance(each, Paste) else str(each) for each in seen)


class TestPasting:
    @pytest.mark.parametrize("line_end", ["\r", "\n", "\r\n"])
    @pytest.mark.parametrize("at_once", [1, 7, 4096])
    @pytest.mark.parametrize("pause", [0.0, SOON])
    def test_lines_without_brackets_are_one_draft(
        self, typist: Typist, line_end: str, at_once: int, pause: float
    ) -> None:
        typist.type(line_end.join([*LINES, ""]), at_once=at_once, pause=pause)
        seen = typist.take()
        assert pasted(seen) == "\n".join([*LINES, ""])
        pastes = [each for each in seen if isinstance(each, Paste)]
        assert len(pastes) == 1
        assert pastes[0].text.count("\n") == len(LINES)

    def test_its_first_line_is_known_to_belong_to_it(self, typist: Typist) -> None:
        typist.type("a draft: ", at_once=1, pause=LATER)
        typist.type("one\rtwo\r", at_once=1, pause=SOON)
        (paste,) = (each for each in typist.take() if isinstance(each, Paste))
        assert (paste.typed, paste.text) == ("one", "\ntwo\n")
        typist.type("\x1b[Dx\r", pause=LATER)
        typist.type("\x1b[Dthree\rfour")
        (paste,) = (each for each in typist.take() if isinstance(each, Paste))
        assert (paste.typed, paste.text) == ("three", "\nfour")

    def test_a_slow_line_brings_it_in_pieces(self, typist: Typist) -> None:
        for line in LINES:
            typist.type(line + "\r")
            typist.type("next ")
            typist.rest(PASTE_QUIET * 0.9)
        assert "<enter>" not in typist.take()

    def test_the_rest_after_a_long_pause_is_another(self, typist: Typist) -> None:
        typist.type("one\rtwo\r")
        typist.rest(PASTE_QUIET)
        typist.type("/quit\rthree\r")
        assert typist.take() == [*"one", Paste("\ntwo\n"), *"/quit", Paste("\nthree\n")]

    @pytest.mark.parametrize("at_once", [1, 7, 4096])
    @pytest.mark.parametrize("stall", [len("one\r"), len("one\rtwo")])
    def test_a_marked_one_that_stalls_sends_nothing(
        self, typist: Typist, stall: int, at_once: int
    ) -> None:
        text = "one\rtwo\r"
        typist.type(f"\x1b[200~{text[:stall]}", at_once=at_once)
        typist.rest(PASTE_PAUSE + 1)
        typist.type(f"{text[stall:]}\x1b[201~", at_once=at_once, pause=SOON / 2)
        assert pasted(typist.take()) == "one\ntwo\n"

    def test_keys_after_a_paste_are_typed(self, typist: Typist) -> None:
        typist.type("one\rtwo")
        typist.rest(PASTE_QUIET)
        typist.type("yes\r")
        assert typist.take() == [*"one", Paste("\ntwo"), *"yes", "<enter>"]

    def test_a_tab_in_it_completes_nothing(self, typist: Typist) -> None:
        typist.type("\tif x:\r\t\treturn\r")
        assert typist.take() == [Paste("\tif x:\n\t\treturn\n")]

    def test_so_many_keys_wait_and_no_more(self, typist: Typist) -> None:
        typist.type("\t" + "x" * (MAX_HELD + 5))
        assert typist.seen == ["<tab>", *"x" * (MAX_HELD + 5)]

    def test_controls_in_it_do_nothing(self, typist: Typist) -> None:
        typist.type("a\rb\x04\x1b[A\x03c\x1b[200~\rd\x1b[201~\x1b]11;x\x07e\x1bf\x1b[I\r")
        assert typist.take() == [
            "a",
            Paste("\rd".replace("\r", "\n")),
            "<focus-in>",
            Paste("\nbce\n"),
        ]

    def test_a_long_one_comes_in_pieces(self, typist: Typist) -> None:
        typist.type("\r" + "x" * (MAX_PASTE + 5), at_once=64 * 1024)
        assert [len(each.text) for each in typist.take() if isinstance(each, Paste)] == [
            MAX_PASTE,
            6,
        ]


class TestTyping:
    def test_enter_is_enter_after_a_moment(self, typist: Typist) -> None:
        typist.type("hi\r")
        assert typist.seen == ["h", "i"]
        typist.rest(SOON)
        assert typist.seen == ["h", "i"]
        typist.rest(LATER)
        assert typist.seen == ["h", "i", "<enter>"]

    def test_a_person_who_types_fast(self, typist: Typist) -> None:
        typist.type("one\rtwo\ry\tz\r", at_once=1, pause=LATER)
        assert typist.take() == split_keys("one<enter>two<enter>y<tab>z<enter>")

    def test_keys_after_enter_are_keys(self, typist: Typist) -> None:
        typist.type("hi\r\x1b[A\r\x04\t\r")
        assert typist.take() == split_keys("hi<enter><up><enter><ctrl-d><tab><enter>")

    def test_a_sequence_after_enter_is_one(self, typist: Typist) -> None:
        typist.type("a\r\x1b[20~\r\x1b[A\r\x1bx\r\x1b")
        keys = ["a", "<enter>", "<f9>", "<enter>", "<up>", "<enter>", "<alt-x>", "<enter>", "<esc>"]
        assert typist.take() == keys

    def test_text_after_a_tab_waits_with_it(self, typist: Typist) -> None:
        typist.type("/he\t msg")
        assert typist.seen == split_keys("/he")
        assert typist.take() == split_keys("/he<tab> msg")
        typist.type("\tx\r")
        assert typist.take() == split_keys("<tab>x<enter>")

    def test_a_line_end_of_two_characters_is_one_enter(self, typist: Typist) -> None:
        typist.type("hi\r\n")
        assert typist.take() == split_keys("hi<enter>")

    def test_what_was_read_late_came_early(self, typist: Typist) -> None:
        """A busy machine reads the pieces of a paste late; only silence tells that it was Enter."""
        typist.type("a\r")
        typist.now += 1.0
        typist.type("b\r")
        assert typist.take() == ["a", Paste("\nb\n")]


class TestAnswers:
    def test_a_pasted_word_is_none(self, typist: Typist) -> None:
        typist.is_asked = True
        for at_once in (1, 7):
            typist.type("yes", at_once=at_once, pause=SOON if at_once == 1 else 0)
            assert typist.take() == [Paste("yes")]

    @pytest.mark.parametrize("text", ["y\r", "\r\r", "\ty", "y\r\n"])
    def test_a_pasted_line_is_none(self, typist: Typist, text: str) -> None:
        typist.is_asked = True
        typist.type(text)
        assert typist.take() == [Paste(text.replace("\r\n", "\n").replace("\r", "\n"))]

    @pytest.mark.parametrize(
        ("key", "name"), [("y", "y"), ("\r", "<enter>"), ("\r\n", "<enter>"), ("\x1b", "<esc>")]
    )
    def test_a_key_is_one(self, typist: Typist, key: str, name: str) -> None:
        typist.is_asked = True
        typist.type(key)
        assert typist.take() == [name]


def test_controls_of_one_byte_need_no_utf8(typist: Typist) -> None:
    typist.type(b"\x9bA\x9d11;rgb\x9cx\xff\xe2\x82\xac")
    assert typist.take() == ["<up>", "x", "\ufffd", "€"]


PIECES = [
    b"x", b"\r", b"\n", b"\t", b"\x1b", b"[", b"O", b"1", b";", b"?", b"A", b"~", b"$", b"M",
    b"\x1b[A", b"\x1b[1;5D", b"\x1bOP", b"\x1b[<64;3;2M", b"\x1b[M`!!", b"\x1b[[A", b"\x1b[3$",
    b"\x1b[200~", b"a\rb", b"\x1b[201~", b"\x1b]11;rgb:0/0\x1b\\", b"\x1bP>|t\x1b\\", b"\x1b_G\x07",
    b"\x1b[?1;2c", b"\x9b", b"\x9d", b"\x9c", b"\\", b"\a", b"\x03", b"\x7f", b"\xff", b"\xe2\x82",
    "é日".encode(), "\x9b".encode(), b"y",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=12).map(b"".join),
    st.lists(st.tuples(st.integers(1, 5), st.floats(0, 0.99)), max_size=20),
    st.booleans(),
)
def test_where_it_is_cut_makes_no_difference(
    sent: bytes, cuts: list[tuple[int, float]], is_asked: bool
) -> None:
    """Nor how long the pauses are, if they are shorter than what the keyboard waits for."""
    whole, cut = Typist(), Typist()
    whole.is_asked = cut.is_asked = is_asked
    whole.type(sent)
    rest = sent
    for size, part in cuts:
        cut.type(rest[:size])
        rest = rest[size:]
        if "<scroll-up>" in cut.seen:
            continue  # after a turn of the wheel, an arrow is another turn only for a moment
        patience = cut.keyboard.patience(cut.now)
        cut.rest(60 * part if patience is None else patience * part)
    cut.type(rest)
    assert whole.take() == cut.take()


class TestWheel:
    """A terminal sends arrow keys for the wheel."""

    @pytest.mark.parametrize(
        ("arrow", "turn"), [("\x1b[A", "<scroll-up>"), ("\x1bOB", "<scroll-down>")]
    )
    @pytest.mark.parametrize(
        "at_once", [1, 3, 4096], ids=["byte by byte", "one by one", "together"]
    )
    def test_arrows_that_come_together_are_a_turn(
        self, typist: Typist, arrow: str, turn: str, at_once: int
    ) -> None:
        typist.type(arrow * 3, at_once=at_once)
        assert typist.take() == [turn] * 3

    def test_an_arrow_alone_is_a_key(self, typist: Typist) -> None:
        typist.type("\x1b[A")
        assert typist.seen == []
        assert typist.take() == ["<up>"]

    def test_a_key_that_repeats_is_no_turn(self, typist: Typist) -> None:
        typist.type("\x1b[A" * 4, at_once=3, pause=0.033)
        assert typist.take() == ["<up>"] * 4

    def test_the_order_of_the_keys_stays(self, typist: Typist) -> None:
        typist.type("\x1b[A\x1b[B\x1b[5~\x1b[Bx")
        assert typist.take() == ["<up>", "<down>", "<pageup>", "<down>", "x"]

    def test_single_arrows_continue_a_turn_for_a_moment(self, typist: Typist) -> None:
        typist.type("\x1b[A\x1b[A")
        typist.rest(TURN_LASTS / 2)
        typist.type("\x1b[A")
        typist.rest(TURN_LASTS / 2)
        typist.type("\x1b[B")
        typist.rest(TURN_LASTS * 2)
        typist.type("\x1b[B")
        assert typist.take() == [*["<scroll-up>"] * 3, "<scroll-down>", "<down>"]

    def test_an_arrow_waits_no_longer_than_it_must(self, typist: Typist) -> None:
        typist.type("\x1b[A")
        assert typist.keyboard.patience(typist.now) == TURN_PAUSE
        typist.type("\x1b[")  # the beginning of another key
        assert typist.keyboard.patience(typist.now) == TURN_PAUSE
        typist.rest(TURN_PAUSE * 2)
        assert typist.seen == ["<up>"]
