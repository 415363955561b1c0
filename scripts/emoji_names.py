"""Make the table of the names of emoji: ``python -m scripts.emoji_names``.

The names are the short names of Unicode's CLDR, and those that chat programs and code hosting use, as the library
``emoji`` has them. The client reads the table that is made here, and needs no library.
"""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

from chat.client.screen.input.emoji import TABLE

# Most systems do not have the characters of later versions of Emoji yet.
LAST_VERSION = 16.0


def main() -> None:
    """Write the table."""
    TABLE.write_text(table(), encoding="utf-8")
    print(TABLE.relative_to(Path.cwd()))


def table() -> str:
    """Return the text of the file: each emoji and its names, the short name of CLDR first."""
    import emoji

    found = {
        character: " ".join(names)
        for character, data in sorted(emoji.EMOJI_DATA.items())
        if data["status"] == emoji.STATUS["fully_qualified"]
        and data["E"] <= LAST_VERSION
        and "skin_tone" not in data["en"]
        and (names := _names([data["en"], *data.get("alias", ())]))
    }
    return json.dumps(found, indent=0, ensure_ascii=False) + "\n"


def _names(given: list[str]) -> list[str]:
    """Return the names as they can be typed: in ASCII and lower case, without apostrophes and brackets."""
    names = []
    for each in given:
        letters = unicodedata.normalize("NFKD", each.strip(":")).casefold()
        name = re.sub(r"_+", "_", re.sub(r"[^a-z0-9_+-]", "", letters)).strip("_")
        if len(name) > 1 and name not in names:
            names.append(name)
    return names


if __name__ == "__main__":
    main()
