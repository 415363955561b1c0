"""Ban, mute and lift as the operator wants it, by an operation in the log: for servers that share one.

There the log decides who is banned, so no other process may change the database.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from chat.server.log.log import Change
from chat.server.log.operations import Operations
from chat.server.moderation.bans import OPERATOR_BAN, Ban, Mute, as_fields, read_fields
from chat.server.moderation.moderation import Moderation

log = logging.getLogger("chat.server")


class OperatorBans:
    """Carry out the operation.

    Its fields are ``add``, an entry as ``as_fields`` has it, or the ``ban`` or ``mute`` that ends: the key of a name,
    or the banned address. Returns the entries that have changed. A refusal is a CommandRefused.
    """

    def __init__(self, operations: Operations, moderation: Moderation) -> None:
        self._moderation = moderation
        operations.add(OPERATOR_BAN, self._carry_out)

    def _carry_out(self, change: Change) -> dict[str, Any]:
        fields = change.fields
        if "add" in fields:
            entries: list[Ban | Mute] = [read_fields(fields["add"])]
            self._moderation.keep(add=entries)
            self._moderation.eject_banned()
        else:
            entries = self._ended(fields)
            if entries:
                self._moderation.keep(remove=entries)
        done = "adds" if "add" in fields else "removes"
        for entry in entries:
            log.info("the operator %s: %s", done, entry.in_words(local=True))
        return {"entries": list(map(as_fields, entries))}

    def _ended(self, fields: Mapping[str, Any]) -> list[Ban | Mute]:
        if "mute" in fields:
            mute = self._moderation.entries.mute_of(fields["mute"])
            return [mute] if mute is not None else []
        return list(self._moderation.entries.about(fields["ban"]))
