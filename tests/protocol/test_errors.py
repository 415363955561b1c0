"""Whose fault it is can be told by the class alone."""

from __future__ import annotations

import pytest

from chat import framing
from chat.protocol import errors


@pytest.mark.parametrize(
    "kind",
    [
        errors.HeaderError,
        errors.UserNameError,
        framing.IncompleteFrame,
        framing.StalledFrame,
        framing.DeadlineExceeded,
    ],
)
def test_the_peers_faults_are_not_ours(kind: type[Exception]) -> None:
    assert issubclass(kind, errors.RemoteProtocolError)
    assert not issubclass(kind, errors.LocalProtocolError)


def test_both_sides_have_one_root() -> None:
    assert issubclass(errors.LocalProtocolError, errors.ProtocolError)
    assert issubclass(errors.RemoteProtocolError, errors.ProtocolError)
    assert not issubclass(errors.LocalProtocolError, errors.RemoteProtocolError)
