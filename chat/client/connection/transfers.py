"""Uploads and downloads on connections of their own, so that several run side by side and chat goes on meanwhile.

A broken download goes on where it stopped. A broken upload is reported, since only the one who asked for it can know
whether sending it twice is worse than not at all. But if the server stopped taking an upload before it was whole,
nobody has received it, and the upload begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple, TypeAlias

from chat.client.connection.events import Attachment
from chat.client.connection.in_flight import InFlight, Place
from chat.client.connection.link import Link
from chat.client.connection.login import open_transfer
from chat.client.connection.outgoing import Source, encode_header
from chat.client.connection.receipts import Receipt, Status
from chat.client.connection.saving import PartialFile, Sink
from chat.client.errors import (
    ConnectError,
    LoginRefused,
    NotSupported,
    TransferCancelled,
    TransferFailed,
    explain,
)
from chat.client.runtime.cancellation import Cancellation, Turns
from chat.client.trust.connector import Connector
from chat.framing import StalledFrame
from chat.protocol.descriptor import Descriptor, MessageType
from chat.protocol.errors import HeaderError, RemoteProtocolError
from chat.protocol.headers import (
    ClientHeader,
    ServerHeader,
    encode_client_header,
    parse_server_header,
)
from chat.protocol.notices import Refusal

Progress: TypeAlias = Callable[[int, int], object]  # bytes done, bytes in all

MAX_TRANSFERS = 4  # at a time, for one session: the server allows no more
ANSWER_TIMEOUT = 120.0  # seconds for the answer to an upload that is complete
SILENCE = 60.0  # seconds without a byte after which a download goes on over a new connection
UPLOAD_TRIES = 3  # of an upload that the server stops taking
_MAX_NOTICE = 64 * 1024  # bytes
# What failed is tried again after these pauses (seconds), a download from the first one whenever it got any further.
_PAUSES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
_WORTH_WAITING = frozenset({Refusal.TOO_MANY_TRANSFERS.value, Refusal.TOO_MANY_CONNECTIONS.value})


class Refused(NamedTuple):
    """A notice instead of what was asked for."""

    code: str
    sentence: str


class Transfers:
    """Those of one session. ``session`` is its token, once known. ``timeout`` (seconds) is for opening a connection."""

    def __init__(self, connector: Connector, in_flight: InFlight, timeout: float) -> None:
        self.session: str | None = None
        self._runtime = connector.runtime
        self._connector = connector
        self._in_flight = in_flight
        self._timeout = timeout
        self._turns = Turns(connector.runtime, MAX_TRANSFERS)
        self._running: list[Cancellation] = []
        self._ended = False

    def end(self) -> None:
        """The session is over: end all that run."""
        self._ended = True
        for cancel in list(self._running):
            cancel.cancel()

    def upload(
        self,
        receipt: Receipt,
        source: Source,
        progress: Progress | None,
        cancel: Cancellation | None,
    ) -> None:
        """Send ``source`` as the message of ``receipt``, and settle the receipt.

        Raises NotSupported, NotSent, TransferFailed, TransferCancelled.
        """
        if self.session is None:
            raise NotSupported("This server takes no large files.")
        header = encode_header(receipt, raw=False)
        self._in_flight.send(receipt, Place.UPLOADING)
        try:
            refused = self._upload(receipt.kind, header, source, progress, cancel)
        except BaseException as error:
            self._in_flight.requeue(receipt)
            if isinstance(error, TransferFailed) and receipt.status is Status.ACCEPTED:
                return  # its echo has come, only the answer got lost
            raise
        if refused is None:
            receipt.settle(Status.ACCEPTED)
        else:
            self._in_flight.requeue(receipt)
            receipt.settle(Status.REFUSED, refused.code, refused.sentence)

    def save(
        self,
        offer: Attachment,
        directory: str | Path,
        progress: Progress | None,
        cancel: Cancellation | None,
    ) -> Path:
        """Download ``offer`` to a file in ``directory``; return its path. Raises as ``download`` does."""
        part = self._runtime.offload(PartialFile, directory, offer.filename)
        try:
            self.download(offer, part, progress, cancel)
            return self._runtime.offload(part.finish)
        finally:
            part.discard()

    def download(
        self,
        offer: Attachment,
        part: Sink,
        progress: Progress | None,
        cancel: Cancellation | None,
    ) -> None:
        """Write it to ``part``. Raises TransferFailed, TransferCancelled, SaveFailed."""
        with self._start(cancel) as stop:
            failures = 0
            while True:
                size = part.size
                try:
                    with self._open(stop) as link:
                        self._receive(link, offer, part, progress)
                    return
                except (OSError, RemoteProtocolError, ConnectError, LoginRefused) as error:
                    self._check(stop)
                    failures = 1 if part.size > size else failures + 1
                    # What is no accident another try would not mend.
                    final = isinstance(error, LoginRefused | HeaderError)
                    if final or failures > len(_PAUSES):
                        raise TransferFailed(
                            f"{offer.filename!r} was not received: {explain(error)}"
                        ) from None
                stop.sleep(self._runtime, _PAUSES[failures - 1])

    def _upload(
        self,
        kind: MessageType,
        header: bytes,
        source: Source,
        progress: Progress | None,
        cancel: Cancellation | None,
    ) -> Refused | None:
        """Return the server's refusal, or None if it accepted. Raises TransferFailed, TransferCancelled."""
        with self._start(cancel) as stop:
            tries = 0
            while True:
                tries += 1
                try:
                    with self._open(stop) as link:
                        return self._send(link, kind, header, source, progress)
                except (OSError, RemoteProtocolError, ConnectError, LoginRefused) as error:
                    self._check(stop)
                    is_whole_nowhere = isinstance(error, StalledFrame) or (
                        tries > 1 and isinstance(error, ConnectError)
                    )
                    if not is_whole_nowhere or tries == UPLOAD_TRIES:
                        raise TransferFailed(
                            f"{source.filename!r} was not sent: {explain(error)}"
                        ) from None
                stop.sleep(self._runtime, _PAUSES[tries])
                self._runtime.offload(source.rewind)

    @contextmanager
    def _start(self, cancel: Cancellation | None) -> Iterator[Cancellation]:
        # The end of the session stops it too, which is not the caller's cancelling.
        stop = Cancellation()
        self._running.append(stop)
        try:
            with cancel.calls(stop.cancel) if cancel is not None else nullcontext():
                self._check(stop)
                with self._turns.turn(stop):
                    yield stop
        except TransferCancelled:
            self._check(stop)
            raise
        finally:
            self._running.remove(stop)

    def _check(self, stop: Cancellation) -> None:
        if self._ended:
            raise TransferFailed("The connection to the server has ended.")
        stop.check()

    @contextmanager
    def _open(self, stop: Cancellation) -> Iterator[Link]:
        link = self._log_in(stop)
        try:
            with stop.calls(link.stream.shut):
                yield link
        finally:
            link.close()

    def _log_in(self, stop: Cancellation) -> Link:
        """The server may take a moment to notice that a connection before this one is gone."""
        assert self.session is not None, "there is nothing to transfer without one"
        for pause in _PAUSES:
            try:
                return open_transfer(self._connector, self.session, self._timeout, stop)
            except LoginRefused as refused:
                if refused.code not in _WORTH_WAITING:
                    raise
            stop.sleep(self._runtime, pause)
        return open_transfer(self._connector, self.session, self._timeout, stop)

    def _send(
        self,
        link: Link,
        kind: MessageType,
        header: bytes,
        source: Source,
        progress: Progress | None,
    ) -> Refused | None:
        broken: OSError | None = None
        complete = False
        try:
            pieces = self._watched(link, source, progress)
            link.send_pieces(kind, header, source.size, pieces)
            complete = True
        except _AnsweredEarly:
            complete = False
        except OSError as error:
            broken = error  # the server may have said why before it closed
        link.set_deadline(ANSWER_TIMEOUT)
        try:
            answer = self._answer(link)
        except (OSError, RemoteProtocolError):
            if broken is not None:
                raise broken from None
            raise
        if isinstance(answer, Refused):
            return answer
        if not complete or answer != Descriptor(kind):
            raise RemoteProtocolError("The server's answer makes no sense.")
        return None

    def _watched(self, link: Link, source: Source, progress: Progress | None) -> Iterator[bytes]:
        """The pieces of ``source``, until the server answers: before the end, that is a refusal."""
        done = 0
        for piece in source.pieces(lambda size: self._runtime.offload(source.file.read, size)):
            if link.stream.readable():
                raise _AnsweredEarly
            yield piece
            done += len(piece)
            if progress:
                progress(done, source.size)

    def _receive(
        self, link: Link, offer: Attachment, part: Sink, progress: Progress | None
    ) -> None:
        wanted = ClientHeader(fetch=offer.offer, offset=part.size)
        link.send(MessageType.FILE, encode_client_header(wanted))
        link.set_deadline(SILENCE)
        answer = self._answer(link)
        if isinstance(answer, Refused):
            raise TransferFailed(answer.sentence)
        if answer.type != MessageType.FILE or answer.content_size != offer.size - part.size:
            raise HeaderError("The server sends something else than it offered.")
        _ = _server_header(link, answer)
        while part.size < offer.size:
            link.set_deadline(SILENCE)
            self._runtime.offload(part.write, link.reader.recv_some(offer.size - part.size))
            if progress:
                progress(part.size, offer.size)

    def _answer(self, link: Link) -> Descriptor | Refused:
        """A notice, read, or the descriptor of something else."""
        descriptor = link.reader.read_descriptor()
        if descriptor is None:
            raise RemoteProtocolError("The server closed the connection.")
        if descriptor.type != MessageType.UTF8 or not descriptor.header_size:
            return descriptor
        header = _server_header(link, descriptor)
        if header.notice is None or descriptor.content_size > _MAX_NOTICE:
            raise HeaderError("The server's answer makes no sense.")
        sentence = link.reader.recv_exactly(descriptor.content_size).decode(errors="replace")
        return Refused(header.notice, sentence)


class _AnsweredEarly(Exception):
    """The server answered an upload before it was complete."""


def _server_header(link: Link, descriptor: Descriptor) -> ServerHeader:
    return parse_server_header(link.reader.recv_exactly(descriptor.header_size))
