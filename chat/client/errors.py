"""The exceptions of the client. The text of each is one sentence for the user.

::

    ChatError
      ConnectError        the client can't reach the server, or the peer is no chat server
        NotEncrypted      the server does not encrypt, and the client must not send anything in plain
        UntrustedServer   the server can't prove its identity
      LoginRefused        the server refused the login
      ConnectionLost      the connection broke after the login
        Dismissed         the server ended the connection on purpose: a moderator's act, or a newer login
      QueryRefused        the server can't answer a query, or does not do what a method asked for
      NotSent             the client refused to send the message, and sent no part of it
        NotSupported      the server is an original one, or lacks a feature
      SaveFailed          a content could not be written to the disk
      TransferFailed      an upload or a download failed
        TransferCancelled the caller cancelled the transfer
"""

from __future__ import annotations


class ChatError(Exception):
    """The base class of all errors of the client. Never raised itself."""


class ConnectError(ChatError):
    """The client can't reach the server, or the peer is no chat server."""


class NotEncrypted(ConnectError):
    """The server does not encrypt, and the client must not send anything in plain."""


class UntrustedServer(ConnectError):
    """The server can't prove its identity. The client has not sent the login.

    The text has several lines if the server's key has changed.
    """


class LoginRefused(ChatError):
    """The server refused the login.

    ``code`` is a value of ``chat.protocol.notices.Refusal``. A newer server may send other codes.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class ConnectionLost(ChatError):
    """The connection broke. Messages without an answer may or may not have arrived."""


class Dismissed(ConnectionLost):
    """The server ended the connection on purpose, and gave the reason.

    ``code`` is ``moderated`` after a kick or a ban, and ``replaced`` if the user logged in from another place. Do not
    reconnect by yourself: two clients of one user would replace each other for ever.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class QueryRefused(ChatError):
    """The server can't answer a query of earlier messages, or does not do what a method asked for, such as ``join``.

    ``code`` is a value of ``chat.protocol.notices.NoticeCode``, such as ``no-history`` or ``not-invited``.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class NotSent(ChatError):
    """The client refused to send the message: too large, empty, unreadable. No part of it was sent.

    The connection goes on.
    """


class NotSupported(NotSent):
    """The server is an original one, or lacks a feature that the call needs."""


class SaveFailed(ChatError):
    """A content could not be written to the disk. The connection goes on."""


class TransferFailed(ChatError):
    """An upload or a download failed. The connection goes on."""


class TransferCancelled(TransferFailed):
    """The caller cancelled the transfer."""


def explain(error: Exception) -> str:
    """Return the reason of an error of the system or of the protocol, as a sentence."""
    reason = str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."
