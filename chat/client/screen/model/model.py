"""Hold everything that the screen shows, as plain objects: the logs, the drafts, and who looks at what.

The model knows no terminal and no clock: moments are arguments. ``intake`` puts in the events of the connection,
``layout`` draws.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from chat.client.answers.listings import ListedRoom
from chat.client.attention.attention import Attention
from chat.client.attention.highlights import Highlights
from chat.client.attention.names import folded
from chat.client.conversation.transfer_list import Transfer
from chat.client.conversation.ui_events import Tag
from chat.client.screen.model.entries import Entry, Pending, Remark, Said, Shared, Unsent
from chat.client.screen.model.open_views import OpenViews
from chat.client.screen.model.rates import Rates
from chat.client.screen.model.rooms import NOT_INSIDE, room_sign
from chat.client.screen.model.switcher import Destination, Switcher
from chat.client.screen.model.views import Draft, View
from chat.client.screen.text.spans import Row
from chat.client.screen.text.styles import DIM, ERROR
from chat.client.state.places import LogKey, room_log
from chat.protocol.descriptor import MessageType

# Pictures that are kept. An older picture is dropped; its line stays.
MAX_PICTURES = 50
# Entries from the newest back that are searched for a speaker, or for a shared file.
_RECENT = 5000
# Commands whose lines are kept until their results are known: a server that never answers must not fill the memory.
_MAX_ASKED = 1000
# What the client calls the default room as long as there is no other one.
ONLY_ROOM = "room"
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


class Model(OpenViews):
    """Hold the state of one run.

    ``address`` is the address of the room. ``is_online``: there is a connection. Without one, the next try is in
    ``retry_in`` seconds; with ``is_dismissed`` there is no next try until the user asks for one. ``lag`` is for how
    many seconds the server has owed an answer, 0.0 for none. ``unconfirmed`` is for how many seconds the server has
    been alive and could not confirm messages; None: it can. ``tick`` updates these three. ``is_changing``: the
    connection was lost, and the client goes to another server.

    ``encrypted`` is whether the connection is, None while there is none. ``is_named``: the server has granted
    ``username``; until then it is only what the user asks for. ``running`` are the transfers under way, by number.
    ``epoch`` is that of the numbers of messages, None if the server gives none or has not told it yet. ``can_search``:
    the server finds messages.
    ``shows_sidebar``: the open views are listed beside the log if there is room; None: from the first further room on.
    ``shows_raw``: texts are shown without the styles of their markup.
    ``attention`` is what the user wants to see. ``leaves_if_cleared`` is whether Ctrl-C, pressed now, leaves.
    """

    def __init__(self, address: str, username: str, *, attention: Attention | None = None) -> None:
        super().__init__(attention or Attention())
        self.address = address
        self.encrypted: bool | None = None
        self.is_named = False
        self.is_online = False
        self.is_dismissed = False
        self.retry_in: float | None = None
        self.lag = 0.0
        self.epoch: str | None = None
        self.can_search = False
        self.unconfirmed: float | None = None
        self.is_changing = False
        self.now: datetime | None = None
        self.running: dict[int, Transfer] = {}
        self.rates = Rates()
        self.question: Question | None = None
        self.candidates: Candidates | None = None
        self.switcher: Switcher | None = None
        # The names of rooms that the user is not in, as far as known.
        self.other_rooms: dict[LogKey, str] = {}
        self.shows_names = False
        self.shows_sidebar: bool | None = None
        self.shows_raw = False
        self.shows_title = True
        self.leaves_if_cleared = False
        self.rename(username)
        self._pictures: deque[Shared] = deque()
        # Views of rooms that the user wants to enter, by the tags of the requests.
        self.entering: dict[Tag, View] = {}
        self._asked: OrderedDict[Tag, str] = OrderedDict()

    def rename(self, username: str) -> None:
        """Set the user's own name."""
        self.username = username
        self.attention.rename(username)

    @property
    def mentions(self) -> Highlights:
        """Return what finds the user's name, and their highlight words, in texts."""
        return self.attention.highlights

    @property
    def wants_sidebar(self) -> bool:
        """Return whether the open views are listed beside the log, if there is room."""
        return self.has_rooms if self.shows_sidebar is None else self.shows_sidebar

    @property
    def changes_by_itself(self) -> bool:
        """Whether what is shown changes with the time alone."""
        is_waiting = bool(self.lag) or self.unconfirmed is not None
        return bool(self.running) or is_waiting or not self.is_online

    def tick(self, now: datetime) -> None:
        """Measure the transfers, and count down. Call it a few times a second while either goes on."""
        step = (now - self.now).total_seconds() if self.now is not None else 0.0
        # After a longer time the program was stopped (SIGSTOP, a suspended laptop), or the clock was set.
        if 0 < step <= _LONGEST_STEP:
            # None (no next try) and 0.0 (no lag) stay as they are.
            self.retry_in = self.retry_in and max(self.retry_in - step, 0.0)
            self.lag = self.lag and self.lag + step
            self.unconfirmed = None if self.unconfirmed is None else self.unconfirmed + step
        self.now = now
        self.rates.look(self.running.values(), now)

    # --- What is said

    def say(
        self, tag: Tag, text: str, to: str | None, now: datetime, room: str | None = None
    ) -> None:
        """Add a text that is being sent; its result is reported under ``tag``."""
        self.view_with(to, room).await_echo(Pending(now, tag, self.username, text, to))

    def share(
        self,
        tag: Tag,
        filename: str,
        kind: MessageType,
        to: str | None,
        now: datetime,
        room: str | None = None,
    ) -> None:
        """Add a file, an image or a voice message that is being sent; its result is reported under ``tag``."""
        self.view_with(to, room).await_echo(Pending(now, tag, self.username, filename, to, kind))

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

    # --- Where the user may go

    def destinations(self) -> list[Destination]:
        """Return where the user may go.

        First the other views, the one that was shown last first; then rooms that the user is not in, and people without
        a view.
        """
        places = [self._destination(view) for view in self._recent if view is not self.current]
        rooms = (name for name in self.other_rooms.values() if self.room_view(name) is None)
        people = (name for name in self.speakers() if folded(name) not in self._private)
        return [
            *places,
            *(Destination(name, sign=NOT_INSIDE, is_room=True) for name in rooms),
            *(Destination(name, sign=self.sign_of(name)) for name in people),
        ]

    def _destination(self, view: View) -> Destination:
        number = self.views.index(view) + 1
        return Destination(self.name_of(view), view, number, self.sign_of_view(view))

    def name_of(self, view: View) -> str:
        """Return the name of a view: of its room, or of the other user."""
        return view.peer or view.room_name or (self.default_name if self.has_rooms else ONLY_ROOM)

    def sign_of(self, name: str) -> str:
        """Return the sign of a moderator or a registered user; a blank for a guest."""
        return self.default_room.people.sign_of(name)

    def sign_of_view(self, view: View) -> str:
        """Return the sign of a view: of the kind of its room, or of its user."""
        if view.room is None:
            return self.sign_of(view.peer or "")
        # The only room needs no sign.
        return room_sign(view.room) if self.has_rooms else " "

    def go(self, destination: Destination) -> None:
        """Show a view, or open one with a user. A room that the user is not in must be joined first."""
        if destination.view in self.views:
            self.show(destination.view)
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
        room = self.current.room
        found = () if room is None or room.people.are_complete else room.found
        names.update(known := [name for name in self.people.in_order() if name not in names])
        yield from known
        yield from (name for name in found if name not in names)

    def know_rooms(self, rooms: Iterable[ListedRoom]) -> None:
        """Take what a list of the server tells about rooms."""
        for listed in rooms:
            view = self.find_room(listed.name)
            if view is None:
                self.other_rooms[room_log(listed.name)] = listed.name
            elif view.room is not None and view.room.name is not None:
                view.room.kind = listed.kind

    def known_rooms(self) -> Iterator[str]:
        """Return the rooms for completion: those with a view, and those that the user may join."""
        shown = [view.room.name for view in self.rooms if view.room is not None and view.room.name]
        yield from shown
        yield from (name for name in self.other_rooms.values() if name not in shown)


def _sender_of(entry: Entry) -> str | None:
    return entry.sender if isinstance(entry, Said | Shared) else None
