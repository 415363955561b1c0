"""Commands about rooms as a user types them, and the room that a request is for."""

from __future__ import annotations

import pytest

from chat.client.conversation.commands import Availability, parse_line
from chat.client.conversation.requests import (
    FetchFound,
    ListFiles,
    Quit,
    Request,
    RequestError,
    Say,
    SendFile,
    ShowEarlier,
    Who,
    in_room,
)
from chat.client.conversation.room_requests import (
    ChangeRoom,
    InviteUser,
    JoinRoom,
    ListRooms,
    PartRoom,
    SetTopic,
    ShowRoom,
    ShowTopic,
)
from chat.protocol.commands import RoomChange
from tests.tables import table


@table(
    ("line", "request_"),
    [
        ("/join dev", JoinRoom("dev")),
        ("/J #dev", JoinRoom("dev")),
        ("/part", PartRoom()),
        ("/leave #dev", PartRoom("dev")),
        ("/rooms", ListRooms()),
        ("/list de", ListRooms("de")),
        ("/who al", Who(prefix="al")),
        ("/topic", ShowTopic()),
        ("/topic two words - and more", SetTopic("two words - and more")),
        ("/topic -", SetTopic(None)),
        ("/invite carol", InviteUser("carol")),
        ("/room", ShowRoom()),
        ("/room Kind CLOSED", ChangeRoom(RoomChange(kind="closed"))),
        ("/room history all", ChangeRoom(RoomChange(history="all"))),
        ("/room keep 2h", ChangeRoom(RoomChange(keep=7200))),
        ("/room keep server", ChangeRoom(RoomChange(keep=0))),
        ("/room owner Carol", ChangeRoom(RoomChange(owner="Carol"))),
    ],
)
def test_what_is_typed(line: str, request_: Request) -> None:
    assert parse_line(line, Availability.PLAIN) == request_


@table(
    ("line", "sentence"),
    [
        ("/join", "Expected /join NAME"),
        ("/join #", "Expected /join NAME"),
        ("/join one two", "Expected /join NAME"),
        ("/part one two", "Expected /part or /part NAME"),
        ("/rooms one two", "Expected /rooms, or /rooms and how the names begin"),
        ("/invite", "Expected /invite NAME"),
        ("/room kind", "Expected /room, /room kind open"),
        ("/room colour red", "Expected /room, /room kind open"),
        ("/room kind secret", "Expected /room kind open, closed or announcements"),
        ("/room history some", "Expected /room history invited or all"),
        ("/room keep long", "Invalid time 'long': expected a time such as 12h or 30d, or 'server'"),
    ],
)
def test_mistakes_are_told(line: str, sentence: str) -> None:
    with pytest.raises(RequestError) as told:
        parse_line(line, Availability.PLAIN)
    assert str(told.value).startswith(sentence)


@pytest.mark.parametrize(
    ("request_", "placed"),
    [
        (Say("x"), Say("x", room="dev")),
        (Say("x", "bob"), Say("x", "bob")),
        (Say("x", room="den"), Say("x", room="den")),
        (SendFile("x"), SendFile("x", room="dev")),
        (SendFile("x", to="bob"), SendFile("x", to="bob")),
        (Who(), Who("dev")),
        (PartRoom("den"), PartRoom("den")),
        (SetTopic(None), SetTopic(None, "dev")),
        (ShowEarlier(3), ShowEarlier(3, room="dev")),
        (FetchFound("x"), FetchFound("x", room="dev")),
        (ListFiles(), ListFiles(room="dev")),
        (JoinRoom("den"), JoinRoom("den")),
        (Quit(), Quit()),
    ],
)
def test_a_request_is_for_the_room_that_the_user_looks_at(
    request_: Request, placed: Request
) -> None:
    assert in_room(request_, "dev") == placed
    assert in_room(request_, None) == request_
