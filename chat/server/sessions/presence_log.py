"""Log lines and counts of users who join and leave."""

from __future__ import annotations

import logging

from chat.protocol.notices import LeaveReason
from chat.server.directory.member import Member
from chat.server.limits.address_limits import AddressLimits
from chat.server.process.counters import Counters
from chat.server.process.log_folding import FoldingLog


class PresenceLog:
    """An address that joins very often gets no more lines, but counts, so that it cannot fill the log."""

    def __init__(
        self, address_limits: AddressLimits, refusals: FoldingLog, counters: Counters
    ) -> None:
        self._address_limits = address_limits
        self._refusals = refusals
        self._counters = counters

    def joined(self, member: Member) -> bool:
        """Note that ``member`` has joined; return whether there was a line for it."""
        is_json = member.token is not None
        self._counters.logins[is_json] += 1
        host = member.host
        if not self._address_limits.may_log_join(host):
            self._refusals.log_event_of(f"not in the log from {host}", "joined and left")
            return False
        told = member.name.display, member.label, "JSON" if is_json else "raw"
        self._refusals.log_event("joined", "%s joined from %s (%s)", *told)
        return True

    def left(self, member: Member, reason: LeaveReason) -> None:
        """Write that ``member`` has left: for a member whose joining had a line."""
        level = logging.WARNING if reason is LeaveReason.TOO_SLOW else logging.INFO
        told = member.name.display, reason.value
        self._refusals.log_event("left", "%s left: %s", *told, level=level)
