"""Make the table of the characters that Unicode 13 has: run this file with a Python 3.10, which has Unicode 13.

It imports nothing of the project, so that it runs in a Python without the project's libraries.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path

TABLE = Path(__file__).parents[1] / "chat" / "server" / "log" / "unicode_13.json"


def main() -> None:
    """Write the table."""
    version = unicodedata.unidata_version
    if not version.startswith("13."):
        sys.exit(f"this Python has Unicode {version}; expected one with Unicode 13: Python 3.10")
    TABLE.write_text(json.dumps(bounds(), indent=0) + "\n", encoding="ascii")
    print(TABLE)


def bounds() -> list[int]:
    """Return where ranges of characters that are assigned, and that are not, begin by turns."""
    found = []
    was_assigned = False
    for number in range(sys.maxunicode + 1):
        is_assigned = unicodedata.category(chr(number)) != "Cn"
        if is_assigned != was_assigned:
            found.append(number)
            was_assigned = is_assigned
    return found


if __name__ == "__main__":
    main()
