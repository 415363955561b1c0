"""State that all members of a soak share: address, chronicle, problems and private texts."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path
from random import Random

from tests.peers.wire import Address
from tests.soaking.chronicle import Chronicle


class Whispers:
    """The private texts from one to another: as their sender had them back, and as their receiver heard them."""

    def __init__(self) -> None:
        self.echoed: list[str] = []
        self.heard: list[str] = []


class SoakState:
    """``pause``: the mean time between two actions of a member, ``life``: the time a member stays; both in seconds."""

    def __init__(
        self, address: Address, directory: Path, pause: float, life: float, *, tls: bool
    ) -> None:
        self.address = address
        self.directory = directory
        self.pause = pause
        self.life = life
        self.tls = tls
        self.is_closing = False
        self.chronicle = Chronicle()
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.whispers: dict[tuple[str, str], Whispers] = {}
        self.offers: list[tuple[str, str]] = []  # the last ones to everyone: id, file name
        self.heard_all: set[str] = set()  # who has read to the end

    def complain(self, problem: str) -> None:
        if problem:
            self.problems.append(problem)

    def echoed(self, sender: str, to: str, text: str) -> None:
        self.whispers.setdefault((sender, to), Whispers()).echoed.append(text)

    def heard(self, sender: str, to: str, text: str) -> None:
        self.whispers.setdefault((sender, to), Whispers()).heard.append(text)

    def offered(self, offer: str, filename: str) -> None:
        self.offers = [*self.offers[-9:], (offer, filename)]

    def check_whispers(self) -> None:
        """Compare the private texts of each pair; a member that died may have missed the last ones."""
        for (sender, receiver), pair in self.whispers.items():
            echoed, heard = pair.echoed, pair.heard
            if sender not in self.heard_all:
                echoed = echoed[: len(heard)]
                heard = heard if receiver in self.heard_all else heard[: len(echoed)]
                echoed, heard = echoed, heard[: len(echoed)]
            if receiver not in self.heard_all:
                echoed = echoed[: len(heard)]
            if echoed != heard:
                self.complain(f"{sender} whispered to {receiver} {echoed}, who heard {heard}")


def address_text(address: Address) -> str:
    """Return the address in the form that the client takes."""
    assert not isinstance(address, str), "a soak is over TCP"
    return f"{address[0]}:{address[1]}"


def named(sender: str, number: int, content: bytes) -> str:
    """A file name that tells what must be in the file."""
    return f"{sender}-{number}-{zlib.crc32(content):08x}.bin"


def is_intact(filename: str, content: bytes) -> bool:
    return filename.endswith(f"-{zlib.crc32(content):08x}.bin")


def make_content(rng: Random, size: int) -> bytes:
    """Make a content of so many bytes that is like no other."""
    return rng.randbytes(64) * (size // 64 + 1)
