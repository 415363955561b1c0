"""Pictures that have no name on the disk, because nobody has saved them."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from chat.client.screen.pictures.pictures import PictureError, draw
from tests.client.screen.made_pictures import huge, quarters, saved

NAME = Path("of somebody.png")


def test_it_is_drawn_as_one_that_has_a_name(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(saved(quarters(8, 8), "PNG"))
    with TemporaryFile() as file:
        file.write(path.read_bytes())
        for _ in range(2):  # wherever the file stands
            assert draw(NAME, 40, 12, 256, file) == draw(path, 40, 12, 256)


def test_a_hostile_one_is_refused_by_its_name() -> None:
    for content, why in ((b"", "it is not a PNG"), (huge()["huge.png"], "million pixels")):
        with TemporaryFile() as file:
            file.write(content)
            with pytest.raises(PictureError, match=rf"^Can't draw 'of somebody\.png': .*{why}"):
                draw(NAME, 40, 12, 256, file)


def test_what_is_no_file_is_not_read() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as pipe, open(writing, "wb"), pytest.raises(OSError, match="seek"):
        draw(NAME, 40, 12, 256, pipe)
