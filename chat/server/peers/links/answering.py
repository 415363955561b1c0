"""Answer what another server asks, one request after the other.

A request is a line with the key ``request``; the answer is a line with ``answer``, or with ``fault`` and ``why``, and
perhaps a body:

    {"request": "hello", "node": NAME, "version": TEXT, "level": N}        {"answer": "hello", the same keys}
    {"request": "key"}                                                     {"answer": "key", "certificate", "key"}
    {"request": "copy"}          {"answer": "wait"} every 5 s, then {"answer": "copy", "files": [{"name", "size"}, …]}
    {"request": "content", "sha256": HEX, "size": N, "offset": N, "length": N}    {"answer": "content", "length": N}

The body of ``copy`` has the files one after the other, that of ``content`` has ``length`` bytes from ``offset`` on.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple, Protocol, TypeGuard

import gevent
from gevent.lock import BoundedSemaphore

from chat.process.offload import Outcome, outcome_of
from chat.server.peers.faults import ContentMissing, PeerBusy, PeerFault, PeerUnreachable
from chat.server.peers.links.disk_calls import on_disk
from chat.server.peers.links.link_limits import LinkLimits
from chat.server.peers.links.peer_stream import FileShort, PeerStream
from chat.server.peers.peer_facts import KeyPair, PeerFacts
from chat.sizes import byte_count

log = logging.getLogger("chat.server")

DIGEST_SIZE = 32  # bytes


class CopyPart(NamedTuple):
    """Name a file of a copy, and hold a descriptor for reading, which the receiver closes."""

    name: str
    descriptor: int


class PeerSource(Protocol):
    """List what the answers are made of. The methods wait, and raise PeerFault."""

    facts: PeerFacts

    def await_server(self) -> None:
        """Return as soon as the server answers."""

    def take_copy(self) -> list[CopyPart]:
        """Make a copy of the data, and return its files."""

    def open_content(self, digest: bytes, size: int) -> int:
        """Return a descriptor of a content, which the caller closes. Raises ContentMissing."""

    def read_key(self) -> KeyPair:
        """Return the key of the chat server."""


class PeerAnswers:
    """Answer the requests of the server ``node``, which has proved to know the secret.

    A copy takes ``copying`` until it has been sent: while it is open, it takes as much of the disk as the data.
    """

    def __init__(
        self,
        stream: PeerStream,
        node: str,
        source: PeerSource,
        limits: LinkLimits,
        copying: BoundedSemaphore,
    ) -> None:
        self._stream = stream
        self._node = node
        self._source = source
        self._limits = limits
        self._copying = copying
        self._handlers = {
            "hello": self._say_hello,
            "key": self._send_key,
            "copy": self._send_copy,
            "content": self._send_content,
        }

    def serve(self) -> None:
        """Answer requests until the peer closes the connection. Raises PeerFault when it breaks."""
        while (request := self._stream.read_line()) is not None:
            handler = self._handlers.get(str(request.get("request")))
            try:
                if handler is None:
                    raise PeerFault("this version of the server does not know the request")
                handler(request)
            except _Broken as broken:
                raise broken.fault from None
            except PeerFault as fault:
                self._stream.send_line({"fault": fault.code, "why": str(fault)})

    def _say_hello(self, request: Mapping[str, Any]) -> None:
        facts = self._source.facts
        self._send_line(
            {"answer": "hello", "node": facts.node, "version": facts.version, "level": facts.level}
        )

    def _send_key(self, request: Mapping[str, Any]) -> None:
        pair = self._source.read_key()
        self._send_line({"answer": "key", "certificate": pair.certificate, "key": pair.key})

    def _send_copy(self, request: Mapping[str, Any]) -> None:
        if not self._copying.acquire(blocking=False):
            raise PeerBusy("another server takes a copy now")
        try:
            self._make_and_send_copy()
        finally:
            self._copying.release()

    def _make_and_send_copy(self) -> None:
        begun = time.monotonic()
        parts = self._prepare_copy()
        with ExitStack() as opened:
            for part in parts:
                # In a thread: the file has no name any more, and to free gigabytes takes a while.
                opened.callback(on_disk, os.close, part.descriptor)
            sizes = [os.fstat(part.descriptor).st_size for part in parts]
            files = [{"name": p.name, "size": s} for p, s in zip(parts, sizes, strict=True)]
            self._send_line({"answer": "copy", "files": files})
            for part, size in zip(parts, sizes, strict=True):
                self._send_body(part.descriptor, 0, size)
        size, seconds = sum(sizes), time.monotonic() - begun
        log.info("%s has a copy of the data: %s in %.1f s", self._node, byte_count(size), seconds)

    def _prepare_copy(self) -> list[CopyPart]:
        """Let the copy be made, and tell the peer meanwhile that it is under way."""
        task = gevent.spawn(outcome_of, self._source.take_copy)
        try:
            task.join(self._limits.sign_of_life)
            while not task.ready():
                self._require_server()
                self._send_line({"answer": "wait"})
                task.join(self._limits.sign_of_life)
        finally:
            task.kill()
        outcome: Outcome[list[CopyPart]] | None = task.value
        assert outcome is not None, "the task has ended with an outcome"
        return outcome.get()

    def _require_server(self) -> None:
        """Raise PeerUnreachable if the server of this process hangs: then another one has to make the copy."""
        with gevent.Timeout(self._limits.hanging, PeerUnreachable("the server hangs")):
            self._source.await_server()

    def _send_content(self, request: Mapping[str, Any]) -> None:
        digest, size = read_digest(request.get("sha256")), request.get("size")
        offset, length = request.get("offset", 0), request.get("length")
        if digest is None or not is_count(size):
            raise PeerFault("the request names no content")
        if not is_count(offset) or offset > size:
            raise PeerFault("the request names no part of the content")
        length = size - offset if length is None else length
        if not is_count(length) or offset + length > size:
            raise PeerFault("the request names no part of the content")
        descriptor = self._source.open_content(digest, size)
        try:
            if os.fstat(descriptor).st_size != size:
                raise ContentMissing("the content has another size here")
            self._send_line({"answer": "content", "length": length})
            self._send_body(descriptor, offset, length)
        finally:
            os.close(descriptor)

    def _send_line(self, fields: Mapping[str, Any]) -> None:
        try:
            self._stream.send_line(fields)
        except PeerFault as fault:
            raise _Broken(fault) from None

    def _send_body(self, descriptor: int, offset: int, size: int) -> None:
        """Send bytes of a file. After a failure no line can follow, since the peer would take it for the body."""
        try:
            self._stream.send_file(descriptor, offset, size)
        except FileShort:
            raise _Broken(PeerFault("a file has become shorter while it was sent")) from None
        except PeerFault as fault:
            raise _Broken(fault) from None


class _Broken(Exception):
    """The connection cannot be used any more."""

    def __init__(self, fault: PeerFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def read_digest(text: object) -> bytes | None:
    """Return the SHA-256 that is written in hex; None if it is none."""
    try:
        digest = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return None
    return digest if len(digest) == DIGEST_SIZE else None


def is_count(value: object) -> TypeGuard[int]:
    """Return whether a value of JSON is a number of bytes."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
