"""Describe a program that is measured: ours, or another of its kind."""

from __future__ import annotations

import shutil
import subprocess
from abc import ABC


class Contender(ABC):
    """Describe a program; figures are kept and shown under its ``name``; all of ours are ``chat``."""

    name: str
    program: str  # the program that must be installed

    def is_installed(self) -> bool:
        return shutil.which(self.program) is not None

    def version(self) -> str:
        """Return the version that the program reports."""
        said = subprocess.run([self.program, "--version"], capture_output=True, text=True)
        return (said.stdout or said.stderr).strip().splitlines()[0]
