"""Who is measured: a program of ours, or another of its trade beside it."""

from __future__ import annotations

import shutil
import subprocess
from abc import ABC


class Contender(ABC):
    """Figures are kept and shown under its ``name``; all of ours are ``chat``."""

    name: str
    program: str  # what has to be installed

    def is_installed(self) -> bool:
        return shutil.which(self.program) is not None

    def version(self) -> str:
        """What it says of itself."""
        said = subprocess.run([self.program, "--version"], capture_output=True, text=True)
        return (said.stdout or said.stderr).strip().splitlines()[0]
