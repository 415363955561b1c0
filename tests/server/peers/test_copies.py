"""Copies of the data on their way out: open, without names, and nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from chat.server.peers.copies import COPY_FILES, make_incoming, open_copy, remove_leftovers
from chat.server.peers.links.answering import CopyPart
from tests.server.peers.links_in_test import open_descriptors


def make_both(directory: Path) -> None:
    for name in COPY_FILES:
        (directory / name).write_text(f"content of {name}")


def open_in_thread(directory: Path) -> list[CopyPart]:
    parts: list[CopyPart] = []
    thread = Thread(target=lambda: parts.extend(open_copy(directory, make_both)))
    thread.start()
    thread.join()
    return parts


def test_the_files_are_open_and_have_no_names(tmp_path: Path) -> None:
    parts = open_in_thread(tmp_path)
    assert not list(tmp_path.iterdir())
    for part, name in zip(parts, COPY_FILES, strict=True):
        assert part.name == name
        assert os.read(part.descriptor, 100) == f"content of {name}".encode()
        os.close(part.descriptor)


@pytest.mark.parametrize("makes", [[], [COPY_FILES[0]], [COPY_FILES[1]]])
def test_an_incomplete_copy_leaves_nothing(tmp_path: Path, makes: list[str]) -> None:
    def make_some(directory: Path) -> None:
        for name in makes:
            (directory / name).touch()

    before, problems = open_descriptors(), []

    def call() -> None:
        try:
            open_copy(tmp_path, make_some)
        except OSError as problem:
            problems.append(problem)

    thread = Thread(target=call)
    thread.start()
    thread.join()
    assert [type(problem) for problem in problems] == [FileNotFoundError]
    assert not list(tmp_path.iterdir())
    assert open_descriptors() == before


def test_what_a_killed_run_has_left_goes_and_nothing_else(tmp_path: Path) -> None:
    kept = tmp_path / "peer-pressure"
    kept.mkdir()
    (make_incoming(tmp_path) / "history.db").write_text("half of it")
    (tmp_path / "peer-outgoing-1").mkdir()
    (tmp_path / "peer-key-1").mkdir()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [kept]
