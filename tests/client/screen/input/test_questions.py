from __future__ import annotations

import pytest

from chat.client.screen.input.keys import Action, split_keys
from chat.client.screen.input.own_keys import OwnKeys
from chat.client.screen.input.questions import (
    Asker,
    LineQuestion,
    PasswordQuestion,
    SearchQuestion,
    YesOrNo,
    shown,
)
from chat.client.screen.model.entries import Said
from chat.client.screen.model.model import Model, Question
from chat.client.screen.model.views import Draft, Position
from tests.client.screen.desks import NINE


def press(asker: Asker, keys: str) -> list[Action]:
    """Press ``keys``; return the actions that the question leaves to others."""
    left = [asker.press(key) for key in split_keys(keys)]
    return [action for action in left if action is not None]


@pytest.mark.parametrize("keys", ["y", "Y", "<enter>"])
def test_yes(keys: str) -> None:
    said: list[str] = []
    question = YesOrNo("Really?", lambda: said.append("yes"))
    assert shown(question, OwnKeys()).prompt == "Really? [Y/n]: "
    press(question, "x<pageup>")
    assert not question.is_over
    press(question, keys)
    assert question.is_over
    assert said == ["yes"]


@pytest.mark.parametrize("keys", ["n", "<esc>", "<ctrl-c>", "<ctrl-g>"])
def test_no(keys: str) -> None:
    said: list[str] = []
    question = YesOrNo("Really?", lambda: said.append("yes"), lambda: said.append("no"))
    press(question, keys)
    assert question.is_over
    assert said == ["no"]


def test_what_is_not_to_be_answered_lightly() -> None:
    said: list[str] = []
    question = YesOrNo("Trust it?", lambda: said.append("yes"), lightly=False)
    press(question, "<enter>")
    assert not question.is_over
    press(question, "y")
    assert said == ["yes"]


@pytest.fixture
def answers() -> list[str | None]:
    return []


class TestALine:
    def test_it_can_be_edited_and_is_answered_by_enter(self, answers: list[str | None]) -> None:
        question = LineQuestion("another name: ", "bob", answers.append)
        assert shown(question, OwnKeys()).answer == Draft("bob", 3)
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
        assert (shown(question, OwnKeys()).answer.text, answers) == ("", [])
        press(question, "<ctrl-c>")
        assert answers == [None]

    def test_what_is_not_of_the_line_is_for_others(self, answers: list[str | None]) -> None:
        question = LineQuestion("name: ", "bob", answers.append)
        assert press(question, "<pageup><ctrl-z>") == [Action.PAGE_UP, Action.SUSPEND]


class TestAPassword:
    def test_nobody_sees_it(self, answers: list[str | None]) -> None:
        question = PasswordQuestion("the password of bob: ", answers.append)
        press(question, "pä<left>*")
        assert shown(question, OwnKeys()) == Question("the password of bob: ", Draft("***", 2))
        press(question, "<enter>")
        assert question.is_over
        assert answers == ["p*ä"]

    def test_blanks_belong_to_it(self, answers: list[str | None]) -> None:
        press(PasswordQuestion("password: ", answers.append), " a <enter>")
        assert answers == [" a "]

    @pytest.mark.parametrize("keys", ["<enter>", "<ctrl-c>", "<ctrl-d>", "ab<ctrl-c><ctrl-c>"])
    def test_an_empty_answer_cancels_the_question(
        self, answers: list[str | None], keys: str
    ) -> None:
        press(PasswordQuestion("password: ", answers.append), keys)
        assert answers == [None]

    def test_what_is_cut_in_it_cannot_be_put_elsewhere(self, answers: list[str | None]) -> None:
        press(PasswordQuestion("password: ", answers.append), "secret<ctrl-u><ctrl-c>")
        question = LineQuestion("name: ", "", answers.append)
        press(question, "<ctrl-y>")
        assert question.editor.text == ""

    def test_what_is_not_of_it_is_for_others(self, answers: list[str | None]) -> None:
        question = PasswordQuestion("password: ", answers.append)
        assert press(question, "a<pageup><ctrl-z>") == [Action.PAGE_UP, Action.SUSPEND]


class TestASearch:
    """Search a log of "cat 0", "dog 1", "cat 2", "dog 3". The second is at the bottom of the screen."""

    @pytest.fixture
    def model(self) -> Model:
        model = Model("chat.example:8080", "bob")
        for number in range(4):
            model.default.append(Said(NINE, "alice", f"{('cat', 'dog')[number % 2]} {number}"))
        model.default.scroll_to(Position(1, 0))
        return model

    @pytest.fixture
    def shown_matches(self) -> list[int | None]:
        return []

    @pytest.fixture
    def question(self, model: Model, shown_matches: list[int | None]) -> SearchQuestion:
        def show() -> None:
            assert model.search is not None
            shown_matches.append(model.search.number)

        return SearchQuestion(model, show)

    @pytest.mark.parametrize(
        ("keys", "number"),
        [
            # From the bottom of the screen upward, and only then below it.
            ("cat", 0),
            ("cat<ctrl-s>", 2),
            ("cat<down><ctrl-r>", 0),
            ("dog 3", 3),
            ("dog 3<backspace><backspace>", 1),
            ("q", None),
        ],
    )
    def test_each_match_is_shown(
        self,
        question: SearchQuestion,
        shown_matches: list[int | None],
        keys: str,
        number: int | None,
    ) -> None:
        press(question, keys)
        assert shown_matches[-1] == number
        assert not question.is_over

    def test_it_may_stay_at_the_match(self, model: Model, question: SearchQuestion) -> None:
        press(question, "cat<ctrl-r><enter>")
        assert question.is_over
        assert model.search is not None
        assert model.search.number == 0

    @pytest.mark.parametrize("keys", ["<esc>", "<ctrl-c>", "<ctrl-g>"])
    def test_it_may_go_back(self, model: Model, question: SearchQuestion, keys: str) -> None:
        press(question, "cat")
        model.default.scroll_to(None)  # as the code that shows the match may do
        press(question, keys)
        assert question.is_over
        assert model.search is None
        assert model.default.anchor == Position(1, 0)

    def test_what_is_looked_for_already_is_not_again(
        self, question: SearchQuestion, shown_matches: list[int | None]
    ) -> None:
        press(question, "cat<ctrl-r>")
        question.look()
        assert shown_matches[-1] == 0

    def test_the_last_search_again(self, model: Model, question: SearchQuestion) -> None:
        press(question, "dog<enter>")
        again = SearchQuestion(model, lambda: None)
        press(again, "<ctrl-r>")
        assert again.editor.text == "dog"
        assert model.search is not None
        assert model.search.number == 1

    def test_other_keys_do_what_they_always_do(self, question: SearchQuestion) -> None:
        assert press(question, "cat<pageup><alt-2>") == [Action.PAGE_UP, Action.VIEW]
