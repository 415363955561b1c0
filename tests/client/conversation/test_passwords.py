from __future__ import annotations

import pytest

from chat.client.conversation.passwords import choose_password, chosen_password
from chat.client.conversation.requests import ChangePassword, Register, RequestError
from chat.protocol.commands import Command, Verb


class Person:
    """Answers in turn, and remembers what was asked."""

    def __init__(self, *answers: str | None) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    def answer(self, prompt: str) -> str | None:
        self.asked.append(prompt)
        return self._answers.pop(0)


def test_a_new_password_is_asked_for_twice() -> None:
    person = Person("correct horse", "correct horse")
    command = choose_password(Register(), person.answer)
    assert command == Command(Verb.REGISTER, password="correct horse")
    assert person.asked == [
        "your new password (8 characters or more): ",
        "the new password again: ",
    ]


def test_a_change_of_password_asks_for_the_old_one_first() -> None:
    person = Person("old", " battery ", " battery ")
    command = choose_password(ChangePassword(), person.answer)
    assert command == Command(Verb.PASSWD, password="old", new_password=" battery ")
    assert person.asked[0] == "your current password: "


@pytest.mark.parametrize(
    "answers", [("battery 1", "battery 2"), ("battery 1", "Battery 1"), ("battery 1", "battery 1 ")]
)
def test_a_slip_of_the_finger(answers: tuple[str, str]) -> None:
    with pytest.raises(RequestError, match="are different"):
        choose_password(Register(), Person(*answers).answer)


@pytest.mark.parametrize("password", ["a", "sevenxx", "ключ"[:3], "x" * 1025])
def test_a_password_of_another_length_is_refused_before_it_is_typed_again(password: str) -> None:
    person = Person(password)
    with pytest.raises(RequestError, match=r"8 to 1024 bytes\. Nothing was changed\.$"):
        choose_password(Register(), person.answer)
    assert len(person.asked) == 1


@pytest.mark.parametrize("answers", [(None,), ("",), ("old", None), ("old", "battery staple", "")])
def test_second_thoughts(answers: tuple[str | None, ...]) -> None:
    with pytest.raises(RequestError, match=r"^Nothing was changed\.$"):
        choose_password(ChangePassword(), Person(*answers).answer)


def test_which_password_holds_afterwards() -> None:
    assert chosen_password(Command(Verb.REGISTER, password="a")) == "a"
    assert chosen_password(Command("passwd", password="a", new_password="b")) == "b"
    assert chosen_password(Command(Verb.KICK, "bob")) is None
