"""Users in rooms, over real connections."""

from __future__ import annotations

import json
from typing import Any

from chat.protocol.descriptor import MessageType
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.server_in_test import TestServer

PASSWORD = "correct horse"
TEXT, FILE = MessageType.UTF8, MessageType.FILE


class Visitor(WireClient):
    """A user who is here. ``heard`` are the frames that answered nothing, since they were looked at last."""

    heard: list[WireFrame]
    count = 0

    def ask(self, content: bytes = b"", type: int = TEXT, **header: Any) -> WireFrame:
        """Send a frame with a nonce; the answer to it. Earlier frames are ``heard``."""
        self.count += 1
        nonce = f"{self.name}{self.count}"
        self.send(type, {**header, "nonce": nonce}, content)
        while True:
            frame = self.read_frame()
            if frame.header.get("nonce") == nonce and "replay" not in frame.header:
                return frame
            self.heard.append(frame)

    def do(self, command: str, **header: Any) -> WireFrame:
        """A command that is executed."""
        answer = self.ask(command=command, **header)
        assert answer.header["notice"] == "done", answer
        return answer

    def code(self, command: str, **header: Any) -> str:
        """The code that answers a command."""
        code: str = self.ask(command=command, **header).header["notice"]
        return code

    def listed(self, command: str, **header: Any) -> Any:
        return json.loads(self.do(command, **header).content)

    def say_in(self, room: str | None, text: str) -> WireFrame:
        """The answer to a text."""
        header: dict[str, Any] = {} if room is None else {"room": room}
        return self.ask(text.encode(), **header)

    def page(self, command: str = "history", **header: Any) -> list[str]:
        """The contents of a page of history or of a search."""
        self.hear()
        self.do(command, **header)
        return [frame.text for frame in self.hear() if "for" in frame.header]

    def hear(self) -> list[WireFrame]:
        """All that has come since the last look."""
        self.ask(command="ping")
        heard, self.heard = self.heard, []
        return heard

    def presence(self) -> list[str]:
        """The users who came to a room or left one, in short."""
        return [
            " ".join(
                filter(
                    None,
                    (
                        "+" if frame.type == MessageType.LOGIN else "-",
                        frame.sender,
                        frame.header.get("room"),
                        frame.header.get("reason"),
                    ),
                )
            )
            for frame in self.hear()
            if frame.type in (MessageType.LOGIN, MessageType.LOGOUT)
        ]

    def notices(self) -> list[tuple[str, str | None]]:
        """The codes of notices, each with its room."""
        return [
            (frame.header["notice"], frame.header.get("room"))
            for frame in self.hear()
            if "notice" in frame.header
        ]


def come(server: TestServer, name: str, **header: Any) -> Visitor:
    """Log a user in; a registered one gives ``password``."""
    visitor = Visitor(server.address)
    server.remember(visitor)
    visitor.heard = []
    login = json.dumps({"to": name, "join": [], **header}).encode()
    assert visitor.try_login(login) == (MessageType.LOGIN, {}, b"")
    own = visitor.expect(MessageType.LOGIN, sender=name)
    visitor.name = name
    visitor.welcome = json.loads(own.content)
    return visitor


def register(server: TestServer, name: str, **header: Any) -> Visitor:
    """Log a new user in, who registers."""
    visitor = come(server, name, **header)
    visitor.do("register", password=PASSWORD)
    return visitor
