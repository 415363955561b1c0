from __future__ import annotations

import os
from pathlib import Path

import pytest

from chat.client.screen.log_file import AT_ONCE, LogFile, default_path, save
from chat.client.screen.model.entries import Said
from chat.client.screen.model.rooms import ShownRoom
from chat.client.screen.model.views import View
from tests.client.screen.desks import NINE


def texts(count: int) -> list[Said]:
    return [Said(NINE, "alice", f"text {number}") for number in range(count)]


def test_saving_pauses_now_and_then(tmp_path: Path) -> None:
    pauses: list[int] = []
    assert save(texts(450), tmp_path / "log", lambda: pauses.append(1)) == 450
    assert len(pauses) == 450 // AT_ONCE
    assert len((tmp_path / "log").read_text(encoding="utf-8").splitlines()) == 450


def test_an_empty_log(tmp_path: Path) -> None:
    assert save([], tmp_path / "log", lambda: None) == 0
    assert (tmp_path / "log").read_bytes() == b""


def test_saving_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    with pytest.raises(FileExistsError):
        save(texts(1), tmp_path / "log", lambda: None)


def test_following_goes_on_where_the_file_ended(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "room.log"
    for text in ("one", "two"):
        view = View()
        log = LogFile(view, path)
        view.append(Said(NINE, "alice", text))
        log.close()
    assert path.read_text(encoding="utf-8").splitlines() == [
        "2026-11-24 21:04:05 [alice]: one",
        "2026-11-24 21:04:05 [alice]: two",
    ]


def said(view: View, log: LogFile, text: str) -> None:
    view.append(Said(NINE, "alice", text))
    log.write_new()


def in_file(path: Path) -> list[str]:
    return [line.rpartition(": ")[2] for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_file_that_was_rotated_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "room.log"
    view = View()
    log = LogFile(view, path)
    said(view, log, "one")
    path.rename(tmp_path / "room.log.1")
    said(view, log, "two")
    log.close()
    assert in_file(tmp_path / "room.log.1") == ["one"]
    assert in_file(path) == ["two"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_another_has_replaced_is_left_for_it(tmp_path: Path) -> None:
    path = tmp_path / "room.log"
    view = View()
    log = LogFile(view, path)
    said(view, log, "one")
    path.rename(tmp_path / "room.log.1")
    path.write_text("begun by logrotate\n", encoding="utf-8")
    said(view, log, "two")
    log.close()
    assert in_file(path) == ["begun by logrotate", "two"]


def test_a_file_that_was_removed_with_its_directory_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "room.log"
    view = View()
    log = LogFile(view, path)
    said(view, log, "one")
    path.unlink()
    path.parent.rmdir()
    said(view, log, "two")
    log.close()
    assert in_file(path) == ["two"]


def test_a_file_that_was_truncated_goes_on_at_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "room.log"
    view = View()
    log = LogFile(view, path)
    said(view, log, "one")
    os.truncate(path, 0)
    said(view, log, "two")
    log.close()
    assert in_file(path) == ["two"]


def test_an_idle_room_does_not_look_at_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = View()
    log = LogFile(view, tmp_path / "room.log")
    looks: list[Path] = []
    monkeypatch.setattr(Path, "stat", lambda path: looks.append(path))
    log.write_new()
    assert not looks


def test_a_flood_is_written_in_slices(tmp_path: Path) -> None:
    view, path = View(), tmp_path / "room.log"
    log = LogFile(view, path)
    for said in texts(2 * AT_ONCE + 1):
        view.append(said)
    written = []
    for has_more in (True, True, False, False):
        assert log.write_new() is has_more
        written.append(len(path.read_text(encoding="utf-8").splitlines()))
    assert written == [AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 1, 2 * AT_ONCE + 1]
    for said in texts(2 * AT_ONCE):
        view.append(said)
    log.close()
    assert path.read_text(encoding="utf-8").count("text 0\n") == 2
    assert len(path.read_text(encoding="utf-8").splitlines()) == 4 * AT_ONCE + 1


@pytest.mark.parametrize("address", ["chat.example:8080", "[::1]:8080", "unix:/run/chat/../socket"])
def test_the_usual_place_is_one_file_for_each_room(address: str) -> None:
    path = default_path(address)
    assert path.suffix == ".log"
    assert path.parent == default_path("other:1").parent
    assert path != default_path("other:1")


def test_rooms_are_followed_by_their_names_also_those_that_come_later(tmp_path: Path) -> None:
    lobby, dev, den = (
        View(room=ShownRoom()),
        View(room=ShownRoom("dev")),
        View(room=ShownRoom("d\x1ben")),
    )
    rooms = [lobby, dev]
    dev.append(Said(NINE, "alice", "before"))
    log = LogFile(lobby, tmp_path / "log", lambda: rooms)
    lobby.append(Said(NINE, "alice", "in the lobby"))
    dev.append(Said(NINE, "alice", "two\nlines"))
    den.append(Said(NINE, "alice", "at once"))
    rooms.append(den)
    while log.write_new():
        pass
    den.append(Said(NINE, "alice", "and later"))
    log.close()
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert [line[20:] for line in lines] == [
        "[alice]: in the lobby",
        "#dev [alice]:",
        "| two",
        "| lines",
        "#d␛en [alice]: at once",
        "#d␛en [alice]: and later",
    ]
