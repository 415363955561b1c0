"""Knowing a server again: the fingerprint of its key, as text and as a picture."""

from __future__ import annotations

import base64
import contextlib

import pytest

from chat.fingerprint import (
    Fingerprint,
    fingerprint_of_certificate,
    fingerprint_of_key,
    parse_fingerprint,
)

# Made by ``openssl req -x509``; its fingerprint by ``openssl x509 -pubkey``, ``openssl pkey``, ``openssl dgst``.
CERTIFICATE = base64.b64decode(
    "MIIBbDCCAROgAwIBAgIUUolMT5iPtcxSvpYsUb4pzZujcKMwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBeDAeFw0yNjExMjQxMjA0"
    "MjFaFw0zNTAyMTAxMjA0MjFaMAwxCjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQSKIQkBLjZPGlSk61QTw30"
    "8MfspI82GrKbllpDLB6xHzzxm5zAsU/m1k+u5AHBJtHkFBvipsAlxnaJXFWS1P21o1MwUTAdBgNVHQ4EFgQUEex311RvSYT49tM+"
    "hRMG6xgp6LkwHwYDVR0jBBgwFoAUEex311RvSYT49tM+hRMG6xgp6LkwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBE"
    "AiATFMXytZxBa6w3HMQvtDMBR26hoDRzipqDf8dbcEAbTgIgYclUvqPtVrdiSNOOdNJv7/QPHWUt8BZtzdo/QW3iyfQ="
)
TEXT = "SHA256:EtLACwLCgd0COcvBFAB0520TXGgZJqMlzfozFt8Wrw0"

# What ``ssh-keygen -lv`` drew for two keys of its own.
DRAWN = {
    "SHA256:a4qWmmbUt924cIwFCEpBOP7qKlBrns+RdKOh+fxuX7Y": """\
+--[ED25519 256]--+
|o+o              |
|+. . .           |
|o.  . .          |
| ..    .         |
| ..oo o S        |
|. +=.=.= .       |
|.++.+ooo=oo      |
|..==ooo=oo..     |
|=+o+*++.o.E      |
+----[SHA256]-----+""",
    "SHA256:rqH7v0x7WliphtzAc26dIvoRuzf/Xo2tfw56LGj8wHg": """\
+---[ECDSA 256]---+
|                 |
|                 |
|                 |
|     .     .     |
|      = S o      |
|     . @ B .   + |
|      B %.E. .+ o|
|     o @o==..ooo.|
|    ++=o*B.+=o.o+|
+----[SHA256]-----+""",
}


def test_it_is_of_the_key_in_the_certificate() -> None:
    assert str(fingerprint_of_certificate(CERTIFICATE)) == TEXT


def test_it_is_the_same_for_another_certificate_of_the_same_key() -> None:
    x509 = pytest.importorskip("cryptography.x509")
    encodings = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = x509.load_der_x509_certificate(CERTIFICATE).public_key()
    der = key.public_bytes(encodings.Encoding.DER, encodings.PublicFormat.SubjectPublicKeyInfo)

    assert str(fingerprint_of_key(der)) == TEXT


def test_a_certificate_that_is_cut_off_is_none() -> None:
    for size in range(len(CERTIFICATE)):
        with pytest.raises(ValueError, match="not a certificate"):
            fingerprint_of_certificate(CERTIFICATE[:size])


def test_a_certificate_that_is_broken_is_none_or_another() -> None:
    for at in range(len(CERTIFICATE)):
        broken = bytearray(CERTIFICATE)
        broken[at] ^= 0xFF
        with contextlib.suppress(ValueError):
            assert isinstance(fingerprint_of_certificate(bytes(broken)), Fingerprint)


@pytest.mark.parametrize("text", [TEXT, f" {TEXT}\n", f"{TEXT}="])
def test_its_text_can_be_read_back(text: str) -> None:
    assert str(parse_fingerprint(text)) == TEXT


@pytest.mark.parametrize(
    "text",
    ["", "SHA256:", TEXT[:-1], f"{TEXT}A", TEXT.removeprefix("SHA256:"), TEXT.replace("E", "é")],
)
def test_what_is_none_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="is no fingerprint: expected SHA256:"):
        parse_fingerprint(text)


def test_one_bit_makes_it_another() -> None:
    known = parse_fingerprint(TEXT)
    other = Fingerprint(bytes([known.digest[0] ^ 1]) + known.digest[1:])

    assert known.matches(fingerprint_of_certificate(CERTIFICATE))
    assert not known.matches(other)
    assert known.picture() != other.picture()


@pytest.mark.parametrize("text", DRAWN)
def test_its_picture_is_drawn_as_ssh_draws_it(text: str) -> None:
    drawn = DRAWN[text]
    title = drawn.partition("[")[2].partition("]")[0]

    assert parse_fingerprint(text).picture(title) == drawn.splitlines()


def test_a_picture_without_a_title() -> None:
    assert parse_fingerprint(TEXT).picture()[0] == "+-----------------+"
