"""The library of functions that the engine carries out: its text, and its name.

The name has a version and a checksum of the text. So servers of two versions run side by side, each with its own
library, and no server calls functions other than those it was made with.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

VERSION = 1
_PLACEHOLDER = "@LIBRARY@"


class FunctionLibrary:
    """A library with the Lua text ``template``, in which ``@LIBRARY@`` stands for its name."""

    def __init__(self, template: str) -> None:
        checksum = hashlib.sha256(template.encode()).hexdigest()[:12]
        self.name = f"chat_log_{VERSION}_{checksum}"
        self.text = template.replace(_PLACEHOLDER, self.name)

    def function(self, name: str) -> str:
        """Return the name by which the engine knows the function ``name``."""
        return f"{self.name}_{name}"


TEMPLATE = Path(__file__).with_name("log.lua").read_text(encoding="utf-8")
LIBRARY = FunctionLibrary(TEMPLATE)
