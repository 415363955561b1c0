"""A login that fails, as whoever finds out says it."""

from __future__ import annotations

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import Refusal

_TYPES = {
    Refusal.USERNAME_EXISTS: MessageType.USERNAME_EXISTS,
    Refusal.BAD_USERNAME: MessageType.BAD_USERNAME,
}


class LoginRefused(Exception):
    """A try to log in that failed; ``final``: there is not to be another on this connection."""

    def __init__(self, refusal: Refusal, sentence: str, *, final: bool = False) -> None:
        super().__init__(sentence)
        self.refusal = refusal
        self.sentence = sentence
        self.final = final

    @property
    def type(self) -> MessageType:
        return _TYPES.get(self.refusal, MessageType.BAD_LOGIN)
