"""A closed room leaks nothing: nobody gets a byte of a message that was not for them, whatever they try.

Users come, go, are invited, join, leave, are removed, talk, send files, search, page through the history and fetch, in
a random order, while the room changes its kind and its topic, and is removed and made again. Devices take the place of
their former sessions. The room is named in several spellings, and by a name that only looks like its own. Beside them,
a model knows which messages and topics each user may have seen.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.rooms.room_records import RoomChanges, write_rooms
from tests.peers.wire_client import WireFrame
from tests.server.membership.visitors import PASSWORD, Visitor, come, register
from tests.server.server_in_test import TestServer, open_chat_server
from tests.tiers import quick_first

pytestmark = pytest.mark.usefixtures("cheap_hashes", "eager_index")

Start = Callable[..., AbstractContextManager[TestServer]]
REGISTERED, GUESTS = ("alice", "bob", "carol"), ("gil", "gus")
SECRET = re.compile(rb"secret(\d+)x")
TOPIC = re.compile(rb"topic(\d+)x")
# PRECIS takes the last one for the same name.
SPELLINGS = ("den", "DEN", "\uff44\uff45\uff4e")
LOOKALIKE = "d\u0435n"


class Model:
    """The room as it must be: its messages, who is in it, and who may have seen what."""

    def __init__(self) -> None:
        self.log: list[str] = []  # each the text, or the content, of a message
        self.is_closed = True
        self.opened = 0  # messages before this number are not for those who join an open room
        self.start = 0  # messages up to this number are those of a former room
        self.shows_all = False
        self.topics = 0
        self.has_topic = False
        self.seen_topics: dict[str, set[int]] = defaultdict(set)
        self.invited: dict[str, int | None] = {"alice": None}
        self.members = {"alice"}
        self.seen: dict[str, set[int]] = defaultdict(set)

    def since(self, name: str) -> int:
        if self.shows_all:
            return self.start
        since = self.invited.get(name)
        return max(self.start, self.opened if since is None else since)

    def is_known_to(self, name: str) -> bool:
        return not self.is_closed or name in self.members | {*self.invited}

    def make_again(self) -> None:
        """Remove the room, and let its owner make it again: members, invitations and settings are gone."""
        self.members, self.invited = {"alice"}, {"alice": None}
        self.start = self.opened = len(self.log)
        self.is_closed, self.shows_all, self.has_topic = True, False, False

    def note_topic(self, names: Iterable[str]) -> None:
        """Note who may have seen the topic: the members, and everyone while the room is open."""
        if self.has_topic:
            for name in names if not self.is_closed else self.members:
                self.seen_topics[name].add(self.topics)

    def readable(self, name: str) -> list[str]:
        return self.log[self.since(name) :] if name in self.members else []

    def note_readable(self) -> None:
        for name in self.members:
            self.seen[name].update(range(self.since(name) + 1, len(self.log) + 1))


class Visits:
    """A server, its users, and the model."""

    def __init__(self, server: TestServer, rng: random.Random) -> None:
        self.server, self.rng = server, rng
        self.model = Model()
        self.here: dict[str, Visitor] = {}
        self.ids: set[str] = set()
        for name in REGISTERED:
            self.here[name] = register(server, name, **self.device(name))
        for name in GUESTS:
            self.here[name] = come(server, name, **self.device(name))
        self.here["alice"].do("join", room="den")
        self.here["alice"].do("room", room="den", kind="closed")

    def device(self, name: str) -> dict[str, Any]:
        """The device of a user, and how small contents come to it as offers."""
        return {"device": name.ljust(22, "-"), "inline": self.rng.choice((10, 100_000))}

    def room(self) -> str:
        return self.rng.choice(SPELLINGS)

    def run(self, steps: int) -> None:
        acts = {
            self.say: 6,
            self.join: 5,
            self.part: 1,
            self.invite: 3,
            self.remove: 2,
            self.come_or_go: 3,
            self.page: 5,
            self.search: 3,
            self.fetch: 3,
            self.look_around: 2,
            self.change: 1,
            self.set_topic: 2,
            self.take_over: 1,
            self.make_again: 0.6,
            self.use_the_lookalike: 1,
        }
        for _ in range(steps):
            [act] = self.rng.choices(list(acts), list(acts.values()))
            visitor = self.rng.choice(list(self.here.values()))
            if act in (self.invite, self.remove, self.change, self.set_topic):
                # Mostly the one who may do that.
                visitor = self.rng.choice((visitor, self.here.get("alice", visitor)))
            act(visitor)
            self.model.note_readable()
            self.model.note_topic(self.here)
            self.check()

    def check(self) -> None:
        """Nobody has heard what was not for them."""
        for visitor in self.here.values():
            self.judge(visitor, visitor.hear())

    def judge(self, visitor: Visitor, frames: list[WireFrame]) -> None:
        for frame in frames:
            found = SECRET.findall(frame.content + repr(frame.header).encode())
            for number in map(int, found):
                assert number in self.model.seen[visitor.name], (visitor.name, frame)
            for number in map(int, TOPIC.findall(frame.content + repr(frame.header).encode())):
                assert number in self.model.seen_topics[visitor.name], (visitor.name, frame)

    # What users do

    def say(self, visitor: Visitor) -> None:
        model = self.model
        content = f"secret{len(model.log) + 1}x".ljust(self.rng.choice((9, 70_000)))
        is_file = self.rng.random() < 0.4
        header: dict[str, Any] = {"room": self.room()}
        if is_file:
            header["filename"] = content[:12].strip()
            answer = visitor.ask(content.encode(), MessageType.FILE, **header)
        else:
            content = content.strip()
            answer = visitor.ask(content.encode(), **header)
        if visitor.name in model.members:
            assert answer.header["seq"] == len(model.log) + 1
            model.log.append(content)
            self.ids.update(filter(None, [answer.header.get("id")]))
            if is_file:
                digits = "".join(filter(str.isdigit, answer.header["timestamp"]))
                self.ids.add(f"r{len(model.log)}.{digits}.den")
        else:
            assert answer.header["notice"] == "not-in-room"

    def join(self, visitor: Visitor) -> None:
        model, name = self.model, visitor.name
        answer = visitor.ask(command="join", room=self.room())
        if name in model.members or not model.is_closed or name in model.invited:
            assert answer.header["notice"] == "done"
            if name not in model.members:
                model.members.add(name)
                if name in REGISTERED:
                    model.invited.setdefault(name, None)
        else:
            assert answer.header["notice"] == "not-invited"
        model.note_readable()
        model.note_topic(self.here)
        self.judge(visitor, [answer])

    def part(self, visitor: Visitor) -> None:
        name = visitor.name
        code = visitor.code("part", room=self.room())
        is_there = name in self.model.members or (name in self.model.invited and name != "alice")
        assert code == ("done" if is_there else "not-in-room")
        if code == "done":
            self.model.members.discard(name)
            if name != "alice":
                self.model.invited.pop(name, None)

    def invite(self, visitor: Visitor) -> None:
        """Only the owner does."""
        target = self.rng.choice((*REGISTERED, *GUESTS))
        code = visitor.code("invite", room="den", target=target)
        if visitor.name != "alice" or "alice" not in self.model.members:
            assert code in ("not-allowed", "not-in-room")
        elif code == "done":
            assert target not in self.model.members or target not in self.here
            self.model.invited.setdefault(target, len(self.model.log))

    def remove(self, visitor: Visitor) -> None:
        target = self.rng.choice((*REGISTERED[1:], *GUESTS))
        code = visitor.code("remove", room="den", target=target)
        if code == "done":
            assert visitor.name == "alice"
            self.model.members.discard(target)
            self.model.invited.pop(target, None)

    def come_or_go(self, visitor: Visitor) -> None:
        name = self.rng.choice((*REGISTERED, *GUESTS))
        if name in self.here:
            if len(self.here) < 3 or (name == "alice" and self.rng.random() < 0.8):
                return
            visitor = self.here.pop(name)
            self.judge(visitor, visitor.hear())
            visitor.close()
            self.server.connections_are_accepted(len(self.here))
            if name in GUESTS:
                self.model.members.discard(name)
                self.model.invited.pop(name, None)
        else:
            header = {"password": PASSWORD} if name in REGISTERED else {}
            header.update(self.device(name))
            wanted = self.rng.choice(([], [self.room()]))
            again = self.here[name] = come(self.server, name, join=wanted, replay=50, **header)
            is_in = "den" in again.welcome.get("rooms", {})
            model = self.model
            if wanted and not model.is_closed:
                model.members.add(name)
                if name in REGISTERED:
                    model.invited.setdefault(name, None)
            if wanted and name in model.invited:
                model.members.add(name)
            assert is_in == (name in model.members), name
            model.note_readable()
            model.note_topic((*self.here, name))
            self.judge(again, [WireFrame(1, again.welcome, b"")])

    def take_over(self, visitor: Visitor) -> None:
        """The user's device comes back before the server has noticed that it is gone."""
        name = visitor.name
        header = {"password": PASSWORD} if name in REGISTERED else {}
        again = come(self.server, name, join=[], replay=50, **header, **self.device(name))
        self.here[name] = again
        visitor.close()
        assert ("den" in again.welcome["rooms"]) == (name in self.model.members)
        self.judge(again, [WireFrame(1, again.welcome, b"")])

    def make_again(self, visitor: Visitor) -> None:
        """The operator removes the room, and its former owner makes it again."""
        alice = self.here.get("alice")
        if alice is None:
            return
        make_again(self.server, alice)
        self.model.make_again()
        if self.rng.random() < 0.5:
            # All messages are those of this room, and not those of the former one.
            alice.do("room", room="den", history="all")
            self.model.shows_all = True

    # What users try

    def page(self, visitor: Visitor) -> None:
        rng, model, top = self.rng, self.model, len(self.model.log)
        query: dict[str, Any] = rng.choice(
            (
                {},
                {"after": rng.randint(0, top)},
                {"before": rng.randint(1, top + 2)},
                {"at": "2020-01-01T00:00:00Z"},
                {"after": 0, "nonces": [f"{name}{n}" for name in REGISTERED for n in range(20)]},
            )
        )
        answer = visitor.ask(command="history", room=self.room(), limit=200, **query)
        page = [frame for frame in visitor.heard if "for" in frame.header]
        if visitor.name not in model.members:
            assert answer.header["notice"] in ("not-in-room", "done" if "nonces" in query else "")
            assert all(frame.sender == visitor.name for frame in page)
            return
        if "nonces" in query:
            assert all(frame.sender == visitor.name for frame in page)
            return
        assert answer.header["notice"] == "done"
        if query in ({}, {"at": "2020-01-01T00:00:00Z"}) and not answer.header.get("more"):
            first = model.since(visitor.name) + 1
            assert [frame.header["seq"] for frame in page] == list(range(first, top + 1))
        for frame in page:
            assert frame.text in ("", model.log[frame.header["seq"] - 1])

    def search(self, visitor: Visitor) -> None:
        queries: tuple[dict[str, Any], ...] = (
            {"query": "secret"},
            {"has": "file"},
            {"from": "alice"},
        )
        query = self.rng.choice(queries)
        command = "files" if query == {"has": "file"} and self.rng.random() < 0.5 else "search"
        answer = visitor.ask(command=command, room=self.room(), limit=50, **query)
        found = [frame for frame in visitor.heard if "for" in frame.header]
        if visitor.name not in self.model.members:
            assert answer.header["notice"] == "not-in-room"
            assert not found
        elif query == {"query": "secret"} and "more" not in answer.header:
            assert len(found) == len(self.model.readable(visitor.name))

    def fetch(self, visitor: Visitor) -> None:
        number = self.rng.randint(1, len(self.model.log) + 1)
        wanted: list[dict[str, Any]] = [
            {"fetch": number, "room": self.room()},
            {"fetch": number, "room": LOOKALIKE},
            {"fetch": number, "private": True},
        ]
        wanted += [{"fetch": id} for id in self.rng.sample(sorted(self.ids), min(3, len(self.ids)))]
        with self.server.transfer(visitor) as transfer:
            for header in wanted:
                transfer.send(MessageType.FILE, header)
                self.judge(visitor, [transfer.read_frame()])

    def look_around(self, visitor: Visitor) -> None:
        names = visitor.ask(command="names", room=self.room())
        if visitor.name not in self.model.members:
            assert names.header["notice"] == "not-in-room"
        listed = visitor.do("rooms")
        self.judge(visitor, [names, listed])
        rooms = [each["room"] for each in json.loads(listed.content)]
        assert ("den" in rooms) == self.model.is_known_to(visitor.name)

    def use_the_lookalike(self, visitor: Visitor) -> None:
        """A name that only looks like that of the room means nothing."""
        assert visitor.say_in(LOOKALIKE, "hi").header["notice"] == "no-such-room"
        for command in ("history", "names", "search", "files"):
            assert visitor.code(command, room=LOOKALIKE, query="secret") == "no-such-room"
        answer = visitor.ask(command="join", room=LOOKALIKE)
        assert answer.header["notice"] == "not-allowed"
        assert answer.text.endswith(": den.") == self.model.is_known_to(visitor.name)

    def set_topic(self, visitor: Visitor) -> None:
        """Only the owner does."""
        model = self.model
        if visitor.name != "alice" or "alice" not in model.members:
            code = visitor.code("topic", room=self.room(), topic="mine")
            assert code in ("not-allowed", "not-in-room")
            return
        model.topics += 1
        model.has_topic = True
        model.note_topic(self.here)
        visitor.do("topic", room=self.room(), topic=f"topic{model.topics}x")

    def change(self, visitor: Visitor) -> None:
        if visitor.name != "alice" or "alice" not in self.model.members:
            assert visitor.code("room", room="den", kind="open") in ("not-allowed", "not-in-room")
            return
        model = self.model
        if self.rng.random() < 0.4:
            model.shows_all = not model.shows_all
            history = "all" if model.shows_all else "invited"
            visitor.do("room", room="den", history=history)
            return
        model.is_closed = not model.is_closed
        if not model.is_closed:
            model.opened, model.shows_all = len(model.log), False
        model.note_topic(self.here)
        visitor.do("room", room="den", kind="closed" if model.is_closed else "open")


def make_again(server: TestServer, owner: Visitor) -> None:
    """Remove the room as the operator does, and let ``owner`` make it again."""
    assert server.parts.database is not None
    server.parts.database.run(lambda stored: write_rooms(stored, RoomChanges({"den": None}), -1))
    server.parts.rooms.maker.look()
    owner.do("join", room="den")
    owner.do("room", room="den", kind="closed")


def test_an_invitation_to_a_room_ends_with_the_room(start: Start) -> None:
    with start() as server:
        alice, gil = register(server, "alice"), come(server, "gil")
        alice.do("join", room="den")
        alice.do("invite", room="den", target="gil")
        make_again(server, alice)
        gil.do("register", password=PASSWORD)
        assert gil.code("join", room="den") == "not-invited"
        gil.hear()
    with start() as server:
        gil = come(server, "gil", password=PASSWORD)
        assert "invited" not in gil.welcome
        assert gil.code("join", room="den") == "not-invited"


@pytest.mark.parametrize("seed", quick_first(range(4), "many seeds"))
def test_a_closed_room_leaks_nothing(tmp_path: Path, seed: int) -> None:
    path, is_durable = tmp_path / "data", seed % 2 == 1
    with open_chat_server(tmp_path, data_directory=path, rate=None, durable=is_durable) as server:
        Visits(server, random.Random(seed)).run(300)
