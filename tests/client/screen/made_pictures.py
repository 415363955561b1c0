"""Pictures for tests: good ones as Pillow writes them, and such as nobody writes who means well."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

from PIL import Image

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(width: int = 8, height: int = 8) -> Image.Image:
    """Red and green above, blue and white below."""
    image = Image.new("RGB", (2, 2))
    for place, colour in (((0, 0), RED), ((1, 0), GREEN), ((0, 1), BLUE), ((1, 1), WHITE)):
        image.putpixel(place, colour)
    return image.resize((width, height), Image.Resampling.NEAREST)


def colourful(width: int, height: int) -> Image.Image:
    """All there is between the corners of a cube of colours."""
    red = Image.linear_gradient("L").resize((width, height))
    green = Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90).resize((width, height))
    blue = Image.radial_gradient("L").resize((width, height))
    return Image.merge("RGB", (red, green, blue))


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """``image`` as a file of the format that Pillow calls ``form``."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *extra: tuple[bytes, bytes], pixels: bytes | None = None) -> bytes:
    """White, in RGB, unless ``pixels`` are the compressed lines; ``extra``: chunks before them."""
    if pixels is None:
        pixels = zlib.compress((b"\0" + b"\xff" * 3 * width) * height)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + b"".join(chunk(*one) for one in extra)
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


@cache
def huge() -> dict[str, bytes]:
    """Make one picture of each format whose header claims billions of pixels, or the most that the format allows."""
    riff = b"RIFF\x64\0\0\0WEBP"
    return {
        "huge.png": png(60_000, 60_000, pixels=zlib.compress(bytes(1000))),
        "huge.jpg": saved(quarters(), "JPEG").replace(
            b"\xff\xc0\0\x11\x08\0\x08\0\x08", b"\xff\xc0\0\x11\x08\xea\x60\xea\x60"
        ),
        "huge.gif": b"GIF89a"
        + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0)
        # A frame, for a GIF without one is broken.
        + b",\0\0\0\0"
        + struct.pack("<HH", 60_000, 60_000)
        + b"\0\x08\x02\x00\x01\0;",
        "huge.bmp": b"BM"
        + struct.pack("<IHHI", 0, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
        "huge.webp": riff + b"VP8X\x0a\0\0\0\0\0\0\0" + (59_999).to_bytes(3, "little") * 2,
        "huge-lossless.webp": riff + b"VP8L\x40\0\0\0\x2f\xff\xff\xff\x0f",
        "huge-lossy.webp": riff + b"VP8 \x40\0\0\0\x50\0\0\x9d\x01\x2a\xff\x3f\xff\x3f",
    }


@cache
def bombs() -> dict[str, bytes]:
    """Small files with something in them that would fill the memory."""
    swollen = zlib.compress(bytes(50 << 20))
    return {
        "text.png": png(8, 8, (b"zTXt", b"Comment\0\0" + swollen)),
        "international.png": png(8, 8, (b"iTXt", b"Comment\0\1\0\0\0" + swollen)),
        "profile.png": png(8, 8, (b"iCCP", b"icc\0\0" + swollen)),
        # As large as may be, and nothing but the beginning of it.
        "pixels.png": png(6000, 6000, pixels=zlib.compress(bytes(1000))),
        "frame.gif": b"GIF89a"
        + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0)
        + bytes(6)
        + b","
        + struct.pack("<HHHH", 60_000, 60_000, 10, 10)
        + b"\0\x02\x02\x44\x01\0;",
    }


@cache
def truncated() -> dict[str, bytes]:
    """Make one picture of each format, cut off in the middle."""
    image = colourful(200, 200)
    files = {
        "cut.png": saved(image, "PNG"),
        "cut.jpg": saved(image, "JPEG"),
        "cut.gif": saved(image, "GIF"),
        "cut.bmp": saved(image, "BMP"),
        "cut.webp": saved(image, "WEBP"),
    }
    return {name: data[: len(data) // 2] for name, data in files.items()}


@cache
def no_pictures() -> dict[str, bytes]:
    """Make files that are no pictures, or have a format that nobody sends for a good reason, under picture names."""
    return {
        "empty.png": b"",
        "text.jpg": b"cat",
        "svg.png": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "tiff.png": saved(quarters(), "TIFF"),
        "ppm.gif": saved(quarters(), "PPM"),
        "icon.bmp": saved(quarters(16, 16), "ICO"),
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
    }
