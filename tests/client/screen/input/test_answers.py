"""Answers of the terminal to what it was asked: they come between the keys, and are none."""

from __future__ import annotations

import pytest

from chat.client.screen.input.decoder import ANSWER_PAUSE, SEQUENCE_PAUSE, Decoder, Input

BACKGROUND = "\x1b]11;rgb:1e1e/1e1e/1e1e"


class Listener:
    """A decoder, the keys that came of what was fed, and the answers."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.keys: list[Input] = []
        self.decoder = Decoder(hear=self.answers.append)

    def feed(self, text: str) -> None:
        for character in text:
            self.keys += self.decoder.feed(character)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.mark.parametrize("end", ["\a", "\x1b\\", "\x9c"])
def test_an_answer_about_the_background(listener: Listener, end: str) -> None:
    listener.feed(f"a{BACKGROUND}{end}b")
    assert listener.answers == ["]11;rgb:1e1e/1e1e/1e1e"]
    assert listener.keys == ["a", "b"]


def test_an_answer_about_the_kind_of_terminal(listener: Listener) -> None:
    listener.feed("a\x1b[?62;22cb")
    assert listener.answers == ["[?62;22c"]
    assert listener.keys == ["a", "b"]


@pytest.mark.parametrize(
    "foreign",
    [
        "\x1b]11;rgb:\x00\x01\x7f/\u20ac\a",
        "\x1b]11;" + "f" * 3000 + "\a",
        "\x1bP11;rgb:1e1e/1e1e/1e1e\x1b\\",
        "\x1b]52;c;cm0gLXJm\x1b\\",
        "\x1b[?11;c1n",
    ],
)
def test_foreign_bytes_in_an_answer_type_nothing(listener: Listener, foreign: str) -> None:
    listener.feed(foreign)
    assert all(len(answer) <= 70 for answer in listener.answers)
    if foreign.startswith("\x1bP"):
        assert listener.answers == []
    assert not {"<enter>", "/"} & set(listener.keys)
    listener.keys.clear()
    listener.feed("x")
    assert listener.keys == ["x"]


def test_an_answer_may_stall_on_a_slow_line(listener: Listener) -> None:
    listener.feed(BACKGROUND[:9])
    assert listener.decoder.patience == ANSWER_PAUSE > SEQUENCE_PAUSE
    listener.feed(BACKGROUND[9:] + "\a")
    assert listener.answers == ["]11;rgb:1e1e/1e1e/1e1e"]
    assert listener.keys == []


def test_another_string_is_not_waited_for_longer(listener: Listener) -> None:
    listener.feed("\x1b]52;c")
    assert listener.decoder.patience == SEQUENCE_PAUSE
