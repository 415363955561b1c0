"""Draw the page that ``chat-server history export --format=html`` makes."""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from chat.protocol.descriptor import MessageType
from chat.server.history.exchange.html_export import export_html
from chat.server.history.stored import DEFAULT_ROOM, StoredRun
from scripts.screens import SCREENS
from scripts.screens.browser import draw_page
from scripts.screens.drawing import DARK, Look
from scripts.screens.scenes import ME, draw_evening

# Only letters of scripts that every machine has a font for: a browser draws boxes for others.
_TALK = f"""\
alice: Good morning! The plan for today: https://wiki.example.org/plan
{ME}: Привет! Дочитываю и отвечу.
carol: Can we deploy before lunch, then? It takes ten minutes.
alice: Yes, go on. Nobody is on the machine.
carol: deploying…
carol: done: 14 files, no errors
{ME}: /me gets the wand
alice: The disk is at 64 percent. It was the logs.
carol: It is always the logs.
"""
_SIZE = (1000, 780)
# The last rows of a window, which no page fills.
_EDGE = 20


def draw_exported_page(look: Look) -> Path:
    """Draw the page with the background of ``look``; return the picture."""
    picture = SCREENS / f"export{look.suffix}.png"
    with tempfile.TemporaryDirectory(prefix="chat-export-") as directory:
        export_html(_story(), "The room lobby", Path(directory))
        draw_page(Path(directory) / "index.html", picture, *_SIZE, dark=look is DARK)
    with Image.open(picture) as drawn:
        page = drawn.convert("RGB").crop((0, 0, drawn.width, drawn.height - _EDGE))
    page.quantize(128).save(picture, optimize=True)
    return picture


def _story() -> list[StoredRun]:
    said = [line.partition(": ")[::2] for line in _TALK.splitlines()]
    runs = [
        _run(number, f"2026-03-13T21:{number:02}:05.000000Z", name, text.encode())
        for number, (name, text) in enumerate(said, 1)
    ]
    evening, plan = BytesIO(), b"%PDF-1.4\n".ljust(48_211)
    draw_evening().save(evening, "PNG")
    for name, filename, content, kind in (
        ("alice", "evening.png", evening.getvalue(), MessageType.IMAGE),
        ("carol", "plan.pdf", plan, MessageType.FILE),
    ):
        number = len(runs) + 1
        time = f"2026-03-14T08:{number:02}:05.000000Z"
        run = _run(number, time, name, content)
        runs.append(run._replace(type=kind, filename=filename))
    number = len(runs) + 1
    return [*runs, _run(number, "2026-03-14T08:31:00.000000Z", ME, "Красота!".encode())]


def _run(number: int, time: str, name: str, content: bytes) -> StoredRun:
    return StoredRun(
        *(DEFAULT_ROOM, number, time, name, None, b"", MessageType.UTF8, [None], [content]),
        size=len(content),
    )
