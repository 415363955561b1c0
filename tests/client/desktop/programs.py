"""Programs of a desktop that tell in a file how they were called."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import gevent
import pytest


def written(path: Path) -> str:
    """Wait until the file at ``path`` is there and whole; return its text."""
    with gevent.Timeout(30):
        while True:
            with suppress(FileNotFoundError):
                text = path.read_text(encoding="utf-8")
                if text.endswith("."):
                    return text
            gevent.sleep(0.005)


class Programs:
    """Stand for those of a desktop: each tells in a file how it was called."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory / "programs"
        self.directory.mkdir()
        self.told = directory / "told"
        monkeypatch.setenv("PATH", str(self.directory))

    def install(self, name: str, then: str = "", *, executable: bool = True) -> None:
        program = self.directory / name
        program.write_text(
            f"#!/bin/sh\nprintf '%s|' \"$@\" >'{self.told}.part'; echo noise; echo noise >&2\n"
            f"printf . >>'{self.told}.part'; /bin/mv '{self.told}.part' '{self.told}'\n{then}\n",
            encoding="utf-8",
        )
        if executable:
            program.chmod(0o755)

    def called_with(self) -> list[str]:
        return written(self.told).split("|")[:-1]
