"""Pastes from terminals that do not mark them: nothing of a paste is said or carried out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import Attachment, Text
from tests.end_to_end.screen_stage import Stage, staged

SECRET = "nobody is to get this"


@pytest.fixture(scope="module")
def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("home")) as stage:
        yield stage


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    yield shared_stage
    shared_stage.tidy()


def paste(stage: Stage, text: str, at_once: int) -> None:
    """Paste as GNU screen does: type the text, ``at_once`` bytes at a time."""
    data = text.replace("\n", "\r").encode()
    for start in range(0, len(data), at_once):
        os.write(stage.bob.near, data[start : start + at_once])


def lines(count: int, directory: Path) -> str:
    (directory / "secret").write_text(SECRET, encoding="utf-8")
    return "".join(f"line {n} y\n" if n % 2 else "/file secret\n" for n in range(count))


@pytest.mark.parametrize("at_once", [1, 7, 4096])
@pytest.mark.parametrize("answer", ["n", "y"])
def test_a_long_one_asks(stage: Stage, at_once: int, answer: str) -> None:
    bob = stage.bob
    # A key that is no text: without a pause, the text before the paste would pass for its beginning.
    bob.press("so: ", "<end>")
    bob.wait_until(lambda rows: rows[-1] == "so:")
    paste(stage, lines(31, stage.directory), at_once)
    bob.wait_for(r"Paste 31 lines as one message\? \[Y/n\]:")
    bob.press(answer)
    bob.wait_until(lambda rows: not any("Paste 31 lines" in row for row in rows))
    if answer == "y":
        bob.wait_for("line 29 y")
    else:
        # Where this machine is so busy that bytes come far apart, the first ones pass for typed: a draft, not said.
        drafts = (
            ["so:"] if at_once > 1000 else [f"so: {'/file secret'[:n]}".rstrip() for n in range(13)]
        )
        bob.wait_until(lambda rows: rows[-1] in drafts)
    bob.press("<ctrl-c>")
    bob.wait_until(lambda rows: not any("line 29 y" in row for row in rows))
    bob.press("nothing else", "<enter>")
    heard: list[str] = []
    for event in stage.alice:
        if isinstance(event, Text | Attachment):
            heard.append(event.text if isinstance(event, Text) else event.filename)
            if heard[-1] == "nothing else":
                break
    assert heard == ["nothing else"]


@pytest.mark.parametrize("at_once", [1, 7, 4096])
def test_a_short_one_is_a_draft(stage: Stage, at_once: int) -> None:
    bob = stage.bob
    paste(stage, "/file secret\nand more\n", at_once)
    bob.wait_for("^/file secret$", "^and more$")
    bob.press("<ctrl-a>", "<up>", "<ctrl-a>", "<up>", "so: ", "<enter>")
    stage.hear("so: /file secret\nand more\n")
