"""A refused login: the exception that says why, and the record of all of them in the log and the metrics."""

from __future__ import annotations

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import Refusal
from chat.server.process.counters import Counters
from chat.server.process.log_folding import FoldingLog

_TYPES = {
    Refusal.USERNAME_EXISTS: MessageType.USERNAME_EXISTS,
    Refusal.BAD_USERNAME: MessageType.BAD_USERNAME,
}


class LoginRejected(Exception):
    """The server refuses a login. ``final``: the client gets no further try on the connection."""

    def __init__(self, refusal: Refusal, sentence: str, *, final: bool = False) -> None:
        super().__init__(sentence)
        self.refusal = refusal
        self.sentence = sentence
        self.final = final

    @property
    def type(self) -> MessageType:
        """The type of the answer."""
        return _TYPES.get(self.refusal, MessageType.BAD_LOGIN)


class RefusedLogins:
    """Record logins that failed. ``source`` is where a login came from, as the log names it."""

    def __init__(self, folding_log: FoldingLog, counters: Counters) -> None:
        self._folding_log = folding_log
        self._counters = counters

    def refused(self, source: str, refusal: Refusal) -> None:
        """Log and count a login that was answered with ``refusal``."""
        self._folding_log.refused(source, refusal.value)
        self._counters.refusals[refusal] += 1

    def broken(self, source: str, reason: str) -> None:
        """Log a connection that got no answer; ``reason`` is a phrase without anything that the peer sent."""
        self._folding_log.refused(source, reason)
