"""The connection of one user to one room, in blocking style."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from chat.client.connection.events import Attachment, Event, Limits, Notice, Welcome
from chat.client.connection.in_flight import InFlight, Place
from chat.client.connection.incoming import MAX_IN_MEMORY, Incoming
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
from chat.client.connection.receipts import Receipt
from chat.client.connection.saver import Saver
from chat.client.connection.saving import FileSink, given_path
from chat.client.connection.session_state import SessionState
from chat.client.connection.transfers import Progress, Transfers
from chat.client.errors import ConnectionLost, Dismissed, explain
from chat.client.runtime.cancellation import Cancellation
from chat.client.runtime.runtime import Runtime
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import ATTACHMENTS, MessageType
from chat.protocol.errors import RemoteProtocolError
from chat.protocol.notices import NoticeCode


class Connection:
    """Made by :func:`chat.client.connect`. Iterating yields events until ``close()``, which must be called in the end.

    One task reads; any task may send at any time. Every method that sends raises NotSent or NotSupported for what it
    refuses itself, and ConnectionLost: then that message was not sent.
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
        saver: Saver | None,
        save_directory: Path | None,
    ) -> None:
        self._link = link
        self._room = room
        self._in_flight = in_flight
        self._transfers = transfers
        self._runtime = runtime
        self._original = original
        self._save_directory = save_directory
        self._saver = saver
        self._incoming = Incoming(link, room, saver)
        self._first: Event | None = None
        self._read_lock = runtime.lock()
        self._send_lock = runtime.lock()
        self._ended = runtime.event()
        self._closing = False
        self._interrupted = False
        self._lost: str | None = None  # why, unless by our own wish
        self._liveness: Liveness | None = None
        self._dismissal: Notice | None = None  # if that was read last
        self._farewell = "The server closed the connection."

    # What is known of the room

    @property
    def username(self) -> str:
        """Ours, as the server knows it."""
        return self._room.username

    @property
    def users(self) -> list[str]:
        """Who is in the room, oneself too; of an original server: who was seen."""
        return list(self._room.users)

    @property
    def server(self) -> str | None:
        """Name and version of the server, if it tells."""
        return self._room.server

    @property
    def limits(self) -> Limits:
        return self._room.limits

    @property
    def motd(self) -> str | None:
        """Words of welcome."""
        return self._room.motd

    @property
    def original(self) -> bool:
        """Whether the server is, or is taken for, the original: no private messages, nothing over 16 KiB."""
        return self._original

    @property
    def session(self) -> str | None:
        """For the next connection of ours to take the place of this one; a secret. None: an original server's."""
        return self._room.session

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can listen: passwords are sent only then."""
        return self._link.is_private

    @property
    def encrypted(self) -> bool:
        """Whether it is by TLS."""
        return self._link.is_encrypted

    @property
    def lag(self) -> float:
        """Seconds for which the server has owed an answer and sent no byte; 0.0 if fewer than 5."""
        return self._liveness.lag if self._liveness is not None else 0.0

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
        """Events until ``close()``. Raises ConnectionLost."""
        while (event := self.read()) is not None:
            yield event

    def read(self) -> Event | None:
        """Wait for the next event; None after ``close()``. Raises ConnectionLost.

        Interrupted while it waits for a frame to begin (Ctrl-C, ``gevent.Timeout``), it may be called again.
        """
        with self._read_lock:
            event, self._first = self._first, None
            return event if event is not None and not self._closing else self._read()

    def await_welcome(self) -> None:
        """For ``connect``: read our own announcement, the first frame after the login."""
        self._first = self._read()
        # The original may announce another one first, who came in at the same moment.
        if not self._original and not isinstance(self._first, Welcome):
            raise ConnectionLost("The server did not announce us.")
        self._transfers.session = self._room.session

    def watch(self, silence: Silence, *, ping: bool) -> None:
        """Begin to watch for a server that vanishes and, with ``ping``, for one that falls silent. For ``connect``."""
        ask = self._ping if ping and not self._original else None
        self._liveness = Liveness(self._link, self._runtime, ask, self._in_flight.is_owed, silence)
        self._runtime.spawn(self._liveness.run, self._ended)

    def _ping(self) -> None:
        receipt = self._in_flight.receipt(self._runtime.event, MessageType.UTF8)
        receipt.command, receipt.is_ours = Command(Verb.PING.value), True
        with suppress(ConnectionLost):  # the reader raises it as well
            self._send(receipt, b"", Place.PING)

    def _read(self) -> Event | None:
        event = None
        if not self._ended.is_set() and not self._interrupted:
            try:
                event = self._incoming.read()
            except (OSError, RemoteProtocolError) as error:
                self._end(explain(error))
            except BaseException:
                if self._incoming.inside_frame:
                    # The server can still be told that we leave, but not understood any more.
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
            self._dismissal = event if isinstance(event, Notice) and event.dismisses else None
        if isinstance(event, Notice) and event.code == NoticeCode.SHUTTING_DOWN.value:
            self._farewell = event.sentence
        return event

    # Sending

    def send_text(self, text: str, to: str | None = None, *, nonce: str | None = None) -> Receipt:
        """Send a text of at most ``limits.max_text`` bytes (see ``split_text``) to everyone, or to one user.

        ``nonce``: that of the receipt of a lost message, if this is the message again; None for a new message.
        """
        check_recipient(to, original=self._original)
        content = encode_text(text, self.limits.max_text)
        receipt = self._in_flight.receipt(self._runtime.event, MessageType.UTF8, nonce)
        receipt.text, receipt.to = text, to
        self._send(receipt, content)
        return receipt

    def send_file(
        self,
        source: str | Path | BinaryIO,
        *,
        kind: MessageType = MessageType.FILE,
        filename: str | None = None,
        to: str | None = None,
        progress: Progress | None = None,
        cancel: Cancellation | None = None,
        nonce: str | None = None,
    ) -> Receipt:
        """Send a file by its path, or a seekable binary file from its position on; ``kind`` may be IMAGE or VOICE.

        Over ``limits.inline`` bytes it goes by a connection of its own while chat goes on, and the call returns once
        the server has answered: the receipt says what. Raises TransferFailed, TransferCancelled as well.
        ``progress`` is called with the bytes done and those in all. ``nonce``: see ``send_text``.
        """
        if kind not in ATTACHMENTS:
            raise ValueError(f"{kind!r} is no kind of file")
        check_recipient(to, original=self._original)
        with open_source(source, filename) as found:
            check_size(found, self.limits.max_file, original=self._original)
            receipt = self._in_flight.receipt(self._runtime.event, kind, nonce)
            receipt.filename, receipt.to = found.filename, to
            if found.size > min(self.limits.inline, MAX_IN_MEMORY):
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
        """Ask the server to do something: its answer is the receipt's, ``answer`` or ``refusal``."""
        check_command(command, original=self._original, is_private=self.is_private)
        receipt = self._in_flight.receipt(self._runtime.event, MessageType.UTF8, nonce)
        receipt.command = command
        self._send(receipt, b"")
        return receipt

    def unanswered(self) -> list[Receipt]:
        """What was sent and not yet answered, oldest first; after ConnectionLost: what may be lost."""
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
                # Part of a frame may be out, so nothing can follow it. It is not the end yet for the reader: answers
                # to what was sent before may still be there to be read.
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
        """Get an offered content into ``directory`` (None: the save directory); returns where it is.

        A broken download goes on where it stopped. Raises TransferFailed, TransferCancelled, SaveFailed.
        ``progress`` is called with the bytes done and those in all.
        """
        target = given_path(directory) if directory is not None else self._save_directory
        if offer.offer is None or target is None:
            raise ValueError("it takes an offer, and a directory to save it in")
        return self._transfers.save(offer, target, progress, cancel)

    def fetch_into(
        self,
        offer: Attachment,
        file: BinaryIO,
        *,
        progress: Progress | None = None,
        cancel: Cancellation | None = None,
    ) -> None:
        """Fetch an offered content into an open file, from the file's position on. Otherwise like ``fetch``."""
        if offer.offer is None:
            raise ValueError("the attachment has no offer: its content came with its message")
        self._transfers.download(offer, FileSink(file, offer.filename), progress, cancel)

    # The end

    def close(self, timeout: float = 5.0) -> None:
        """Leave the room. Waits up to ``timeout`` seconds for the answers to what was sent; ends transfers that run.

        Then it waits as long again at most until what came is saved. May be called from any task, and twice.
        """
        if self._closing:
            return
        self._closing = True
        self._transfers.end()
        self._log_out(timeout)
        self._end("The connection is closed.")
        # Closing a socket under a reader could hand its number to somebody else's.
        if self._read_lock.acquire(timeout=timeout):
            self._link.close()
            self._read_lock.release()
        if self._saver is not None:
            self._saver.wait(timeout)

    def _log_out(self, timeout: float) -> None:
        if self._ended.is_set():
            return
        if self._send_lock.acquire(timeout=timeout):
            try:
                # What the original makes of a Logout from a client is unknown; the end of the stream it understands.
                self._link.send_last(None if self._original else MessageType.LOGOUT, timeout)
            finally:
                self._send_lock.release()
        if self._interrupted:
            return
        # Read on until the server ends it: what we sent is answered by then, and a socket that is closed with
        # something unread takes back what the server has not read.
        if not self._read_lock.acquire(blocking=False):
            self._ended.wait(timeout)
            return
        try:
            self._incoming.saves = False
            self._link.set_deadline(timeout)
            while self._read() is not None:
                continue
        except ConnectionLost:
            return  # a sender had found out before
        finally:
            self._read_lock.release()

    def _end(self, reason: str) -> None:
        """Nothing more can be read."""
        if not self._closing and self._lost is None:
            self._lost = self._link.given_up or reason
        if not self._ended.is_set():  # later the table may have messages of the next connection
            self._ended.set()
            self._in_flight.lose()
        self._transfers.end()
        self._link.stream.shut()
