"""Log and count the users who join and leave."""

from __future__ import annotations

import logging

from chat.protocol.notices import LeaveReason
from chat.server.directory.member import Member
from chat.server.limits.address_limits import AddressLimits
from chat.server.process.counters import Counters
from chat.server.process.log_folding import FoldingLog


class PresenceLog:
    """Write a line for each session that joins or leaves. A registered user may have several.

    Users of one address who join very often get no lines. They are only counted, so that they cannot fill the log.
    """

    def __init__(
        self,
        address_limits: AddressLimits,
        refusals: FoldingLog,
        counters: Counters,
    ) -> None:
        self._address_limits = address_limits
        self._refusals = refusals
        self._counters = counters

    def joined(self, member: Member, sessions: int) -> bool:
        """Count ``member`` as joined; return whether the log has a line about them.

        ``sessions`` is the number of sessions that the user has now.
        """
        is_json = member.token is not None
        self._counters.logins[is_json] += 1
        host = member.host
        if not self._address_limits.may_log_join(host):
            self._refusals.log_event_of(f"further users from {host}", "joined and left")
            return False
        kind = "JSON" if is_json else "raw"
        if sessions > 1:
            kind += f", {sessions} sessions now"
        values = member.name.display, member.label, kind
        self._refusals.log_event("joined", "%s joined from %s (%s)", *values)
        return True

    def left(self, member: Member, reason: LeaveReason, sessions: int, *, is_logged: bool) -> None:
        """Note that ``member`` has left, and that the user has so many ``sessions`` left.

        ``is_logged`` is what ``joined`` returned: whether the log has a line about this member.
        """
        if not is_logged:
            return
        # A warning, since the server itself disconnected the user: the operator may want to raise ``max-backlog``.
        level = logging.WARNING if reason is LeaveReason.TOO_SLOW else logging.INFO
        rest = f" ({sessions} sessions left)" if sessions else ""
        values = member.name.display, reason.value, rest
        self._refusals.log_event("left", "%s left: %s%s", *values, level=level)
