from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.client import downloads, held
from chat.client.downloads import NOT_CONNECTED, Downloads
from chat.client.errors import TransferFailed
from chat.client.events import Attachment
from chat.client.inbox import Inbox
from chat.client.news import Announced, Preview, Trouble
from chat.client.requests import RequestError
from chat.client.transfer_list import State, Transfer, TransferList
from chat.protocol.descriptor import MessageType
from tests.client.fake_connection import NINE, Audience, FakeConnection, run_until_idle, spawn

MAX_SAVE = 500
FILE, IMAGE = MessageType.FILE, MessageType.IMAGE
RUNNING, FAILED, DONE = State.RUNNING, State.FAILED, State.DONE
OFFERED = State.OFFERED


class Desk:
    """Downloads at work. ``named`` is the directory that the user named."""

    def __init__(self, named: Path | None = Path("in")) -> None:
        self.audience = Audience()
        self.connection = FakeConnection()
        self.transfers = TransferList()
        self.told: list[tuple[int, State]] = []
        self.inbox = Inbox(named, MAX_SAVE)
        self.downloads = Downloads(
            self.transfers,
            self.audience,
            self._tell,
            self.inbox,
            spawn,
            is_wanted=lambda sender: sender != "mallory",
            is_looked_at=lambda image: True,
        )

    def _tell(self, transfer: Transfer) -> None:
        self.told.append((transfer.number, transfer.state))

    def take(self, kind: MessageType = FILE, **values: Any) -> None:
        fields = {"filename": "a.txt", "size": 10, **values}
        sender = fields.pop("sender", "alice")
        attachment = Attachment(kind, sender, NINE, **fields)
        self.downloads.take(attachment, self.connection.as_connection)

    def take_content(self, content: bytes, kind: MessageType = FILE, **values: Any) -> None:
        """One that came with its message."""
        assert self.inbox.saver is not None
        saving = self.inbox.saver.save("a.txt", content)
        self.take(kind, size=len(content), content=content, saving=saving, **values)

    def get(self, number: int, tag: str | None = None) -> None:
        self.downloads.get(number, self.connection.as_connection, tag)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the client was started. Temporary files are elsewhere."""
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "home"


@pytest.fixture
def unnamed(home: Path) -> Iterator[Desk]:
    """A user who named no directory."""
    desk = Desk(None)
    yield desk
    desk.inbox.close()


def wait_until(condition: Callable[[], object]) -> None:
    """Disks are waited for in threads, which take what they take."""
    with gevent.Timeout(20):
        while not condition():
            gevent.sleep(0.001)


def test_what_came_with_its_message_is_announced_and_then_saved(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.take_content(b"0123456789")
    (announced,) = desk.audience.of(Announced)
    assert announced.transfer is desk.transfers[1]
    assert desk.transfers[1].state is State.WAITING
    wait_until(lambda: desk.told == [(1, DONE)])
    assert desk.transfers[1].path == tmp_path / "a.txt"
    assert (tmp_path / "a.txt").read_bytes() == b"0123456789"


def test_what_could_not_be_saved_is_said(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "gone")
    desk.take_content(b"x")
    wait_until(lambda: desk.told == [(1, FAILED)])
    assert "No such file or directory" in (desk.transfers[1].problem or "")


def test_what_is_cancelled_before_it_is_saved_does_not_stay(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.take_content(b"x")
    desk.transfers[1].cancel()
    assert desk.inbox.saver is not None
    assert desk.inbox.saver.wait(20)
    wait_until(lambda: not list(tmp_path.iterdir()))
    assert desk.transfers[1].state is State.CANCELLED
    assert not desk.told  # who cancelled it tells


def test_what_is_too_large_is_said(desk: Desk) -> None:
    desk.take(problem="It is too large.")
    assert desk.transfers[1].state is State.FAILED
    assert desk.audience.of(Trouble) == [Trouble("It is too large.")]


def test_what_is_our_own_is_neither_numbered_nor_fetched(desk: Desk) -> None:
    desk.take(own=True, offer="x", size=200)
    run_until_idle()
    assert not desk.transfers.all()
    assert not desk.connection.fetched
    assert desk.audience.of(Announced)[0].transfer is None


@pytest.mark.parametrize(("size", "fetched"), [(MAX_SAVE, ["x"]), (MAX_SAVE + 1, [])])
def test_an_offer_is_fetched_by_itself_up_to_a_size(
    desk: Desk, size: int, fetched: list[str]
) -> None:
    desk.take(offer="x", size=size)
    run_until_idle()
    assert desk.connection.fetched == fetched
    assert desk.transfers[1].state is (State.DONE if fetched else State.OFFERED)


def test_how_a_download_goes_is_told(desk: Desk) -> None:
    desk.take(offer="x")
    run_until_idle()
    assert desk.told == [(1, State.RUNNING), (1, State.DONE)]
    assert desk.transfers[1].path == Path("in/a.txt")


def test_a_larger_one_is_fetched_when_asked_for(desk: Desk) -> None:
    desk.take(offer="x", size=MAX_SAVE + 1)
    desk.get(1, "tag")
    run_until_idle()
    assert desk.connection.fetched == ["x"]
    assert desk.transfers[1].asked
    assert desk.transfers[1].tag == "tag"


def test_only_a_few_at_a_time(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    for name in "abcde":
        desk.take(offer=name)
    run_until_idle()
    assert desk.connection.fetched == ["a", "b"]
    desk.connection.transfers_wait.set()
    run_until_idle()
    assert desk.connection.fetched == list("abcde")
    assert desk.connection.most_at_once == downloads.AT_ONCE


def test_a_flood_of_offers_is_only_listed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MAX_WAITING", 3)
    for name in "abcde":
        desk.take(offer=name)
    run_until_idle()
    assert desk.connection.fetched == ["a", "b", "c"]
    assert desk.transfers[5].state is State.OFFERED


def test_one_that_failed_can_be_asked_for_again(desk: Desk) -> None:
    desk.connection.refuse_with = TransferFailed("It is gone.")
    desk.take(offer="x")
    run_until_idle()
    assert desk.transfers[1].problem == "It is gone."
    desk.connection.refuse_with = None
    desk.get(1)
    run_until_idle()
    assert desk.told == [(1, state) for state in (RUNNING, FAILED, RUNNING, DONE)]


def test_asking_for_one_that_is_on_its_way_starts_no_other(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    desk.take(offer="x")
    run_until_idle()
    desk.get(1)
    desk.connection.transfers_wait.set()
    run_until_idle()
    assert desk.connection.fetched == ["x"]
    assert desk.transfers[1].asked


def test_one_that_runs_is_cancelled(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    desk.take(offer="x")
    run_until_idle()
    desk.transfers[1].cancel()
    run_until_idle()
    assert desk.told == [(1, State.RUNNING), (1, State.CANCELLED)]


def test_one_that_waits_is_cancelled_and_never_begun(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    for name in "abc":
        desk.take(offer=name)
    run_until_idle()
    desk.transfers[3].cancel()
    desk.connection.transfers_wait.set()
    run_until_idle()
    assert desk.connection.fetched == ["a", "b"]
    assert 3 not in [number for number, _ in desk.told]  # who cancelled it tells


def test_one_that_was_cancelled_while_it_waited_is_fetched_once_when_asked_for(desk: Desk) -> None:
    desk.connection.transfers_wait.clear()
    for name in "abc":
        desk.take(offer=name)
    run_until_idle()
    desk.transfers[3].cancel()
    desk.get(3)
    desk.connection.transfers_wait.set()
    run_until_idle()
    assert desk.connection.fetched == ["a", "b", "c"]


def test_what_cannot_be_fetched(desk: Desk) -> None:
    desk.take()
    desk.transfers[1].finish(Path("in/a.txt"))
    desk.take(problem="It is too large.")
    desk.transfers.add(MessageType.FILE, "b", 5, outgoing=True, peer=None)
    for number, sentence in ((1, "here already"), (2, "It is too large"), (3, "we sent")):
        with pytest.raises(RequestError, match=sentence):
            desk.get(number)


def test_what_comes_from_somebody_unwanted_waits_to_be_asked_for(desk: Desk) -> None:
    desk.take(offer="one", sender="mallory")
    run_until_idle()
    assert desk.transfers[1].state is State.OFFERED
    desk.get(1)
    run_until_idle()
    assert desk.connection.fetched == ["one"]


class TestWhereNoDirectoryIsNamed:
    """Nothing goes into the one that the client was started in, until it is asked for."""

    def test_an_offer_waits(self, unnamed: Desk, home: Path) -> None:
        unnamed.take(offer="x", size=1)
        run_until_idle()
        assert not unnamed.connection.fetched
        assert unnamed.transfers[1].state is OFFERED
        unnamed.get(1, "tag")
        run_until_idle()
        assert unnamed.connection.fetched == ["x"]
        assert unnamed.told == [(1, RUNNING), (1, DONE)]
        assert unnamed.transfers[1].path == Path("a.txt")

    def test_what_came_with_its_message_waits_in_a_private_directory(
        self, unnamed: Desk, home: Path
    ) -> None:
        unnamed.take_content(b"#!/bin/sh", filename="GNUmakefile")
        transfer = unnamed.transfers[1]
        assert transfer.state is OFFERED
        assert transfer.saving is not None
        transfer.saving.wait(20)
        (private,) = (home.parent / "tmp").iterdir()
        assert private.stat().st_mode & 0o777 == 0o700
        assert not list(home.iterdir())
        unnamed.get(1)
        wait_until(lambda: unnamed.told == [(1, RUNNING), (1, DONE)])
        assert transfer.path == Path("GNUmakefile")
        assert (home / "GNUmakefile").read_bytes() == b"#!/bin/sh"
        wait_until(lambda: not list(private.iterdir()))
        with pytest.raises(RequestError, match="here already: GNUmakefile"):
            unnamed.get(1)

    def test_it_can_be_had_without_a_connection_and_an_offer_cannot(
        self, unnamed: Desk, home: Path
    ) -> None:
        unnamed.take_content(b"x")
        unnamed.take(offer="x")
        unnamed.downloads.get(1, None)
        wait_until(lambda: (home / "a.txt").exists())
        with pytest.raises(RequestError, match=NOT_CONNECTED):
            unnamed.downloads.get(2, None)

    def test_one_that_cannot_be_saved_is_kept_for_another_try(
        self, unnamed: Desk, home: Path
    ) -> None:
        unnamed.take_content(b"x")
        home.rmdir()
        unnamed.get(1)
        wait_until(lambda: (1, FAILED) in unnamed.told)
        home.mkdir()
        os.chdir(home)
        unnamed.get(1)
        wait_until(lambda: (home / "a.txt").exists())

    def test_the_oldest_make_room_and_it_is_said_once(
        self, unnamed: Desk, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(held, "MAX_FILES", 2)
        for number in range(5):
            unnamed.take_content(b"%d" % number)
        assert [transfer.state for transfer in unnamed.transfers.all()] == [
            *[FAILED] * 3,
            *[OFFERED] * 2,
        ]
        (trouble,) = unnamed.audience.of(Trouble)
        assert "--save-directory=DIR" in trouble.sentence
        with pytest.raises(RequestError, match="too many others came"):
            unnamed.get(1)
        unnamed.get(4)
        wait_until(lambda: unnamed.transfers[4].state is DONE)
        assert (home / "a.txt").read_bytes() == b"3"
        assert unnamed.inbox.saver is not None
        assert unnamed.inbox.saver.wait(20)
        (private,) = (home.parent / "tmp").iterdir()
        assert len(list(private.iterdir())) == 1

    def test_where_no_private_directory_can_be_made_it_is_said(
        self, unnamed: Desk, home: Path
    ) -> None:
        (home.parent / "tmp").rmdir()
        unnamed.take_content(b"x")
        wait_until(lambda: unnamed.told == [(1, FAILED)])
        with pytest.raises(RequestError, match=r"Can't keep 'a\.txt' until"):
            unnamed.get(1)

    def test_where_nobody_can_ask_nothing_is_kept(self, home: Path) -> None:
        desk = Desk(None)
        desk.inbox = Inbox(None, MAX_SAVE, can_ask=False)
        assert desk.inbox.saver is None
        desk.take(content=b"0123456789")
        assert desk.transfers[1].state is OFFERED
        assert not list((home.parent / "tmp").iterdir())

    def test_an_offer_of_a_session_that_is_over(self, unnamed: Desk) -> None:
        unnamed.take(offer="x")
        unnamed.connection.session = "another"
        unnamed.connection.refuse_with = TransferFailed("It is gone.")
        unnamed.get(1)
        run_until_idle()
        assert unnamed.transfers[1].problem == (
            "It is gone. It was offered before the connection was lost: ask for it to be sent again."
        )


class TestLookingAtImages:
    def test_an_offered_one_is_fetched_into_a_file_without_a_name(
        self, unnamed: Desk, home: Path
    ) -> None:
        unnamed.take(IMAGE, offer="x")
        wait_until(lambda: unnamed.audience.of(Preview))
        (preview,) = unnamed.audience.of(Preview)
        preview.file.seek(0)
        assert preview.file.read() == b"picture"
        assert preview.transfer is unnamed.transfers[1]
        assert preview.transfer.state is OFFERED
        assert not list(home.iterdir())
        assert not list((home.parent / "tmp").iterdir())
        preview.file.close()

    def test_one_that_waits_here_is_opened(self, unnamed: Desk) -> None:
        unnamed.take_content(b"picture", IMAGE)
        wait_until(lambda: unnamed.audience.of(Preview))
        (preview,) = unnamed.audience.of(Preview)
        assert preview.file.read() == b"picture"
        preview.file.close()

    @pytest.mark.parametrize(
        "values",
        [
            {"kind": FILE},
            {"size": downloads.MAX_PREVIEW + 1},
            {"sender": "mallory"},
            {"own": True},
        ],
    )
    def test_which_are_not(self, unnamed: Desk, values: dict[str, Any]) -> None:
        unnamed.take(**{"kind": IMAGE, "offer": "x", **values})
        run_until_idle()
        assert not unnamed.connection.fetched

    def test_what_fails_is_not_said_for_nobody_asked(self, unnamed: Desk) -> None:
        unnamed.connection.refuse_with = TransferFailed("It is gone.")
        unnamed.take(IMAGE, offer="x")
        wait_until(lambda: unnamed.connection.fetched)
        run_until_idle()
        assert [type(news) for news in unnamed.audience.news] == [Announced]

    def test_one_at_a_time_and_few_in_all(
        self, unnamed: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(downloads, "MAX_PREVIEWS_WAITING", 3)
        unnamed.connection.transfers_wait.clear()
        for name in "abcdef":
            unnamed.take(IMAGE, offer=name)
        wait_until(lambda: unnamed.connection.at_once)
        unnamed.connection.transfers_wait.set()
        wait_until(lambda: len(unnamed.audience.of(Preview)) == 3)
        run_until_idle()
        assert unnamed.connection.fetched == ["a", "b", "c"]
        assert unnamed.connection.most_at_once == 1
        for preview in unnamed.audience.of(Preview):
            preview.file.close()

    def test_one_that_is_asked_for_meanwhile_is_not_fetched_twice(self, unnamed: Desk) -> None:
        unnamed.take(IMAGE, offer="x")
        unnamed.get(1)
        run_until_idle()
        assert unnamed.connection.fetched == ["x"]
        assert not unnamed.audience.of(Preview)
