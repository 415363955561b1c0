"""Turn the user's requests into messages and transfers; show events and outcomes on the frontend.

A conversation outlives its connections: messages without an answer are sent again over the next connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import gevent.event

from chat.client.attention.attention import Attention
from chat.client.attention.doubts import NoSuchDoubt
from chat.client.connection.connection import Connection
from chat.client.connection.events import Attachment, Notice, Text, Welcome
from chat.client.connection.receipts import Receipt, Status
from chat.client.conversation.asking import Asking
from chat.client.conversation.commands import Availability, help_lines
from chat.client.conversation.downloads import NOT_CONNECTED
from chat.client.conversation.inbox import Inbox
from chat.client.conversation.passwords import NO_TERMINAL, chosen_password
from chat.client.conversation.preferences import Preferences
from chat.client.conversation.recall.recalls import Recalls
from chat.client.conversation.requests import (
    AboutServer,
    AskServer,
    ChangePassword,
    DropLine,
    Help,
    ListMentions,
    NeedsPassword,
    Quit,
    Reconnect,
    Register,
    Reply,
    Request,
    RequestError,
    Say,
    SayAgain,
    SendFile,
    WhoIs,
)
from chat.client.conversation.room_requests import JoinRoom
from chat.client.conversation.rooms.room_actions import RoomActions
from chat.client.conversation.transfer_requests import TransferRequests
from chat.client.conversation.ui_events import (
    Asked,
    Done,
    Explanation,
    Failed,
    Frontend,
    MentionList,
    Tag,
    Told,
    find_user,
    info_of,
    listing_of,
)
from chat.client.conversation.unacknowledged import DoubtfulLines, Outgoing, restored
from chat.client.desktop.open_rules import OpenRule
from chat.client.errors import ChatError, ConnectionLost, NotSupported
from chat.client.resuming.events import LineFound, PerhapsSaid, ResumedEvent
from chat.client.resuming.resumer import Resumer
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.state.places import room_log
from chat.structs import replace

# Seconds that a user who leaves waits for the answers to the last messages.
LAST_WORDS = 2.0
NOT_KNOWN = (
    "The connection was lost before the server answered; the server may have executed the command."
)
PERHAPS_SENT = "The connection was lost, and nobody can find out whether it was sent."


class Conversation:
    """One user's conversation, shown on ``frontend``. Attachments of others go to ``inbox``.

    ``spawn`` runs a function in the background. ``where`` is the kind of frontend, for the help. ``leave`` is called
    when the user quits. ``is_looked_at``: see ``Downloads``. ``attention`` is what the user wants to
    see, ``open_rules`` names the programs that open files. ``wishes`` are the earlier messages to fetch.
    ``decides``: see ``DoubtfulLines``. ``learn`` is called with the new password once the server has accepted it,
    ``reconnect`` with the name under which the user wants to connect again, None for the same.
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        inbox: Inbox,
        spawn: Callable[..., object],
        where: Availability,
        leave: Callable[[], object],
        is_looked_at: Callable[[Attachment], bool] = lambda attachment: False,
        attention: Attention | None = None,
        open_rules: tuple[OpenRule, ...] = (),
        wishes: CatchUpWishes | None = None,
        decides: bool = True,
        learn: Callable[[str], object] = lambda password: None,
        reconnect: Callable[[str | None], object] = lambda username: None,
    ) -> None:
        self._failures = 0
        self.resumer = Resumer(GEVENT, self._tell_answer, wishes=wishes, restore=restored)
        self.unacknowledged = self.resumer.queue
        self.connection: Connection | None = None
        self._frontend = frontend
        self._attention = attention or Attention()
        self.doubtful = DoubtfulLines(
            self._attention.doubts, frontend, self.resumer, self._say, decides=decides
        )
        self._files = TransferRequests(
            frontend,
            inbox,
            spawn,
            self.resumer,
            connected=lambda: self.connection,
            refuse=self.refuse,
            ignored=self._attention.ignored,
            is_looked_at=is_looked_at,
            open_rules=open_rules,
        )
        self.transfers = self._files.transfers
        self._where = where
        self._leave = leave
        self._learn = learn
        self._connect_again = reconnect
        self._last_private_sender: str | None = None
        self.default_room: str | None = None  # its name
        self.refused_rooms: list[tuple[str, str, str]] = []  # which are not shown yet
        self._handlers: dict[type, Callable[[Any, Tag], object]] = {
            Say: self._say,
            SendFile: self._say,
            Reply: self._reply,
            SayAgain: self.doubtful.say_again,
            DropLine: self.doubtful.drop,
            WhoIs: self._whois,
            AboutServer: self._about_server,
            AskServer: self._ask_server,
            Register: self._refuse_password,
            ChangePassword: self._refuse_password,
            Help: self._help,
            Reconnect: self._reconnect,
            ListMentions: self._list_mentions,
            Quit: self._quit,
        }
        self._preferences = Preferences(self._attention)
        self._handlers.update(dict.fromkeys(self._preferences.doing, self._set_preference))
        self._handlers.update(self._files.doing)
        self._asking = Asking(frontend, self._connected, spawn, self.refuse)
        self._rooms = RoomActions(frontend, self._asking, self._ask_server)
        self._handlers.update(self._rooms.doing)
        self._recalls = Recalls(self._asking, self._files.downloads)
        self._handlers.update(self._recalls.doing)

    def do(self, asked: Asked) -> None:
        """Carry out a request, and show a failure. Waits while the queue of outgoing messages is full."""
        try:
            request = self._with_room(asked.request)
            self._handlers[type(request)](request, asked.tag)
        except (RequestError, NoSuchDoubt) as problem:
            self.refuse("bad-request", str(problem), asked.tag)

    def refuse(self, code: str, sentence: str, tag: Tag = None, room: str | None = None) -> None:
        """Count and show a failed request, which was for ``room``."""
        self._failures += 1
        self._frontend.show(Failed(code, sentence, tag, room))

    def room_refused(self, room: str, code: str, sentence: str) -> None:
        """Note that the user can't be in a room of the settings. It is shown behind the next welcome."""
        self.refused_rooms.append((room, code, sentence))

    def _with_room(self, request: Request) -> Request:
        """Return ``request`` without the name of the default room: by its absence, all else knows that room."""
        room = getattr(request, "room", None)
        if room is None or self.default_room is None or isinstance(request, JoinRoom):
            return request
        is_default = room_log(room) == room_log(self.default_room)
        return replace(request, room=None) if is_default else request

    @property
    def failures(self) -> int:
        """How many requests have failed."""
        return self._failures + self._files.failures

    def go_on(self, connection: Connection) -> None:
        """Go on over a new connection."""
        self.connection = connection
        self._files.go_on(connection)

    def handle_event(self, event: ResumedEvent) -> None:
        """Handle an event of the connection, or of what follows a login."""
        if type(event) is Text:  # first, since nearly all events are texts
            if event.to is not None and not (event.own or event.replay):
                self._note_private_sender(event.sender)
            if event.room not in self._recalls.oldest:
                self._recalls.note(event)
            self._frontend.show(event)
            self.unacknowledged.tell_answers()
            return
        self._recalls.note(event)
        if isinstance(event, Welcome):
            self.default_room = event.default_room
        if isinstance(event, PerhapsSaid):
            self.unacknowledged.tell_answers()  # first those of this run, which have their tags
            self.doubtful.restore(event)
        elif isinstance(event, LineFound):
            self.doubtful.settle(event.line.nonce)
        elif isinstance(event, Attachment):
            assert self.connection is not None
            self._files.downloads.add_attachment(event, self.connection)
        elif isinstance(event, Notice) and event.receipt is not None:
            pass  # a refusal of our message, which is shown as the outcome of its request
        else:
            self._frontend.show(event)
        if isinstance(event, Welcome):
            refused, self.refused_rooms = self.refused_rooms, []
            for room, code, sentence in refused:
                self.refuse(code, sentence, room=room)
        # The event may be the answer to messages. Lines of an earlier run are shown right behind the welcome.
        if not isinstance(event, Welcome):
            self.unacknowledged.tell_answers()

    def _note_private_sender(self, name: str) -> None:
        # A reply must not go to a user whose message was not shown.
        if name not in self._attention.ignored:
            self._last_private_sender = name

    def send(self, connection: Connection, item: Outgoing) -> Receipt | None:
        """Send one message of the queue. Raises ConnectionLost.

        Return its receipt; None if the message was refused here, or handed to a transfer.
        """
        try:
            if isinstance(item.request, SendFile):
                return self._files.uploads.send(item, connection)
            if isinstance(item.request, AskServer):
                return connection.command(item.request.command, nonce=item.nonce)
            return connection.send_text(
                item.request.text, item.to, room=item.room, nonce=item.nonce
            )
        except ConnectionLost:
            raise  # the message has not failed: the queue sends it again over the next connection
        except ChatError as problem:
            code = "not-supported" if isinstance(problem, NotSupported) else "not-sent"
            self.refuse(code, str(problem), item.tag, item.room)
            return None

    def wait_idle(self, patience: float) -> bool:
        """Wait until every request has succeeded or failed.

        Return False if the server owes answers and sends none for ``patience`` seconds.
        """
        while True:
            if not self.unacknowledged.is_empty:
                if not self.unacknowledged.wait_progress(patience):
                    return False
            elif self._asking.is_asking:
                self._asking.wait()
            elif self._files.is_transferring:
                self._files.wait()
            else:
                return True

    def wait_for_last_words(self) -> None:
        """Wait up to ``LAST_WORDS`` seconds until every message is answered. Without a connection, do not wait."""
        if self.connection is not None:
            gevent.with_timeout(LAST_WORDS, self.unacknowledged.wait_empty, timeout_value=None)

    @property
    def is_transferring(self) -> bool:
        """Whether a requested transfer is under way, or its end not shown yet."""
        return self._files.is_transferring

    def _say(self, request: Say | SendFile, tag: Tag) -> None:
        self.resumer.put(Outgoing(request, tag))

    def addressed(self, reply: Reply) -> Say:
        """Return the private text that ``reply`` becomes now. Raises RequestError without a private message before."""
        if self._last_private_sender is None:
            raise RequestError("There is no private message to reply to yet.")
        return Say(reply.text, self._last_private_sender)

    def _reply(self, request: Reply, tag: Tag) -> None:
        self._say(self.addressed(request), tag)

    def _whois(self, request: WhoIs, tag: Tag) -> None:
        self._frontend.show(find_user(self._connected(), request.name))
        self._tell_done(tag)

    def _about_server(self, request: AboutServer, tag: Tag) -> None:
        self._frontend.show(info_of(self._connected()))
        self._tell_done(tag)

    def _ask_server(self, request: AskServer, tag: Tag) -> None:
        self._connected()  # queued for a later connection, a ban or a kick would surprise everyone
        self.resumer.put(Outgoing(request, tag))

    def _refuse_password(self, request: NeedsPassword, tag: Tag) -> None:
        """Refuse: a frontend that can ask for a password has made an AskServer of this request before."""
        raise RequestError(NO_TERMINAL)

    def _help(self, request: Help, tag: Tag) -> None:
        self._frontend.show(Explanation(tuple(help_lines(request.command, self._where))))

    def _set_preference(self, request: Any, tag: Tag) -> None:
        self._frontend.show(Told(self._preferences.doing[type(request)](request)))
        self._tell_done(tag)

    def _list_mentions(self, request: ListMentions, tag: Tag) -> None:
        self._frontend.show(MentionList(tuple(self._attention.mentions)))
        self._tell_done(tag)

    def _reconnect(self, request: Reconnect, tag: Tag) -> None:
        self._connect_again(request.username)
        self._tell_done(tag)

    def _quit(self, request: Quit, tag: Tag) -> None:
        self._leave()

    def check_privacy(self) -> None:
        """Raise RequestError if a password could not be sent. Call before asking the user for one."""
        if self._connected().original:
            raise RequestError("This server is an original one, which has no accounts.")
        if not self._connected().is_private:
            raise RequestError("The connection is not encrypted, so no password is sent.")

    def _connected(self) -> Connection:
        if self.connection is None:
            raise RequestError(NOT_CONNECTED)
        return self.connection

    def _tell_answer(self, item: Outgoing) -> None:
        if item.transfer is not None:
            self._files.uploads.finish(item, PERHAPS_SENT)
        elif item.status is Status.ACCEPTED:
            if isinstance(item.request, AskServer):
                password = chosen_password(item.request.command)
                if password is not None:
                    self._learn(password)
            self._tell_accepted(item)
        elif item.status is Status.LOST and item.line is not None:
            self._failures += 1
            self.doubtful.doubt(item.line, item.refusal or PERHAPS_SENT, item.tag)
        elif item.status is Status.LOST:
            is_command = isinstance(item.request, AskServer)
            self.refuse("lost", NOT_KNOWN if is_command else PERHAPS_SENT, item.tag, _room_of(item))
        else:
            sentence = item.refusal or "The server refused it."
            self.refuse(item.code or "refused", sentence, item.tag, _room_of(item))

    def _tell_accepted(self, item: Outgoing) -> None:
        command = item.request.command if isinstance(item.request, AskServer) else None
        if command is not None and self._rooms.tell_accepted(command, item.answer or ""):
            self._tell_done(item.tag)
            return
        listed = listing_of(command and command.verb, item.answer or "", item.tag)
        if listed is not None:
            self._frontend.show(listed)
        else:
            self._tell_done(item.tag, item.answer)

    def _tell_done(self, tag: Tag, answer: str | None = None) -> None:
        """Show a success. Without a tag and an answer nobody wants to see it: only programs give tags."""
        if tag is not None or answer is not None:
            self._frontend.show(Done(tag, answer))


def _room_of(item: Outgoing) -> str | None:
    return item.request.command.room if isinstance(item.request, AskServer) else item.room
