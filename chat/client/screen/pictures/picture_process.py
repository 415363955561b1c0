"""Decode a picture and draw it small, in a process without rights: a hostile file can harm only this process.

``pictures`` runs this program with the arguments COLUMNS ROWS PALETTE LIBRARY and the path of the picture on the
standard input. With the further argument ``STDIN``, the standard input is the picture itself, a file. PALETTE is the
colours to choose from, RRGGBB each. LIBRARY is the directory that has Pillow. The output is a ``HEADER`` with the size
in columns and rows of half-blocks, then one byte for each of their 2 * rows * columns pixels, line by line: the number
of a colour in PALETTE. Otherwise the program exits with a ``ExitStatus``, or is killed by a signal when its time is up.

The program imports nothing of the chat, and nothing from the directories that Python searches by default, so it runs
isolated from both.
"""

from __future__ import annotations

import os
import resource
import signal
import stat
import struct
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import IntEnum
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from PIL.Image import Image

Colour: TypeAlias = tuple[int, int, int]  # red, green, blue

HEADER = struct.Struct(">HH")
STDIN = "stdin"  # the last argument, if the picture is on stdin
MAX_COLOURS = 16  # so that a picture needs few pairs of colours, which curses is short of

# Palettes are coarse where colours are dark or pale: more than half of a photograph would come out grey.
_SATURATION = 1.4
_SAMPLES = 64  # the most frequent colours of the picture, by which the palette is chosen

MAX_FILE_SIZE = 64 << 20
MAX_PIXELS = 40_000_000
# Pillow can decode a JPEG at an eighth of its size if that is enough, so a large JPEG takes time, but no memory.
MAX_JPEG_PIXELS = 120_000_000
MAX_MEMORY = (
    640 << 20
)  # of address space, in bytes: three times the largest picture, and the libraries
MAX_PROCESSOR_SECONDS = 4
MAX_SECONDS = 8
_MAX_FILES = 16


_START = 32  # bytes at the start of a file that tell its format


class _Decoder(NamedTuple):
    """Name the class of Pillow that decodes a file with ``magic`` at ``offset``.

    Pillow's own search would load and try all formats that it knows, which gives a hostile file more code to attack.
    """

    magic: bytes
    module: str
    name: str
    offset: int = 0
    max_pixels: int = MAX_PIXELS


_DECODERS = (
    _Decoder(b"\x89PNG\r\n\x1a\n", "PngImagePlugin", "PngImageFile"),
    _Decoder(b"\xff\xd8\xff", "JpegImagePlugin", "JpegImageFile", max_pixels=MAX_JPEG_PIXELS),
    _Decoder(b"GIF87a", "GifImagePlugin", "GifImageFile"),
    _Decoder(b"GIF89a", "GifImagePlugin", "GifImageFile"),
    _Decoder(b"WEBP", "WebPImagePlugin", "WebPImageFile", offset=8),
    _Decoder(b"BM", "BmpImagePlugin", "BmpImageFile"),
)
# The exceptions that Pillow raises for broken EXIF data.
_NONSENSE = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(SyntaxError, OverflowError, struct.error),
)
_ORIENTATION = 0x0112  # the tag in EXIF


class ExitStatus(IntEnum):
    """Give the exit status of the process. 1 is Python's own after an exception: the picture is broken."""

    BROKEN = 1
    NOT_A_FILE = 64
    UNREADABLE = 65
    FILE_TOO_LARGE = 66
    UNKNOWN_FORMAT = 67
    TOO_MANY_PIXELS = 68
    OUT_OF_MEMORY = 69


def main(arguments: list[str]) -> None:
    """Draw what ``arguments`` say: see the top of this module."""
    _confine()
    columns, rows = int(arguments[0]), int(arguments[1])
    palette = bytes.fromhex(arguments[2])
    is_here = STDIN in arguments[4:]
    file = _checked(sys.stdin.fileno()) if is_here else _open(sys.stdin.buffer.read())
    sys.path.append(arguments[3])
    try:
        image = _decoded(file, max(columns, 2 * rows))
        small = _small(image, columns, rows)
    except MemoryError:
        sys.exit(ExitStatus.OUT_OF_MEMORY)
    pixels = _quantised(small, palette)
    sys.stdout.buffer.write(HEADER.pack(small.width, small.height // 2) + pixels)


def _confine() -> None:
    """Limit this process to what a decoder needs. Where a system lacks one limit, the others hold."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(MAX_SECONDS)  # ends this process even if the client is gone
    os.nice(10)
    # A decoder that was taken over can write no file, start no process, and open few descriptors.
    for what, limit in (
        (resource.RLIMIT_AS, MAX_MEMORY),
        (resource.RLIMIT_CPU, MAX_PROCESSOR_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MAX_FILES),
        (resource.RLIMIT_NPROC, 0),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (limit, limit))


def _open(path: bytes) -> IO[bytes]:
    """Open the file at ``path`` if it is a regular file.

    A device or a FIFO is not even opened: the open alone may have an effect, or wait.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a Path takes no bytes
            sys.exit(ExitStatus.NOT_A_FILE)
        # O_NONBLOCK and O_NOCTTY, because the file may have been replaced by a FIFO or a terminal since the stat.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError):
        sys.exit(ExitStatus.UNREADABLE)
    return _checked(descriptor)


def _checked(descriptor: int) -> IO[bytes]:
    """Open the file behind ``descriptor`` if it is a regular file and not too large."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        sys.exit(ExitStatus.NOT_A_FILE)
    if status.st_size > MAX_FILE_SIZE:
        sys.exit(ExitStatus.FILE_TOO_LARGE)
    return os.fdopen(descriptor, "rb")


def _decoded(file: IO[bytes], least: int) -> Image:
    """Decode the first frame; its size may be smaller than the original, but not smaller than twice ``least``."""
    start = file.read(_START)
    file.seek(0)
    decoder = next((d for d in _DECODERS if start.startswith(d.magic, d.offset)), None)
    if decoder is None:
        sys.exit(ExitStatus.UNKNOWN_FORMAT)
    if decoder.name == "WebPImageFile" and _webp_pixels(start) > MAX_PIXELS:
        sys.exit(ExitStatus.TOO_MANY_PIXELS)
    image: Any = getattr(import_module(f"PIL.{decoder.module}"), decoder.name)(file)
    if image.width * image.height > decoder.max_pixels:
        sys.exit(ExitStatus.TOO_MANY_PIXELS)
    # draft makes a JPEG decoder skip detail that is not needed; other formats ignore it.
    image.draft(None, (2 * least, 2 * least))
    if image.width * image.height > MAX_PIXELS:
        sys.exit(ExitStatus.TOO_MANY_PIXELS)
    # Pillow has read only the header so far; load decodes the pixels.
    image.load()
    return image  # type: ignore[no-any-return]


def _webp_pixels(start: bytes) -> int:
    """Return the pixels of a WebP picture from its first bytes (RFC 9649, 2.5 to 2.7; RFC 6386, 9.1).

    The decoder allocates memory for all of them as soon as Pillow creates it, so they are checked before.
    """
    kind = start[12:16]
    if kind == b"VP8X":
        width, height = 1 + _little(start[24:27]), 1 + _little(start[27:30])
    elif kind == b"VP8L":
        bits = _little(start[21:25])
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = _little(start[26:28]) & 0x3FFF, _little(start[28:30]) & 0x3FFF
    return width * height


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _small(image: Image, columns: int, rows: int) -> Image:
    """Return the picture in RGB, upright, on black, and scaled down to fit; its height in pixels is even."""
    from PIL.Image import Resampling, Transpose, merge

    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(_orientation(image))
    is_lying = turn is not None and turn >= Transpose.ROTATE_90 and turn != Transpose.ROTATE_180
    width, height = (image.height, image.width) if is_lying else image.size
    scale = min(1.0, columns / width, 2 * rows / height)
    width, height = max(1, round(width * scale)), max(2, 2 * round(height * scale / 2))
    size = (height, width) if is_lying else (width, height)
    small = _smoothable(image).resize(size, Resampling.LANCZOS)
    if small.mode == "RGBa":
        small = merge(
            "RGB", small.split()[:3]
        )  # RGBa is multiplied by the opacity, so dropping that channel puts it on black
    return small.convert("RGB") if turn is None else small.convert("RGB").transpose(turn)


def _orientation(image: Image) -> int:
    """Return how the camera was held, 1 to 8 (EXIF 2.32, 4.6.4 A); 1, upright, if the file does not say."""
    with suppress(*_NONSENSE):
        orientation = image.getexif().get(_ORIENTATION)
        if isinstance(orientation, int):
            return orientation
    return 1


def _smoothable(image: Image) -> Image:
    """Return the picture in a mode that can be scaled by averaging."""
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    if image.mode.startswith("I"):  # 16 bits of grey, which convert would cut off at 255
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    return image if image.mode in ("L", "RGB", "RGBX") else image.convert("RGB")


def _quantised(image: Image, palette: bytes) -> bytes:
    """Return for each pixel the number of a colour in ``palette``; at most ``MAX_COLOURS`` of them are used."""
    from PIL.Image import Dither, blend, new

    image = blend(image.convert("L").convert("RGB"), image, _SATURATION)
    colours = [(red, green, blue) for red, green, blue in _triples(palette)]
    is_choice = len(colours) > MAX_COLOURS
    chosen = _chosen(image, colours) if is_choice else range(len(colours))
    reference = new("P", (1, 1))
    # Some releases of Pillow take missing entries for black, so the palette is filled up.
    full = [chosen[min(index, len(chosen) - 1)] for index in range(256)]
    reference.putpalette(bytes(channel for index in full for channel in colours[index]))
    # Dithering mixes dots of a few colours into more. Where suitable colours were chosen, it would only add noise.
    dither = Dither.NONE if is_choice else Dither.FLOYDSTEINBERG
    return image.quantize(palette=reference, dither=dither).tobytes().translate(bytes(full))


def _chosen(image: Image, colours: Sequence[Colour]) -> list[int]:
    """Choose from ``colours`` those that suit ``image``: each step adds the one that reduces the error most."""
    from PIL.Image import Quantize

    reduced = image.quantize(_SAMPLES, method=Quantize.MEDIANCUT, kmeans=0)
    found = list(_triples(bytes(reduced.getpalette() or ())))
    counts = [(count, found[number]) for number, count in Counter(reduced.tobytes()).items()]
    candidates = {
        min(range(len(colours)), key=lambda i: _difference(colours[i], colour))
        for _, colour in counts
    }
    # For each candidate, and each colour of the picture: the error over all its pixels.
    errors = {
        candidate: [count * _difference(colours[candidate], colour) for count, colour in counts]
        for candidate in sorted(candidates)
    }
    chosen: list[int] = []
    left = [sys.maxsize] * len(counts)
    while errors and len(chosen) < MAX_COLOURS:
        best = min(errors, key=lambda candidate: sum(map(min, left, errors[candidate])))
        left = list(map(min, left, errors.pop(best)))
        chosen.append(best)
    return chosen


def _triples(data: bytes) -> Iterator[Colour]:
    return zip(data[::3], data[1::3], data[2::3], strict=True)


def _difference(colour: Colour, other: Colour) -> int:
    """Return how different two colours look: the eye is most sensitive to green."""
    red, green, blue = (one - two for one, two in zip(colour, other, strict=True))
    return 3 * red * red + 4 * green * green + 2 * blue * blue


if __name__ == "__main__":
    main(sys.argv[1:])
