"""Report a refused login to its client by an exception, and to the operator in the log and the metrics."""

from __future__ import annotations

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import Refusal
from chat.server.process.counters import Counters
from chat.server.process.log_folding import FoldingLog

# The codes that have a frame type of their own in the original protocol. All others are a BadLogin.
_TYPES = {
    Refusal.USERNAME_EXISTS: MessageType.USERNAME_EXISTS,
    Refusal.BAD_USERNAME: MessageType.BAD_USERNAME,
}


class LoginRejected(Exception):
    """Report that the server refuses a login; ``final``: the client gets no further try on the connection."""

    def __init__(self, refusal: Refusal, sentence: str, *, final: bool = False) -> None:
        super().__init__(sentence)
        self.refusal = refusal
        self.sentence = sentence
        self.final = final

    @property
    def type(self) -> MessageType:
        """The type of the frame that answers the login."""
        return _TYPES.get(self.refusal, MessageType.BAD_LOGIN)


class RefusedLogins:
    """Log and count logins that failed. ``source`` is the name of the connection in the log."""

    def __init__(self, folding_log: FoldingLog, counters: Counters) -> None:
        self._folding_log = folding_log
        self._counters = counters

    def refused(self, source: str, refusal: Refusal) -> None:
        """Log and count a login that was answered with ``refusal``."""
        self._folding_log.refused(source, refusal.value)
        self._counters.refusals[refusal] += 1

    def broken(self, source: str, reason: str) -> None:
        """Log a connection that got no answer; ``reason`` is a phrase without any byte of the peer."""
        self._folding_log.refused(source, reason)
