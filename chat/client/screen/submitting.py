"""Carry out the lines that the user submits: each is for the view that it was typed in, and for no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import PurePath
from typing import Protocol

from chat.client.connection.outgoing import split_text
from chat.client.conversation.commands import Availability, parse_line, shown_line
from chat.client.conversation.requests import (
    CloseView,
    DropLine,
    NeedsPassword,
    OnScreen,
    Quit,
    Reply,
    Request,
    RequestError,
    Say,
    SayAgain,
    SearchLog,
    SendFile,
    in_room,
)
from chat.client.conversation.room_requests import JoinRoom
from chat.client.conversation.ui_events import Asked
from chat.client.screen.model.model import Model
from chat.client.screen.model.rooms import Membership
from chat.client.screen.model.views import View
from chat.structs import replace


class RequestTaker(Protocol):
    """List what takes the requests."""

    @property
    def max_text(self) -> int: ...  # bytes of one message

    def ask(self, asked: Asked) -> None: ...

    def addressed(self, reply: Reply) -> Say: ...  # raises RequestError

    def do_here(self, request: OnScreen) -> None: ...  # raises RequestError

    # Asks for the password; raises RequestError.
    def complete(self, request: NeedsPassword) -> None: ...

    def leave(self) -> None: ...


class Submitter:
    """Make requests of the lines in ``model``. ``refused`` is called after a refusal was added to the log."""

    def __init__(
        self,
        model: Model,
        taker: RequestTaker,
        now: Callable[[], datetime],
        refused: Callable[[], object],
    ) -> None:
        self._model = model
        self._taker = taker
        self._now = now
        self._refused = refused
        self._tags = count(1)

    def carry_out(self, line: str) -> None:
        """Carry out a line that was typed in the current view."""
        try:
            request = self._directed(parse_line(line, Availability.SCREEN))
            # What the line does shows in the log. A page can be searched and closed by commands, too.
            if not isinstance(request, SearchLog | CloseView):
                self._model.close_page()
            if isinstance(request, OnScreen):
                self._taker.do_here(request)
            elif isinstance(request, NeedsPassword):
                self._taker.complete(request)
        except RequestError as problem:
            self._model.close_page()
            self._model.refuse(self._now(), shown_line(line), str(problem))
            self._refused()
            return
        if isinstance(request, Quit):
            self._taker.leave()
        elif isinstance(request, JoinRoom):
            self.join(request.room, line)
        elif not isinstance(request, OnScreen | NeedsPassword):
            self._ask(request, line)

    def join(self, name: str, line: str | None = None) -> None:
        """Show the room ``name``, and ask to enter it if the user is not in it.

        Its view opens at once, however long the server takes: lines that are typed from now on are for this room. The
        server takes them in their order, and refuses those of a room that the user may not enter.
        """
        model = self._model
        view = model.find_room(name)
        if view is None:
            view = model.open_room(name, Membership.ENTERING)
        model.show(view)
        if view.room is None or view.room.is_inside:
            return
        view.room.membership = Membership.ENTERING
        tag = next(self._tags)
        model.entering[tag] = view
        model.await_result(tag, line or f"/join {name}")
        self._taker.ask(Asked(JoinRoom(name), tag))

    def decide(self, make: type[SayAgain | DropLine]) -> None:
        """Decide about the newest line that was perhaps said, if it is in this view."""
        line = self._model.attention.doubts.newest
        if line is not None and self._model.view_with(line.to, line.room) is self._model.current:
            self._taker.ask(Asked(make(line.nonce)))
        else:
            self._model.remark(self._now(), "no line here is marked as perhaps said")

    def _directed(self, request: Request) -> Request:
        """Add the user or the room of the current view to a request that names none. Raises RequestError."""
        if isinstance(request, Reply):
            return self._taker.addressed(request)
        view = self._model.current
        if view.peer is not None:
            is_open = isinstance(request, Say | SendFile) and request.to is None
            return replace(request, to=view.peer) if is_open else request
        request = in_room(request, view.room_name)
        if isinstance(request, Say | SendFile) and request.to is None:
            self._check_membership(view)
        return request

    def _check_membership(self, view: View) -> None:
        if view.room is not None and view.room.membership is Membership.OUTSIDE:
            name = self._model.name_of(view)
            raise RequestError(f"You are not in {name}; /join {name} comes back.")

    def _ask(self, request: Request, line: str) -> None:
        """Show a message as pending at once, and queue the request; its result comes back under its tag."""
        model, now = self._model, self._now()
        if isinstance(request, Say):
            for piece in split_text(request.text, self._taker.max_text):
                tag = next(self._tags)
                model.say(tag, piece, request.to, now, request.room)
                self._taker.ask(Asked(replace(request, text=piece), tag))
            return
        tag = next(self._tags)
        if isinstance(request, SendFile):
            path = request.path if request.unquoted is None else request.unquoted
            name = PurePath(path).name or path
            model.share(tag, name, request.kind, request.to, now, request.room)
        else:
            model.await_result(tag, line)
        self._taker.ask(Asked(request, tag))
