"""Knowing a server again: the fingerprint of its key, as text and as a picture."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import ssl
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from chat.net.fingerprint import (
    Fingerprint,
    fingerprint_of_certificate,
    fingerprint_of_key,
    parse_fingerprint,
)

ROOT = Path(__file__).resolve().parent.parent.parent

# Made by ``openssl req -x509``; its fingerprint by ``openssl x509 -pubkey``, ``openssl pkey``, ``openssl dgst``.
CERTIFICATE = base64.b64decode(
    "MIIBbDCCAROgAwIBAgIUUolMT5iPtcxSvpYsUb4pzZujcKMwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBeDAeFw0yNjExMjQxMjA0"
    "MjFaFw0zNTAyMTAxMjA0MjFaMAwxCjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQSKIQkBLjZPGlSk61QTw30"
    "8MfspI82GrKbllpDLB6xHzzxm5zAsU/m1k+u5AHBJtHkFBvipsAlxnaJXFWS1P21o1MwUTAdBgNVHQ4EFgQUEex311RvSYT49tM+"
    "hRMG6xgp6LkwHwYDVR0jBBgwFoAUEex311RvSYT49tM+hRMG6xgp6LkwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBE"
    "AiATFMXytZxBa6w3HMQvtDMBR26hoDRzipqDf8dbcEAbTgIgYclUvqPtVrdiSNOOdNJv7/QPHWUt8BZtzdo/QW3iyfQ="
)
TEXT = "SHA256:EtLACwLCgd0COcvBFAB0520TXGgZJqMlzfozFt8Wrw0"

# Pictures that ``ssh-keygen -lv`` drew for two keys that it made.
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


def certificate_of(directory: Path, *options: str) -> bytes:
    """A certificate (DER) that OpenSSL makes for a new key; the public key alone is in ``directory``."""
    key, certificate, public = (directory / name for name in ("key", "certificate", "public"))
    commands: list[list[str | Path]] = [
        ["req", "-x509", "-nodes", "-subj", "/CN=x", "-keyout", key, "-out", certificate, *options],
        ["pkey", "-in", key, "-pubout", "-outform", "DER", "-out", public],
    ]
    for command in commands:
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


@pytest.mark.parametrize(
    "kind",
    [
        "rsa:2048",
        "ec -pkeyopt ec_paramgen_curve:P-256",
        "ec -pkeyopt ec_paramgen_curve:P-521",
        "ed25519",
        "ed448",
        "ed25519 -set_serial 0",
    ],
)
def test_it_is_what_openssl_makes_of_the_key(tmp_path: Path, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fingerprint = fingerprint_of_certificate(certificate_of(tmp_path, "-newkey", *kind.split()))

    der = (tmp_path / "public").read_bytes()
    assert fingerprint.digest == hashlib.sha256(der).digest()
    assert fingerprint == fingerprint_of_key(der)


@pytest.mark.parametrize(
    "kind", ["rsa-pss", "ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit"]
)
def test_a_key_that_can_be_written_in_two_ways_has_none(tmp_path: Path, kind: str) -> None:
    certificate = certificate_of(tmp_path, "-newkey", *kind.split())

    with pytest.raises(
        ValueError, match=r"its key .*: expected RSA, an elliptic curve with a name"
    ):
        fingerprint_of_certificate(certificate)


def test_a_certificate_that_is_cut_off_is_none() -> None:
    for size in range(len(CERTIFICATE)):
        with pytest.raises(ValueError, match="not a certificate"):
            fingerprint_of_certificate(CERTIFICATE[:size])


@pytest.mark.parametrize("version", [1, 3, 5])
def test_a_certificate_of_an_unknown_version_is_none(version: int) -> None:
    # OpenSSL reads it, so a server may show it.
    found = CERTIFICATE.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01%c" % version)
    assert found != CERTIFICATE
    with pytest.raises(ValueError, match="not a certificate"):
        fingerprint_of_certificate(found)


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
    with pytest.raises(ValueError, match="is not a fingerprint: expected SHA256:"):
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


WITHOUT_TLS = """
import sys
from chat.net.address import Address
from chat.client import connect
from chat.client.runtime.gevent_runtime import GEVENT
from chat.server.composition import Composition
from chat.server.settings import Settings

server = Composition(Settings(address=Address(path="socket"))).server
server.start()
with connect("unix:socket", "alice", known_hosts="known", runtime=GEVENT):
    print(*sys.modules)
server.stop()
"""


def test_a_server_and_a_client_without_tls_do_not_load_what_reads_certificates(
    tmp_path: Path,
) -> None:
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_TLS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert not said.returncode, said.stderr
    assert {"chat.server.room.service", "chat.client.trust.connector"} <= {*said.stdout.split()}
    assert "cryptography" not in said.stdout.split()
