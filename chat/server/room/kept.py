"""Have the messages of a room kept, and show the last ones again to users who join."""

from __future__ import annotations

from chat.protocol.runs import Run
from chat.server.directory.member import Member
from chat.server.history.stored import DEFAULT_ROOM, GUEST, LogName, Recorder, StoredRun
from chat.server.room.replay import LastMessages, Recent, Shown, Wishes


class KeptMessages:
    """Hand the messages of a room to ``recorder``, and hold the last ones in memory.

    ``seconds`` is how long messages are kept; None: without a limit.
    """

    def __init__(self, recorder: Recorder, seconds: float | None) -> None:
        self.recent = Recent()
        self._recorder = recorder
        self._seconds = seconds

    def keep(
        self,
        name: LogName,
        first: int,
        sender: Member,
        run: Run,
        timestamp: str,
        to: str | None = None,
        filename: str | None = None,
        offer_id: str | None = None,
    ) -> None:
        """Keep a run that has its numbers in the log ``name``. ``to`` is the recipient's name, None for everyone.

        Guests' private messages and large contents are not kept.
        """
        if name.kind == GUEST:
            return
        stored = StoredRun(
            name,
            first,
            timestamp,
            sender.name.display,
            to,
            sender.author,
            run.type,
            run.nonces,
            run.contents,
            filename,
            run.size,
        )
        self._recorder.keep(stored)
        if to is None:
            self.recent.append(Shown(stored, offer_id))

    def last_number(self, name: LogName) -> int:
        """Return the last number that was given in the log ``name``; 0 for none, or for one that is not kept."""
        return self._recorder.state(name).head if name.kind != GUEST else 0

    def last_messages(self, member: Member, count: int) -> LastMessages:
        """Return the frames of the last ``count`` messages of the room for ``member``, at most one page."""
        # A client that logged in without JSON knows no replay, and would save each file again.
        return self.recent.last(count, Wishes(member.send_queue.inline, member.token is None))

    def facts(self, member: Member, here: int) -> dict[str, object]:
        """Return what the welcome tells ``member`` about history; ``here`` is the number of members of the room."""
        facts: dict[str, object] = {
            "history": True,
            "epoch": self._recorder.epoch,
            "keep": self._seconds,
            "account": member.registered,
            "rooms": {DEFAULT_ROOM.key: {**self._facts_about(DEFAULT_ROOM), "here": here}},
        }
        if member.mailbox.kind != GUEST:
            facts["private"] = self._facts_about(member.mailbox)
        return facts

    def _facts_about(self, name: LogName) -> dict[str, object]:
        state = self._recorder.state(name)
        return {
            "seq": state.head,
            "time": state.time,
            "oldest": state.oldest,
            "lost": [list(hole) for hole in state.lost],
        }
