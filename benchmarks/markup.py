"""Measure what the styles of markup cost on the screen: in texts of 4 KiB made to be slow, and in usual lines.

Usage:
  markup [--rounds=<n>]

Each time is the least of all rounds, in CPU time of this process. "lex" finds the markup and gives it styles; "draw"
does that and wraps the rows for a screen of 80 columns; "plain" wraps the same text without styles.

Options:
  --rounds=<n>  how often each text is measured [default: 20]
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial
from itertools import cycle, islice

from docopt import docopt

from chat.client.screen.draw.lines import StyleText, entry_lines
from chat.client.screen.markup.styled import marked_up
from chat.client.screen.model.entries import Said
from chat.client.screen.text.spans import wrap_row
from chat.sanitize import lines_of

SIZE = 4096
_NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
_WIDTH, _INDENT = 80, 11
_USUAL = (
    "a usual line, as people write them: some twenty words or fewer, and no markup in it at all"
)


def texts(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield the texts with their names."""
    yield "usual line", _USUAL
    yield (
        "usual markup",
        f"{_USUAL[:40]} `code` and *more* at https://chat.example/a_b_c {_USUAL[40:60]}",
    )
    pieces = {
        "words": "usual words ",
        "one run of stars": "*",
        "pairs": "*a* ",
        "opened, never closed": "*a ",
        "closed, never opened": "a* ",
        "nested": "**a _b ",
        "three stars": "(***a) (b***) ",
        "one backtick each": "` ",
        "snake_case": "a_",
        "underscores": "_",
        "addresses": "a://b ",
        "no addresses": "://",
        "one letter schemes": "a.",
        "brackets behind an address": "a://b)))))))))))))))))))))))))))))))",
        "lines with a pair": "*a*\n",
        "quotes": "> a\n",
        "fences": "```\n",
    }
    for name, piece in pieces.items():
        yield name, "".join(islice(cycle(piece), SIZE))
    growing = "".join("`" * count + " " for count in range(1, 100))
    yield "backticks, one more each", growing[:SIZE]
    depth = SIZE // 8
    yield "deep", "(*(_" * (depth // 2) + "a" + "_)*)" * (depth // 2)
    yield "random", "".join(rng.choices("*_`~>a b\\(:/\n", k=SIZE))


def least(rounds: int, function: Callable[[], object]) -> float:
    """Return the least CPU time of a call, in milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.process_time_ns()
        function()
        times.append(time.process_time_ns() - start)
    return min(times) / 1e6


def draw(said: Said, styled: StyleText | None) -> None:
    """Make the rows of a message, as the log pane does."""
    first, *further = entry_lines(said, styled=styled)
    wrap_row(first, _WIDTH, _INDENT)
    for line in further:
        wrap_row(line, _WIDTH, _INDENT, hanging=False)


def main(argv: list[str]) -> None:
    rounds = int(docopt(__doc__ or "", argv)["--rounds"])
    print(f"{'text':28} {'lex ms':>8} {'draw ms':>8} {'plain ms':>8}")
    for name, text in texts(random.Random(1)):
        said, lines = Said(_NOON, "alice", text), lines_of(text)
        found = (
            least(rounds, partial(marked_up, lines, "text")),
            least(rounds, partial(draw, said, marked_up)),
            least(rounds, partial(draw, said, None)),
        )
        print(f"{name:28} " + " ".join(f"{each:8.4f}" for each in found))


if __name__ == "__main__":
    main(sys.argv[1:])
