"""Uploads and downloads over separate connections, so that several run at once and texts need not wait.

A download that breaks is resumed. So is an upload, if the server knows how: it says how much has arrived, or that the
message was said. With another server, an upload that breaks is reported: others may have received it, and only the user
can decide whether to send it twice. But if the server stopped reading an upload before its end, nobody has received
it, and the upload starts again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple, TypeAlias

from chat.client.connection.events import Attachment, Limits
from chat.client.connection.in_flight import InFlight, Place
from chat.client.connection.link import Link
from chat.client.connection.login import open_transfer
from chat.client.connection.outgoing import Source, encode_header
from chat.client.connection.receipts import Receipt, Status
from chat.client.connection.saving import CheckedSink, PartialFile, Sink
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
from chat.protocol.notices import NoticeCode, Refusal

Progress: TypeAlias = Callable[[int, int], object]  # bytes done, bytes in all

MAX_TRANSFERS = 4  # at once for one session; the server allows no more
ANSWER_TIMEOUT = 120.0  # seconds for the answer to a complete upload
SILENCE = 60.0  # seconds without a byte until a download is resumed over a new connection
UPLOAD_TRIES = 3  # attempts for an upload that the server stops reading
_DIFFERENT = (
    "{!r} was not saved: its content is not the one that was announced (its SHA-256 differs)."
)
_MAX_NOTICE = 64 * 1024  # bytes
# Seconds between attempts. A download starts with the first pause again whenever it has made progress.
_PAUSES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
_TEMPORARY_REFUSALS = frozenset(
    {Refusal.TOO_MANY_TRANSFERS.value, Refusal.TOO_MANY_CONNECTIONS.value}
)


class Refused(NamedTuple):
    """A notice of the server instead of the expected answer."""

    code: str
    sentence: str


class Transfers:
    """The transfers of one session. ``session`` is its token, once known. ``timeout``: seconds to open a connection."""

    def __init__(self, connector: Connector, in_flight: InFlight, timeout: float) -> None:
        self.session: str | None = None
        self._resumes = False
        self._runtime = connector.runtime
        self._connector = connector
        self._in_flight = in_flight
        self._timeout = timeout
        self._turns = Turns(connector.runtime, MAX_TRANSFERS)
        self._running: list[Cancellation] = []
        self._ended = False

    def begin(self, session: str | None, limits: Limits) -> None:
        """Note what the welcome says."""
        self.session, self._resumes = session, limits.resume

    def end(self) -> None:
        """End all running transfers, since the session is over."""
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
        encode_header(receipt, raw=False)  # raises NotSent before anything is recorded
        # Before the upload: the echo may come over the room's connection before the answer comes here.
        self._in_flight.send(receipt, Place.UPLOADING)
        try:
            refused = self._upload(receipt, source, progress, cancel)
        except BaseException as error:
            self._in_flight.requeue(receipt)
            if isinstance(error, TransferFailed) and receipt.status is Status.ACCEPTED:
                return  # its echo has come, so only the answer of the transfer connection was lost
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
        part = self._runtime.offload(
            PartialFile, directory, offer.filename, offer.sha256, offer.size
        )
        try:
            self.download(offer, part, progress, cancel)
            return self._runtime.offload(part.finish)
        except (TransferCancelled, _Useless):
            part.discard()
            raise
        finally:
            part.put_down()

    def download(
        self,
        offer: Attachment,
        part: Sink,
        progress: Progress | None,
        cancel: Cancellation | None,
    ) -> None:
        """Download ``offer`` into ``part``, and compare the content with its SHA-256.

        Raises TransferFailed, TransferCancelled, SaveFailed.
        """
        with self._start(cancel) as stop:
            check = self._runtime.offload(CheckedSink, part, offer.sha256)
            failures = 0
            while True:
                size = part.size
                try:
                    with self._open(stop) as link:
                        self._receive(link, offer, part, check, progress)
                    if check.is_passed():
                        return
                    if not check.began_earlier:
                        raise _Useless(_DIFFERENT.format(offer.filename))
                    # Perhaps the bytes of the earlier run are wrong.
                    self._runtime.offload(part.begin_anew)
                    check = CheckedSink(part, offer.sha256)
                    continue
                except (OSError, RemoteProtocolError, ConnectError, LoginRefused) as error:
                    self._check(stop)
                    failures = 1 if part.size > size else failures + 1
                    # Another attempt would fail in the same way.
                    final = isinstance(error, LoginRefused | HeaderError)
                    if final or failures > len(_PAUSES):
                        raise TransferFailed(
                            f"{offer.filename!r} was not received: {explain(error)}"
                        ) from None
                stop.sleep(self._runtime, _PAUSES[failures - 1])

    def _upload(
        self,
        receipt: Receipt,
        source: Source,
        progress: Progress | None,
        cancel: Cancellation | None,
    ) -> Refused | None:
        """Return the server's refusal, or None if it accepted. Raises TransferFailed, TransferCancelled."""
        with self._start(cancel) as stop:
            tries, most = 0, 0
            while True:
                tries += 1
                try:
                    with self._open(stop) as link:
                        offset = self._find_offset(link, receipt, source)
                        if offset is None:
                            return None
                        tries = 1 if offset > most else tries
                        most = max(most, offset)
                        return self._send(link, receipt, source, offset, progress)
                except (OSError, RemoteProtocolError, ConnectError, LoginRefused) as error:
                    self._check(stop)
                    if not self._is_sent_again(error, tries):
                        raise TransferFailed(
                            f"{source.filename!r} was not sent: {explain(error)}"
                        ) from None
                stop.sleep(self._runtime, _PAUSES[tries])
                self._runtime.offload(source.rewind)

    def _is_sent_again(self, error: Exception, tries: int) -> bool:
        if self._resumes:
            # The server tells what it has, so nothing is said twice. Another attempt after these would fail, too.
            return not isinstance(error, LoginRefused | HeaderError) and tries < len(_PAUSES)
        # Only then has certainly nobody received the file. After any other error, others may have it.
        was_not_received = isinstance(error, StalledFrame) or (
            tries > 1 and isinstance(error, ConnectError)
        )
        return was_not_received and tries < UPLOAD_TRIES

    def _find_offset(self, link: Link, receipt: Receipt, source: Source) -> int | None:
        """Return how many bytes of an upload the server has; None if its message was said.

        Raises what reading and sending raise, TransferFailed.
        """
        if not self._resumes:
            _require_part(receipt, 0)
            return 0
        question = ClientHeader(resume=receipt.nonce, size=source.size)
        link.send(MessageType.FILE, encode_client_header(question))
        link.set_deadline(ANSWER_TIMEOUT)
        answer = self._answer(link)
        if isinstance(answer, Refused):
            if answer.code == NoticeCode.DONE.value:
                return None
            raise RemoteProtocolError(answer.sentence)
        if answer.type != MessageType.FILE or answer.content_size:
            raise HeaderError("The server sent an invalid answer.")
        header = _server_header(link, answer)
        offset = header.offset or 0
        _require_part(receipt, offset)
        if not 0 < offset <= source.size or header.sha256 is None:
            return 0
        # The file may have changed since, or may be another with the same name: a directory is packed anew.
        if self._runtime.offload(source.digest_of_first, offset) == header.sha256:
            return offset
        self._runtime.offload(source.rewind)
        return 0

    @contextmanager
    def _start(self, cancel: Cancellation | None) -> Iterator[Cancellation]:
        # A second Cancellation: the end of the session stops the transfer too, and must not look like a cancellation by
        # the caller.
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
        """Open a transfer connection. Retries, since the server may count an earlier connection for a moment longer."""
        assert self.session is not None, "transfers need a session"
        for pause in _PAUSES:
            try:
                return open_transfer(self._connector, self.session, self._timeout, stop)
            except LoginRefused as refused:
                if refused.code not in _TEMPORARY_REFUSALS:
                    raise
            stop.sleep(self._runtime, pause)
        return open_transfer(self._connector, self.session, self._timeout, stop)

    def _send(
        self,
        link: Link,
        receipt: Receipt,
        source: Source,
        offset: int,
        progress: Progress | None,
    ) -> Refused | None:
        kind, rest = receipt.kind, source.behind(offset)
        header = encode_header(receipt, raw=False, offset=offset)
        broken: OSError | None = None
        complete = False
        try:
            pieces = self._watched(link, rest, offset, progress)
            link.send_pieces(kind, header, rest.size, pieces)
            complete = True
        except _AnsweredEarly:
            complete = False
        except OSError as error:
            broken = error  # the server may have sent the reason before it closed
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
            raise RemoteProtocolError("The server sent an invalid answer.")
        return None

    def _watched(
        self, link: Link, source: Source, offset: int, progress: Progress | None
    ) -> Iterator[bytes]:
        """Yield the pieces of ``source``, which follow ``offset`` bytes.

        Raises _AnsweredEarly if the server answers before the end.
        """
        done, size = offset, offset + source.size
        for piece in source.pieces(lambda size: self._runtime.offload(source.file.read, size)):
            # An answer before the end is a refusal: the rest would be sent in vain.
            if link.stream.readable():
                raise _AnsweredEarly
            yield piece
            done += len(piece)
            if progress:
                progress(done, size)

    def _receive(
        self,
        link: Link,
        offer: Attachment,
        part: Sink,
        check: CheckedSink,
        progress: Progress | None,
    ) -> None:
        if part.size == offer.size and check.began_earlier:
            return
        wanted = ClientHeader(fetch=offer.offer, offset=part.size)
        link.send(MessageType.FILE, encode_client_header(wanted))
        link.set_deadline(SILENCE)
        answer = self._answer(link)
        if isinstance(answer, Refused):
            gone = answer.code == NoticeCode.GONE.value
            raise (_Useless if gone else TransferFailed)(answer.sentence)
        # A resumed download must continue exactly at the end of the file.
        if answer.type != MessageType.FILE or answer.content_size != offer.size - part.size:
            raise HeaderError("The server sent a content that differs from its offer.")
        _ = _server_header(link, answer)
        while part.size < offer.size:
            # Anew for each piece: progress counts, not the total time.
            link.set_deadline(SILENCE)
            self._runtime.offload(check.write, link.reader.recv_some(offer.size - part.size))
            if progress:
                progress(part.size, offer.size)

    def _answer(self, link: Link) -> Descriptor | Refused:
        """Read the answer: a whole notice, or only the descriptor of any other frame."""
        descriptor = link.reader.read_descriptor()
        if descriptor is None:
            raise RemoteProtocolError("The server closed the connection.")
        if descriptor.type != MessageType.UTF8 or not descriptor.header_size:
            return descriptor
        header = _server_header(link, descriptor)
        if header.notice is None or descriptor.content_size > _MAX_NOTICE:
            raise HeaderError("The server sent an invalid answer.")
        sentence = link.reader.recv_exactly(descriptor.content_size).decode(errors="replace")
        return Refused(header.notice, sentence)


class _Useless(TransferFailed):
    """The received part of the content is of no use."""


class _AnsweredEarly(Exception):
    """The server answered an upload before it was complete."""


def _require_part(receipt: Receipt, offset: int) -> None:
    """Raise TransferFailed for an upload that only goes on, if the server has no part of it."""
    if receipt.only_goes_on and not offset:
        raise TransferFailed(
            "The connection was lost, and nobody can find out whether it was sent."
        )


def _server_header(link: Link, descriptor: Descriptor) -> ServerHeader:
    return parse_server_header(link.reader.recv_exactly(descriptor.header_size))
