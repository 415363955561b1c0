"""Define the errors of the protocol, by whose fault they are.

``RemoteProtocolError``: the peer broke the protocol, or used it in a way that is refused. Its text is a plain sentence
that a user may see. ``LocalProtocolError``: the program on this side tried to send what the protocol cannot carry. Any
other exception out of ``chat.protocol`` is a bug in this package.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """Base class of both kinds; never raised itself."""


class LocalProtocolError(ProtocolError):
    """Report that this program tried to send what the protocol cannot carry."""


class RemoteProtocolError(ProtocolError):
    """Report that the peer sent what the protocol does not allow."""


class HeaderError(RemoteProtocolError):
    """Report an invalid header: not UTF-8, broken JSON, or a value of a wrong kind.

    ``nonce`` is the nonce of the header, if that could be read: the refusal is still an answer to it. ``is_command``:
    the header has the key ``command``.
    """

    nonce: str | None = None
    is_command: bool = False


class UserNameError(RemoteProtocolError):
    """Report a user name against the rules of ``chat.protocol.names``."""
