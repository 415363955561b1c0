"""Ask for new keys in TLS 1.3, which Python's ssl cannot do: a record made from the secrets that a key log tells."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

# The cipher suite is OpenSSL's first choice: TLS_AES_256_GCM_SHA384.
_KEY_SIZE, _NONCE_SIZE, _TAG_SIZE = 32, 12, 16
_APPLICATION_DATA, _HANDSHAKE = 0x17, 0x16  # types of records (RFC 8446, section 5.1)
_UPDATE_REQUESTED = (
    b"\x18\x00\x00\x01\x01"  # a KeyUpdate that wants one back (RFC 8446, section 4.6.3)
)


def key_update(key_log: Path, sender: str, records_before: int) -> bytes:
    """Return a record of ``sender`` (CLIENT or SERVER), who has sent so many records since the handshake."""
    lines = [line.split() for line in key_log.read_text().splitlines()]
    secret = next(
        bytes.fromhex(line[2]) for line in lines if line[0] == f"{sender}_TRAFFIC_SECRET_0"
    )
    key, fixed = _expand(secret, b"key", _KEY_SIZE), _expand(secret, b"iv", _NONCE_SIZE)
    nonce = (int.from_bytes(fixed, "big") ^ records_before).to_bytes(_NONCE_SIZE, "big")
    plaintext = _UPDATE_REQUESTED + bytes([_HANDSHAKE])
    size = len(plaintext) + _TAG_SIZE
    head = bytes([_APPLICATION_DATA, 3, 3]) + size.to_bytes(2, "big")
    return head + AESGCM(key).encrypt(nonce, plaintext, head)


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446, section 7.1)."""
    name = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\x00"
    return HKDFExpand(SHA384(), size, info).derive(secret)
