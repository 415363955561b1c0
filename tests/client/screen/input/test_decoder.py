from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.frontends.pasting import MAX_PASTE
from chat.client.screen.input.decoder import (
    BRIEFLY,
    MAX_SEQUENCE,
    PASTE_END,
    PASTE_PAUSE,
    SEQUENCE_PAUSE,
    Click,
    Decoder,
    Input,
    Paste,
)
from chat.client.screen.input.key_codes import ESC
from chat.client.screen.input.keys import split_keys
from tests.tables import table

# As curses numbers them; the modified ones get their numbers when it starts.
CURSES = {
    258: "KEY_DOWN", 259: "KEY_UP", 263: "KEY_BACKSPACE", 265: "KEY_F(1)", 327: "KEY_F(63)", 330: "KEY_DC",
    336: "KEY_SF", 343: "KEY_ENTER", 353: "KEY_BTAB", 354: "KEY_BEG", 409: "KEY_MOUSE", 410: "KEY_RESIZE",
    566: "kUP3", 567: "kDC5", 600: "kxIN",
}  # fmt: skip
DOWN, UP, BACKSPACE, ENTER, BEGIN, MOUSE = 258, 259, 263, 343, 354, 409


def decoded(*values: bytes | int, flush: bool = True) -> list[Input]:
    """Decode bytes, as ``get_wch`` returns them one by one, and key numbers of curses."""
    decoder = Decoder(CURSES.__getitem__)
    found: list[Input] = []
    for value in values:
        for piece in [value] if isinstance(value, int) else value.decode():
            found += decoder.feed(piece)
    assert flush or not decoder.is_waiting
    return found + decoder.flush()


@table(
    ("sent", "keys"),
    [
        (b"hello", "hello"),
        ("привет 中 é <b>".encode(), "привет 中 é <b>"),
        (b"\r", "<enter>"),
        (b"\n", "<enter>"),
        (b"\t", "<tab>"),
        (b"\x7f", "<backspace>"),
        (b"\x08", "<backspace>"),
        (b"\x01\x05\x0b\x1a", "<ctrl-a><ctrl-e><ctrl-k><ctrl-z>"),
        (b"\x00", "<ctrl-space>"),
        (b"\x1f", "<ctrl-_>"),
        (b"\x1c\x1d\x1e", "<ctrl-\\><ctrl-]><ctrl-^>"),
        ("\x85\x9c\x80".encode(), ""),  # controls of a second kind do nothing
    ],
)
def test_a_character_is_a_key(sent: bytes, keys: str) -> None:
    assert decoded(sent, flush=False) == split_keys(keys)


SEQUENCES = [
    (b"\x1b[A", "<up>"),
    (b"\x1bOB", "<down>"),  # application mode
    (b"\x1b[C", "<right>"),
    (b"\x1bOD", "<left>"),
    (b"\x1b[H", "<home>"),
    (b"\x1bOF", "<end>"),
    (b"\x1b[1~", "<home>"),  # the Linux console, tmux, screen
    (b"\x1b[4~", "<end>"),
    (b"\x1b[7~", "<home>"),  # rxvt
    (b"\x1b[8~", "<end>"),
    (b"\x1b[2~", "<insert>"),
    (b"\x1b[3~", "<delete>"),
    (b"\x1b[5~", "<pageup>"),
    (b"\x1b[6~", "<pagedown>"),
    (b"\x1b[Z", "<shift-tab>"),
    (b"\x1bOP", "<f1>"),
    (b"\x1b[11~", "<f1>"),
    (b"\x1b[[A", "<f1>"),
    (b"\x1b[[E", "<f5>"),
    (b"\x1b[17~", "<f6>"),
    (b"\x1b[24~", "<f12>"),
    (b"\x1b[1;2A", "<shift-up>"),
    (b"\x1b[1;3D", "<alt-left>"),
    (b"\x1b[1;5C", "<ctrl-right>"),
    (b"\x1b[1;5H", "<ctrl-home>"),
    (b"\x1b[1;8F", "<ctrl-alt-shift-end>"),
    (b"\x1b[5;3~", "<alt-pageup>"),
    (b"\x1b[3;5~", "<ctrl-delete>"),
    (b"\x1bO2P", "<shift-f1>"),
    (b"\x1b[a", "<shift-up>"),  # rxvt has its own ways
    (b"\x1bOd", "<ctrl-left>"),
    (b"\x1b[5$", "<shift-pageup>"),
    (b"\x1b[3^", "<ctrl-delete>"),
    (b"\x1b[3@", "<ctrl-shift-delete>"),
    (b"\x1b[27;2;13~", "<shift-enter>"),  # xterm's modifyOtherKeys
    (b"\x1b[13;2u", "<shift-enter>"),  # kitty
    (b"\x1b[13;3u", "<alt-enter>"),
    (b"\x1b[97;5u", "<ctrl-a>"),
    (b"\x1b[98;3u", "<alt-b>"),
    (b"\x1b[60;4u", "<alt-<>"),
    (b"\x1b[32;5u", "<ctrl-space>"),
    (b"\x1b[97u", "a"),
    (b"\x1b[32u", " "),
    (b"\x1b[97;2u", "A"),
    (b"\x1b[223;2u", "ß"),
    (b"\x1b[1078:1046;1:1u", "ж"),
    (b"\x1b[27u", "<esc>"),
    (b"\x1b[127;1u", "<backspace>"),
    (b"\x1bOM", "<enter>"),  # the keypad
    (b"\x1bOw", "7"),
    (b"\x1b\x1b[A", "<alt-up>"),
    (b"\x1b\x1bOA", "<alt-up>"),
    (b"\x1b\x1b[[A", "<alt-f1>"),
]


def test_a_sequence_is_a_key() -> None:
    found = {sent: decoded(b"x", sent, b"y", flush=False) for sent, _ in SEQUENCES}
    assert found == {sent: ["x", key, "y"] for sent, key in SEQUENCES}


@table(
    ("sent", "key"),
    [
        (b"\x1bb", "<alt-b>"),
        (b"\x1bB", "<alt-b>"),
        (b"\x1b1", "<alt-1>"),
        (b"\x1b<", "<alt-<>"),
        (b"\x1b>", "<alt->>"),
        (b"\x1b ", "<alt-space>"),
        (b"\x1b\r", "<alt-enter>"),
        (b"\x1b\x7f", "<alt-backspace>"),
        (b"\x1b\x01", "<ctrl-alt-a>"),
        ("\x1bЖ".encode(), "<alt-ж>"),
        ("\x1bİ".encode(), "<alt-İ>"),  # in lower case it would be two
        ("\x1b\xa0".encode(), "<alt-\xa0>"),
    ],
)
def test_escape_and_a_key_is_that_key_with_alt(sent: bytes, key: str) -> None:
    assert decoded(sent, flush=False) == [key]


@table(
    ("sent", "keys"),
    [
        (b"\x1b", ["<esc>"]),
        (b"\x1b\x1b", ["<esc>", "<esc>"]),
        (b"\x1b\x1b\x1b", ["<esc>", "<esc>", "<esc>"]),
        (b"\x1b\x1bx", ["<esc>", "<alt-x>"]),
        (b"\x1b[", ["<alt-[>"]),
        (b"\x1bO", ["<alt-o>"]),
        (b"\x1b\x1b[", ["<esc>", "<alt-[>"]),
        (b"\x1b[\x1b[A", ["<alt-[>", "<up>"]),
        (b"\x1b[12", []),
        (b"", []),
    ],
)
def test_a_sequence_that_does_not_go_on_is_its_first_keys(sent: bytes, keys: list[str]) -> None:
    assert decoded(sent) == keys


def test_waiting_is_seen_from_outside() -> None:
    decoder = Decoder(CURSES.__getitem__)
    assert not decoder.is_waiting
    decoder.feed(ESC)
    assert decoder.is_waiting
    assert decoder.flush() == ["<esc>"]
    assert not decoder.is_waiting


UNKNOWN = [
    b"\x1b[99~",
    b"\x1b[~",
    b"\x1b[?1;2c",  # an answer about the terminal
    b"\x1b[5n",
    b"\x1b[ q",
    b"\x1b[1;2M",
    b"\x1b[201~",  # the end of a paste that never began
    b"\x1bOz",
    b"\x1b[[Z",
    b"\x1b[97;1:3u",  # let go
    b"\x1b[u",
    b"\x1b[57441;5u",  # a modifier alone
    b"\x1b[1114112u",
    b"\x1b[999999999999u",
    b"\x1b[<0;5;5m",  # the end of a click
    b"\x1b[<64;5;5m",
    b"\x1b[<;M",
    b"\x1b[M !!",
    b"\x1b[" + b"1;" * 200 + b"A",  # no key is so long
    b"\x1b[?1;0;256S",  # how many colours a picture may have, not F4
    b"\x1b[?3R",  # private, so it is no F3
    b"\x1b[24;80R",  # where the cursor is
    b"\x1b[?31u",  # what kitty can do with its keyboard
    b"\x1b[>1;10A",
    b"\x1b[=1P",
    b"\x1b[<1;2H",
    b"\x1b[?2004;1$y",  # a mode
    b"\x1b[4;1$y",
    b"\x1b]11;rgb:0000/0000/0000\x1b\\",  # the colour of the background
    b"\x1b]10;rgb:ffff/ffff/ffff\x07",
    b"\x1bP>|XTerm(379)\x1b\\",  # its version
    b"\x1bP1+r544e=787465726d\x1b\\",
    b"\x1b_Gi=1;OK\x1b\\",  # of a picture
    b"\x1b^private\x1b\\",
    b"\x1bXa string\x1b\\",
    b"\x1bPtmux;\x1b\x1b[A\x1b\\",
    b"\x1b]0;a\rb\nc\x1b[Ad\x07",  # whatever is in it
    b"\x1b]" + b"7" * (MAX_SEQUENCE - 3) + b"\x1b\\",
    b"\x1b]52;c;aGVsbG8=",  # its end is lost
    "\x9b?1;2c".encode(),  # all of that begun by one byte (C1)
    "\x9d11;rgb:0/0/0\x9c".encode(),
    "\x90>|x\x1b\\".encode(),
    "\x9fG".encode(),
    "\x9fG\x07\x9ep\x9c\x98s\x9c".encode(),
    "\x9b".encode(),
    "\x8f".encode(),
    "\x9f".encode(),
]


def test_what_is_unknown_never_becomes_text() -> None:
    found = {sent: decoded(sent) for sent in UNKNOWN}
    assert not any(found.values()), found


@pytest.mark.parametrize("begin", [b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b_", "\x9d".encode()])
def test_a_sequence_without_an_end_gives_the_keyboard_back(begin: bytes) -> None:
    assert decoded(begin + b"0" * (MAX_SEQUENCE + 40) + b"x", flush=False)[-1] == "x"


@table(
    ("sent", "keys"),
    [
        (b"\x1b_", ["<alt-_>"]),
        (b"\x1b_\x1b_", ["<alt-_>", "<alt-_>"]),
        (b"\x1b_\x1b[A", ["<alt-_>", "<up>"]),
        (b"\x1b_\x1b", ["<alt-_>", "<esc>"]),
        (b"\x1b\x1b_", ["<esc>", "<alt-_>"]),
        (b"\x1b_|", ["<alt-_>", "|"]),
        (b"\x1b_abc", ["<alt-_>", "a", "b", "c"]),
        (b"\x1b_a\x1b", ["<alt-_>", "a", "<esc>"]),
        (b"\x1b_\r", ["<alt-_>", "<enter>"]),
        (b"\x1b_abcd", []),
        (b"\x1b]a", []),
        (b"\x1b]", ["<alt-]>"]),
        (b"\x1bP", ["<alt-p>"]),
    ],
)
def test_what_begins_a_string_may_be_a_key(sent: bytes, keys: list[str]) -> None:
    assert decoded(sent) == keys


@table(
    ("sent", "seconds"),
    [
        ("", None),
        (ESC, BRIEFLY),
        (ESC + ESC, BRIEFLY),
        (ESC + "_", BRIEFLY),  # a key that does something
        (ESC + "_G", SEQUENCE_PAUSE),
        (ESC + "]", SEQUENCE_PAUSE),
        (ESC + "[", SEQUENCE_PAUSE),
        (ESC + "[1;", SEQUENCE_PAUSE),
        (ESC + "O", SEQUENCE_PAUSE),
        ("\x9f", SEQUENCE_PAUSE),
        (ESC + "[200~", PASTE_PAUSE),
        ("x", None),
    ],
)
def test_how_long_it_waits_for_the_rest(sent: str, seconds: float | None) -> None:
    decoder = Decoder()
    for character in sent:
        decoder.feed(character)
    assert decoder.patience == seconds


@pytest.mark.parametrize(
    ("sent", "key"), [("\x9bA", "<up>"), ("\x9b5~", "<pageup>"), ("\x8fP", "<f1>")]
)
def test_a_sequence_may_begin_with_one_byte(sent: str, key: str) -> None:
    assert decoded(sent.encode(), flush=False) == [key]


def test_a_paste_has_a_limit_and_goes_on_after_it() -> None:
    decoder = Decoder()
    pastes = [
        key for character in "\x1b[200~" + "x" * (MAX_PASTE + 3) for key in decoder.feed(character)
    ]
    assert pastes == [Paste("x" * MAX_PASTE)]
    assert [key for character in PASTE_END for key in decoder.feed(character)] == [Paste("xxx")]


@pytest.mark.parametrize("after", ["\x01", "é", "\x7f"])
def test_what_cannot_be_in_a_sequence_ends_it(after: str) -> None:
    assert decoded(b"\x1b[1;", after.encode()) == decoded(after.encode())


def test_a_click_tells_its_cell() -> None:
    assert decoded(b"\x1b[<0;1;1M\x1b[<0;80;24M") == [Click(0, 0), Click(79, 23)]
    # Let go, other buttons, with Ctrl, and no place.
    assert decoded(b"\x1b[<0;5;5m\x1b[<1;5;5M\x1b[<2;5;5M\x1b[<16;5;5M\x1b[<0;0;5M\x1b[<0;5M") == []


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (b"\x1b[I", "<focus-in>"),
        (b"\x1b[O", "<focus-out>"),
        (b"\x1b[<64;10;5M", "<wheel-up>"),
        (b"\x1b[<65;300;200M", "<wheel-down>"),
        (b"\x1b[<68;1;1M", "<wheel-up>"),  # with Shift
        (b"\x1b[M`!!", "<wheel-up>"),
        (b"\x1b[Ma\xc2\x80!", "<wheel-down>"),
    ],
)
def test_focus_and_wheel_are_keys_too(sent: bytes, key: str) -> None:
    assert decoded(sent, b"x", flush=False) == [key, "x"]


@pytest.mark.parametrize(
    ("pasted", "text"),
    [
        ("hello", "hello"),
        ("", ""),
        ("one\rtwo\r\nthree\nfour", "one\ntwo\nthree\nfour"),
        ("\t\x1b[31mred\x1b[0m\x03", "\t\x1b[31mred\x1b[0m\x03"),
        ("a~b\x1b[201x\x1b[200~", "a~b\x1b[201x\x1b[200~"),
        ("中 👍🏽", "中 👍🏽"),
    ],
)
def test_what_is_pasted_comes_as_one(pasted: str, text: str) -> None:
    sent = f"a\x1b[200~{pasted}{PASTE_END}b".encode()
    assert decoded(sent, flush=False) == ["a", Paste(text), "b"]


def test_keys_that_curses_sees_in_a_paste_are_its_line_ends_or_nothing() -> None:
    sent = (b"\x1b[200~one", ENTER, b"two", BACKSPACE, UP, PASTE_END.encode())
    assert decoded(*sent) == [Paste("one\ntwo")]


def test_a_paste_without_an_end_can_be_ended() -> None:
    decoder = Decoder(CURSES.__getitem__)
    assert decoder.end_paste() == []
    for character in "\x1b[200~lost":
        assert decoder.feed(character) == []
    assert decoder.is_pasting
    assert decoder.flush() == []
    assert decoder.end_paste() == [Paste("lost")]
    assert not decoder.is_pasting
    assert decoder.feed("x") == ["x"]


PIECES = st.sampled_from(
    [
        ESC,
        "[",
        "O",
        "]",
        "_",
        "\\",
        "\a",
        "\x9b",
        "\x9c",
        "\x9f",
        "M",
        "<",
        "2",
        "0",
        "1",
        ";",
        ":",
        "~",
        "$",
        "u",
        "A",
        "é",
        "İ",
        "\xa0",
    ]
)


@given(st.lists(PIECES | st.characters(codec=None) | st.sampled_from(sorted(CURSES))))
def test_nothing_that_comes_is_too_much(values: list[str | int]) -> None:
    decoder = Decoder(CURSES.__getitem__)
    for value in [*values, *PASTE_END, ESC]:
        for key in decoder.feed(value):
            assert isinstance(key, Paste | Click) or len(key) == 1 or split_keys(key) == [key]
    decoder.flush()
    decoder.end_paste()
    assert decoder.feed("x") == ["x"]
