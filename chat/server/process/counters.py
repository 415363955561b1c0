"""Count events since the start of the server, for the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chat.protocol.notices import Refusal


@dataclass(slots=True)
class Counters:
    """Counts of logins, by whether the client uses JSON headers, and of refused logins, by reason."""

    logins: Counter[bool] = field(default_factory=Counter)
    refusals: Counter[Refusal] = field(default_factory=Counter)
