"""The proof of a secret: good for one side of one connection with one certificate."""

from __future__ import annotations

import pytest

from chat.server.peers.links.proof import (
    Exchange,
    LinkRole,
    is_proof,
    new_challenge,
    prove,
    read_challenge,
)

SECRET = b"s" * 32
EXCHANGE = Exchange(b"a" * 32, b"b" * 32, b"c" * 32)


def test_a_proof_is_one_for_the_same_secret_and_connection() -> None:
    proof = prove(SECRET, LinkRole.CALLER, EXCHANGE)
    assert is_proof(proof, SECRET, LinkRole.CALLER, EXCHANGE)


@pytest.mark.parametrize(
    ("secret", "role", "exchange"),
    [
        (b"t" * 32, LinkRole.CALLER, EXCHANGE),
        (SECRET, LinkRole.LISTENER, EXCHANGE),
        (SECRET, LinkRole.CALLER, EXCHANGE._replace(of_listener=b"x" * 32)),
        (SECRET, LinkRole.CALLER, EXCHANGE._replace(of_caller=b"x" * 32)),
        (SECRET, LinkRole.CALLER, EXCHANGE._replace(certificate=b"x" * 32)),
    ],
)
def test_it_is_none_for_anything_else(secret: bytes, role: LinkRole, exchange: Exchange) -> None:
    proof = prove(SECRET, LinkRole.CALLER, EXCHANGE)
    assert not is_proof(proof, secret, role, exchange)


@pytest.mark.parametrize("given", [None, 7, "", "é", [], "00" * 32])
def test_other_values_are_no_proof(given: object) -> None:
    assert not is_proof(given, SECRET, LinkRole.CALLER, EXCHANGE)


def test_a_challenge_is_new_each_time_and_can_be_read() -> None:
    challenge = new_challenge()
    assert challenge != new_challenge()
    assert read_challenge(challenge.hex()) == challenge


@pytest.mark.parametrize("given", [None, 7, "", "zz" * 32, "00" * 31, "00" * 33])
def test_other_values_are_no_challenge(given: object) -> None:
    assert read_challenge(given) is None
