"""The fuzzer's streams for a server: valid, invented and mutated bytes. A seed always gives the same stream."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from tests.fuzzing import grammar, mutations

# Where these stand, a stream has the token of a living session, or the id of a content that was offered to it. They
# are as long as what they stand for, so that the sizes before them stay right.
SESSION = grammar.SESSION
OFFER = grammar.OFFER


class End(Enum):
    """The end of a connection, once all is sent."""

    READ_OUT = "read out"  # nothing more is sent; what comes is read to the end, which the server must make
    CLOSE = "close"
    RESET = "reset"


@dataclass(frozen=True)
class Stream:
    """``data``, sent in as many writes as ``cuts`` (offsets into it, in order) make of it, and then ``end``."""

    index: int
    data: bytes
    cuts: tuple[int, ...]
    end: End

    def pieces(self, session: str, offer: str) -> list[bytes]:
        """The writes, with what the placeholders stand for."""
        data = self.data.replace(SESSION, session.encode()).replace(OFFER, offer.encode())
        places = pairwise([0, *self.cuts, len(data)])
        return [data[start:end] for start, end in places if start < end]

    def to_json(self) -> str:
        """Return the stream as one line of JSON."""
        fields = {"index": self.index, "end": self.end.value, "cuts": self.cuts}
        return json.dumps({**fields, "data": self.data.hex()})

    @classmethod
    def from_json(cls, line: str) -> Stream:
        fields = json.loads(line)
        data = bytes.fromhex(fields["data"])
        return cls(fields["index"], data, tuple(fields["cuts"]), End(fields["end"]))


def generate(seed: int, index: int) -> Stream:
    """The stream number ``index`` of ``seed``, whatever came before it."""
    rng = random.Random(f"{seed}/{index}")
    data = _pick(rng, grammar.SOURCES)(rng)
    for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 3, 6))):
        data = _pick(rng, mutations.MUTATIONS)(rng, data)
    end = rng.choices(list(End), (6, 2, 2))[0]
    return Stream(index, data, _cuts(rng, len(data)), end)


def _cuts(rng: random.Random, size: int) -> tuple[int, ...]:
    how = rng.random()
    if how < 0.4:
        return ()
    if how < 0.6:
        # A byte a write, as long as that is worth it.
        return tuple(range(1, min(size, 400)))
    return tuple(sorted(rng.randrange(size + 1) for _ in range(rng.randrange(1, 12))))


def _pick(rng: random.Random, weighted: dict[Callable, int]) -> Callable:
    return rng.choices(list(weighted), list(weighted.values()))[0]
