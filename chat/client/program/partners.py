"""Notice when a name that the user has exchanged private messages with belongs to another account."""

from __future__ import annotations

from collections.abc import Callable

from chat.client.attention.names import folded
from chat.client.connection.events import Attachment, Text
from chat.client.conversation.ui_events import OtherAccount
from chat.client.resuming.events import CatchUpBegan, CatchUpEnded, ResumedEvent
from chat.client.state.memory import Memory


class Partners:
    """The accounts behind the names of private messages. ``memory`` returns the state of the user, which has them."""

    def __init__(self, memory: Callable[[], Memory]) -> None:
        self._memory = memory
        self._shows_context = (
            False  # messages that an earlier run has shown: their accounts may be of before
        )

    def check(self, event: ResumedEvent) -> OtherAccount | None:
        """Return what to tell before ``event`` is shown, or None. Each change is told once."""
        if type(event) is Text and event.to is None:
            return None  # a fast path: most events are texts for everyone
        if isinstance(event, CatchUpBegan | CatchUpEnded):
            self._shows_context = isinstance(event, CatchUpBegan) and event.since is None
        if not isinstance(event, Text | Attachment) or event.to is None:
            return None
        partner = event.to if event.own else event.sender
        name, account, memory = folded(partner), event.account, self._memory()
        before = memory.account(name)
        if account == before or (event.replay and account is None):
            return None  # an earlier message may be older than the marks of accounts
        if event.replay and self._shows_context and before is not None:
            return None
        memory.know(name, account)
        if before is None:
            return None
        return OtherAccount(partner)
