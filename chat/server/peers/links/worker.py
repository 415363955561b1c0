"""The process that has all connections to other servers: see ``chat.server.peers.peer_process``.

Its standard input is a channel to the server. It ends with the server, whatever becomes of it: the channel ends then.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event

from chat.net.address import Address
from chat.server.peers.channel import Channel, ChannelQuestion, ChannelReply
from chat.server.peers.faults import PeerFault
from chat.server.peers.links.answering import CopyPart
from chat.server.peers.links.content_fetch import ContentFetch
from chat.server.peers.links.copy_arrival import receive_copy
from chat.server.peers.links.encryption import make_caller_context, make_listener_tls
from chat.server.peers.links.link import LinkMaker
from chat.server.peers.links.link_limits import LinkLimits
from chat.server.peers.links.listener import LinkListener
from chat.server.peers.peer_facts import KeyPair, PeerFacts
from chat.server.process.helper_process import become_helper

log = logging.getLogger("chat.server")

_MOST_LINES = 200  # of the log, on their way to the server


class ChannelSource:
    """Ask the server for what other servers want."""

    def __init__(self, facts: PeerFacts, channel: Channel) -> None:
        self.facts = facts
        self._channel = channel

    def await_server(self) -> None:
        self._channel.ask("life", {})

    def take_copy(self) -> list[CopyPart]:
        reply = self._channel.ask("copy", {})
        return [
            CopyPart(*each) for each in zip(reply.fields["names"], reply.descriptors, strict=True)
        ]

    def open_content(self, digest: bytes, size: int) -> int:
        reply = self._channel.ask("content", {"sha256": digest.hex(), "size": size})
        [descriptor] = reply.descriptors
        return descriptor

    def read_key(self) -> KeyPair:
        fields = self._channel.ask("key", {}).fields
        return KeyPair(fields["certificate"], fields["key"])


class PeerWorker:
    """Do what the server asks on its channel ``sock``."""

    def __init__(self, sock: socket.socket) -> None:
        self._has_ended = Event()
        handlers = {
            "begin": self._begin,
            "listen": self._listen,
            "hello": self._hello,
            "key": self._read_key,
            "copy": self._take_copy,
            "fetch": self._fetch,
        }
        self._channel = Channel(sock, handlers, lambda fields: None, self._has_ended.set)
        self._lines = _LogLines(self._channel)

    def run(self) -> None:
        """Work until the server has ended."""
        log.addHandler(self._lines)
        log.setLevel(logging.INFO)
        log.propagate = False
        self._has_ended.wait()

    def _begin(self, question: ChannelQuestion) -> ChannelReply:
        """Take what all else needs. The secret comes by the channel, where no other process can see it."""
        fields = question.fields
        secret, limits = bytes.fromhex(fields["secret"]), LinkLimits(**fields["limits"])
        self._facts = facts = PeerFacts(**fields["facts"])
        try:
            tls = make_listener_tls(Path(fields["directory"]))
        except OSError as problem:
            where = problem.filename or fields["directory"]
            raise PeerFault(f"cannot write {where}: {problem.strerror}") from None
        source = ChannelSource(facts, self._channel)
        self._listener = LinkListener(secret, tls, source, limits)
        self._links = LinkMaker(facts.node, secret, make_caller_context(), limits)
        return ChannelReply()

    def _listen(self, question: ChannelQuestion) -> ChannelReply:
        self._listener.listen([socket.socket(fileno=number) for number in question.descriptors])
        return ChannelReply()

    def _hello(self, question: ChannelQuestion) -> ChannelReply:
        with self._links.open(_address(question.fields["address"])) as link:
            facts = link.hello(self._facts)
        return ChannelReply({"node": facts.node, "version": facts.version, "level": facts.level})

    def _read_key(self, question: ChannelQuestion) -> ChannelReply:
        with self._links.open(_address(question.fields["address"])) as link:
            pair = link.read_key()
        return ChannelReply({"certificate": pair.certificate, "key": pair.key})

    def _take_copy(self, question: ChannelQuestion) -> ChannelReply:
        fields = question.fields
        with self._links.open(_address(fields["address"])) as link:
            files = link.ask_for_copy()
            receive_copy(link.stream, files, fields["names"], Path(fields["directory"]))
        return ChannelReply({"node": link.node})

    def _fetch(self, question: ChannelQuestion) -> ChannelReply:
        fields, [descriptor] = question.fields, question.descriptors
        try:
            digest, size = bytes.fromhex(fields["sha256"]), fields["size"]
            fetch = ContentFetch(self._links, digest, size, descriptor, question.note)
            fetch.run([_address(each) for each in fields["addresses"]])
        finally:
            os.close(descriptor)
        return ChannelReply()


class _LogLines(logging.Handler):
    """Give log lines to the server, which writes the log."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel
        self._lines: deque[Mapping[str, Any]] = deque(maxlen=_MOST_LINES)
        self._wake = Event()
        gevent.spawn(self._run)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append({"level": record.levelno, "text": self.format(record)})
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._lines:
                self._channel.tell("log", self._lines.popleft())


def _address(fields: list[Any]) -> Address:
    host, port = fields
    return Address(host, port)


def main() -> None:
    """Work for the server whose channel is the standard input."""
    become_helper()
    PeerWorker(socket.socket(fileno=0)).run()
    # Threads may still wait for a disk. Nothing that they do is wanted any more.
    os._exit(0)


if __name__ == "__main__":
    main()
