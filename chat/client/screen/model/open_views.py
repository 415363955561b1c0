"""Hold the open views, and what the user looks at: rooms first, then the conversations with single users."""

from __future__ import annotations

from collections.abc import Iterator

from chat.client.attention.attention import Attention
from chat.client.attention.names import folded
from chat.client.attention.notify import NotifyMode
from chat.client.attention.read_marks import ReadUpTo
from chat.client.connection.session.known_rooms import LOBBY
from chat.client.screen.model.entries import peer_of
from chat.client.screen.model.people import People
from chat.client.screen.model.rooms import Membership, ShownRoom
from chat.client.screen.model.search import Search
from chat.client.screen.model.views import Page, View
from chat.client.state.places import LogKey, is_default_room, room_log


class OpenViews:
    """Hold ``views``: the default room, the other rooms, and the private conversations.

    ``default`` is the view of the default room, which is always there; the server calls it ``default_name``.
    ``notify_modes`` are how loud rooms are, as far as the user has chosen. ``current`` is the conversation that the
    input goes to. A ``page`` stands in place of its log until it is closed. ``bare`` are the lines of the bare view
    while it is shown; new messages do not change them, so that a selection in the terminal stays. ``search`` is under
    way, or was the last one.
    """

    def __init__(self, attention: Attention) -> None:
        self.attention = attention
        self.default_room = ShownRoom()
        self.default_name = LOBBY
        self.notify_modes: dict[LogKey, NotifyMode] = {}
        self.default = View(room=self.default_room)
        self.views = [self.default]
        self.current = self.default
        self.page: Page | None = None
        self.bare: tuple[str, ...] | None = None
        self.search: Search | None = None
        self._recent = [self.default]  # the views, the one that was shown last first
        self._private: dict[str, View] = {}  # by the folded name of the other user
        self._rooms: dict[LogKey, View] = {}  # without the default one
        self._has_focus = True
        self._update_attention()
        attention.read_marks.look = self._read_marks

    # --- The views

    @property
    def rooms(self) -> Iterator[View]:
        """Return the views of rooms, the default one first."""
        yield self.default
        yield from self._rooms.values()

    @property
    def has_rooms(self) -> bool:
        """Return whether there is a room beside the default one."""
        return bool(self._rooms)

    @property
    def private_views(self) -> int:
        """Return how many private conversations have a view."""
        return len(self._private)

    @property
    def people(self) -> People:
        """Return the users in the room that is shown; beside a private conversation, those in the default room."""
        return (self.current.room or self.default_room).people

    @property
    def count_here(self) -> int | None:
        """Return how many users are where ``people`` are; None if nobody knows."""
        return (self.current.room or self.default_room).count

    def room_view(self, name: str | None) -> View | None:
        """Return the view of the room ``name`` (None: the default room); None if it has no view."""
        return self.default if name is None else self._rooms.get(room_log(name))

    def find_room(self, name: str) -> View | None:
        """Return the view of the room that a user calls ``name``; None if it has no view."""
        return self.default if is_default_room(name, self.default_name) else self.room_view(name)

    def log_view(self, log: LogKey) -> View:
        """Return the view of the room with this log; private messages have lines about them in the default room's."""
        return self._rooms.get(log, self.default)

    def view_with(self, peer: str | None, room: str | None = None) -> View:
        """Return the view for private messages with ``peer``, or without a peer for the messages of ``room``.

        Private messages without a view stand in the default room's. A room without a view gets one.
        """
        if peer is not None:
            return self._private.get(folded(peer), self.default)
        return self.default if room is None else self.open_room(room)

    def open_room(self, name: str, membership: Membership = Membership.INSIDE) -> View:
        """Return the view of the room ``name``; a new one stands behind those of the other rooms, and is not shown."""
        key = room_log(name)
        view = self._rooms.get(key)
        if view is None:
            room = ShownRoom(name, membership)
            room.notify = self.notify_modes.get(key, room.notify)
            view = View(room=room)
            self.views.insert(len(self._rooms) + 1, view)
            self._rooms[key] = view
            self._recent.append(view)
            self._update_attention()
        return view

    def set_notify(self, log: LogKey, mode: NotifyMode) -> None:
        """Make the room with this log so loud, now and whenever it is opened."""
        self.notify_modes[log] = mode
        room = self.log_view(log).room
        if room is not None and room_log(room.name) == log:
            room.notify = mode

    def query(self, name: str) -> View:
        """Show the private conversation with ``name``, with the earlier messages."""
        view = self.open_view(name)
        self.show(view)
        return view

    def open_view(self, name: str) -> View:
        """Return the private conversation with ``name``, with the earlier messages, without showing it."""
        key = folded(name)
        if key not in self._private:
            view = View(self.default_room.people.spelling(name))
            for entry in self.default.entries:
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
        """Close the view of a user, or of a room that the user has left. Return False if it can't be closed now.

        New messages of the user go to the default room's log again.
        """
        if view is self.default or view.pending:
            return False
        if view.room is not None and view.room.is_inside:
            return False
        self.views.remove(view)
        self._recent.remove(view)
        if view.peer is not None:
            del self._private[folded(view.peer)]
        elif view.room is not None and view.room.name is not None:
            del self._rooms[room_log(view.room.name)]
        if self.current is view:
            self.switch(1)
        return True

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

    def close_page(self) -> bool:
        """Show the log again. Return False if no page is shown."""
        if self.page is None:
            return False
        if self.search is not None and self.search.at is self.page:
            self.search = None
        self.page = None
        self._update_attention()
        return True

    def show_bare(self, lines: tuple[str, ...] | None) -> None:
        """Show the bare view with these lines; None ends it."""
        self.bare = lines
        self._update_attention()

    def show(self, view: View) -> None:
        """Show one of the open views."""
        self.close_page()
        self.current = view
        self._recent.remove(view)
        self._recent.insert(0, view)
        self._update_attention()

    def switch(self, number: int) -> bool:
        """Show the view ``number``, counted from 1. Return False if there is none."""
        if not 1 <= number <= len(self.views):
            return False
        self.show(self.views[number - 1])
        return True

    def step(self, by: int) -> None:
        """Show the view so many places further down the list; the first follows the last."""
        self.show(self.views[(self.views.index(self.current) + by) % len(self.views)])

    def next_unread(self) -> bool:
        """Show the next view with unread messages, preferably messages for the user. Return False if there is none."""
        unread = [view for view in self.views if view.badge.unread and view is not self.shown]
        if not unread:
            return False
        self.show(next((view for view in unread if view.badge.calls), unread[0]))
        return True

    def _read_marks(self) -> Iterator[ReadUpTo]:
        """Return up to where the user has read each log that is on the screen."""
        for view in self.views:
            if view.is_read:
                yield from view.newest.values()

    def _update_attention(self) -> None:
        is_looking = self._has_focus and self.bare is None
        for view in self.views:
            is_shown = is_looking and view is self.shown
            # Read, although nobody may have looked for marks meanwhile.
            if view.is_read and not is_shown:
                for mark in view.newest.values():
                    self.attention.read_marks.note(mark)
            view.show(is_shown)
