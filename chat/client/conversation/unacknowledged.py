"""The user's requests as messages of the queue, which outlives the connection over which a message was first sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from chat.client.attention.doubts import Doubts
from chat.client.conversation.requests import AskServer, DropLine, Say, SayAgain, SendFile
from chat.client.conversation.transfer_list import Transfer
from chat.client.conversation.ui_events import Done, Doubted, DoubtSettled, Failed, Frontend, Tag
from chat.client.resuming.events import LineRestored, PerhapsSaid
from chat.client.resuming.outgoing_queue import QueuedMessage
from chat.client.resuming.resumer import Resumer
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.state.unanswered_line import UnansweredLine
from chat.protocol.descriptor import MessageType

# Characters of a line by which a pipe names it.
_MAX_NAMED = 200


class Outgoing(QueuedMessage):
    """A request in the queue. It is also its receipt, on every connection over which it is sent."""

    def __init__(
        self, request: Say | SendFile | AskServer, tag: Tag = None, *, nonce: str | None = None
    ) -> None:
        kind = request.kind if isinstance(request, SendFile) else MessageType.UTF8
        is_command = isinstance(request, AskServer)
        super().__init__(
            GEVENT.event(),
            kind,
            text=request.text if isinstance(request, Say) else None,
            to=None if isinstance(request, AskServer) else request.to,
            nonce=nonce,
        )
        self.room = None if isinstance(request, AskServer) else request.room
        self.request = request
        self.transfer: Transfer | None = None  # of a file that goes over a connection of its own
        self.tag = tag
        # If the answer to a command is lost, the server may have executed it. Repeating it could surprise the user.
        self.is_sent_again = not is_command

    @property
    def is_upload(self) -> bool:
        return self.transfer is not None


def restored(line: UnansweredLine) -> Outgoing:
    """Return a line that an earlier run of the client left as a message; its tag is its nonce."""
    message = Outgoing(Say(line.text, line.to, line.room), line.nonce, nonce=line.nonce)
    message.sent_at = line.sent_at
    return message


class DoubtfulLines:
    """The lines that were perhaps said, and what the user decides about them.

    ``say`` says a request under a tag. Unless the user ``decides`` (a pipe can't), a line is forgotten once it has been
    shown.
    """

    def __init__(
        self,
        doubts: Doubts,
        frontend: Frontend,
        resumer: Resumer,
        say: Callable[[Say, Tag], object],
        *,
        decides: bool,
    ) -> None:
        self._doubts = doubts
        self._frontend = frontend
        self._resumer = resumer
        self._say = say
        self._decides = decides

    def doubt(self, line: UnansweredLine, reason: str, tag: Tag = None) -> None:
        """Show that nobody can find out whether ``line`` was said; from now on only the user can say it again."""
        if self._decides:
            self._frontend.show(Doubted(line, reason, self._doubts.add(line), tag))
            return
        text = line.text if len(line.text) <= _MAX_NAMED else f"{line.text[:_MAX_NAMED]}…"
        sentence = f"Perhaps said, so not said again: {text!r}. {reason}"
        self._frontend.show(Failed("perhaps-said", sentence, tag))
        self._resumer.drop(line.nonce)

    def restore(self, doubt: PerhapsSaid) -> None:
        """Show a doubt that an earlier run of the client left, unless it is known."""
        nonce = doubt.line.nonce
        if nonce in self._resumer.perhaps and self._doubts.number_of(nonce) is None:
            self.doubt(doubt.line, doubt.reason, doubt.tag)

    def settle(self, nonce: str, outcome: str = "found") -> UnansweredLine | None:
        """End the doubt about the line with this nonce, and show its outcome; return the line if there was a doubt."""
        number = self._doubts.number_of(nonce)
        if number is None:
            return None
        line = self._doubts.take(number)
        assert line is not None
        self._frontend.show(DoubtSettled(number, line, outcome))
        return line

    def say_again(self, request: SayAgain, tag: Tag) -> None:
        """Say lines again, as new ones. Raises NoSuchDoubt."""
        for nonce in self._doubts.meant(request.number, request.nonce):
            line = self.settle(nonce, "said-again")
            if line is not None:
                self._resumer.drop(nonce)
                self._frontend.show(LineRestored(line._replace(sent_at=datetime.now(timezone.utc))))
                self._say(Say(line.text, line.to, line.room), nonce)
        self._tell_done(tag)

    def drop(self, request: DropLine, tag: Tag) -> None:
        """Forget lines. Raises NoSuchDoubt."""
        for nonce in self._doubts.meant(request.number, request.nonce):
            self.settle(nonce, "dropped")
            self._resumer.drop(nonce)
        self._tell_done(tag)

    def _tell_done(self, tag: Tag) -> None:
        if tag is not None:  # only programs give tags
            self._frontend.show(Done(tag))
