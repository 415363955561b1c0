"""The faults of a server in a cluster. A server alone imports them too, so they need no redis-py."""

from __future__ import annotations


class CannotFollow(Exception):
    """Report that this server cannot take part in its cluster. The text is one line for the operator.

    ``needs_operator``: a later start fails as well, unless the operator changes something.
    """

    def __init__(self, reason: str, *, needs_operator: bool = False) -> None:
        super().__init__(reason)
        self.needs_operator = needs_operator
