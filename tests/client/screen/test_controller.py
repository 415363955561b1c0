from __future__ import annotations

import pytest

from chat.client.conversation.requests import Get, Help, Say, SendFile
from chat.client.conversation.ui_events import Done, Failed
from chat.client.screen.draw.layout import Size
from chat.client.screen.input.decoder import Paste
from chat.client.screen.input.questions import PasswordQuestion, YesOrNo
from chat.protocol.descriptor import MessageType
from tests.client.screen.desks import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


def requests(desk: Desk) -> list[object]:
    return [asked.request for asked in desk.asked]


class TestSaying:
    def test_a_text_is_pending_until_the_server_sends_it_back(self, desk: Desk) -> None:
        desk.type("hello<enter>")
        assert requests(desk) == [Say("hello")]
        assert desk.draft() == ""
        (pending,) = desk.model.default.pending
        assert (pending.text, pending.tag) == ("hello", desk.asked[0].tag)
        desk.take(Done(pending.tag))
        assert desk.model.default.pending == []

    @pytest.mark.parametrize("keys", ["<enter>", "  <enter>", "<alt-enter><enter>"])
    def test_nothing_is_said_of_blanks(self, desk: Desk, keys: str) -> None:
        desk.type(keys)
        assert desk.asked == []

    def test_a_text_over_the_limit_goes_in_pieces(self, desk: Desk) -> None:
        desk.type("x" * 41 + "<enter>")
        assert requests(desk) == [Say("x" * 40), Say("x")]
        assert len({asked.tag for asked in desk.asked}) == 2
        assert len(desk.model.default.pending) == 2

    def test_a_refused_text_does_not_touch_the_input(self, desk: Desk) -> None:
        desk.type("hello<enter>")
        desk.take(Failed("refused", "No.", desk.asked[0].tag))
        assert desk.draft() == ""
        assert desk.log()[-2:] == ["[bob]: hello", "not sent: No."]
        desk.type("<up>")
        assert desk.draft() == "hello"

    def test_nor_what_is_being_written(self, desk: Desk) -> None:
        desk.type("hello<enter>some<enter>thing")
        desk.take(Failed("refused", "No.", desk.asked[0].tag))
        assert desk.draft() == "thing"

    def test_a_command_that_makes_no_sense_is_shown_and_can_be_fetched_back(
        self, desk: Desk
    ) -> None:
        desk.type("/flie x<enter>hello")
        assert desk.asked == []
        assert desk.draft() == "hello"
        assert desk.log()[-2] == "-- /flie x"
        assert desk.log()[-1].startswith("not done: Unknown command /flie; did you mean /file?")
        desk.type("<ctrl-p>")
        assert desk.draft() == "/flie x"
        desk.type("<down>")
        assert desk.draft() == "hello"

    def test_a_command_of_the_screen_that_fails_is_shown_as_well(self, desk: Desk) -> None:
        desk.type("/close<enter>")
        assert desk.log()[-2:] == [
            "-- /close",
            "not done: The room can't be closed; /quit leaves it.",
        ]
        assert desk.draft() == ""

    def test_a_command_that_the_server_refuses_is_named(self, desk: Desk) -> None:
        desk.type("/kick carol<enter>and now")
        desk.take(Failed("not-allowed", "You are not a moderator.", desk.asked[0].tag))
        assert desk.log()[-2:] == ["-- /kick carol", "not done: You are not a moderator."]
        assert desk.draft() == "and now"

    def test_a_command_below_other_lines_is_asked_about(self, desk: Desk) -> None:
        draft = "how do I leave?\n/quit now"
        desk.paste(draft)
        desk.type("<enter>")
        assert desk.question() == ("Send /quit as text? [y/n]: ", "")
        desk.type("<enter>n")
        assert (desk.question(), desk.draft(), desk.asked) == (None, draft, [])
        desk.type("<enter>y")
        assert (desk.question(), desk.draft()) == (None, "")
        assert [asked.request for asked in desk.asked] == [Say(draft)]

    @pytest.mark.parametrize("draft", ["see\n/etc/hosts", "a\n//help", "/me a\nb", "a\n/ b"])
    def test_lines_without_a_command_below_are_sent_at_once(self, desk: Desk, draft: str) -> None:
        desk.paste(draft)
        desk.type("<enter>")
        assert desk.question() is None
        assert len(desk.asked) == 1

    def test_a_mistyped_password_is_neither_shown_nor_kept(self, desk: Desk) -> None:
        desk.type("/register hunter2<enter>/identify hunter2<enter>")
        assert "hunter2" not in "\n".join(desk.log())
        desk.type("<up>")
        assert desk.draft() == "/identify"
        desk.type("<up>")
        assert desk.draft() == "/register"

    def test_a_refusal_is_in_sight(self, desk: Desk) -> None:
        desk.hear(*(f"text {number}" for number in range(30)))
        desk.type("<pageup>/flie<enter>")
        assert "/flie" in "\n".join(desk.screen())

    def test_of_a_long_refused_command_the_first_line_is_shown(self, desk: Desk) -> None:
        desk.type("/flie x<alt-enter>two<enter>")
        assert desk.log()[-2] == "-- /flie x …"

    def test_other_commands_are_for_the_room(self, desk: Desk) -> None:
        desk.type("/get 3<enter>/help<enter>")
        assert requests(desk) == [Get(3), Help()]

    def test_a_file_is_pending_by_its_name(self, desk: Desk) -> None:
        desk.type("/voice ~/my songs/la.ogg --to carol<enter>")
        assert requests(desk) == [SendFile("~/my songs/la.ogg", MessageType.VOICE, "carol")]
        (pending,) = desk.model.default.pending
        assert (pending.text, pending.kind, pending.to) == ("la.ogg", MessageType.VOICE, "carol")

    def test_a_reply_goes_to_whoever_wrote_last(self, desk: Desk) -> None:
        desk.type("/reply hm<enter>")
        assert "There is no private message to reply to yet." in desk.log()[-1]
        desk.last_private_sender = "carol"
        desk.type("<up><enter>")
        assert requests(desk) == [Say("hm", "carol")]

    def test_leaving(self, desk: Desk) -> None:
        desk.type("/quit<enter>")
        assert desk.done == ["leave"]


class TestViews:
    def test_what_is_said_in_a_conversation_goes_to_one_alone(self, desk: Desk) -> None:
        desk.type("/query alice<enter>psst<enter>/file a.txt<enter>/msg carol hi<enter>")
        assert requests(desk) == [
            Say("psst", "alice"),
            SendFile("a.txt", to="alice"),
            Say("hi", "carol"),
        ]

    def test_each_view_has_a_draft_of_its_own(self, desk: Desk) -> None:
        desk.type("to all/query alice")
        desk.type("<ctrl-u>/query alice<enter>to her<alt-1>")
        assert desk.model.current.peer is None
        desk.type("in the room<alt-2>")
        assert desk.draft() == "to her"
        desk.type("<alt-1>")
        assert desk.draft() == "in the room"

    def test_what_was_cut_in_one_can_be_put_into_another(self, desk: Desk) -> None:
        desk.type("words<ctrl-u>/query alice<enter><ctrl-y>")
        assert desk.draft() == "words"

    def test_to_the_next_with_something_new(self, desk: Desk) -> None:
        desk.type("/query alice<enter><alt-1>")
        desk.hear("psst", to="bob")
        desk.type("<alt-a>")
        assert desk.model.current.peer == "alice"


class TestCompleting:
    def test_candidates_are_listed_while_tab_goes_through_them(self, desk: Desk) -> None:
        desk.type("/re<tab>")
        assert desk.screen()[-3] == " /reconnect  /register   /remove     /reply"
        assert desk.draft() == "/reconnect "
        desk.type("<tab>")
        assert desk.draft() == "/register"
        desk.type("x")
        assert desk.model.candidates is None
        assert "/reply" not in "\n".join(desk.screen())

    def test_a_question_hides_the_list(self, desk: Desk) -> None:
        desk.type("/re<tab>")
        desk.controller.ask(YesOrNo("Sure?", lambda: None))
        assert desk.model.candidates is None


class TestSearching:
    @pytest.fixture
    def desk(self) -> Desk:
        desk = Desk()
        desk.hear(*(f"text {number}" for number in range(30)))
        return desk

    def test_while_it_is_being_typed(self, desk: Desk) -> None:
        desk.type("a draft<ctrl-r>text 1")
        assert desk.question() == ("search: ", "text 1")
        assert "[alice]: text 19" in "\n".join(desk.screen())
        desk.type("<ctrl-r><enter>")
        assert desk.model.search is not None
        assert desk.model.default[desk.model.search.number or 0].search_text() == "text 19"
        assert (desk.question(), desk.draft()) == (None, "a draft")

    def test_given_up_it_is_as_before(self, desk: Desk) -> None:
        desk.type("<ctrl-r>text 3<ctrl-g>")
        assert desk.model.search is None
        assert desk.model.current.anchor is None

    def test_by_the_command(self, desk: Desk) -> None:
        desk.type("/search text 7<enter>")
        assert desk.question() == ("search: ", "text 7")
        assert "text 7" in "\n".join(desk.screen())

    def test_a_paste_is_looked_for(self, desk: Desk) -> None:
        desk.type("<ctrl-r>")
        desk.paste("text 5")
        assert desk.question() == ("search: ", "text 5")
        assert desk.model.search is not None
        assert desk.model.search.number is not None

    def test_it_ends_with_the_view(self, desk: Desk) -> None:
        desk.type("/query alice<enter><alt-1><ctrl-r>text<alt-2>")
        assert desk.model.current.peer == "alice"
        assert desk.question() is None


class TestPasting:
    def test_a_short_one_is_put_in(self, desk: Desk) -> None:
        desk.type("say: ")
        desk.paste("one\ntwo")
        assert desk.draft() == "say: one\ntwo"

    def test_the_end_of_a_single_line_sends_nothing(self, desk: Desk) -> None:
        desk.paste("make test\n")
        assert (desk.draft(), desk.asked) == ("make test", [])

    @pytest.mark.parametrize(
        ("text", "size"), [("line\n" * 9, "9 lines"), ("x" * 3000, "3000 characters")]
    )
    def test_a_long_one_is_asked_about(self, desk: Desk, text: str, size: str) -> None:
        desk.paste(text)
        assert desk.question() == (f"Paste {size} as one message? [Y/n]: ", "")
        desk.type("xn")
        assert (desk.question(), desk.draft()) == (None, "")
        desk.paste(text)
        desk.type("y")
        assert (desk.question(), desk.draft()) == (None, text)

    @pytest.mark.parametrize("columns", [42, 60, 80])
    def test_what_is_asked_is_there_to_read(self, desk: Desk, columns: int) -> None:
        desk.controller.size = Size(columns, 12)
        desk.paste("line\n" * 9)
        assert desk.screen()[-1] == "Paste 9 lines as one message? [Y/n]:"

    def test_nothing_is_pasted_into_a_yes_or_no(self, desk: Desk) -> None:
        said: list[str] = []
        desk.controller.ask(YesOrNo("Sure?", lambda: said.append("yes")))
        assert desk.controller.is_asking
        desk.paste("y")
        assert (desk.question(), said) == (("Sure? [Y/n]: ", ""), [])

    def test_another_question_does_not_drop_a_paste(self, desk: Desk) -> None:
        names: list[str | None] = []
        desk.type("draft ")
        desk.paste("line\n" * 9)
        desk.controller.ask(PasswordQuestion("password: ", names.append))
        desk.type("secret<enter>")
        assert names == ["secret"]
        assert desk.question() == ("Paste 9 lines as one message? [Y/n]: ", "")
        desk.type("y")
        assert desk.draft() == "draft " + "line\n" * 9

    def test_a_paste_may_go_on_while_it_is_asked_about(self, desk: Desk) -> None:
        desk.paste("line\n" * 9)
        desk.paste("y\n")
        assert desk.question() == ("Paste 10 lines as one message? [Y/n]: ", "")
        desk.type("y")
        assert desk.draft() == "line\n" * 9 + "y\n"
        assert not desk.controller.is_asking

    @pytest.mark.parametrize(("answer", "draft"), [("n", "so: "), ("y", "so: 1\n2\n3\n4\n5\n6\n")])
    def test_what_was_taken_for_typed_is_asked_about_as_well(
        self, desk: Desk, answer: str, draft: str
    ) -> None:
        desk.type("so: 1")
        desk.controller.press(Paste("\n2\n3\n4\n5\n6\n", typed="1"))
        assert desk.draft() == "so: "
        assert desk.question() == ("Paste 6 lines as one message? [Y/n]: ", "")
        desk.type(answer)
        assert desk.draft() == draft

    def test_what_is_not_there_any_more_stays_away(self, desk: Desk) -> None:
        desk.type("so")
        desk.controller.press(Paste("\ntwo", typed="one"))
        assert desk.draft() == "so\ntwo"

    def test_a_paste_at_a_password_is_not_sent(self, desk: Desk) -> None:
        answers: list[str | None] = []
        desk.controller.ask(PasswordQuestion("password: ", answers.append))
        desk.controller.press(Paste("one\ntwo\n"))
        assert (answers, desk.asked) == ([], [])
        assert desk.question() == ("password: ", "*******")


class TestTheRest:
    def test_clearing_twice_leaves(self, desk: Desk) -> None:
        desk.type("words<ctrl-c>")
        assert (desk.draft(), desk.done) == ("", [])
        desk.type("<ctrl-c>")
        assert desk.done == ["leave"]

    @pytest.mark.parametrize("before", ["", "words"])
    def test_the_screen_warns_that_the_next_one_leaves(self, desk: Desk, before: str) -> None:
        warned = " [1 room] │ Ctrl-C again leaves"
        desk.type(f"{before}<ctrl-c>")
        assert desk.screen()[-2] == warned
        assert not desk.type("x"), "the warning goes, so more than the draft is drawn"
        assert desk.screen()[-2] == " [1 room]"
        desk.type("<ctrl-c>")
        desk.controller.ask(PasswordQuestion("password: ", lambda answer: None))
        assert desk.screen()[-2] == " [1 room]"

    def test_not_if_something_was_typed_between(self, desk: Desk) -> None:
        desk.type("<ctrl-c>x<ctrl-c>")
        assert desk.done == []

    def test_nor_if_something_was_pasted(self, desk: Desk) -> None:
        desk.type("<ctrl-c>")
        desk.paste("words")
        desk.type("<ctrl-c>")
        assert (desk.draft(), desk.done) == ("", [])

    @pytest.mark.parametrize(
        ("key", "done"),
        [("<ctrl-d>", "leave"), ("<ctrl-z>", "suspend"), ("<ctrl-l>", "redraw")],
    )
    def test_keys_of_the_terminal(self, desk: Desk, key: str, done: str) -> None:
        desk.type(key)
        assert desk.done == [done]

    def test_focus(self, desk: Desk) -> None:
        desk.type("<focus-out>")
        desk.hear("hello")
        assert desk.model.default.unread == 1
        desk.type("<focus-in>")
        assert desk.model.default.unread == 0

    def test_only_so_many_lines_of_commands_are_kept(self, desk: Desk) -> None:
        for _ in range(1001):
            desk.type("/get 1<enter>")
        for asked in (desk.asked[0], desk.asked[1]):
            desk.take(Failed("bad-request", "No.", asked.tag))
        assert desk.log()[-3:] == ["-- No.", "-- /get 1", "not done: No."]


@pytest.mark.parametrize(("before", "key", "draft_only"), [
    ("", "x", True),
    ("a b", "<left>", True),
    ("a b", "<ctrl-w>", True),
    ("a b", "<ctrl-u>", True),
    ("", "<up>", True),
    ("/kic", "<tab>", True),  # one command begins so
    ("hi", "<enter>", False),
    ("", "<pageup>", False),
    ("", "<ctrl-r>", False),
    ("<ctrl-r>", "h", False),  # matches are marked in the log
    ("", "<alt-2>", False),
    ("a", "<ctrl-c>", False),
    ("", "<focus-out>", False),
    ("/m", "<tab>", False),
    ("/m<tab>", "x", False),  # the candidates are gone
])  # fmt: skip
def test_a_key_tells_whether_it_changed_the_draft_alone(
    desk: Desk, before: str, key: str, draft_only: bool
) -> None:
    desk.type(before)
    assert desk.type(key) is draft_only


def test_a_paste_may_ask_a_question(desk: Desk) -> None:
    assert not desk.paste("one\n" * 10)
