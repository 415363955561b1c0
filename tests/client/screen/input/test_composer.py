from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.conversation.commands import COMMANDS
from chat.client.screen.input.completion import Completer
from chat.client.screen.input.composer import Composer
from chat.client.screen.input.keys import BINDINGS, Action, split_keys
from chat.client.screen.input.kill_ring import KillRing
from tests.tables import table

FILES = {
    "": [("docs", True), ("done.txt", False)],
    "docs/": [("design.md", False)],
}


def new_composer(*sent: str, kills: KillRing | None = None) -> Composer:
    completer = Completer(COMMANDS, lambda: ["bob", "alice", "alina"], lambda p: FILES.get(p, []))
    composer = Composer(completer, kills)
    for text in sent:
        composer.paste(text)
        composer.commit()
    return composer


def press(composer: Composer, keys: str) -> list[Action]:
    """Press ``keys``; return the actions that the composer leaves to others."""
    left = [composer.press(key) for key in split_keys(keys)]
    return [action for action in left if action is not None]


def typed(keys: str, *sent: str) -> str:
    """The text after ``keys``, with the cursor in it as ``|``."""
    composer = new_composer(*sent)
    press(composer, keys)
    editor = composer.editor
    return f"{editor.text[: editor.cursor]}|{editor.text[editor.cursor :]}"


@table(
    ("keys", "text"),
    [
        ("<up>", "two|"),
        ("<up><up>", "one|"),
        ("<up><up><up><up>", "one|"),
        ("<up><up><down><down>", "|"),
        ("draft<up>", "draft|"),
        ("draft<down>", "draft|"),
        ("draft<ctrl-p>", "two|"),
        ("draft<ctrl-p><up>", "one|"),
        ("draft<ctrl-p><down>", "draft|"),
        ("draft<ctrl-p><ctrl-p><ctrl-n>", "two|"),
        ("a<alt-enter>b<up>", "a|\nb"),
        ("a<alt-enter>b<up><up><down>", "a\nb|"),
        ("a<alt-enter>b<ctrl-p>", "two|"),
        ("a<alt-enter>b<up><down>", "a\nb|"),
        ("draft<ctrl-p>!<up><down>", "two!|"),
        ("draft<ctrl-p><ctrl-_>", "draft|"),
    ],
)
def test_up_and_down_lead_into_the_history_and_back(keys: str, text: str) -> None:
    assert typed(keys, "one", "two") == text


def test_up_goes_by_the_rows_of_the_screen_first() -> None:
    composer = new_composer("sent")
    composer.width = 4
    press(composer, "abcdef<up>")
    assert (composer.editor.text, composer.editor.cursor) == ("abcdef", 2)
    assert press(composer, "<up>") == [Action.SCROLL_UP]
    assert composer.editor.text == "abcdef"


@pytest.mark.parametrize(
    ("key", "action"), [("<up>", Action.SCROLL_UP), ("<down>", Action.SCROLL_DOWN)]
)
def test_an_arrow_scrolls_where_it_would_replace_a_draft(key: str, action: Action) -> None:
    composer = new_composer("sent")
    assert press(composer, f"draft{key}") == [action]
    assert composer.editor.text == "draft"


def test_a_text_begun_in_place_of_an_earlier_message_is_a_draft() -> None:
    composer = new_composer("sent")
    assert press(composer, "<up><ctrl-u>new<up>") == [Action.SCROLL_UP]
    assert composer.editor.text == "new"
    press(composer, "<ctrl-p>")
    assert composer.editor.text == "sent"


def test_an_earlier_draft_is_not_replaced_by_a_text_begun_in_its_absence() -> None:
    assert typed("draft<ctrl-p><ctrl-u>new<down>", "sent") == "draft|"


@table(
    ("keys", "text"),
    [
        ("bo<tab>hi", "bob: hi|"),
        ("al<tab>", "ali|"),  # what both begin with
        ("al<tab><tab>", "alice: |"),
        ("al<tab><tab><tab>", "alina: |"),
        ("al<tab><tab><tab><tab>", "ali|"),
        ("al<tab><tab><tab><tab><tab>", "alice: |"),
        ("ali<tab>", "alice: |"),  # there is nothing to add: the first at once
        ("al<shift-tab>", "alina: |"),
        ("al<shift-tab><shift-tab>", "alice: |"),
        ("ali<tab><shift-tab>", "ali|"),
        ("ali<tab><tab>!", "alina: !|"),
        ("al<tab><tab><ctrl-_>", "al|"),
        ("ali <left><tab>", "alice:| "),
        ("(ali<tab>", "(alice |"),
        ("(ali<tab>)", "(alice)|"),  # the blank makes way
        ('"bo<tab>"', '"bob"|'),
        ("ask bo<tab>?", "ask bob?|"),
        ("ask bo<tab>x", "ask bob x|"),
        ("bo<tab>)", "bob: )|"),
        ("ask bo<tab><left><right>?", "ask bob ?|"),
        ("zz<tab>", "zz|"),
        (":smi<tab>", "😄|"),  # nothing of a name is added: the first at once
        (":smi<tab><tab>!", "😏!|"),
        (":smi<tab><shift-tab>", ":smi|"),
        (":rocke<tab>:rocke<tab>", "🚀🚀|"),
        ("/tr<tab>", "/transfers|"),
        ("/file d<tab>", "/file do|"),
        ("/file d<tab><tab><tab>", "/file done.txt|"),
        ("/file do<tab>/<tab>", "/file docs/design.md|"),  # "/" takes the directory
        ("/file doc<tab><tab>", "/file docs/design.md|"),  # the only one is taken at once
        ("/file do<tab><tab>/", "/file done.txt/|"),
        ("a/", "a/|"),
    ],
)
def test_tab_completes_and_goes_round(keys: str, text: str) -> None:
    assert typed(keys) == text


def test_what_tab_goes_through_can_be_shown() -> None:
    composer = new_composer()
    assert composer.choice is None
    press(composer, "al<shift-tab>")
    assert composer.choice is not None
    assert composer.choice.candidates == ("alice: ", "alina: ")
    assert composer.choice.chosen == 1
    press(composer, "<pageup>")
    assert composer.choice is not None
    press(composer, "<tab>")
    assert composer.choice is not None
    assert composer.choice.chosen is None
    press(composer, "<home>")
    assert composer.choice is None


def test_the_choice_ends_when_the_text_changes_otherwise() -> None:
    for change in ("x", "<backspace>", "<ctrl-p>", "<ctrl-c>"):
        composer = new_composer("sent")
        press(composer, f"al<tab>{change}")
        assert composer.choice is None
    composer = new_composer()
    press(composer, "al<tab>")
    composer.paste("text")
    assert composer.choice is None
    press(composer, " al<tab>")
    composer.commit()
    assert composer.choice is None


@pytest.mark.parametrize(
    ("keys", "actions"),
    [
        ("hi<home><ctrl-o>", []),
        ("hi<enter>", [Action.SUBMIT]),
        ("<pageup><ctrl-r><alt-3>", [Action.PAGE_UP, Action.SEARCH, Action.VIEW]),
        ("hi<ctrl-c>", [Action.CLEAR]),
        ("hi<ctrl-c><ctrl-c>", [Action.CLEAR, Action.CLEAR]),
        ("<ctrl-d>", [Action.LEAVE]),
        ("hi<home><ctrl-d>", []),
        ("hi<home><ctrl-d><ctrl-d><ctrl-d>", [Action.LEAVE]),
        ("hi<ctrl-d>", []),  # at the end of something
    ],
)
def test_what_is_not_about_the_input_is_left_to_others(keys: str, actions: list[Action]) -> None:
    assert press(new_composer(), keys) == actions


def test_what_was_cleared_is_not_lost() -> None:
    assert typed("a long text<ctrl-c>") == "|"
    assert typed("a long text<ctrl-c><ctrl-y>") == "a long text|"
    assert typed("a long text<ctrl-c><ctrl-_>") == "a long text|"


def test_what_is_sent_goes_to_the_history() -> None:
    composer = new_composer()
    press(composer, "hello")
    assert composer.commit() == "hello"
    assert composer.editor.text == ""
    press(composer, "<up>")
    assert composer.editor.text == "hello"


def test_what_was_cut_is_shared_between_views() -> None:
    kills = KillRing()
    press(new_composer(kills=kills), "shared<ctrl-u>")
    other = new_composer(kills=kills)
    press(other, "<ctrl-y>")
    assert other.editor.text == "shared"


KEYS = st.lists(
    st.sampled_from([*"al /b\n中", *sorted({key for b in BINDINGS for key in b.keys})]), max_size=40
)


@given(KEYS, st.integers(0, 20))
def test_no_keys_are_too_much(keys: list[str], width: int) -> None:
    composer = new_composer("one", "two\nlines")
    composer.width = width
    for key in keys:
        if composer.press(key) is Action.SUBMIT:
            composer.commit()
        assert 0 <= composer.editor.cursor <= len(composer.editor.text)


@given(st.text(max_size=20), KEYS)
def test_a_draft_is_never_lost_by_looking_through_the_history(draft: str, keys: list[str]) -> None:
    composer = new_composer("one", "two", "three")
    composer.paste(draft)
    written = composer.editor.text
    for key in keys:
        if key in ("<up>", "<down>", "<ctrl-p>", "<ctrl-n>"):
            composer.press(key)
    for _ in range(4 + written.count("\n")):
        composer.press("<ctrl-n>")
    assert composer.editor.text == written


def test_what_was_typed_last_can_be_taken_back() -> None:
    composer = new_composer()
    press(composer, "one two!<left>")
    assert not composer.remove_typed("one")
    assert composer.remove_typed("two")
    assert (composer.editor.text, composer.editor.cursor) == ("one !", 4)
    composer.editor.do(Action.UNDO)
    assert composer.editor.text == "one two!"
