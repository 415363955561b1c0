from __future__ import annotations

from chat.protocol import confusables
from scripts import confusables as script


def test_the_table_is_what_the_library_says() -> None:
    assert confusables.TABLE.read_text() == script.table(), "python -m scripts.confusables"
    # The public look-up takes single characters; this is the whole table that it reads.
    assert confusables._prototypes() == script.prototypes()


def test_a_mark_that_the_library_puts_around_a_character_is_no_part_of_it() -> None:
    assert not [c for c in script.prototypes() if "\u200e" in c]
    assert "\u200e" not in "".join(script.prototypes().values())
