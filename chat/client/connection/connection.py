"""The connection of one user, in blocking style."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from chat.client.connection.events import Attachment, Event, MessagePage, Notice, Welcome
from chat.client.connection.in_flight import InFlight, Place
from chat.client.connection.incoming import Incoming
from chat.client.connection.link import Link
from chat.client.connection.liveness import Liveness, Silence
from chat.client.connection.outgoing import (
    check_command,
    check_recipient,
    check_size,
    encode_header,
    encode_text,
    open_source,
)
from chat.client.connection.reading.answers import Answers
from chat.client.connection.receipts import Receipt
from chat.client.connection.rooms.host import RoomHost
from chat.client.connection.saver import Saver
from chat.client.connection.saving import FileSink, given_path
from chat.client.connection.session_facts import SessionFacts
from chat.client.connection.session_state import SessionState
from chat.client.connection.transfers import Progress, Transfers
from chat.client.errors import ConnectionLost, Dismissed, explain
from chat.client.runtime.cancellation import Cancellation
from chat.client.runtime.runtime import Runtime
from chat.net.address import Address
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import ATTACHMENTS, MessageType
from chat.protocol.errors import RemoteProtocolError
from chat.protocol.notices import NoticeCode

# Seconds between two looks whether another task still reads.
_LOOK = 0.1


class Connection(SessionFacts, RoomHost):
    """One user's connection, made by :func:`chat.client.connect`. Iterating yields events until ``close()``.

    Always call ``close()`` in the end. One task reads; any task may send at any time. Methods that send raise NotSent
    or NotSupported if the client refuses the message, and ConnectionLost if the connection is gone. In each case the
    message was not sent.
    """

    def __init__(
        self,
        link: Link,
        room: SessionState,
        in_flight: InFlight,
        transfers: Transfers,
        runtime: Runtime,
        *,
        original: bool,
        has_device: bool = False,
        address: Address | None = None,
        saver: Saver | None,
        save_directory: Path | None,
    ) -> None:
        SessionFacts.__init__(self, room, original=original)
        RoomHost.__init__(self)
        self._link = link
        self._in_flight = in_flight
        self._transfers, self._runtime = transfers, runtime
        self.address = address  # of the server
        self.has_device = has_device  # whether the login had the device of the client
        self._saver, self._save_directory = saver, save_directory
        self._incoming = Incoming(link, room, saver)
        self._answers = Answers(runtime, self._read)
        self._readers = self._answers.readers
        self._send_lock = runtime.lock()
        self._ended = runtime.event()
        self._closing = self._interrupted = False
        self._lost: str | None = None  # the reason, unless close() ended the connection
        self._liveness: Liveness | None = None
        self._dismissal: Notice | None = None  # if it was the last event
        self._farewell = "The server closed the connection."

    # The connection itself

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read the connection. The client sends passwords only then."""
        return self._link.is_private

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return self._link.is_encrypted

    @property
    def has_ended(self) -> bool:
        """Whether nothing more can come."""
        return self._ended.is_set()

    @property
    def lag(self) -> float:
        """Seconds for which the server has owed an answer and sent no byte. 0.0 if fewer than 5."""
        return self._liveness.lag if self._liveness is not None else 0.0

    @property
    def silence(self) -> float:
        """Seconds for which the server has sent no byte, as the last check found; 0.0 before the first."""
        return self._liveness.silence if self._liveness is not None else 0.0

    def wait_ended(self, timeout: float) -> bool:
        """Wait until nothing more can come; return False if that takes longer than ``timeout`` seconds."""
        return bool(self._ended.wait(timeout))

    def drop(self) -> None:
        """End the connection without leaving the room: the session goes on elsewhere. Any task may call this."""
        self._link.give_up("The session goes on at another server.")

    # Reading

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """Yield events until ``close()``. Raises ConnectionLost."""
        while (event := self.read()) is not None:
            yield event

    def read(self) -> Event | None:
        """Wait for the next event; None after ``close()``. Raises ConnectionLost.

        If an exception (Ctrl-C, ``gevent.Timeout``) ends the call before a frame has begun, you may call ``read``
        again. Inside a frame the rest of the stream can't be read any more.
        """
        return self._readers.read()

    def read_room(self, name: str) -> Event | None:
        return self._readers.read_room(name, is_member=self._room.rooms.get(name) is not None)

    def await_welcome(self) -> None:
        """Read the welcome, the first frame after the login. For ``connect``."""
        first = self._read()
        # An original server may first announce another user who logged in at the same moment.
        if not self._original and not isinstance(first, Welcome):
            raise ConnectionLost("The server sent no welcome after the login.")
        if first is not None:
            self._readers.put(first)
        self._transfers.begin(self._room.session, self._room.limits)

    def watch(self, silence: Silence, *, ping: bool) -> None:
        """Start to watch for a vanished server and, with ``ping``, for a silent server. For ``connect``."""
        ask = self._ping if ping and not self._original else None
        self._liveness = Liveness(self._link, self._runtime, ask, self._in_flight.is_owed, silence)
        self._runtime.spawn(self._liveness.run, self._ended)

    def _ping(self) -> None:
        with suppress(ConnectionLost):  # the reader reports it too
            self.tell(Command(Verb.PING.value))

    def _read(self) -> Event | None:
        event = None
        if not self._ended.is_set() and not self._interrupted:
            try:
                event = self._incoming.read()
            except (OSError, RemoteProtocolError) as error:
                self._end(explain(error))
            except BaseException:
                if self._incoming.inside_frame:
                    # The position in the stream is unknown now, so nothing can be read. Sending a logout still works.
                    self._interrupted = True
                    self._lost = self._lost or "Reading was interrupted."
                raise
            else:
                if event is None:
                    self._end(self._farewell)
        if event is None and self._lost is not None:
            if self._dismissal is not None:
                raise Dismissed(self._dismissal.code, self._dismissal.sentence)
            raise ConnectionLost(self._lost)
        if event is not None:
            # Only the very last event counts: after a kick the server sends the reason and closes.
            self._dismissal = event if isinstance(event, Notice) and event.dismisses else None
        if isinstance(event, Notice) and event.code == NoticeCode.SHUTTING_DOWN.value:
            self._farewell = event.sentence
        return event

    # Sending

    def send_text(
        self,
        text: str,
        to: str | None = None,
        *,
        room: str | None = None,
        nonce: str | None = None,
    ) -> Receipt:
        """Send a text of at most ``limits.max_text`` bytes (see ``split_text``) to a room, or to one user.

        ``room`` is the name of a room that this user is in; None: the default room. ``nonce`` is for a message that is
        sent again after a lost connection: pass ``Receipt.nonce`` of the lost message. None makes a new nonce.
        """
        check_recipient(to, room, original=self._original)
        content = encode_text(text, self.limits.max_text)
        receipt = self._in_flight.receipt(self._runtime.event, MessageType.UTF8, nonce)
        receipt.text, receipt.to, receipt.room = text, to, room
        self._send(receipt, content)
        return receipt

    def send_file(
        self,
        source: str | Path | BinaryIO,
        *,
        kind: MessageType = MessageType.FILE,
        filename: str | None = None,
        to: str | None = None,
        room: str | None = None,
        progress: Progress | None = None,
        cancel: Cancellation | None = None,
        nonce: str | None = None,
    ) -> Receipt:
        """Send the file at a path, or a seekable binary file from its position on. ``kind`` may be IMAGE or VOICE.

        A file with more than ``limits.inline`` bytes goes over a separate connection, so that texts need not wait for
        it. The call then returns once the server has answered; the receipt has the outcome. Also raises
        TransferFailed, TransferCancelled. ``progress`` is called with the bytes sent and the bytes in all.
        ``room`` and ``nonce``: see ``send_text``.
        """
        if kind not in ATTACHMENTS:
            raise ValueError(f"invalid kind {kind!r}: expected FILE, IMAGE or VOICE")
        check_recipient(to, room, original=self._original)
        with open_source(source, filename) as found:
            check_size(found, self.limits.max_file, original=self._original)
            receipt = self._in_flight.receipt(self._runtime.event, kind, nonce)
            receipt.filename, receipt.to, receipt.room = found.filename, to, room
            if found.size > self.most_inline:
                self._transfers.upload(receipt, found, progress, cancel)
                return receipt
            content = b"".join(found.pieces(found.file.read))
            if cancel is not None:
                cancel.check()
            self._send(receipt, content)
            if progress is not None:
                progress(found.size, found.size)
            return receipt

    def command(self, command: Command, *, nonce: str | None = None) -> Receipt:
        """Send a command. The receipt has the server's sentence, as ``answer`` or as ``refusal``.

        ``nonce``: see ``send_text``.
        """
        check_command(command, original=self._original, is_private=self.is_private)
        receipt = self._in_flight.receipt(self._runtime.event, MessageType.UTF8, nonce)
        receipt.command = command
        self._send(receipt, b"")
        return receipt

    def tell(self, command: Command) -> None:
        """Send a command of the client's own: nobody sees its answer. Raises ConnectionLost."""
        receipt = self._in_flight.receipt(self._runtime.event, MessageType.UTF8)
        receipt.command, receipt.is_ours = command, True
        self._send(receipt, b"", Place.PING)

    def ask_page(self, command: Command) -> MessagePage:
        return self._answers.wait_for_page(lambda nonce: self.command(command, nonce=nonce))

    def do(self, command: Command) -> Event:
        return self._answers.wait_for_answer(lambda nonce: self.command(command, nonce=nonce))

    def unanswered(self) -> list[Receipt]:
        """Return the sent messages without an answer, oldest first. After ConnectionLost they may be lost."""
        return self._in_flight.at(Place.SENT)

    def _send(self, receipt: Receipt, content: bytes, place: Place = Place.SENT) -> None:
        header = encode_header(receipt, raw=self._original)
        with self._send_lock:
            if self._closing or self._lost is not None:
                raise ConnectionLost(self._lost or "The connection is closed.")
            self._in_flight.send(receipt, place)
            try:
                self._link.send(receipt.kind, header, content)
            except BaseException as error:
                # The server may have a part of the frame, so no other frame can follow. The reader goes on: answers
                # to earlier messages may still arrive.
                self._in_flight.requeue(receipt)
                self._link.stream.shut()
                if not isinstance(error, OSError | RemoteProtocolError):
                    self._lost = "Sending was interrupted."
                    raise
                self._lost = self._link.given_up or explain(error)
                raise ConnectionLost(self._lost) from None

    # Transfers

    def fetch(
        self,
        offer: Attachment,
        *,
        directory: str | Path | None = None,
        progress: Progress | None = None,
        cancel: Cancellation | None = None,
    ) -> Path:
        """Download an offered content to ``directory`` (None: the save directory); return the path of the file.

        A download that breaks is resumed. Raises TransferFailed, TransferCancelled, SaveFailed.
        ``progress`` is called with the bytes received and the bytes in all.
        """
        target = given_path(directory) if directory is not None else self._save_directory
        if offer.offer is None or target is None:
            raise ValueError("fetch needs an attachment with an offer, and a directory")
        return self._transfers.save(offer, target, progress, cancel)

    def fetch_into(
        self,
        offer: Attachment,
        file: BinaryIO,
        *,
        progress: Progress | None = None,
        cancel: Cancellation | None = None,
    ) -> None:
        """Download an offered content into an open file, from the file's position on. Otherwise like ``fetch``."""
        if offer.offer is None:
            raise ValueError("the attachment has no offer: its content came with its message")
        self._transfers.download(offer, FileSink(file, offer.filename), progress, cancel)

    # The end

    def close(self, timeout: float = 5.0) -> None:
        """Leave the room. Waits up to ``timeout`` seconds for missing answers, and ends running transfers.

        Then waits up to ``timeout`` seconds until received attachments are saved. May be called from any task, and
        twice.
        """
        if self._closing:
            return
        self._closing = True
        self._readers.stop()
        self._transfers.end()
        self._log_out(timeout)
        self._end("The connection is closed.")
        # Not while a task reads: the kernel could give the number of the closed descriptor to another socket.
        if self._readers.acquire(timeout=timeout):
            self._link.close()
            self._readers.release()
        if self._saver is not None:
            self._saver.wait(timeout)

    def _log_out(self, timeout: float) -> None:
        if self._ended.is_set():
            return
        if self._send_lock.acquire(timeout=timeout):
            try:
                # How an original server handles a Logout is unknown, but it understands the end of the stream.
                self._link.send_last(None if self._original else MessageType.LOGOUT, timeout)
            finally:
                self._send_lock.release()
        if self._interrupted:
            return
        # Read on until the server closes: by then every message is answered. If a socket is closed with unread data,
        # the kernel resets the connection, and the server loses what it has not read yet.
        # Another task that reads to the end shows what comes: not in its place, as long as it goes on. Or it may read
        # only its next event.
        deadline = time.monotonic() + timeout
        while not self._readers.acquire():
            if self._ended.wait(_LOOK) or time.monotonic() > deadline:
                return
        try:
            self._incoming.saves = False
            self._link.set_deadline(timeout)
            while self._read() is not None:
                continue
        except ConnectionLost:
            return  # a sender noticed the end earlier
        finally:
            self._readers.release()

    def _end(self, reason: str) -> None:
        """Record that nothing more can be read, and why."""
        if not self._closing and self._lost is None:
            self._lost = self._link.given_up or reason
        # Only once: later the table may have messages of the next connection.
        if not self._ended.is_set():
            self._ended.set()
            self._in_flight.lose()
            self._readers.wake_all()
        self._transfers.end()
        self._link.stream.shut()
