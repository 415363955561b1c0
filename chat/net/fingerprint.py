"""Make the fingerprint by which a person recognizes a server: the SHA-256 of its public key.

The digest is that of the SubjectPublicKeyInfo (RFC 7469, section 2.4), so a certificate that is renewed with the same
key keeps the fingerprint.
"""

from __future__ import annotations

import base64
import binascii
import warnings

from chat.structs import Struct

_PREFIX = "SHA256:"
_SIZE = 32
_EXPECTED = "expected SHA256: and 43 characters of base64, as the server prints it"
_EXPECTED_KEY = "expected RSA, an elliptic curve with a name, or Ed25519"

# The picture of OpenSSH: how often a cell was visited, then where the walk began and where it ended.
_VISITS = " .o+=*BOX@%&#/^"
_START, _END = "S", "E"
_WIDTH, _HEIGHT = 17, 9


class Fingerprint(Struct):
    """``str`` gives the text form: ``SHA256:`` and base64 without padding. ``digest`` has 32 bytes."""

    digest: bytes

    def __str__(self) -> str:
        return _PREFIX + base64.b64encode(self.digest).decode().rstrip("=")

    def matches(self, other: Fingerprint) -> bool:
        """Whether they are the same, in a time that tells nothing of where they differ."""
        import hmac  # loads OpenSSL, as hashlib does: only those who check a key need them

        return hmac.compare_digest(self.digest, other.digest)

    def picture(self, title: str = "") -> list[str]:
        """Eleven lines of 19 characters that look different for different keys, as ``ssh-keygen -lv`` draws them.

        ``title`` is at most 15 characters for the upper frame.
        """
        rows = [f"|{row}|" for row in _walk(self.digest)]
        return [_frame(title), *rows, _frame("SHA256")]


def parse_fingerprint(text: str) -> Fingerprint:
    """Return the fingerprint that ``text`` shows; spaces and padding are ignored. Raises ValueError with a sentence."""
    text = text.strip()
    encoded = text.removeprefix(_PREFIX).rstrip("=")
    try:
        digest = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if encoded == text.rstrip("=") or len(digest) != _SIZE:
        raise ValueError(f"{text!r} is not a fingerprint: {_EXPECTED}")
    return Fingerprint(digest)


def fingerprint_of_key(public_key: bytes) -> Fingerprint:
    """Return the fingerprint of a SubjectPublicKeyInfo in DER."""
    import hashlib

    return Fingerprint(hashlib.sha256(public_key).digest())


def fingerprint_of_certificate(certificate: bytes) -> Fingerprint:
    """Of the key in a certificate (X.509, DER), as ``getpeercert(binary_form=True)`` gives it. Raises ValueError."""
    return fingerprint_of_key(_public_key_of(certificate))


def _public_key_of(certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo (RFC 5280, section 4.1) in DER, as it stands in ``certificate``."""
    # Not at the top: this takes 50 ms and 11 MB, and without TLS nobody asks for a certificate's key.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    # The serial number of a stranger's certificate is no reason to write on a user's terminal.
    warnings.filterwarnings("ignore", "Parsed a serial number", UserWarning)
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UnsupportedAlgorithm:
        raise ValueError(f"its key cannot be used: {_EXPECTED_KEY}") from None
    except (ValueError, x509.InvalidVersion):
        raise ValueError("not a certificate in DER") from None
    # The library writes the key anew. Where a key can be written in two ways (RSA-PSS, a curve without its name), the
    # fingerprint would be another than that of the bytes that the server shows.
    if encoded not in certificate:
        raise ValueError(f"its key is written in an unusual way: {_EXPECTED_KEY}")
    return encoded


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
