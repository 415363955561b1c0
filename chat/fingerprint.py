"""What a person compares to know a server again: the SHA-256 of its public key.

It is of the SubjectPublicKeyInfo (RFC 7469, section 2.4), so a certificate that is renewed with the same key keeps it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

_PREFIX = "SHA256:"
_SIZE = 32
_EXPECTED = "expected SHA256: and 43 characters of base64, as the server prints it"

# The picture of OpenSSH: how often a cell was visited, then where the walk began and where it ended.
_VISITS = " .o+=*BOX@%&#/^"
_START, _END = "S", "E"
_WIDTH, _HEIGHT = 17, 9

_SEQUENCE, _VERSION = 0x30, 0xA0
_BEFORE_KEY = 5  # serialNumber, signature, issuer, validity, subject


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """``str`` gives the text form: ``SHA256:`` and base64 without padding. ``digest`` has 32 bytes."""

    digest: bytes

    def __str__(self) -> str:
        return _PREFIX + base64.b64encode(self.digest).decode().rstrip("=")

    def matches(self, other: Fingerprint) -> bool:
        """Whether they are the same, in a time that tells nothing of where they differ."""
        return hmac.compare_digest(self.digest, other.digest)

    def picture(self, title: str = "") -> list[str]:
        """Eleven lines of 19 characters that look different for different keys, as ``ssh-keygen -lv`` draws them.

        ``title`` is at most 15 characters for the upper frame.
        """
        rows = [f"|{row}|" for row in _walk(self.digest)]
        return [_frame(title), *rows, _frame("SHA256")]


def parse_fingerprint(text: str) -> Fingerprint:
    """The fingerprint of its text form, blanks and padding let pass. Raises ValueError with a sentence."""
    text = text.strip()
    encoded = text.removeprefix(_PREFIX).rstrip("=")
    try:
        digest = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if encoded == text.rstrip("=") or len(digest) != _SIZE:
        raise ValueError(f"{text!r} is no fingerprint: {_EXPECTED}")
    return Fingerprint(digest)


def fingerprint_of_key(public_key: bytes) -> Fingerprint:
    """Of a SubjectPublicKeyInfo in DER."""
    return Fingerprint(hashlib.sha256(public_key).digest())


def fingerprint_of_certificate(certificate: bytes) -> Fingerprint:
    """Of the key in a certificate (X.509, DER), as ``getpeercert(binary_form=True)`` gives it. Raises ValueError."""
    return fingerprint_of_key(_public_key_of(certificate))


def _public_key_of(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo as it stands in there (RFC 5280, section 4.1)."""
    outer = _element(certificate, 0, _SEQUENCE)
    to_be_signed = _element(certificate, outer[1], _SEQUENCE)
    at = to_be_signed[1]
    if certificate[at : at + 1] == bytes([_VERSION]):
        at = _element(certificate, at)[2]
    for _ in range(_BEFORE_KEY):
        at = _element(certificate, at)[2]
    start, _, end = _element(certificate, at, _SEQUENCE)
    if end > to_be_signed[2]:
        raise ValueError("not a certificate: its key lies outside")
    return certificate[start:end]


def _element(data: bytes, start: int, tag: int | None = None) -> tuple[int, int, int]:
    """Where the DER element at ``start`` begins, where its value begins, and where it ends. Raises ValueError."""
    if start + 2 > len(data) or (tag is not None and data[start] != tag):
        raise ValueError("not a certificate in DER")
    size, value = data[start + 1], start + 2
    if size & 0x80:
        value += size & 0x7F
        size = int.from_bytes(data[start + 2 : value], "big")
    if value + size > len(data):
        raise ValueError("not a certificate in DER: it is cut off")
    return start, value, value + size


def _walk(digest: bytes) -> list[str]:
    """The drunken bishop's way over the floor: two bits a step, the lowest first, never through a wall."""
    visits = [[0] * _WIDTH for _ in range(_HEIGHT)]
    x, y = _WIDTH // 2, _HEIGHT // 2
    for byte in digest:
        for shift in (0, 2, 4, 6):
            step = byte >> shift
            x = min(max(x + (1 if step & 1 else -1), 0), _WIDTH - 1)
            y = min(max(y + (1 if step & 2 else -1), 0), _HEIGHT - 1)
            visits[y][x] += 1
    floor = [[_VISITS[min(count, len(_VISITS) - 1)] for count in row] for row in visits]
    floor[_HEIGHT // 2][_WIDTH // 2] = _START
    floor[y][x] = _END
    return ["".join(row) for row in floor]


def _frame(title: str) -> str:
    return f"+{f'[{title}]' if title else '':-^{_WIDTH}}+"
