from __future__ import annotations

import threading

from chat.client.connection.receipts import NONCE_BYTES, Receipt, Status
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import MessageType
from chat.protocol.headers import NONCE


def receipt(nonce: str | None = None, text: str = "hi") -> Receipt:
    return Receipt(threading.Event(), MessageType.UTF8, text=text, nonce=nonce)


def test_a_receipt_waits_for_its_status() -> None:
    sent = receipt()
    assert sent.wait(0.01) is Status.WAITING
    threading.Timer(0.01, sent.settle, [Status.ACCEPTED]).start()
    assert sent.wait(30) is Status.ACCEPTED


def test_the_first_answer_counts() -> None:
    sent = receipt()
    sent.settle(Status.REFUSED, "gone", "It is gone.")
    sent.settle(Status.LOST)
    assert (sent.status, sent.code, sent.refusal) == (Status.REFUSED, "gone", "It is gone.")


def test_it_says_what_it_is_for() -> None:
    assert repr(receipt()) == "<Receipt UTF8 'hi' waiting>"


def test_what_it_says_of_a_command_has_no_password_in_it() -> None:
    command = Command(Verb.PASSWD.value, password="old", new_password="new")
    sent = Receipt(threading.Event(), MessageType.UTF8, command=command)
    assert repr(sent) == "<Receipt UTF8 <Command 'passwd' None> waiting>"


def test_every_message_has_a_nonce_of_96_random_bits() -> None:
    nonces = {receipt().nonce for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(NONCE.fullmatch(nonce) for nonce in nonces)
    assert NONCE_BYTES * 8 >= 96
    # Nothing in them counts up or stays the same: each of the 16 places has many characters.
    assert all(len({nonce[place] for nonce in nonces}) > 32 for place in range(16))
