"""Of what users of two servers do at once, the order in the log decides, and all servers decide alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import add_account
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.server.fakes import wait_until
from tests.server.membership.visitors import PASSWORD, Visitor, come
from tests.server.replication.test_twins_at_random import require_alike
from tests.server.twins import Twins, found, open_twins

TEXT = MessageType.UTF8

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """Return two servers with the moderators mona and max. At the end they know the same."""
    (tmp_path / "adam").mkdir()
    database = Database(tmp_path / "adam")
    for name in ("mona", "max"):
        add_account(database, parse_user_name(name), hash_cheaply(PASSWORD), is_moderator=True)
    found(tmp_path)
    with open_twins(tmp_path, monkeypatch) as twins:
        yield twins
        require_alike(twins, *twins.both)


def send(twins: Twins, user: Visitor, content: bytes = b"", **header: Any) -> None:
    """Send a frame with a nonce of the user, and wait until the log, which is held, has it."""
    twins.engine.is_held = True
    before = twins.engine.waiting
    user.send(TEXT, {**header, "nonce": f"late-{user.name}"}, content)
    wait_until(lambda: twins.engine.waiting == before + 1, "the frame to be appended")


def answer(user: Visitor) -> str:
    """The code that answers the late frame, or its text."""
    while True:
        frame = user.read_frame()
        if frame.header.get("nonce") == f"late-{user.name}":
            return str(frame.header.get("notice") or frame.text)
        user.heard.append(frame)


def couple(twins: Twins) -> tuple[Visitor, Visitor]:
    """Mona at one server, and Max at the other."""
    mona = come(twins.adam, "mona", password=PASSWORD)
    return mona, come(twins.berta, "max", password=PASSWORD)


@pytest.mark.parametrize("is_muted", [True, False])
def test_a_user_is_heard_if_the_text_is_before_the_mute(twins: Twins, is_muted: bool) -> None:
    mona, _ = couple(twins)
    eve = come(twins.berta, "eve")
    if is_muted:
        send(twins, mona, command="mute", target="eve")
        send(twins, eve, b"hello")
    else:
        send(twins, eve, b"hello")
        send(twins, mona, command="mute", target="eve")
    twins.engine.release()

    assert answer(eve) == ("muted" if is_muted else "hello")
    assert answer(mona) == "done"
    heard = [frame.text for frame in mona.hear() if frame.sender == "eve"]
    assert [text for text in heard if text] == ([] if is_muted else ["hello"])


def test_a_user_who_is_kicked_says_nothing_more(twins: Twins) -> None:
    mona, _ = couple(twins)
    eve = come(twins.berta, "eve")
    send(twins, mona, command="kick", target="eve")
    send(twins, eve, b"hello")
    twins.engine.release()

    assert answer(mona) == "done"
    assert not [frame for frame in mona.hear() if frame.text == "hello"]
    gone = eve.read_to_end()
    assert [frame.header["notice"] for frame in gone if "notice" in frame.header] == ["moderated"]


def test_of_two_who_make_a_room_one_owns_it(twins: Twins) -> None:
    mona, max = couple(twins)
    send(twins, max, command="join", room="kitchen")
    send(twins, mona, command="join", room="Kitchen")
    twins.engine.release()

    assert [answer(user) for user in (max, mona)] == ["done", "done"]
    for server in twins.both:
        room = server.parts.service.rooms.find("kitchen")
        assert room is not None
        assert (room.name, room.here) == ("kitchen", 2)
        assert [room.is_owner(server.parts.directory.find(name)) for name in ("max", "mona")] == [
            True,
            False,
        ]


def test_of_two_rooms_that_look_alike_one_is_made(twins: Twins) -> None:
    mona, max = couple(twins)
    send(twins, max, command="join", room="kitchen")
    send(twins, mona, command="join", room="kitсhen")  # with a Cyrillic letter
    twins.engine.release()
    assert (answer(max), answer(mona)) == ("done", "not-allowed")


def test_of_two_who_lift_a_ban_one_has_lifted_it(twins: Twins) -> None:
    mona, max = couple(twins)
    mona.do("ban", target="eve")
    for user in (max, mona):
        send(twins, user, command="unban", target="eve")
    twins.engine.release()
    assert (answer(max), answer(mona)) == ("done", "bad-command")


def test_a_member_who_is_removed_is_not_heard_in_the_room(twins: Twins) -> None:
    mona, max = couple(twins)
    mona.do("join", room="kitchen")
    max.do("join", room="kitchen")
    send(twins, mona, command="remove", room="kitchen", target="max")
    send(twins, max, b"hello", room="kitchen")
    twins.engine.release()
    assert answer(mona) == "done"
    assert answer(max) == "not-in-room"
