"""Tab completes the names of rooms, and users whom only the server knows, in rooms with very many."""

from __future__ import annotations

from chat.client.connection.events import EnteredRoom, HereCount, Invited, RoomFacts
from chat.client.conversation.requests import Request, Who
from chat.client.conversation.ui_events import UserList
from tests.client.screen.desks import NINE, Desk


def crowded() -> Desk:
    desk = Desk()
    desk.take(HereCount(20_000, NINE))
    return desk


def requests(desk: Desk) -> list[Request]:
    return [asked.request for asked in desk.asked]


def answer(desk: Desk, *users: str) -> None:
    desk.take(UserList(users, True, desk.asked[-1].tag))


def test_rooms_are_completed_where_a_command_takes_one() -> None:
    desk = Desk()
    desk.take(EnteredRoom(RoomFacts("dev"), NINE))
    desk.take(Invited("Den", "alice", "alice invites you.", NINE))
    desk.type("/join de<tab>")
    assert desk.draft() == "/join dev"
    desk.type("<tab>")
    assert desk.draft() == "/join Den"
    desk.type("<ctrl-u>/part #DEV<tab>")
    assert desk.draft() == "/part dev"
    desk.type("<ctrl-u>/msg dev<tab>")
    assert desk.draft() == "/msg dev"


def test_the_server_finds_a_user_whom_this_client_does_not_know() -> None:
    desk = crowded()
    desk.type("zo<tab>")
    assert desk.draft() == "zo"
    assert requests(desk) == [Who(None, "zo", limit=20)]
    answer(desk, "zoe", "zora")
    assert desk.draft() == "zoe: "
    desk.type("<tab>")
    assert desk.draft() == "zora: "


def test_what_was_typed_meanwhile_is_not_completed() -> None:
    desk = crowded()
    desk.type("hello zo<tab>n")
    answer(desk, "zoe")
    assert desk.draft() == "hello zon"
    desk.type("<tab>")
    answer(desk)  # nobody
    assert desk.draft() == "hello zon"
    assert len(desk.asked) == 2


def test_where_all_users_are_known_the_server_is_not_asked() -> None:
    desk = Desk()
    desk.type("zo<tab>")
    assert not desk.asked
