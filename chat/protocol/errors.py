"""Errors that say whose fault it is.

``RemoteProtocolError``: the peer broke the protocol, or used it in a way that is refused; its text is a plain
sentence that may be shown to a person. ``LocalProtocolError``: the program on this side asked for something that
cannot be put on the wire. Any other exception out of ``chat.protocol`` is a bug in it.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """What both kinds have in common; never raised itself."""


class LocalProtocolError(ProtocolError):
    """We tried to send what the protocol cannot carry."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol does not allow."""


class HeaderError(RemoteProtocolError):
    """A header that is not what its frame needs: not UTF-8, broken JSON, values of a wrong kind.

    ``nonce`` is that of the header, if it was good enough to have one: the refusal is still an answer to it.
    ``is_command``: it asks the server to do something, if it is good enough to tell.
    """

    nonce: str | None = None
    is_command: bool = False


class UserNameError(RemoteProtocolError):
    """A user name against the rules of ``chat.protocol.names``."""
