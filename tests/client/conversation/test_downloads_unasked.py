from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.client.conversation import downloads
from chat.client.conversation.disk import held
from chat.client.conversation.downloads import NOT_CONNECTED
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.requests import RequestError
from chat.client.conversation.ui_events import Announced, Preview, Problem
from chat.client.errors import TransferFailed
from tests.client.download_desks import (
    DONE,
    FAILED,
    FILE,
    IMAGE,
    MAX_SAVE,
    OFFERED,
    RUNNING,
    Desk,
    wait_until,
)
from tests.client.fake_connection import run_until_idle


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory where the client was started. Temporary files are elsewhere."""
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


class TestWhereNoDirectoryIsNamed:
    """Nothing is saved in the client's working directory until the user asks for it."""

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
        with pytest.raises(RequestError, match="already saved as GNUmakefile"):
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
        (trouble,) = unnamed.audience.of(Problem)
        assert "--save-directory=DIR" in trouble.sentence
        with pytest.raises(RequestError, match="too many newer attachments wait"):
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
        with pytest.raises(RequestError, match=r"Can't keep 'a\.txt' in"):
            unnamed.get(1)

    def test_nor_does_it_hurt_whoever_asks_before_that_is_known(
        self, unnamed: Desk, home: Path
    ) -> None:
        (home.parent / "tmp").rmdir()
        numbers = range(1, downloads.AT_ONCE + 3)  # more than have a turn at once
        for number in numbers:
            unnamed.take_content(b"x")
            unnamed.get(number)
        wait_until(lambda: all((number, FAILED) in unnamed.told for number in numbers))
        problems = [transfer.problem or "" for transfer in unnamed.transfers.all()]
        assert all(problem.startswith("Can't keep 'a.txt' in") for problem in problems)

    def test_a_private_directory_that_was_tidied_away_is_made_anew(
        self, unnamed: Desk, home: Path
    ) -> None:
        unnamed.take_content(b"1")
        wait_until(lambda: list((home.parent / "tmp").glob("*/a.txt")))
        for path in (home.parent / "tmp").iterdir():
            shutil.rmtree(path)
        unnamed.take_content(b"2")
        unnamed.get(1)
        unnamed.get(2)
        wait_until(lambda: (home / "a.txt").exists() and (1, FAILED) in unnamed.told)
        assert (home / "a.txt").read_bytes() == b"2"

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
            "It is gone. It was offered before the connection was lost; ask the sender to send it again."
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

    def test_without_room_for_temporary_files_there_is_no_picture(
        self, unnamed: Desk, home: Path
    ) -> None:
        (home.parent / "tmp").rmdir()
        unnamed.take(IMAGE, offer="x")
        # As if another preview were under way.
        with unnamed.downloads._preview_turn:
            run_until_idle()
        assert not unnamed.connection.fetched

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
