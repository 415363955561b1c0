"""A device comes back while messages of its former session wait for the log: they do not count any more."""

from __future__ import annotations

from chat.protocol.descriptor import MessageType
from tests.server.fakes import wait_until
from tests.server.log.test_late_log import is_silent, late_chat_server, log_of
from tests.server.server_in_test import TestServer

__all__ = ["late_chat_server"]


def test_a_device_that_comes_back_hears_of_nothing_that_was_said_before_after_its_login(
    late_chat_server: TestServer,
) -> None:
    bob = late_chat_server.join("bob")
    log, device = log_of(late_chat_server), "laptop" * 4
    login = {"to": "alice", "device": device}
    former = late_chat_server.connect()
    assert former.try_login(login).type == MessageType.LOGIN
    bob.expect_joined("alice")
    former.say("committed in time", nonce="1")
    wait_until(lambda: log.waiting, "the text to be appended")
    log.commit()
    bob.expect_text("committed in time", "alice")
    former.say("too late", nonce="2")
    former.say("for bob", to="bob", nonce="3")
    wait_until(lambda: len(log.waiting) == 2, "the texts to be appended")

    alice = late_chat_server.connect()
    assert alice.try_login(login).type == MessageType.LOGIN
    alice.expect(MessageType.LOGIN)
    # From here on the client may say again what has no answer.
    alice.say("too late", nonce="2")
    wait_until(lambda: len(log.waiting) == 3, "the text to be appended")
    log.commit()

    for guest in (alice, bob):
        guest.expect_text("too late", "alice", nonce="2", seq=2)
        guest.name = {alice: "alice", bob: "bob"}[guest]
        assert is_silent(late_chat_server, guest)
    codes = [frame.header.get("notice") for frame in former.read_to_end()[-1:]]
    assert codes == ["replaced"], "the former session hears of no message that did not count"
