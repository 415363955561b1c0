"""The program as its parent runs it, with what it says."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from chat.client.screen.pictures import picture_process
from chat.client.screen.pictures.picture_process import (
    HEADER,
    MAX_COLOURS,
    MAX_FILE_SIZE,
    ExitStatus,
)
from tests.client.screen import made_pictures, picture_stem
from tests.client.screen.made_pictures import (
    BLUE,
    ESCAPES,
    GREEN,
    RED,
    WHITE,
    colourful,
    png,
    quarters,
    saved,
)

BLACK, GREY = (0, 0, 0), (128, 128, 128)
PALETTE = [BLACK, RED, GREEN, BLUE, WHITE, GREY]
CUBE = [(r, g, b) for r in range(0, 256, 51) for g in range(0, 256, 51) for b in range(0, 256, 51)]
FOUR = [[RED, GREEN], [BLUE, WHITE]]

Colour = tuple[int, int, int]


def run(
    path: Path | str, columns: int = 40, rows: int = 12, palette: list[Colour] = PALETTE
) -> subprocess.CompletedProcess[bytes]:
    colours = bytes(channel for colour in palette for channel in colour).hex()
    return picture_stem.run(path, str(columns), str(rows), colours)


def drawn(
    path: Path, columns: int = 40, rows: int = 12, palette: list[Colour] = PALETTE
) -> list[list[Colour]]:
    """The pixels, line by line."""
    done = run(path, columns, rows, palette)
    assert done.returncode == 0, done.stderr.decode()
    width, height = HEADER.unpack(done.stdout[: HEADER.size])
    pixels = [palette[number] for number in done.stdout[HEADER.size :]]
    assert len(pixels) == 2 * width * height
    return [pixels[start : start + width] for start in range(0, len(pixels), width)]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def to_file(content: bytes) -> Path:
        path = tmp_path / "picture"
        path.write_bytes(content)
        return path

    return to_file


Write = Callable[[bytes], Path]


class TestDrawing:
    @pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
    def test_each_format(self, write: Write, form: str) -> None:
        lines = drawn(write(saved(quarters(200, 200), form)), 10, 5)
        corners = [[lines[0][0], lines[0][-1]], [lines[-1][0], lines[-1][-1]]]
        assert corners == FOUR
        assert (len(lines), len(lines[0])) == (10, 10)

    @pytest.mark.parametrize(
        ("size", "room", "expected"),
        [
            ((400, 400), (40, 12), (24, 24)),
            ((400, 100), (40, 12), (40, 10)),
            ((100, 400), (40, 12), (6, 24)),
            ((16, 10), (40, 12), (16, 10)),
            ((1, 1), (40, 12), (1, 2)),
            ((5, 5), (40, 12), (5, 4)),
            ((3000, 1), (40, 12), (40, 2)),
            ((1, 3000), (40, 12), (1, 24)),
            ((400, 400), (1, 1), (1, 2)),
        ],
    )
    def test_it_fits_and_keeps_its_shape(
        self,
        write: Write,
        size: tuple[int, int],
        room: tuple[int, int],
        expected: tuple[int, int],
    ) -> None:
        lines = drawn(write(saved(Image.new("RGB", size, RED), "PNG")), *room)
        assert (len(lines[0]), len(lines)) == expected
        assert {colour for line in lines for colour in line} == {RED}

    @pytest.mark.parametrize(
        ("form", "orientation"), [*(("PNG", n) for n in range(1, 9)), ("JPEG", 3), ("JPEG", 6)]
    )
    def test_it_stands_upright(self, write: Write, form: str, orientation: int) -> None:
        turned = {
            2: Image.Transpose.FLIP_LEFT_RIGHT,
            3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE,
            6: Image.Transpose.ROTATE_90,
            7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270,
        }
        image = quarters(160, 80)
        if orientation in turned:
            image = image.transpose(turned[orientation])
        exif = Image.Exif()
        exif[0x0112] = orientation
        lines = drawn(write(saved(image, form, exif=exif)), 16, 12)
        assert (len(lines[0]), len(lines)) == (16, 8)
        assert [[lines[0][0], lines[0][-1]], [lines[-1][0], lines[-1][-1]]] == FOUR

    @pytest.mark.parametrize(
        "exif", [b"Exif\0\0", b"Exif\0\0MM\0\x2a\xff\xff\xff\xff", b"Exif\0\0" + b"I" * 99]
    )
    def test_without_a_word_that_makes_sense_it_is_upright(self, write: Write, exif: bytes) -> None:
        assert drawn(write(saved(quarters(2, 2), "PNG", exif=exif))) == FOUR

    def test_what_is_transparent_is_black(self, write: Write) -> None:
        image = quarters(2, 2)
        image.putalpha(Image.frombytes("L", (2, 2), bytes([255, 0, 0, 128])))
        assert drawn(write(saved(image, "PNG"))) == [[RED, BLACK], [BLACK, GREY]]

    def test_transparent_colours_of_a_palette_are_black(self, write: Write) -> None:
        image = Image.new("P", (2, 2), 1)
        image.putpalette([*RED, *GREEN])
        image.putpixel((0, 0), 0)
        for form in ("PNG", "GIF"):
            lines = drawn(write(saved(image, form, transparency=1)))
            assert lines == [[RED, BLACK], [BLACK, BLACK]]

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
    def test_each_kind_of_pixel(self, write: Write, mode: str) -> None:
        if mode == "I;16":
            levels = b"".join(n.to_bytes(2, "little") for n in (0, 0xFFFF, 0x8080, 0))
            image, expected = Image.frombytes(mode, (2, 2), levels), [[BLACK, WHITE], [GREY, BLACK]]
        else:
            image = Image.frombytes("L", (2, 2), bytes([0, 255, 255, 0])).convert(mode)
            expected = [[BLACK, WHITE], [WHITE, BLACK]]
        assert drawn(write(saved(image, "PNG"))) == expected

    def test_colours_for_print(self, write: Write) -> None:
        data = saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")
        assert drawn(write(data), 1, 1) == [[RED], [RED]]

    def test_of_many_frames_it_is_the_first(self, write: Write) -> None:
        frames = [Image.new("RGB", (2, 2), (n % 256, n // 256, 255)) for n in range(600)]
        for form in ("GIF", "PNG", "WEBP"):
            first = Image.new("RGB", (2, 2), RED)
            data = saved(first, form, save_all=True, append_images=frames)
            assert drawn(write(data)) == [[RED, RED], [RED, RED]]

    def test_of_many_colours_it_takes_those_that_suit(self, write: Write) -> None:
        image = colourful(240, 240)
        lines = drawn(write(saved(image, "PNG")), 40, 20, CUBE)
        found = {colour for line in lines for colour in line}
        assert 12 <= len(found) <= MAX_COLOURS
        small = image.resize((40, 40))
        wrong = 0
        for y, line in enumerate(lines):
            for x, colour in enumerate(line):
                pixel = small.getpixel((x, y))
                assert isinstance(pixel, tuple)
                wrong += sum(abs(a - b) for a, b in zip(colour, pixel, strict=True))
        assert wrong / (1600 * 3) < 51

    def test_few_colours_are_mixed(self, write: Write) -> None:
        lines = drawn(
            write(saved(Image.new("RGB", (40, 40), (128, 0, 0)), "PNG")), 40, 20, PALETTE[:4]
        )
        counts = Counter(colour for line in lines for colour in line)
        assert set(counts) == {BLACK, RED}
        assert 0.3 < counts[RED] / 1600 < 0.9

    def test_it_says_nothing_but_the_picture(self, write: Write) -> None:
        exif = Image.Exif()
        exif[0x010E] = exif[0x9286] = ESCAPES
        path = write(saved(quarters(2, 2), "JPEG", exif=exif, comment=ESCAPES))
        done = run(path)
        assert len(done.stdout) == HEADER.size + 4
        assert done.stderr == b""


class TestRefusals:
    @pytest.mark.parametrize(
        ("pictures", "refusal"),
        [
            (made_pictures.huge, ExitStatus.TOO_MANY_PIXELS),
            (made_pictures.bombs, ExitStatus.BROKEN),  # they would fill the memory
            (made_pictures.truncated, ExitStatus.BROKEN),
            (made_pictures.no_pictures, ExitStatus.UNKNOWN_FORMAT),
        ],
    )
    def test_bad_pictures(
        self, write: Write, pictures: Callable[[], dict[str, bytes]], refusal: ExitStatus
    ) -> None:
        ends = {name: run(write(data)).returncode for name, data in pictures().items()}
        assert ends == dict.fromkeys(ends, refusal)

    @pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
    def test_bytes_at_random(self, write: Write, form: str) -> None:
        chance = random.Random(form)
        data = bytearray(saved(colourful(40, 40), form))
        for _ in range(4):
            for place in chance.sample(range(len(data)), max(4, len(data) // 100)):
                data[place] = chance.randrange(256)
            assert run(write(bytes(data))).returncode in {0, *ExitStatus}

    def test_a_large_file_is_not_read(self, write: Write) -> None:
        path = write(png(8, 8))
        os.truncate(path, 1 << 36)
        assert run(path).returncode == ExitStatus.FILE_TOO_LARGE
        os.truncate(path, MAX_FILE_SIZE)
        assert run(path).returncode == 0

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to("loop")
        for path in (tmp_path / "nothing", tmp_path / "loop", tmp_path / ("x" * 300), "a\0b", ""):
            assert run(path).returncode == ExitStatus.UNREADABLE

    def test_what_is_no_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "link").symlink_to("fifo")
        for path in (tmp_path / "fifo", tmp_path / "link", tmp_path, Path("/dev/zero")):
            assert run(path).returncode == ExitStatus.NOT_A_FILE

    def test_a_link_to_a_picture_is_one(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(write(saved(quarters(2, 2), "PNG")))
        assert drawn(tmp_path / "link") == FOUR


class TestLimits:
    def confined(self, code: str) -> subprocess.CompletedProcess[str]:
        """``code`` in a process that has taken the limits, but the times, which are a second."""
        program = (
            "import sys\n"
            f"sys.path.append({str(Path(picture_process.__file__).parent)!r})\n"
            "import picture_process as p\n"
            "p.MAX_PROCESSOR_SECONDS = p.MAX_SECONDS = 1\n"
            f"p._confine()\n{code}"
        )
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
        )

    def test_it_ends_by_itself_after_a_while(self) -> None:
        assert self.confined("import time; time.sleep(60)").returncode == -signal.SIGALRM

    def test_it_ends_when_it_has_computed_enough(self) -> None:
        # The clock may be first, if others want the processor too.
        ends = (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGALRM)
        assert self.confined("while True: pass").returncode in ends

    @pytest.mark.skipif(sys.platform != "linux", reason="others have no limit of addresses")
    def test_it_gets_no_more_memory(self) -> None:
        assert "MemoryError" in self.confined("bytearray(1 << 30)").stderr

    def test_it_writes_no_file(self, tmp_path: Path) -> None:
        path = tmp_path / "new"
        done = self.confined(f"with open({str(path)!r}, 'w') as file: file.write('x')")
        assert "File too large" in done.stderr
        assert path.stat().st_size == 0

    def test_it_is_in_nobodys_way(self) -> None:
        # The tests themselves may run with another priority than usual. 19 is the lowest.
        assert int(self.confined("import os; print(os.nice(0))").stdout) == min(os.nice(0) + 10, 19)
