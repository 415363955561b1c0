from __future__ import annotations

import pytest

from chat.client.screen.keys import Action, split_keys
from chat.client.screen.questions import Asker, LineQuestion, YesOrNo, shown
from chat.client.screen.views import Draft


def press(asker: Asker, keys: str) -> list[Action]:
    """What is left for others to do."""
    left = [asker.press(key) for key in split_keys(keys)]
    return [action for action in left if action is not None]


@pytest.mark.parametrize("keys", ["y", "Y", "<enter>"])
def test_yes(keys: str) -> None:
    said: list[str] = []
    question = YesOrNo("Really?", lambda: said.append("yes"))
    assert shown(question).prompt == "Really? y or n: "
    press(question, "x<pageup>")
    assert not question.is_over
    press(question, keys)
    assert question.is_over
    assert said == ["yes"]


@pytest.mark.parametrize("keys", ["n", "<esc>", "<ctrl-c>", "<ctrl-g>"])
def test_no(keys: str) -> None:
    said: list[str] = []
    question = YesOrNo("Really?", lambda: said.append("yes"))
    press(question, keys)
    assert question.is_over
    assert said == []


@pytest.fixture
def answers() -> list[str | None]:
    return []


class TestALine:
    def test_it_can_be_edited_and_is_answered_by_enter(self, answers: list[str | None]) -> None:
        question = LineQuestion("another name: ", "bob", answers.append)
        assert shown(question).answer == Draft("bob", 3)
        press(question, "by<home><delete>r<enter>")
        assert answers == ["robby"]
        assert question.is_over

    def test_an_empty_answer_is_none_yet(self, answers: list[str | None]) -> None:
        question = LineQuestion("name: ", "", answers.append)
        press(question, "  <enter>")
        assert not question.is_over

    @pytest.mark.parametrize("keys", ["<ctrl-c>", "<ctrl-d>"])
    def test_on_an_empty_line_they_mean_to_leave(
        self, answers: list[str | None], keys: str
    ) -> None:
        press(LineQuestion("name: ", "", answers.append), keys)
        assert answers == [None]

    def test_the_first_only_clears_what_is_there(self, answers: list[str | None]) -> None:
        question = LineQuestion("name: ", "bob", answers.append)
        press(question, "<ctrl-c>")
        assert (shown(question).answer.text, answers) == ("", [])
        press(question, "<ctrl-c>")
        assert answers == [None]

    def test_what_is_not_of_the_line_is_for_others(self, answers: list[str | None]) -> None:
        question = LineQuestion("name: ", "bob", answers.append)
        assert press(question, "<pageup><ctrl-z>") == [Action.PAGE_UP, Action.SUSPEND]
