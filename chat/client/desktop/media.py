"""Recognize pictures and recordings by the bytes that they begin with."""

from __future__ import annotations

import re
from pathlib import Path

from chat.client.errors import NotSent, explain
from chat.files.opening import read_beginning
from chat.protocol.descriptor import MessageType

_ENOUGH = 4096  # bytes; an SVG may begin with a comment

# Not compiled here: that takes a while at each start, and few send pictures.
_PICTURE = (
    rb"\x89PNG\r\n\x1a\n"
    rb"|\xff\xd8\xff"  # JPEG
    rb"|GIF8[79]a"
    rb"|RIFF....WEBP"
    rb"|BM....\0\0\0\0"
    rb"|II[*+]\0|MM\0[*+]"  # TIFF
    rb"|....ftyp(?:avi[fs]|hei[cxms]|hev[cx]|mif1|msf1)"  # AVIF, HEIC
    rb"|\xff\x0a|\0\0\0\x0cJXL |\0\0\0\x0cjP  "  # JPEG XL, JPEG 2000
    rb"|\0\0\x01\0"  # icons
    rb"|P[1-7][ \t\r\n#]"  # PNM
    rb"|qoif"
    rb"|(?:\xef\xbb\xbf)?\s*<(?:svg\b|[?!].*?<svg\b)"
)
_RECORDING = (
    rb"OggS"
    rb"|(?:RIFF|RF64)....WAVE"
    rb"|fLaC"
    rb"|ID3|\xff[\xe2-\xe7\xf0-\xfd]"  # MP3, AAC; FF FE begins a text in UTF-16
    rb"|ADIF"
    rb"|....ftyp(?!avi|hei|hev|mif|msf)"  # M4A, 3GP
    rb"|\x1a\x45\xdf\xa3"  # WebM, Matroska
    rb"|FORM....AIF[FC]"
    rb"|caff|\.snd|#!AMR|#!SILK|wvpk"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11"  # WMA
)
_KINDS = {
    MessageType.IMAGE: (_PICTURE, "a picture"),
    MessageType.VOICE: (_RECORDING, "a recording"),
}


def check_content(path: Path, kind: MessageType) -> None:
    """Raise NotSent for a file that is to be sent as an image or a voice message, and does not look like one."""
    if kind not in _KINDS:
        return
    pattern, what = _KINDS[kind]
    try:
        beginning, _ = read_beginning(path, _ENOUGH)
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the path
        raise NotSent(f"Can't read {str(path)!r}: {explain(problem)}") from None
    if not re.match(pattern, beginning, re.DOTALL):
        raise NotSent(f"{path.name} does not look like {what}; send it as a file instead.")
