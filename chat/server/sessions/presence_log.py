"""Log lines and counts of users who join and leave."""

from __future__ import annotations

import logging

from chat.protocol.notices import LeaveReason
from chat.server.directory.member import Member
from chat.server.limits.newcomers import Newcomers
from chat.server.process.folding import FoldingLog
from chat.server.process.tally import Tally


class PresenceLog:
    """An address that joins very often gets no more lines, but counts, so that it cannot fill the log."""

    def __init__(self, newcomers: Newcomers, refusals: FoldingLog, tally: Tally) -> None:
        self._newcomers = newcomers
        self._refusals = refusals
        self._tally = tally

    def joined(self, member: Member) -> bool:
        """Note that ``member`` has joined; return whether there was a line for it."""
        is_json = member.token is not None
        self._tally.logins[is_json] += 1
        host = member.host
        if not self._newcomers.is_worth_a_line(host):
            self._refusals.noted(f"not in the log from {host}", "joined and left")
            return False
        told = member.name.display, member.label, "JSON" if is_json else "raw"
        self._refusals.happened("joined", "%s joined from %s (%s)", *told)
        return True

    def left(self, member: Member, reason: LeaveReason) -> None:
        """Write that ``member`` has left: for a member whose joining had a line."""
        level = logging.WARNING if reason is LeaveReason.TOO_SLOW else logging.INFO
        told = member.name.display, reason.value
        self._refusals.happened("left", "%s left: %s", *told, level=level)
