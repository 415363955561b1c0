from __future__ import annotations

import threading

from chat.client.receipts import Fate, Ledger, Receipt
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import MessageType


def receipt(nonce: str | None = None, text: str = "hi") -> Receipt:
    return Receipt(threading.Event(), MessageType.UTF8, text=text, nonce=nonce)


def test_a_receipt_waits_for_its_fate() -> None:
    sent = receipt()
    assert sent.wait(0.01) is Fate.WAITING
    threading.Timer(0.01, sent.settle, [Fate.ACCEPTED]).start()
    assert sent.wait(5) is Fate.ACCEPTED


def test_the_first_answer_counts() -> None:
    sent = receipt()
    sent.settle(Fate.REFUSED, "gone", "It is gone.")
    sent.settle(Fate.LOST)
    assert (sent.fate, sent.code, sent.refusal) == (Fate.REFUSED, "gone", "It is gone.")


def test_it_says_what_it_is_for() -> None:
    assert repr(receipt()) == "<Receipt UTF8 'hi' waiting>"


def test_what_it_says_of_a_command_has_no_password_in_it() -> None:
    command = Command(Verb.PASSWD.value, password="old", new_password="new")
    sent = Receipt(threading.Event(), MessageType.UTF8, command=command)
    assert repr(sent) == "<Receipt UTF8 <Command 'passwd' None> waiting>"


def test_nonces_are_told_apart_from_those_of_other_connections() -> None:
    one, other = Ledger(uses_nonces=True), Ledger(uses_nonces=True)
    nonces = {ledger.next_nonce() for ledger in (one, other) for _ in range(100)}
    assert len(nonces) == 200


def test_raw_clients_have_none() -> None:
    assert Ledger(uses_nonces=False).next_nonce() is None


def test_by_nonce_in_any_order() -> None:
    ledger = Ledger(uses_nonces=True)
    first, second = receipt("a"), receipt("b")
    ledger.expect(first)
    ledger.expect(second)
    assert ledger.unanswered() == [first, second]
    assert ledger.take("b") is second
    assert ledger.take("b") is None
    assert ledger.take(None) is None, "an answer without a nonce is none of ours"
    assert ledger.unanswered() == [first]


def test_without_nonces_the_oldest_is_meant() -> None:
    ledger = Ledger(uses_nonces=False)
    first, second = receipt(), receipt()
    ledger.expect(first)
    ledger.expect(second)
    assert ledger.take(None) is first
    assert ledger.take(None) is second
    assert ledger.take(None) is None


def test_what_could_not_be_sent_is_not_expected() -> None:
    for ledger, sent in (
        (Ledger(uses_nonces=True), receipt("a")),
        (Ledger(uses_nonces=False), receipt()),
    ):
        ledger.expect(sent)
        ledger.forget(sent)
        ledger.forget(sent)
        assert ledger.unanswered() == []


def test_an_upload_has_its_echo_but_is_answered_elsewhere() -> None:
    ledger = Ledger(uses_nonces=True)
    upload = receipt("u")
    ledger.expect_upload(upload)
    assert ledger.unanswered() == []
    assert ledger.take("u") is upload


def test_losing_the_connection_settles_what_waits_and_keeps_it_known() -> None:
    ledger = Ledger(uses_nonces=True)
    answered, waiting = receipt("a"), receipt("b")
    ledger.expect(answered)
    ledger.expect(waiting)
    assert ledger.take("a") is answered
    answered.settle(Fate.ACCEPTED)
    ledger.lose()
    assert ledger.unanswered() == [waiting]
    assert waiting.fate is Fate.LOST
    assert answered.fate is Fate.ACCEPTED
