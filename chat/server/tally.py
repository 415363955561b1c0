"""Plain counts of what has happened since the start, for whoever measures; counted by the batch, never by delivery."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chat.protocol.descriptor import MessageType
from chat.protocol.notices import Refusal


@dataclass(slots=True)
class Tally:
    """``messages`` and the bytes of their contents, ``received``, are by type; ``logins`` by whether it was in JSON."""

    messages: Counter[MessageType] = field(default_factory=Counter)
    received: Counter[MessageType] = field(default_factory=Counter)
    logins: Counter[bool] = field(default_factory=Counter)
    refusals: Counter[Refusal] = field(default_factory=Counter)

    def said(self, type: MessageType, messages: int, size: int) -> None:
        """So many ``messages`` were said, with contents of ``size`` bytes in all."""
        self.messages[type] += messages
        self.received[type] += size
