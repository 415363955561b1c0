"""Log and count the users who join and leave."""

from __future__ import annotations

import logging

from chat.protocol.notices import LeaveReason
from chat.server.directory.member import Member
from chat.server.limits.address_limits import AddressLimits
from chat.server.process.counters import Counters
from chat.server.process.log_folding import FoldingLog


class PresenceLog:
    """Write a line for each user who joins or leaves.

    Users of one address who join very often get no lines. They are only counted, so that they cannot fill the log.
    """

    def __init__(
        self, address_limits: AddressLimits, refusals: FoldingLog, counters: Counters
    ) -> None:
        self._address_limits = address_limits
        self._refusals = refusals
        self._counters = counters

    def joined(self, member: Member) -> bool:
        """Count ``member`` as joined; return whether the log has a line about them."""
        is_json = member.token is not None
        self._counters.logins[is_json] += 1
        host = member.host
        if not self._address_limits.may_log_join(host):
            self._refusals.log_event_of(f"further users from {host}", "joined and left")
            return False
        values = member.name.display, member.label, "JSON" if is_json else "raw"
        self._refusals.log_event("joined", "%s joined from %s (%s)", *values)
        return True

    def left(self, member: Member, reason: LeaveReason) -> None:
        """Log that ``member`` has left. For members whose ``joined`` returned True."""
        # A warning, since the server itself disconnected the user: the operator may want to raise ``max-backlog``.
        level = logging.WARNING if reason is LeaveReason.TOO_SLOW else logging.INFO
        values = member.name.display, reason.value
        self._refusals.log_event("left", "%s left: %s", *values, level=level)
