"""Several servers of one chat in this process, over real sockets: they share one log, and a test says what happens.

Each node speaks the protocol to JSON clients in the default room, with TLS if it has an identity. A login takes the
place of the user's session with the same token or device, at whatever node that is.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from chat.protocol.descriptor import MessageType
from tests.peers.certificates import Identity
from tests.peers.scripted_server import TLS_HANDSHAKE, Peer

EPOCH = "epoch"
_PATIENCE = 30.0  # seconds


def moment(seq: int) -> str:
    """Return the time of the message ``seq``, which is all that is needed: one a second."""
    return f"2026-11-24T{seq // 3600 % 24:02}:{seq // 60 % 60:02}:{seq % 60:02}.000000Z"


class _Session:
    """One session of a user: the connection, and what identifies the user to the next one."""

    def __init__(self, node: Node, peer: Peer, login: dict[str, Any], token: str) -> None:
        self.node, self.peer, self.token = node, peer, token
        self.name: str = login["to"]
        self.device = login.get("device")
        self.is_void = False

    def send(self, kind: MessageType, content: bytes, **fields: Any) -> None:
        header = {key: value for key, value in fields.items() if value is not None}
        with suppress(OSError):
            self.peer.send(kind, header, content)

    def notice(self, code: str, **fields: Any) -> None:
        now = moment(len(self.node.cluster.log))
        header = {"from": "server", "timestamp": now, "notice": code, **fields}
        self.send(MessageType.UTF8, f"It is {code}.".encode(), **header)


class Node:
    """One server. ``servers`` are the addresses that its welcome tells; ``refuses`` is the code of its refusals."""

    def __init__(self, cluster: FakeCluster, name: str, identity: Identity | None) -> None:
        self.cluster = cluster
        self.name = name
        self.servers: list[Any] | None = None
        self.refuses: str | None = None
        self.logins: list[dict[str, Any]] = []
        self.confirms = threading.Event()  # cleared: messages wait
        self.confirms.set()
        self.is_alive = True
        self._identity = identity
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def sessions(self) -> list[_Session]:
        with self.cluster.lock:
            return [each for each in self.cluster.sessions if each.node is self]

    def die(self) -> None:
        """End at once, as by kill -9: the kernel closes all sockets, and nobody is told to leave."""
        self.is_alive = False
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def tell_all(self, code: str, **fields: Any) -> None:
        """Send a notice to every session here."""
        with self.cluster.lock:
            for session in self.cluster.sessions:
                if session.node is self:
                    session.notice(code, **fields)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        self._sockets.append(sock)
        with suppress(OSError, AssertionError, json.JSONDecodeError), sock:
            is_tls = sock.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE
            if not is_tls:
                self._talk(sock)
            elif self._identity is not None:
                with self._identity.context().wrap_socket(sock, server_side=True) as inside:
                    self._sockets.append(inside)
                    self._talk(inside)

    def _talk(self, sock: socket.socket) -> None:
        peer = Peer(sock)
        sock.settimeout(None)
        first = peer.read()
        if first is None:
            return
        login = first.fields
        self.logins.append(login)
        if self.refuses is not None:
            peer.send(MessageType.BAD_LOGIN, {"error": self.refuses, "message": "Not here."})
            return
        session = self.cluster.enter(self, peer, login)
        try:
            while (frame := peer.read()) is not None:
                if frame.type == MessageType.LOGOUT:
                    self.cluster.leave(session, "quit")
                    return
                self._take(session, frame.fields, frame.content)
        finally:
            if self.is_alive:  # a dead server tells nobody
                self.cluster.leave(session, "disconnected")

    def _take(self, session: _Session, fields: dict[str, Any], content: bytes) -> None:
        command = fields.get("command")
        if command == "history":
            self.cluster.recall(session, fields)
        elif command is not None:
            session.notice("done", nonce=fields.get("nonce"))
        else:
            while not self.confirms.wait(0.2):
                session.notice("waiting")
            self.cluster.say(session, fields.get("nonce"), content)


class FakeCluster:
    """The shared state: the log of the default room, and the sessions of all nodes, under one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.log: list[dict[str, Any]] = []  # headers, with the text beside them
        self.sessions: list[_Session] = []
        self.nodes: list[Node] = []
        self.left: list[str] = []  # the reasons for which sessions left, as others have seen it
        self._tokens = 0

    def node(self, name: str, identity: Identity | None = None) -> Node:
        self.nodes.append(Node(self, name, identity))
        return self.nodes[-1]

    def enter(self, node: Node, peer: Peer, login: dict[str, Any]) -> _Session:
        """Take a login, and the place of the session that it replaces."""
        with self.lock:
            self._tokens += 1
            session = _Session(node, peer, login, f"token-{self._tokens}")
            for old in [*self.sessions]:
                is_same = login.get("session") == old.token
                if old.name == session.name and (is_same or session.device == old.device):
                    old.is_void = True
                    self.sessions.remove(old)
                    if old.node.is_alive:
                        old.notice("replaced")
                        with suppress(OSError):
                            old.peer.sock.shutdown(socket.SHUT_WR)
            self.sessions.append(session)
            peer.send(MessageType.LOGIN)
            head = len(self.log)
            room: dict[str, Any] = {
                "seq": head,
                "time": moment(head) if head else None,
                "oldest": 1,
                "lost": [],
            }
            welcome = {
                "users": [each.name for each in self.sessions],
                "server": "fake/1",
                "session": session.token,
                "device": True,
                "history": True,
                "epoch": EPOCH,
                "keep": None,
                "rooms": {"lobby": room},
                "node": node.name,
                "servers": node.servers,
            }
            now = moment(head)
            header = {"from": session.name, "timestamp": now}
            session.send(MessageType.LOGIN, json.dumps(welcome).encode(), **header)
            return session

    def leave(self, session: _Session, reason: str) -> None:
        with self.lock:
            if session.is_void:
                return
            session.is_void = True
            self.sessions.remove(session)
            self.left.append(reason)

    def say(self, session: _Session, nonce: str | None, content: bytes) -> None:
        """Commit a message, unless its session has been replaced meanwhile."""
        with self.lock:
            if not session.is_void:
                self.commit(session.name, nonce, content)

    def commit(self, name: str, nonce: str | None, content: bytes) -> None:
        """Commit a message of anybody."""
        with self.lock:
            seq = len(self.log) + 1
            header = {"from": name, "timestamp": moment(seq), "seq": seq, "nonce": nonce}
            self.log.append({**header, "text": content})
            for each in self.sessions:
                each.send(MessageType.UTF8, content, **header)

    def recall(self, session: _Session, query: dict[str, Any]) -> None:
        """Answer ``history``: a page behind a place, or the messages with some nonces."""
        with self.lock:
            after = query.get("after") or 0
            found = [each for each in self.log if each["seq"] > after]
            if query.get("nonces"):
                found = [
                    each
                    for each in found
                    if each["nonce"] in query["nonces"] and each["from"] == session.name
                ]
            limit = query.get("limit") or 50
            for each in found[:limit]:
                header = {**each, "replay": True, "for": query["nonce"]}
                session.send(MessageType.UTF8, header.pop("text"), **header)
            more = True if len(found) > limit else None
            count = len(found[:limit])
            session.notice("done", nonce=query["nonce"], count=count, epoch=EPOCH, more=more)

    @property
    def said(self) -> list[str]:
        """Return the texts of the log."""
        with self.lock:
            return [each["text"].decode() for each in self.log]

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Wait until ``condition`` is true."""
        waited = threading.Event()
        for _ in range(int(_PATIENCE / 0.01)):
            if condition():
                return
            waited.wait(0.01)
        raise AssertionError(f"never: {what}")

    def end(self) -> None:
        for node in self.nodes:
            node.confirms.set()
            node.die()


@contextmanager
def fake_cluster() -> Iterator[FakeCluster]:
    """Run a cluster, at first without nodes."""
    cluster = FakeCluster()
    try:
        yield cluster
    finally:
        cluster.end()
