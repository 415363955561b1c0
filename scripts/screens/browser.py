"""Open pages in a browser without a window, and read or draw what its scripts have made of them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)

_FLAGS = (
    "--headless",
    "--no-sandbox",  # which root cannot have; the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    # It asks nobody for anything.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--enable-logging=stderr",
    # The time of the page runs ahead while nothing is to do. So the browser waits for scripts, and not for the clock.
    "--virtual-time-budget=10000",
)
_PATIENCE = 50.0  # seconds for all


def open_page(path: Path, *flags: str, fragment: str = "") -> tuple[str, str]:
    """Open a file, and return its elements as HTML and the log of the browser, which has the messages of scripts.

    Other ``flags`` than none draw the page instead. Raises subprocess.SubprocessError.
    """
    assert CHROMIUM is not None, "chromium is not installed"
    url = f"{path.as_uri()}{'#' if fragment else ''}{quote(fragment, safe='=')}"
    with tempfile.TemporaryDirectory(prefix="chat-browser-", ignore_cleanup_errors=True) as home:
        environment = {"HOME": home, "PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": "UTC"}
        found = subprocess.run(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={home}/profile", *(flags or ["--dump-dom"]), url],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE,
        )
    return found.stdout, found.stderr


def draw_page(path: Path, picture: Path, width: int, height: int, *, dark: bool) -> None:
    """Write a picture of a page as a PNG file. Raises subprocess.SubprocessError."""
    scheme = "--blink-settings=preferredColorScheme=" + ("0" if dark else "1")
    open_page(path, scheme, f"--window-size={width},{height}", f"--screenshot={picture}")
