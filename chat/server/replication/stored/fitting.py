"""Check that the two files of a data directory belong together."""

from __future__ import annotations

from collections.abc import Mapping

from chat.server.history.stored import GUEST, LogName
from chat.server.replication.faults import CannotFollow
from chat.server.replication.stored.place import SharedState

_WHAT_TO_DO = (
    "end this by `chat-server cluster leave`, or empty the data directory, which then takes a copy"
)


def require_fitting_history(state: SharedState, epoch: str, heads: Mapping[LogName, int]) -> None:
    """Raise CannotFollow if a history with ``epoch`` and the last numbers ``heads`` does not belong to ``state``.

    It has at least what was said before the place: see ``StateWriter``. The numbers of a guest are in no history.
    """
    if epoch != state.place.epoch:
        raise CannotFollow(
            "the history is of another epoch than the cluster, as a copy that was put there: "
            + _WHAT_TO_DO
        )
    known = {name: head for name, head in state.heads.items() if name.kind != GUEST}
    if any(head > heads.get(name, 0) for name, head in known.items()):
        raise CannotFollow(
            "the history lacks messages that were said before, as an older copy that was put there: "
            + _WHAT_TO_DO
        )
