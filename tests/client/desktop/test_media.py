"""Pictures and recordings, told from other files by how they begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.desktop.media import check_content
from chat.client.errors import NotSent
from chat.protocol.descriptor import MessageType

FILE, IMAGE, VOICE = MessageType.FILE, MessageType.IMAGE, MessageType.VOICE
PICTURES = {
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "gif": b"GIF87a",
    "webp": b"RIFF\x24\n\0\0WEBPVP8 ",
    "bmp": b"BM\x0a\n\0\0\0\0\0\0",
    "tiff": b"II*\0\x08\0\0\0",
    "avif": b"\0\0\0\x20ftypavif",
    "heic": b"\0\0\0\x18ftypheic",
    "jxl": b"\xff\x0a\xfa",
    "pnm": b"P6\n2 2\n255\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg">',
    "svg with a declaration": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -->\n<svg>',
}
RECORDINGS = {
    "ogg": b"OggS\0\x02",
    "wav": b"RIFF\x24\n\0\0WAVEfmt ",
    "flac": b"fLaC\0",
    "mp3": b"\xff\xfb\x90\x64",
    "mp3 with tags": b"ID3\x04\0",
    "aac": b"\xff\xf1\x50\x80",
    "m4a": b"\0\0\0\x1cftypM4A ",
    "webm": b"\x1a\x45\xdf\xa3",
    "amr": b"#!AMR\n",
}
OTHERS = {
    "text": b"remember the milk\n",
    "text in UTF-16": "remember".encode("utf-16"),
    "html": b"<!DOCTYPE html><html>",
    "pdf": b"%PDF-1.7",
    "program": b"\x7fELF\x02",
    "empty": b"",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some file"


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture(path: Path, name: str) -> None:
    path.write_bytes(PICTURES[name])
    check_content(path, IMAGE)
    with pytest.raises(NotSent, match="does not look like a recording"):
        check_content(path, VOICE)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording(path: Path, name: str) -> None:
    path.write_bytes(RECORDINGS[name])
    check_content(path, VOICE)
    with pytest.raises(NotSent, match="does not look like a picture"):
        check_content(path, IMAGE)


@pytest.mark.parametrize("name", OTHERS)
def test_anything_else_is_a_file(path: Path, name: str) -> None:
    path.write_bytes(OTHERS[name])
    check_content(path, FILE)
    for kind in (IMAGE, VOICE):
        with pytest.raises(NotSent, match=r"^some file does not look like"):
            check_content(path, kind)


def test_a_file_that_is_gone(path: Path) -> None:
    with pytest.raises(NotSent, match=r"some file': No such file or directory\.$"):
        check_content(path, IMAGE)
