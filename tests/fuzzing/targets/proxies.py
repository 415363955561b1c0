"""The header of the PROXY protocol: taken whole, with no byte more, however it arrives."""

from __future__ import annotations

import random
from ipaddress import ip_address

from chat.server.net.proxy_protocol import Proxied, ProxyProtocolError, read_header

_PROLOGUE = 1  # bytes before the header: the seed of how it arrives
_MOST = 16 + 0xFFFF  # bytes that a header has at most


class _Source:
    """Gives what it has in pieces, and counts."""

    def __init__(self, data: bytes, rng: random.Random | None) -> None:
        self.taken = 0
        self._data = data
        self._rng = rng

    def receive(self, size: int) -> bytes:
        assert 0 < size <= _MOST
        if self._rng is not None:
            size = self._rng.randrange(1, size + 1)
        piece = self._data[self.taken : self.taken + size]
        self.taken += len(piece)
        return piece


def check(data: bytes) -> None:
    """Raises AssertionError, or what the reader raised against its word."""
    header = data[_PROLOGUE:]
    whole, taken = _read(header, None)
    assert (whole, taken) == _read(header, random.Random(data[0] if data else 0))
    if isinstance(whole, str) or whole is None:
        return
    # The bytes that follow are the client's.
    assert _read(header[:taken], None) == (whole, taken)
    assert _read(header[:taken] + b"\0\1\r\n", None) == (whole, taken)
    assert isinstance(_read(header[: taken - 1], None)[0], str)
    if whole.address is not None:
        host, port = whole.address
        assert ip_address(host).compressed == host
        assert host.isprintable()
        assert 0 <= port <= 0xFFFF
        assert not whole.is_local


def _read(data: bytes, rng: random.Random | None) -> tuple[Proxied | str | None, int]:
    """Return the header or the words of the refusal, and how many bytes of ``data`` were read."""
    source = _Source(data, rng)
    try:
        return read_header(source.receive), source.taken
    except ProxyProtocolError as problem:
        words = str(problem)
    assert words.isascii()
    assert words.isprintable()
    # Where it is no header the pieces tell how much has been looked at.
    return words, 0
