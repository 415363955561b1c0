"""Requests between the server and its process for peers, over a pair of unix sockets, with descriptors of files.

Both sides ask and answer, many things at once. A message is a length, a number of descriptors, and JSON:

    {"ask": NAME, "id": N, …}      {"answer": N, …}    {"fault": CODE, "why": TEXT, "answer": N}
    {"tell": NAME, …}              {"note": N, …}: a word to the asker before the answer        {"cancel": N}
"""

from __future__ import annotations

import array
import json
import logging
import os
import socket as plain_socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore

from chat.server.peers.faults import PeerFault, PeerUnreachable, fault_of

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

log = logging.getLogger("chat.server")

_HEADER = struct.Struct(">IB")
MOST_DESCRIPTORS = 16
_PIECE = 64 * 1024
_ENDED = "the process for connections to other servers has ended"


class ChannelReply(NamedTuple):
    """Answer a request. The descriptors pass to the receiver, who closes them."""

    fields: Mapping[str, Any] = {}
    descriptors: Sequence[int] = ()


class ChannelQuestion(NamedTuple):
    """Ask for something. The handler closes the descriptors. ``note`` tells the asker something before the answer."""

    fields: Mapping[str, Any]
    descriptors: Sequence[int]
    note: Callable[[], None]


Handler = Callable[[ChannelQuestion], ChannelReply]


class _Asked(NamedTuple):
    answer: AsyncResult[ChannelReply]
    on_note: Callable[[], object]


class Channel:
    """Ask the other side over ``sock``, and answer by ``handlers``; each answer has a greenlet.

    ``on_told`` is called with what the other side tells, ``on_end`` once when the channel has ended.
    """

    def __init__(
        self,
        sock: GeventSocket,
        handlers: Mapping[str, Handler],
        on_told: Callable[[Mapping[str, Any]], object],
        on_end: Callable[[], object],
    ) -> None:
        self._sock = sock
        self._handlers = handlers
        self._on_told = on_told
        self._on_end = on_end
        self._turns = BoundedSemaphore(1)
        self._serial = 0
        self._asked: dict[int, _Asked] = {}
        self._answering: dict[int, gevent.Greenlet[..., Any]] = {}
        self._arrived: deque[int] = deque()  # descriptors whose message is not complete yet
        self._is_open = True
        self._reader = gevent.spawn(self._read)

    def ask(
        self,
        name: str,
        fields: Mapping[str, Any],
        descriptors: Sequence[int] = (),
        on_note: Callable[[], object] = lambda: None,
    ) -> ChannelReply:
        """Ask, and wait for the answer. The caller keeps its ``descriptors``. Raises PeerFault."""
        if not self._is_open:
            raise PeerUnreachable(_ENDED)
        self._serial += 1
        number = self._serial
        answer: AsyncResult[ChannelReply] = AsyncResult()
        self._asked[number] = _Asked(answer, on_note)
        try:
            self._send({**fields, "ask": name, "id": number}, descriptors)
            reply: ChannelReply | None = answer.get()
            assert reply is not None, "an answer is a reply"
            return reply
        except PeerFault:
            raise
        except BaseException:
            # This greenlet was killed. Its answer may have come in the same moment.
            if answer.successful() and answer.value is not None:
                _close_all(answer.value.descriptors)
            else:
                gevent.spawn(self._cancel, number)
            raise
        finally:
            self._asked.pop(number, None)

    def tell(self, name: str, fields: Mapping[str, Any]) -> None:
        """Tell the other side something. Raises PeerFault if it has ended."""
        self._send({**fields, "tell": name})

    def close(self) -> None:
        """End the channel: no question is answered any more."""
        if not self._is_open:
            return
        self._is_open = False
        self._reader.kill(block=False)
        self._sock.close()
        for asked in list(self._asked.values()):
            asked.answer.set_exception(PeerUnreachable(_ENDED))
        for task in list(self._answering.values()):
            task.kill(block=False)
        _close_all(self._arrived)
        self._on_end()

    def _cancel(self, number: int) -> None:
        if self._is_open:
            self._send_if_open({"cancel": number})

    # Bytes out

    def _send(self, fields: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Raises PeerUnreachable."""
        assert len(descriptors) <= MOST_DESCRIPTORS
        data = json.dumps(fields).encode()
        message = memoryview(_HEADER.pack(len(data), len(descriptors)) + data)
        with self._turns:
            try:
                if descriptors:
                    rights = array.array("i", descriptors)
                    message = message[self._send_with(message, rights) :]
                self._sock.sendall(message)
            except OSError:
                raise PeerUnreachable(_ENDED) from None

    def _send_with(self, message: memoryview, rights: array.array[int]) -> int:
        """Send the first bytes of a message, and descriptors with them; return the number of bytes."""
        ancillary = [(plain_socket.SOL_SOCKET, plain_socket.SCM_RIGHTS, rights)]
        sent = 0
        while not sent:  # gevent returns 0 if the socket was ready, and is not any more
            sent = self._sock.sendmsg([message], ancillary)
        return sent

    def _send_if_open(self, fields: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        try:
            self._send(fields, descriptors)
        except PeerUnreachable:
            self.close()

    # Bytes in

    def _read(self) -> None:
        try:
            for fields, descriptors in self._messages():
                self._take(fields, descriptors)
        except OSError as problem:
            log.debug("the channel of the process for peers has ended: %s", problem)
        self.close()

    def _messages(self) -> Iterator[tuple[Mapping[str, Any], list[int]]]:
        data = bytearray()
        room = plain_socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)
        while True:
            while len(data) >= _HEADER.size:
                size, count = _HEADER.unpack_from(data)
                end = _HEADER.size + size
                if len(data) < end:
                    break
                fields = json.loads(data[_HEADER.size : end])
                del data[:end]
                yield fields, [self._arrived.popleft() for _ in range(count)]
            received, ancillary, _, _ = self._sock.recvmsg(_PIECE, room)
            if not received:
                return
            data += received
            for level, kind, content in ancillary:
                if (level, kind) == (plain_socket.SOL_SOCKET, plain_socket.SCM_RIGHTS):
                    rights = array.array("i")
                    rights.frombytes(content[: len(content) - len(content) % rights.itemsize])
                    for descriptor in rights:
                        os.set_inheritable(descriptor, False)
                    self._arrived.extend(rights)

    def _take(self, fields: Mapping[str, Any], descriptors: list[int]) -> None:
        if "ask" in fields:
            number = fields["id"]
            task = gevent.spawn(self._answer, number, fields, descriptors)
            self._answering[number] = task
            task.rawlink(lambda _: self._answering.pop(number, None))
        elif "answer" in fields:
            self._take_answer(fields, descriptors)
        elif "note" in fields:
            asked = self._asked.get(fields["note"])
            if asked is not None:
                asked.on_note()
        elif "cancel" in fields:
            task_to_end = self._answering.get(fields["cancel"])
            if task_to_end is not None:
                # Not at once: a task that has not begun would never close its descriptors.
                gevent.spawn(task_to_end.kill)
        else:
            self._on_told(fields)

    def _take_answer(self, fields: Mapping[str, Any], descriptors: list[int]) -> None:
        asked = self._asked.get(fields["answer"])
        if asked is None:
            _close_all(descriptors)  # nobody waits for the answer any more
        elif "fault" in fields:
            asked.answer.set_exception(fault_of(fields["fault"], fields.get("why")))
        else:
            asked.answer.set(ChannelReply(fields, descriptors))

    def _answer(self, number: int, fields: Mapping[str, Any], descriptors: list[int]) -> None:
        question = ChannelQuestion(
            fields, descriptors, lambda: self._send_if_open({"note": number})
        )
        try:
            reply = self._handlers[fields["ask"]](question)
        except PeerFault as fault:
            self._send_if_open({"answer": number, "fault": fault.code, "why": str(fault)})
            return
        except Exception:
            log.exception("a request between the server and its process for peers has failed")
            why = "a fault of the program; the log says more"
            self._send_if_open({"answer": number, "fault": PeerFault.code, "why": why})
            return
        try:
            self._send_if_open({**reply.fields, "answer": number}, reply.descriptors)
        finally:
            _close_all(reply.descriptors)


def _close_all(descriptors: Sequence[int] | deque[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
