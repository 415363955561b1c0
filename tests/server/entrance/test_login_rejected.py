"""A login that fails: which frame says so."""

from __future__ import annotations

import logging

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import Refusal
from chat.server.entrance.login_rejected import LoginRejected, RefusedLogins
from chat.server.process.counters import Counters
from chat.server.process.log_folding import FoldingLog
from tests.tables import table


@table("refusal", list(Refusal))
def test_two_have_a_type_of_their_own(refusal: Refusal) -> None:
    types = {
        Refusal.USERNAME_EXISTS: MessageType.USERNAME_EXISTS,
        Refusal.BAD_USERNAME: MessageType.BAD_USERNAME,
    }

    refused = LoginRejected(refusal, "A sentence.")

    assert refused.type == types.get(refusal, MessageType.BAD_LOGIN)
    assert (str(refused), refused.final) == ("A sentence.", False)


def test_a_refused_login_is_logged_and_counted_and_a_broken_one_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "chat.server")
    counters = Counters()
    refused_logins = RefusedLogins(FoldingLog(), counters)

    refused_logins.refused("192.0.2.1", Refusal.BANNED)
    refused_logins.broken("the unix socket", "took too long to log in")

    assert caplog.messages == [
        "refused 192.0.2.1: banned",
        "refused the unix socket: took too long to log in",
    ]
    assert counters.refusals == {Refusal.BANNED: 1}
