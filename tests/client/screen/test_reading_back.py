"""Older messages are fetched as the reader comes near them, and nothing that is read moves."""

from __future__ import annotations

import pytest

from chat.client.connection.events import Notice, RoomHistory, Text, Welcome
from chat.client.conversation.requests import FetchEarlier
from chat.client.frontends.wording import missing_line
from chat.client.resuming.events import MissingMessages
from chat.client.screen.draw.layout import Size
from chat.client.screen.model import views
from chat.client.screen.reading.reading_back import ANEW, FETCHING, FULL, NO_OLDER, NO_OLDER_KEPT
from chat.client.state.places import ROOM
from tests.client.screen.desks import NINE, Desk
from tests.client.screen.earlier_log import EarlierLog, asked, log_rows, numbers, said


@pytest.fixture
def desk() -> Desk:
    return Desk()


def is_on_screen(desk: Desk, words: str) -> bool:
    return any(words in row for row in desk.screen())


def test_older_messages_come_above_and_nothing_moves(desk: Desk) -> None:
    log = EarlierLog(desk, 1000)
    log.replay(30)
    desk.type("<pageup>" * 3)
    assert asked(desk) == FetchEarlier(before=971, limit=100, epoch="e")
    before = log_rows(desk)
    log.answer()
    assert log_rows(desk) == before
    assert numbers(desk.model.default) == list(range(871, 1001))
    desk.type("<pageup>" * 3)
    assert not is_on_screen(desk, FETCHING)
    assert is_on_screen(desk, "text 95")


def test_one_question_at_a_time(desk: Desk) -> None:
    EarlierLog(desk, 1000).replay(30)
    desk.type("<pageup>" * 9)
    assert len(desk.asked) == 1
    assert log_rows(desk)[0].startswith(f"── {FETCHING} ─")


@pytest.mark.parametrize(("oldest", "words"), [(1, NO_OLDER), (4, NO_OLDER_KEPT)])
def test_the_oldest_message(desk: Desk, oldest: int, words: str) -> None:
    log = EarlierLog(desk, 60, oldest=oldest)
    log.replay(30)
    desk.type("<alt-<>")
    log.answer()
    desk.type("<alt-<>")
    assert log_rows(desk)[0].startswith(f"── {words} ─")
    desk.type("<pageup>")
    assert desk.asked == []
    assert numbers(desk.model.default) == list(range(oldest, 61))


def test_a_server_that_keeps_nothing_is_not_asked(desk: Desk) -> None:
    desk.hear("hello")
    desk.type("<pageup>")
    assert desk.asked == []


def test_a_refusal_stands_at_the_top_and_the_next_key_asks_again(desk: Desk) -> None:
    log = EarlierLog(desk, 60)
    log.replay(30)
    desk.type("<alt-<>")
    log.answer(refuse="The server cannot read its history now.")
    assert is_on_screen(desk, "no older messages now: The server")
    desk.type("<pageup>")
    log.answer()
    assert numbers(desk.model.default)[0] == 1


def test_what_was_lost_has_a_line(desk: Desk) -> None:
    log = EarlierLog(desk, 60, lost=(20, 24))
    log.replay(30)
    desk.type("<alt-<>")
    log.answer()
    line = missing_line(MissingMessages(ROOM, 20, 24, "lost"))
    at = desk.log().index(f"-- {line}")
    assert [desk.log()[at - 1], desk.log()[at + 1]] == ["[alice]: text 19", "[alice]: text 25"]


def test_messages_of_users_who_are_ignored_are_left_out_and_do_not_stop_the_reader(
    desk: Desk,
) -> None:
    log = EarlierLog(desk, 300)
    log.ignored = set(range(101, 271))
    desk.model.attention.ignored.add("mallory")
    log.replay(30)
    for _ in range(3):
        desk.type("<alt-<>")
        log.answer()
    assert numbers(desk.model.default) == [*range(1, 101), *range(271, 301)]


def test_numbers_of_another_epoch_are_not_mixed(desk: Desk) -> None:
    log = EarlierLog(desk, 300)
    log.replay(30)
    desk.type("<alt-<>")
    desk.take(Notice("epoch", "Anew.", NINE, epoch="f"))
    log.answer()
    assert numbers(desk.model.default) == list(range(271, 301))


def test_private_messages_go_back_with_their_partner_alone(desk: Desk) -> None:
    EarlierLog(desk, 300)
    desk.take(Text("alice", NINE, "psst", "bob", seq=40))
    desk.type("/query alice<enter><pageup>")
    assert asked(desk) == FetchEarlier(True, "alice", before=40, limit=100, epoch="e")


def test_private_messages_of_another_user_of_this_client(desk: Desk) -> None:
    """Their numbers say nothing to the server, once somebody else has logged in."""
    EarlierLog(desk, 300)
    desk.take(Text("alice", NINE, "psst", "bob", seq=40))
    desk.type("/query alice<enter>")
    desk.take(Welcome("carol", NINE, ("carol",), history=RoomHistory("e", last=300)))
    desk.type("<pageup>")
    assert desk.asked == []
    assert log_rows(desk)[0].startswith(f"── {ANEW} ─")


def test_the_way_to_the_end_asks_for_nothing(desk: Desk) -> None:
    EarlierLog(desk, 300).replay(5)
    desk.type("<esc><alt->>")
    assert desk.asked == []


def test_the_log_does_not_grow_beyond_its_bounds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MAX_ENTRIES", 50)
    log = EarlierLog(desk, 300)
    log.replay(30)
    desk.type("<alt-<>")
    log.answer()
    desk.type("<alt-<>")
    assert log_rows(desk)[0].startswith(f"── {FULL[:30]}")
    room = desk.model.default
    assert len(room.entries) <= 50
    assert numbers(room)[-1] == 300
    desk.type("<pageup>")
    assert desk.asked == []
    log.say(30)  # what was at the top is dropped, and can be fetched again
    desk.type("<alt-<>")
    assert asked(desk).before == numbers(room)[0]


def test_read_marks_and_unread_messages_stay(desk: Desk) -> None:
    log = EarlierLog(desk, 300)
    log.replay(30)
    desk.type("<focus-out>")
    log.say(3)
    room = desk.model.default
    rule, newest, fresh = room.left_off, dict(room.newest), room.fresh
    desk.type("<focus-in><alt-<>")
    log.answer()
    assert (room.left_off, room.newest, room.fresh) == (rule, newest, fresh)
    assert desk.model.attention.mentions == type(desk.model.attention.mentions)(maxlen=50)


def test_a_text_of_many_rows_stays_when_the_rules_above_it_go(desk: Desk) -> None:
    """Its last rows are at the bottom of the screen, and its first ones above the top."""
    log = EarlierLog(desk, 300)
    log.wrapped, desk.controller.size = {300}, Size(20, 12)
    desk.model.default.clear()
    desk.take(log.message(300))
    desk.hear("below")
    desk.type("<alt-<>")
    before = said(desk)
    assert "below" not in before[-1]
    log.answer()
    assert said(desk)[-len(before) :] == before


def test_a_screen_that_was_made_larger_meanwhile(desk: Desk) -> None:
    log = EarlierLog(desk, 300)
    log.wrapped, desk.controller.size = set(range(260, 301)), Size(30, 12)
    log.replay(40)
    desk.type("<alt-<>")
    desk.controller.size = Size(200, 24)
    before = said(desk)
    log.answer()
    assert said(desk)[-len(before) :] == before


def test_after_the_numbers_began_anew_and_the_log_was_cleared(desk: Desk) -> None:
    log = EarlierLog(desk, 300)
    log.replay(30)
    desk.model.default.renumber()
    desk.type("<alt-<>")
    assert desk.asked == [], "older messages may be those that are there already"
    assert log_rows(desk)[0].startswith(f"── {ANEW} ─")
    desk.type("/clear<enter>")
    for _ in range(2):
        desk.type("<pageup>" * 20)
        log.answer()
    assert numbers(desk.model.default) == list(range(101, 301))


def test_more_by_command(desk: Desk) -> None:
    log = EarlierLog(desk, 1000)
    log.replay(30)
    desk.type("/history 150<enter>")
    assert asked(desk).limit == 150
    log.answer()
    assert numbers(desk.model.default)[0] == 821
    assert log_rows(desk)[-1].endswith("text 970")


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        ("#1", "Only plain lines number matches: search, and stay at the one that you mean."),
        ("0", "Expected /history N, 1 to 1000, or a date such as 2026-11-20."),
        ("9" * 5000, "Expected /history N"),
        ("yesterday", "Invalid date 'yesterday'"),
        ("2026-02-30", "There is no 2026-02-30"),
    ],
)
def test_what_is_no_number_and_no_date(desk: Desk, rest: str, sentence: str) -> None:
    desk.type(f"/history {rest}<enter>")
    assert any(sentence in line for line in desk.log())
    assert desk.asked == []
