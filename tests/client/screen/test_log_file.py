from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.screen.log_file import LogFile, default_path, save
from chat.client.screen.model.entries import Said
from chat.client.screen.model.views import View
from tests.client.screen.desks import NINE


def texts(count: int) -> list[Said]:
    return [Said(NINE, "alice", f"text {number}") for number in range(count)]


def test_saving_pauses_now_and_then(tmp_path: Path) -> None:
    pauses: list[int] = []
    assert save(texts(450), tmp_path / "log", lambda: pauses.append(1)) == 450
    assert len(pauses) == 2
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


@pytest.mark.parametrize("address", ["chat.example:8080", "[::1]:8080", "unix:/run/chat/../socket"])
def test_the_usual_place_is_one_file_for_each_room(address: str) -> None:
    path = default_path(address)
    assert path.suffix == ".log"
    assert path.parent == default_path("other:1").parent
    assert path != default_path("other:1")
