"""The operator's commands in a data directory of a cluster: the running server has the change made on all servers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gevent
import pytest

from chat.protocol.commands import RoomKind
from chat.server import cli
from chat.server.storage.database import Database
from tests.server.membership.visitors import PASSWORD, come
from tests.server.shared_state import differences, shared_state
from tests.server.twins import Twins, found_with_account, open_commanded_twins

NEW_LETTER = "\ua7c0"  # of Unicode 14

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return the data directory of a server of a cluster, where bob is registered."""
    return found_with_account(tmp_path, "bob", PASSWORD)


@pytest.fixture
def twins(tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """Return two servers; the first one takes commands. At the end they know the same, as do their files."""
    with open_commanded_twins(tmp_path, monkeypatch) as twins:
        yield twins
        adam, berta = (shared_state(server.parts) for server in twins.both)
        assert differences(adam, berta) == []


@pytest.fixture
def types(directory: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Type a command in a thread, since it waits for the server; return its output."""

    def run(*words: str, status: int = 0) -> str:
        command, *rest = words
        option = f"--data-directory={directory}"
        # An announcement is what follows the options.
        arguments = [command, option, *rest] if command == "say" else [*words, option]
        exit_status = gevent.get_hub().threadpool.apply(partial(cli.main, arguments))
        out, err = capsys.readouterr()
        assert exit_status == status, (out, err)
        return err if status else out

    return run


def test_a_ban_counts_on_all_servers_at_once(twins: Twins, types: Callable[..., str]) -> None:
    eve = come(twins.berta, "eve")

    told = types("bans", "add", "eve", "--reason=spam")

    assert told == (
        "eve is banned by the operator, until further notice: spam."
        " All servers of the cluster apply this.\n"
    )
    assert [frame.header.get("notice") for frame in eve.read_to_end()] == ["moderated"]
    for server in twins.both:
        with server.connect() as client:
            assert client.try_login({"to": "Eve"}).header["error"] == "banned"
    twins.write()
    assert "eve is banned" in types("bans", "list")
    assert types("bans", "remove", "EVE").startswith("removed: eve is banned")
    come(twins.berta, "eve")
    assert "eve is not banned" in types("bans", "remove", "eve", status=1)


def test_a_mute_counts_on_all_servers(twins: Twins, types: Callable[..., str]) -> None:
    eve = come(twins.berta, "eve")
    types("bans", "add", "eve", "--mute", "--for=1h")
    assert eve.say_in(None, "hi").header["notice"] == "muted"
    assert types("bans", "remove", "eve", "--mute").startswith("removed: eve is muted")
    assert eve.say_in(None, "hi").text == "hi"


def test_rooms_are_added_changed_and_removed_on_all_servers(
    twins: Twins, types: Callable[..., str]
) -> None:
    alice, bob = come(twins.adam, "alice"), come(twins.berta, "bob", password=PASSWORD)
    words = ("--topic=tea", "--keep=1d", "--owner=bob")
    assert types("rooms", "add", "Kitchen", *words) == (
        "The room Kitchen was added. All servers of the cluster apply this.\n"
    )
    alice.do("join", room="kitchen")
    bob.do("join", room="kitchen")
    for server in twins.both:
        room = server.parts.service.rooms.find("kitchen")
        assert room is not None
        assert (room.state.topic, room.state.keep, room.state.is_operators) == ("tea", 86400, True)
        assert room.is_owner(server.parts.directory.find("bob"))

    assert types("rooms", "set", "kitchen", "--kind=closed").startswith("The room Kitchen was ch")
    bob.say_in("kitchen", "secret")
    types("rooms", "set", "kitchen", "--kind=open")
    for server in twins.both:
        room = server.parts.service.rooms.find("kitchen")
        assert room is not None
        assert room.state.kind is RoomKind.OPEN
        assert room.state.opened == 1, "what was said meanwhile is not for those who come later"

    twins.write()
    [listed] = json.loads(types("rooms", "list", "--json"))
    assert (listed["room"], listed["owners"], listed["members"]) == ("Kitchen", ["bob"], 1)
    types("rooms", "remove", "kitchen")
    assert alice.code("join", room="kitchen") == "done", "a new room"


def test_what_cannot_be_done_is_said_in_one_line(twins: Twins, types: Callable[..., str]) -> None:
    types("rooms", "add", "kitchen")
    for words, why in (
        (("add", "Kitchen"), "There is a room kitchen already."),
        (("add", "kitсhen"), "looks like kitchen"),
        (("add", "lobby"), "Everyone is in lobby"),
        (("set", "cellar", "--topic=x"), "There is no room cellar."),
        (("add", "cellar", "--owner=eve"), "eve is not registered."),
    ):
        assert why in types("rooms", *words, status=1)
    too_new = "too new for some servers"
    assert too_new in types("rooms", "add", f"a{NEW_LETTER}", status=2)
    assert too_new in types("bans", "add", f"a{NEW_LETTER}", status=2)


def test_an_announcement_reaches_users_of_all_servers(
    twins: Twins, types: Callable[..., str]
) -> None:
    alice, bob = come(twins.adam, "alice"), come(twins.berta, "bob", password=PASSWORD)
    assert types("say", "Tea", "is", "ready.") == "announced to 2 users\n"
    assert [server.parts.directory.users_here for server in twins.both] == [1, 1]
    for user in (alice, bob):
        assert ("announcement", None) in user.notices()


@pytest.mark.parametrize(
    "command", [("say", "Tea."), ("rooms", "add", "tea"), ("history", "purge", "--user=alice")]
)
def test_what_the_engine_does_not_confirm_is_not_said_to_be_done(
    twins: Twins,
    types: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    command: tuple[str, ...],
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    for module in ("operator_commands", "moderation.purges"):
        monkeypatch.setattr(f"chat.server.{module}.OPERATOR_PATIENCE", 0.01)
    twins.engine.is_held = True
    assert "The log has not committed this yet" in types(*command, status=1)
    assert "the operator" not in caplog.text


def test_a_purge_removes_messages_of_all_servers(twins: Twins, types: Callable[..., str]) -> None:
    alice, bob = come(twins.adam, "alice"), come(twins.berta, "bob", password=PASSWORD)
    for number in range(3):
        alice.say_in(None, f"a{number}")
        bob.say_in(None, f"b{number}")

    assert types("history", "purge", "--user=alice") == "purged 3 messages\n"
    alice.say_in(None, "a3")

    for user in (alice, bob):
        with gevent.Timeout(30):
            while "a0" in (page := user.page(after=0)):
                gevent.sleep(0.01)
        assert [text for text in page if text] == ["b0", "b1", "b2", "a3"]


def test_without_a_server_nothing_is_changed(directory: Path, types: Callable[..., str]) -> None:
    for words in (
        ("bans", "add", "eve"),
        ("rooms", "add", "kitchen"),
        ("history", "purge", "--user=alice"),
    ):
        told = types(*words, status=1)
        assert told.count("\n") == 1
        assert "belongs to a cluster" in told
        assert "no server runs on it" in told
    with Database(directory).reading() as connection:
        for table in ("bans", "rooms"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
