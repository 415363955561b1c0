"""What is about to be sent: texts cut to size, files opened and measured."""

from __future__ import annotations


def split_text(text: str, limit: int) -> list[str]:
    """``text`` in pieces of at most ``limit`` bytes of UTF-8, at least 4, without cutting a character in two."""
    data = text.encode()
    pieces = []
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        # A byte 10xxxxxx continues the character before it.
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end].decode())
        start = end
    return pieces
