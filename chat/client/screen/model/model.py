"""Hold everything that the screen shows, as plain objects: the logs, the drafts, and who looks at what.

The model knows no terminal and no clock: moments are arguments. ``intake`` puts in the events of the connection,
``layout`` draws.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from chat.client.attention.attention import Attention
from chat.client.attention.highlights import Highlights
from chat.client.attention.names import folded
from chat.client.attention.read_marks import ReadUpTo
from chat.client.conversation.transfer_list import Transfer
from chat.client.conversation.ui_events import Tag
from chat.client.screen.model.entries import Entry, Pending, Remark, Said, Shared, Unsent, peer_of
from chat.client.screen.model.people import People
from chat.client.screen.model.rates import Rates
from chat.client.screen.model.search import Search
from chat.client.screen.model.switcher import Destination, Switcher
from chat.client.screen.model.views import Draft, Page, View
from chat.client.screen.text.spans import Row
from chat.client.screen.text.styles import DIM, ERROR
from chat.protocol.descriptor import MessageType

# Pictures that are kept. An older picture is dropped; its line stays.
MAX_PICTURES = 50
# Entries from the newest back that are searched for a speaker, or for a shared file.
_RECENT = 5000
# Commands whose lines are kept until their results are known: a server that never answers must not fill the memory.
_MAX_ASKED = 1000
# A longer time between two calls of ``tick`` does not count as time that passed.
_LONGEST_STEP = 5.0


class Question(NamedTuple):
    """Stand in the input area in place of the draft until it is answered: a search, another name, yes or no."""

    prompt: str
    answer: Draft = Draft()


class Candidates(NamedTuple):
    """List what Tab may put into the draft; ``chosen`` is the index of what stands there, or None."""

    labels: tuple[str, ...]
    chosen: int | None = None


class Model:
    """Hold the state of one run.

    ``address`` is the address of the room. ``is_online``: there is a connection. Without one, the next try is in
    ``retry_in`` seconds; with ``is_dismissed`` there is no next try until the user asks for one. ``lag`` is for how
    many seconds the server has owed an answer, 0.0 for none. ``tick`` updates ``retry_in`` and ``lag``.
    ``is_unconfirmed``: the server is alive, and has not confirmed the user's messages yet.

    ``current`` is the conversation that the input goes to. A ``page`` stands in place of its log until it is closed.
    ``bare`` are the lines of the bare view while it is shown; new messages do not change them, so that a selection in
    the terminal stays.
    ``encrypted`` is whether the connection is, None while there is none. ``is_named``: the server has granted
    ``username``; until then it is only what the user asks for. ``running`` are the transfers under way, by number.
    ``epoch`` is that of the numbers of messages, None if the server gives none or has not told it yet. ``can_search``:
    the server finds messages.
    ``shows_raw``: texts are shown without the styles of their markup.
    ``attention`` is what the user wants to see. ``leaves_if_cleared`` is whether Ctrl-C, pressed now, leaves.
    """

    def __init__(self, address: str, username: str, *, attention: Attention | None = None) -> None:
        self.attention = attention or Attention()
        self.address = address
        self.encrypted: bool | None = None
        self.is_named = False
        self.is_online = False
        self.is_dismissed = False
        self.retry_in: float | None = None
        self.lag = 0.0
        self.epoch: str | None = None
        self.can_search = False
        self.is_unconfirmed = False
        self.now: datetime | None = None
        self.people = People()
        self.room = View()
        self.views = [self.room]
        self.current = self.room
        self._recent = [self.room]  # the views, the one that was shown last first
        self.page: Page | None = None
        self.bare: tuple[str, ...] | None = None
        self.running: dict[int, Transfer] = {}
        self.rates = Rates()
        self.search: Search | None = None
        self.question: Question | None = None
        self.candidates: Candidates | None = None
        self.switcher: Switcher | None = None
        self.shows_names = False
        self.shows_raw = False
        self.shows_title = True
        self.leaves_if_cleared = False
        self.rename(username)
        self._has_focus = True
        self._private: dict[str, View] = {}
        self._pictures: deque[Shared] = deque()
        self._asked: OrderedDict[Tag, str] = OrderedDict()
        self._update_attention()
        self.attention.read_marks.look = self._read_marks

    def rename(self, username: str) -> None:
        """Set the user's own name."""
        self.username = username
        self.attention.rename(username)

    @property
    def mentions(self) -> Highlights:
        """Return what finds the user's name, and their highlight words, in texts."""
        return self.attention.highlights

    def tick(self, now: datetime) -> None:
        """Measure the transfers, and count down. Call it a few times a second while either goes on."""
        step = (now - self.now).total_seconds() if self.now is not None else 0.0
        # After a longer time the program was stopped (SIGSTOP, a suspended laptop), or the clock was set.
        if 0 < step <= _LONGEST_STEP:
            # None (no next try) and 0.0 (no lag) stay as they are.
            self.retry_in = self.retry_in and max(self.retry_in - step, 0.0)
            self.lag = self.lag and self.lag + step
        self.now = now
        self.rates.look(self.running.values(), now)

    # --- What is said

    def say(self, tag: Tag, text: str, to: str | None, now: datetime) -> None:
        """Add a text that is being sent; its result is reported under ``tag``."""
        self.view_with(to).await_echo(Pending(now, tag, self.username, text, to))

    def share(
        self, tag: Tag, filename: str, kind: MessageType, to: str | None, now: datetime
    ) -> None:
        """Add a file, an image or a voice message that is being sent; its result is reported under ``tag``."""
        self.view_with(to).await_echo(Pending(now, tag, self.username, filename, to, kind))

    def await_result(self, tag: Tag, line: str) -> None:
        """Remember the ``line`` of a command; its result is reported under ``tag``."""
        self._asked[tag] = line
        if len(self._asked) > _MAX_ASKED:
            self._asked.popitem(last=False)

    def command_of(self, tag: Tag) -> str | None:
        """Return the line of the command that waits for its result under ``tag``, and forget it."""
        return self._asked.pop(tag, None)

    def refuse(self, now: datetime, line: str, problem: str) -> None:
        """Show a command that was not executed, and why, in the current view."""
        first, _, further = line.strip().partition("\n")
        self.remark(now, f"{first} …" if further else first, f"not done: {problem}", style=ERROR)

    def pending(self, tag: Tag) -> Pending | None:
        """Return the message that waits for an answer under ``tag``."""
        waiting = (pending for view in self.views for pending in view.pending)
        return next((pending for pending in waiting if pending.tag == tag), None)

    def settle(self, tag: Tag, problem: str | None = None) -> bool:
        """Remove the message that waits under ``tag``, because it was answered. Return False if none waits.

        With a ``problem`` the message stays in the log, marked as not sent.
        """
        if tag is None:
            return False
        for view in self.views:
            pending = view.pop_pending(tag)
            if pending is not None:
                if problem is not None:
                    view.append(Unsent(pending, problem))
                return True
        return False

    def lose_pending(self, problem: str) -> None:
        """Mark all pending messages as not sent: no answer will come."""
        for view in self.views:
            # A copy, because settle removes from the list.
            for pending in view.pending[:]:
                self.settle(pending.tag, problem)

    def remark(self, now: datetime, *lines: str, style: str = DIM) -> None:
        """Add a remark for the user to the current view."""
        self.current.append(Remark(now, lines, style))

    def set_picture(self, shared: Shared, rows: tuple[Row, ...]) -> None:
        """Show the image of ``shared``; ``rows`` are spans in ``Colours``."""
        shared.picture = rows
        self._pictures.append(shared)
        if len(self._pictures) > MAX_PICTURES:
            self._pictures.popleft().picture = ()

    def shared_by(self, transfer: Transfer) -> Shared | None:
        """Return the entry of ``transfer``, unless it is too far back."""
        for view in self.views:
            for entry in islice(reversed(view.entries), _RECENT):
                if isinstance(entry, Shared) and entry.transfer is transfer:
                    return entry
        return None

    # --- What the user looks at

    def focus(self, has_focus: bool) -> None:
        """Record that the terminal got or lost the focus."""
        self._has_focus = has_focus
        self._update_attention()

    @property
    def has_focus(self) -> bool:
        """Return whether the terminal has the focus; True if it does not report it."""
        return self._has_focus

    @property
    def shown(self) -> View:
        """Return what stands on the screen: the page, or the log of the current view."""
        return self.current if self.page is None else self.page

    def open_page(self, page: Page) -> None:
        """Show a page in place of the log."""
        self.close_page()
        self.page = page
        self._update_attention()

    def show_bare(self, lines: tuple[str, ...] | None) -> None:
        """Show the bare view with these lines; None ends it."""
        self.bare = lines
        self._update_attention()

    def close_page(self) -> bool:
        """Show the log again. Return False if no page is shown."""
        if self.page is None:
            return False
        if self.search is not None and self.search.at is self.page:
            self.search = None
        self.page = None
        self._update_attention()
        return True

    def switch(self, number: int) -> bool:
        """Show the view ``number``, counted from 1. Return False if there is none."""
        if not 1 <= number <= len(self.views):
            return False
        self.close_page()
        self.current = self.views[number - 1]
        self._recent.remove(self.current)
        self._recent.insert(0, self.current)
        self._update_attention()
        return True

    def next_unread(self) -> bool:
        """Show the next view with unread messages, preferably messages for the user. Return False if there is none."""
        unread = [view for view in self.views if view.unread and view is not self.shown]
        if not unread:
            return False
        chosen = next((view for view in unread if view.calls), unread[0])
        return self.switch(self.views.index(chosen) + 1)

    def view_with(self, peer: str | None) -> View:
        """Return the view for private messages with ``peer`` (None: public messages): the peer's own, or the room's."""
        return self.room if peer is None else self._private.get(folded(peer), self.room)

    def query(self, name: str) -> View:
        """Show the private conversation with ``name``, with the earlier messages."""
        view = self.open_view(name)
        self.switch(self.views.index(view) + 1)
        return view

    def open_view(self, name: str) -> View:
        """Return the private conversation with ``name``, with the earlier messages, without showing it."""
        key = folded(name)
        if key not in self._private:
            view = View(self.people.spelling(name))
            for entry in self.room.entries:
                peer = peer_of(entry)
                if peer is not None and folded(peer) == key:
                    # The user has seen it in the room's log.
                    view.append(entry, is_new=False)
            self._private[key] = view
            self.views.append(view)
            self._recent.append(view)
            self._update_attention()
        return self._private[key]

    def close(self, view: View) -> bool:
        """Close a private view; new messages go to the room's log again. Return False if it can't be closed now."""
        if view.peer is None or view.pending:
            return False
        self.views.remove(view)
        self._recent.remove(view)
        del self._private[folded(view.peer)]
        if self.current is view:
            self.switch(1)
        return True

    def destinations(self) -> list[Destination]:
        """Return where the user may go: the other views, the one that was shown last first, and people without one."""
        places = [
            Destination(view.peer or "room", view, self.views.index(view) + 1)
            for view in self._recent
            if view is not self.current
        ]
        sign = self.people.sign_of
        people = (name for name in self.speakers() if folded(name) not in self._private)
        return places + [Destination(name, sign=sign(name)) for name in people]

    def go(self, destination: Destination) -> None:
        """Show a view, or open one with a user."""
        if destination.view in self.views:
            self.switch(self.views.index(destination.view) + 1)
        else:
            self.query(destination.name)

    def speakers(self) -> Iterator[str]:
        """Return the other users here for completion, the most recent speaker first."""
        names = {self.username}
        for entry in islice(reversed(self.current.entries), _RECENT):
            name = _sender_of(entry)
            if name is not None and name not in names:
                names.add(name)
                yield name
        yield from (name for name in self.people.in_order() if name not in names)

    def _read_marks(self) -> Iterator[ReadUpTo]:
        """Return up to where the user has read each log that is on the screen."""
        for view in self.views:
            if view.is_read:
                yield from view.newest.values()

    def _update_attention(self) -> None:
        is_looking = self._has_focus and self.bare is None
        for view in self.views:
            is_shown = is_looking and view is self.shown
            if (
                view.is_read and not is_shown
            ):  # read, although nobody may have looked for marks meanwhile
                for mark in view.newest.values():
                    self.attention.read_marks.note(mark)
            view.show(is_shown)


def _sender_of(entry: Entry) -> str | None:
    return entry.sender if isinstance(entry, Said | Shared) else None
