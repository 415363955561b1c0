"""Plain counts of what has happened since the start, for whoever measures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chat.protocol.notices import Refusal


@dataclass(slots=True)
class Counters:
    """``logins`` are counted by whether the client spoke JSON, ``refusals`` of logins by their reason."""

    logins: Counter[bool] = field(default_factory=Counter)
    refusals: Counter[Refusal] = field(default_factory=Counter)
