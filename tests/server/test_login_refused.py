"""A login that fails: which frame says so."""

from __future__ import annotations

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import Refusal
from chat.server.login_refused import LoginRefused


@pytest.mark.parametrize("refusal", list(Refusal))
def test_two_have_a_type_of_their_own(refusal: Refusal) -> None:
    types = {
        Refusal.USERNAME_EXISTS: MessageType.USERNAME_EXISTS,
        Refusal.BAD_USERNAME: MessageType.BAD_USERNAME,
    }

    refused = LoginRefused(refusal, "A sentence.")

    assert refused.type == types.get(refusal, MessageType.BAD_LOGIN)
    assert (str(refused), refused.final) == ("A sentence.", False)
