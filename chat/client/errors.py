"""What can go wrong for a client. The text of each is one sentence that may be shown to a person.

::

    ChatError
      ConnectError        the server can't be reached, or what answers there is no chat server
        NotEncrypted      it does not encrypt, and without that nothing is to be said there
        UntrustedServer   it can't show that it is the server it is taken for
      LoginRefused        the server does not let this user in
      ConnectionLost      it worked, and then the connection ended without our wish
        Dismissed         by the server's: we were told to leave, or have come in from elsewhere
      NotSent             refused on this side; nothing of it was sent
        NotSupported      the server is the original, or lacks what this needs
      SaveFailed          a content could not be written to the save directory
      TransferFailed      an upload or a download did not come to its end
        TransferCancelled because it was asked to stop
"""

from __future__ import annotations


class ChatError(Exception):
    """What all of them have in common; never raised itself."""


class ConnectError(ChatError):
    """The server can't be reached, or what answers there is no chat server."""


class NotEncrypted(ConnectError):
    """The server does not encrypt, and without that nothing is to be said there."""


class UntrustedServer(ConnectError):
    """The server can't show that it is the one it is taken for. Nothing was said to it.

    The text has several lines if a key has changed.
    """


class LoginRefused(ChatError):
    """The server does not let this user in.

    ``code`` is a value of ``chat.protocol.notices.Refusal``, or another if the server is newer than we are.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class ConnectionLost(ChatError):
    """The connection ended without our wish; what was not answered by then may or may not have arrived."""


class Dismissed(ConnectionLost):
    """The server ended the connection on purpose, and said why: a moderator had us leave (code ``moderated``), or we
    have come in from elsewhere (``replaced``). To come back at once would be rude, or a quarrel with ourselves.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class NotSent(ChatError):
    """Refused on this side: too large, empty, unreadable. Nothing of it was sent; the connection goes on."""


class NotSupported(NotSent):
    """The server is the original one, or lacks what this needs."""


class SaveFailed(ChatError):
    """A content could not be written to the save directory; the connection goes on."""


class TransferFailed(ChatError):
    """An upload or a download did not come to its end; the connection goes on."""


class TransferCancelled(TransferFailed):
    """It was asked to stop."""


def explain(error: Exception) -> str:
    """What broke a connection, or kept a file from being read or written: a sentence."""
    reason = str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."
