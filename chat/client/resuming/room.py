"""The library's connection that comes back: one user's room, over all connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO

from chat.client.connection.connection import Connection
from chat.client.connection.events import (
    Attachment,
    EnteredRoom,
    Event,
    MessagePage,
    Notice,
    Welcome,
)
from chat.client.connection.in_flight import InFlight
from chat.client.connection.liveness import uptime
from chat.client.connection.outgoing import check_recipient, check_size, encode_text, open_source
from chat.client.connection.reading.event_readers import EventReaders
from chat.client.connection.receipts import Receipt
from chat.client.connection.rooms.host import RoomHost
from chat.client.errors import ChatError, ConnectionLost
from chat.client.resuming.events import Disconnected, RoomEvent
from chat.client.resuming.last_session import LastSession
from chat.client.resuming.outgoing_queue import QueuedMessage
from chat.client.resuming.queued_file import QueuedFile
from chat.client.resuming.resumer import Resumer
from chat.client.resuming.sending import QueueSender
from chat.client.resuming.wishes import CatchUpWishes
from chat.client.runtime.runtime import Runtime, Task
from chat.client.servers.changing import MOVES, ServerChanges
from chat.client.servers.retrying import Pauses, RetryPolicy, is_final
from chat.client.servers.server_choice import ServerChoice
from chat.client.state.errors import StateFileError
from chat.client.state.memory import Memory
from chat.client.state.unanswered_line import UnansweredLine
from chat.net.address import Address
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType

_AWAY = "There is no connection now."
_TICK = 0.05  # seconds between two looks while another task reads


class ReconnectingRoom(LastSession, RoomHost):
    """One user's room, made by :func:`chat.client.connect` with ``reconnect``. Iterating yields events for ever.

    After a lost connection it connects again, with growing pauses. Then it fetches what was missed, and looks up the
    messages without an answer: it says again only those that were not said. Texts and files that are sent meanwhile
    wait in a queue. Always call ``close()`` in the end. Any task may send at any time.

    ``join`` and ``rooms`` give the rooms beside the default one, as objects that last over all connections.
    """

    def __init__(
        self,
        connect: Callable[[InFlight, str, tuple[str, ...] | None, Sequence[Address]], Connection],
        runtime: Runtime,
        memory: Memory | None = None,
        policy: RetryPolicy | None = None,
        wishes: CatchUpWishes | None = None,
        rooms: Iterable[str] | None = None,
        servers: ServerChoice | None = None,
    ) -> None:
        LastSession.__init__(self)
        RoomHost.__init__(self)
        self._connect = connect
        self._runtime = runtime
        self._policy = policy or RetryPolicy()
        self._pauses = Pauses(self._policy)
        wishes = wishes or CatchUpWishes(follows=True)
        self._resumer = Resumer(
            runtime, lambda message: None, wishes=wishes, is_read_at_once=False, rooms=rooms
        )
        if memory is not None:
            self._resumer.use(memory)
        self._servers = servers
        self._changes = ServerChanges(runtime, servers, lambda old, among: self._log_in(among))
        self._queue_sender = QueueSender(runtime, self._resumer)
        self._output: deque[RoomEvent] = deque()
        self._readers: EventReaders[RoomEvent] = EventReaders(runtime, self._fetch)
        # What the tasks of each reader were given last, by its room, and how many events before that count as seen.
        self._returned: dict[str | None, list[RoomEvent]] = {}
        self._seen = 0
        self._seen_lock = Lock()
        self._closing = runtime.event()
        self._problem: ChatError | None = None  # that ended the room
        self._connection: Connection | None = None
        self._sender: Task | None = None
        self._connected_at = 0.0

    # The state of the session

    @property
    def connection(self) -> Connection | None:
        """The present connection; None while there is none."""
        return self._connection

    @property
    def perhaps_said(self) -> list[UnansweredLine]:
        """The lines of which nobody can find out whether they were said, oldest first: see ``say_again``, ``drop``."""
        return [each.line for each in list(self._resumer.perhaps.values())]

    def unanswered(self) -> list[Receipt]:
        """Return the receipts of the messages that are not answered yet, oldest first."""
        return [*self._resumer.queue.unanswered()]

    # Reading

    def __enter__(self) -> ReconnectingRoom:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[RoomEvent]:
        """Yield events until ``close()``. Raises LoginRefused, UntrustedServer, Dismissed, StateFileError."""
        while (event := self.read()) is not None:
            yield event

    def read(self) -> RoomEvent | None:
        """Wait for the next event; None after ``close()``. Raises as iterating does.

        With the call, the event that the last call returned counts as seen: a program that is killed before gets it
        again in its next run.
        """
        return self._hand_out(None, self._readers.read)

    def read_room(self, name: str) -> RoomEvent | None:
        is_member = self.known_room(name) is not None
        return self._hand_out(name, lambda: self._readers.read_room(name, is_member=is_member))

    def _hand_out(
        self, reader: str | None, read: Callable[[], RoomEvent | None]
    ) -> RoomEvent | None:
        """Return the next event of a reader: of a room, or None for the rest. The last one counts as seen."""
        self._note_seen(reader)
        event = read()
        if event is not None:
            with self._seen_lock:
                self._returned.setdefault(reader, []).append(event)
        return event

    def _note_seen(self, reader: str | None) -> None:
        with self._seen_lock:
            returned = self._returned.pop(reader, [])
            self._seen += len(returned)
        if not self._saw_all():
            for event in returned:
                self._resumer.saw(event)

    def _saw_all(self) -> bool:
        """Note that all is seen, if all that has come was given to readers, and none is at work on it."""
        if self._output or not self._readers.acquire():
            return False  # another task may be reading something just now
        try:
            is_all_given = not self._output and self._readers.is_idle
            if is_all := is_all_given and self._readers.given == self._seen:
                self._resumer.saw_all()
            return is_all
        finally:
            self._readers.release()

    def _fetch(self) -> RoomEvent | None:
        while not self._output:
            if self._closing.is_set():
                return None
            self._step()
        return self._output.popleft()

    def begin(self) -> None:
        """Make the first connection. For ``connect``. Raises ChatError."""
        self._enter(self._log_in())
        if self._resumer.memory.is_kept:
            self._runtime.spawn(self._save)

    def _step(self) -> None:
        """Read one event, or make a new connection."""
        if self._problem is not None:
            raise self._problem
        connection = self._connection
        if connection is None:
            self._connect_again()
            return
        try:
            event = connection.read()
        except ConnectionLost as lost:
            self._leave(lost)
            return
        if (
            isinstance(event, Notice)
            and event.code in MOVES
            and self._changes.take(event, connection)
        ):
            return
        if event is not None:
            output = self._resumer.take(event, has_device=connection.has_device)
            if isinstance(event, Welcome | EnteredRoom):
                self._resumer.save()  # where the logs begin for this user
            self._output += output
            self._resumer.queue.tell_answers()

    def _log_in(self, among: Sequence[Address] = ()) -> Connection:
        resumer = self._resumer
        memory = resumer.memory
        if self._servers is not None:
            self._servers.recall(memory.servers)
        connection = self._connect(
            resumer.queue.in_flight, memory.device, resumer.rooms.to_join(), among
        )
        if self._servers is not None:
            self._servers.tell(connection.servers)
            memory.keep_servers(map(str, self._servers.told))
        return connection

    def _enter(self, connection: Connection) -> None:
        self._connection = self._last = connection
        self._connected_at = uptime()
        # The welcome has come already. With it, messages may be sent before the program reads.
        self._step()
        self._sender = self._runtime.spawn(self._send, connection)

    def _leave(self, lost: ConnectionLost) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None, "only a connection can be lost"
        lasted = uptime() - self._connected_at
        self._pauses.was_connected(lasted)
        connection.close(timeout=0)
        self._resumer.queue.wake()
        if self._sender is not None:
            self._sender.join()
        self._resumer.connection_ended()
        moved = self._changes.outcome_of_move(lost)
        if moved is not None:
            self._enter_unless_closed(moved)
            return
        if is_final(lost):
            self._problem = lost
            raise lost
        self._changes.lost(lasted)
        pause = self._changes.delay()
        self._pause = self._pauses.next() if pause is None else pause
        self._output.append(Disconnected(str(lost), self._pause, pause is not None))

    def _connect_again(self) -> None:
        if self._closing.wait(self._pause):
            return
        try:
            connection = self._log_in()
        except ChatError as problem:
            if is_final(problem):
                self._problem = problem
                raise
            self._pause = self._pauses.next()
            self._output.append(Disconnected(str(problem), self._pause))
            return
        self._enter_unless_closed(connection)

    def _enter_unless_closed(self, connection: Connection) -> None:
        if self._closing.is_set():
            connection.close(timeout=0)
        else:
            self._enter(connection)

    # Sending

    def send_text(self, text: str, to: str | None = None, *, room: str | None = None) -> Receipt:
        """Say a text of at most ``limits.max_text`` bytes to a room, or to one user, exactly once.

        ``room`` is the name of a room that this user is in; None: the default room.

        The receipt stays WAITING while there is no connection. LOST means that nobody can find out whether the text
        was said: see ``perhaps_said``. Once the call has returned, the text is in the state file, and outlives the
        program. Waits while the queue is full. Raises NotSent, StateFileError, ConnectionLost after ``close``.
        """
        check_recipient(to, room, original=self._known.original)
        encode_text(text, self.limits.max_text)
        return self._put(QueuedMessage(self._runtime.event(), text=text, to=to, room=room))

    def send_file(
        self,
        source: str | Path | BinaryIO,
        *,
        kind: MessageType = MessageType.FILE,
        filename: str | None = None,
        to: str | None = None,
        room: str | None = None,
    ) -> Receipt:
        """Send a file, or a seekable binary file, exactly once. It must stay readable until it is answered.

        ``room``: see ``send_text``. The call does not wait for the answer. Files are not remembered over a restart of
        the program. Raises NotSent.
        """
        check_recipient(to, room, original=self._known.original)
        with open_source(source, filename) as found:
            check_size(found, self.limits.max_file, original=self._known.original)
            name, start = found.filename, found.start
        return self._put(QueuedFile(self._runtime.event(), kind, source, name, to, room, start))

    def command(self, command: Command) -> Receipt:
        """Send a command. It is never repeated: the receipt is LOST if the answer was. Raises ConnectionLost."""
        return self._here().command(command)

    def ask_page(self, command: Command) -> MessagePage:
        return self._here().ask_page(command)

    def do(self, command: Command) -> Event:
        return self._here().do(command)

    def fetch(self, offer: Attachment, **options: Any) -> Path:
        """Download an offered content: see ``Connection.fetch``. Raises ConnectionLost too."""
        return self._here().fetch(offer, **options)

    def say_again(self, line: UnansweredLine) -> Receipt:
        """Say a line that was perhaps said again, as a new one: others may see it twice."""
        message = QueuedMessage(self._runtime.event(), text=line.text, to=line.to, room=line.room)
        self._resumer.drop(line.nonce)
        return self._put(message)

    def drop(self, line: UnansweredLine) -> None:
        """Forget a line that was perhaps said."""
        self._resumer.drop(line.nonce)

    def _put(self, message: QueuedMessage) -> Receipt:
        queue = self._resumer.queue
        while not queue.has_room:
            if self._closing.is_set():
                raise ConnectionLost("The room is closed.")
            # The task that reads may be this one, in the middle of its loop.
            if self._readers.acquire():
                try:
                    self._step()
                finally:
                    self._readers.release()
            else:
                queue.wait_progress(_TICK)
        if self._closing.is_set():
            raise ConnectionLost("The room is closed.")
        self._resumer.put(message)
        self._resumer.save()  # so that the line outlives the program once the call has returned
        return message

    def _send(self, connection: Connection) -> None:
        try:
            self._queue_sender.send_all(connection, lambda: self._connection is not connection)
        except ConnectionLost:
            return  # the reader sees the loss too
        except StateFileError as problem:
            self._problem = problem
            connection.close(timeout=0)

    def _here(self) -> Connection:
        connection = self._connection
        if connection is None:
            raise ConnectionLost(_AWAY)
        return connection

    # The end

    def close(self, timeout: float = 5.0) -> None:
        """Leave the room. Waits up to ``timeout`` seconds for answers; messages without one stay in the state file."""
        if self._closing.is_set():
            return
        queue, connection = self._resumer.queue, self._connection
        deadline = uptime() + timeout
        while connection is self._connection is not None and queue.waits and uptime() < deadline:
            queue.wait_progress(_TICK)
        self._closing.set()
        self._changes.end()
        self._resumer.wake()
        if connection is not None:
            connection.close(timeout)
            self._connection = None
            queue.wake()
            if self._sender is not None:
                self._sender.join()
            queue.tell_answers()
        self._resumer.saw_receipts()
        self._resumer.memory.close()

    def _save(self) -> None:
        try:
            self._resumer.save_now_and_then(self._closing.is_set)
        except StateFileError as problem:
            self._problem = problem
            connection = self._connection
            if connection is not None:
                connection.close(timeout=0)
