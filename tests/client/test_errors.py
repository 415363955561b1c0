from __future__ import annotations

import errno
import os

import pytest

from chat.client.errors import (
    ChatError,
    ConnectError,
    ConnectionLost,
    Dismissed,
    LoginRefused,
    NotSent,
    NotSupported,
    SaveFailed,
    TransferCancelled,
    TransferFailed,
    explain,
)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)), "Connection reset by peer."),
        (ValueError("The stream broke"), "The stream broke."),
        (ValueError("It ended inside a frame."), "It ended inside a frame."),
        (ValueError("Really?"), "Really?"),
        (EOFError(), "EOFError."),
    ],
)
def test_explains_in_one_sentence(error: Exception, sentence: str) -> None:
    assert explain(error) == sentence


@pytest.mark.parametrize(
    "kind", [ConnectError, ConnectionLost, NotSent, SaveFailed, TransferFailed]
)
def test_one_handler_takes_them_all(kind: type[ChatError]) -> None:
    with pytest.raises(ChatError, match=r"^It did not work\.$"):
        raise kind("It did not work.")


def test_what_this_side_refuses_and_what_was_stopped_are_told_by_the_wider_kind_too() -> None:
    assert issubclass(NotSupported, NotSent)
    assert issubclass(TransferCancelled, TransferFailed)


def test_a_dismissed_user_has_lost_the_connection() -> None:
    with pytest.raises(ConnectionLost, match=r"^You were kicked by eve\.$") as caught:
        raise Dismissed("moderated", "You were kicked by eve.")
    assert isinstance(caught.value, Dismissed)
    assert caught.value.code == "moderated"


def test_a_refused_login_has_a_code_for_programs_and_a_sentence_for_people() -> None:
    refused = LoginRefused("username-exists", "This name is already in use.")
    assert refused.code == "username-exists"
    assert str(refused) == "This name is already in use."
