"""Set up many rooms of one size, in which users speak."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple, TypeVar

from benchmarks.audience import SPARE_DESCRIPTORS
from benchmarks.load import Crowd, Entrance, Sender, raise_descriptor_limit
from benchmarks.peers.peer import MARKERS, Peer, content_of
from benchmarks.plan import BenchmarkError
from benchmarks.processes import Meter, ServerProcess
from benchmarks.sizes import CALIBRATING, Sizes, learn, usual
from benchmarks.traffic import NOISE, Traffic

_CONTENT = 100
_QUIET = 1.3  # seconds
_STRIDE = 811  # rooms; a prime, so that all have their turn


class Layout(NamedTuple):
    """Say how many rooms there are, how many users each has, and in how many rooms each user is.

    A user is in rooms with successive numbers, so no two of them are in exactly the same rooms.
    """

    rooms: int
    size: int
    of_each: int = 1

    @property
    def users(self) -> int:
        return self.rooms * self.size // self.of_each

    def rooms_of(self, user: int) -> list[int]:
        """Return the rooms of a user, the one where the user may speak first."""
        first = user * self.of_each // self.size
        return [(first + number) % self.rooms for number in range(self.of_each)]

    def members(self) -> list[list[int]]:
        """Return the users of each room."""
        members: list[list[int]] = [[] for _ in range(self.rooms)]
        for user in range(self.users):
            for room in self.rooms_of(user):
                members[room].append(user)
        return members


class Speaker(NamedTuple):
    """Hold a user who speaks in ``room``, and the socket that hears what they said, with its ``marker``."""

    room: int
    sender: Sender
    hears: socket.socket
    marker: bytes


class Rooms(Traffic):
    """Hold the connections of users in rooms. ``memory`` is that of a user, with the rooms, in bytes."""

    def __init__(
        self,
        server: ServerProcess,
        crowd: Crowd,
        layout: Layout,
        speakers: Sequence[Speaker],
        users: Sequence[socket.socket],
        memory: float,
    ) -> None:
        super().__init__(server, crowd, [speaker.sender for speaker in speakers])
        self.layout = layout
        self.memory = memory
        self.speakers = speakers
        self._users = [sock.fileno() for sock in users]
        self.sizes = self._calibrate()

    @property
    def deliveries(self) -> int:
        return self.sent * self.layout.size

    def expected(self) -> dict[int, int]:
        raise AssertionError("a user hears several rooms, and each counts from 1")

    def finish(self) -> None:
        """Wait until everyone has received what was sent in their rooms. Raises BenchmarkError otherwise."""
        sent = [0] * self.layout.rooms
        for speaker in self.speakers:
            sent[speaker.room] += speaker.sender.sent
        sizes = [self.sizes.bytes(count) for count in sent]
        due = {
            fd: sum(sizes[room] for room in self.layout.rooms_of(user))
            for user, fd in enumerate(self._users)
        }
        received = self.crowd.received
        self.crowd.turn_until(
            lambda: all(received[fd] >= size for fd, size in due.items()), "all had arrived"
        )
        if any(received[fd] > size + NOISE * self.layout.of_each for fd, size in due.items()):
            raise BenchmarkError("more arrived than was sent")

    def _calibrate(self) -> Sizes:
        """Learn the sizes, which must be equal in all rooms, and count from here on."""
        self.crowd.settle()
        first = {speaker.room: speaker for speaker in reversed(self.speakers)}
        rest = CALIBRATING - 1
        size = self._say(list(first.values()), 1, 1)
        sizes = learn(size, rest, self._say(list(first.values()), rest, rest * size))
        for sender in self.senders:
            sender.sent = sender.confirmed = 0
        for fd in self._users:
            self.crowd.received[fd] = 0
        return sizes

    def _say(self, speakers: Sequence[Speaker], messages: int, least: int) -> int:
        """Have somebody say so many messages in each room; return how many bytes each user got of a room.

        These are ``least`` or more.
        """
        before, received = dict(self.crowd.received), self.crowd.received
        due = least * self.layout.of_each
        for speaker in speakers:
            for _ in range(messages):
                speaker.sender.say()
            self.crowd.turn()
        self.crowd.turn_until(
            lambda: all(received[fd] >= before[fd] + due for fd in self._users),
            "the first messages had arrived",
        )
        self.crowd.settle()
        got = usual([received[fd] - before[fd] for fd in self._users])
        if got % self.layout.of_each:
            raise BenchmarkError(f"rooms deliver different sizes: {got} bytes of all rooms")
        return got // self.layout.of_each


R = TypeVar("R", bound=Rooms)


class BusyRooms(Rooms):
    """Let all speakers speak as fast as they can."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        for speaker in self.speakers:
            speaker.sender.confirm_by(speaker.hears, speaker.marker)


class QuietRooms(Rooms):
    """Let one user at a time say one thing, each time in another room."""

    _next = 0  # speaker

    def _send_for(self, seconds: float, cpu: float, patience: float) -> None:
        meter = Meter(self.server)
        look = seconds
        while True:
            self._speak(self.speakers[self._next])
            # Far from the last one, so that nothing of the room is in a cache of the processor.
            self._next = (self._next + _STRIDE) % len(self.speakers)
            if meter.elapsed() < look:
                continue
            if meter.used() >= cpu or meter.elapsed() > patience:
                break
            look = meter.elapsed() + 0.1
        self.finish()

    def _speak(self, speaker: Speaker) -> None:
        """Let a user say one thing, and wait until it is heard."""
        hearing = _Hearing(speaker)
        self.crowd.read_by(speaker.hears, hearing)
        speaker.sender.say()
        self.crowd.turn_until(lambda: hearing.has_heard, "a message had arrived")
        self.crowd.only_count(speaker.hears.fileno())


class _Hearing:
    """Read a socket until the marker of ``speaker`` has come."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._tail = b""
        self.has_heard = False

    def __call__(self) -> int:
        data = self._speaker.hears.recv(65536)
        recent = self._tail + data
        self.has_heard = self.has_heard or self._speaker.marker in recent
        self._tail = recent[-len(self._speaker.marker) :]
        return len(data)


@contextmanager
def rooms(peer: Peer, layout: Layout, kind: type[R], senders: int, window: int) -> Iterator[R]:
    """Run a fresh server with users in rooms until the block ends; ``senders`` speak in each room.

    Raises BenchmarkError.
    """
    members = layout.members()
    further = 0 if peer.senders_receive else layout.rooms * senders
    raise_descriptor_limit(layout.users + further + SPARE_DESCRIPTORS)
    with peer.running() as server, closing(Crowd()) as crowd:
        empty = server.memory()
        entrance = Entrance(crowd, server.address, peer.at_a_time)
        users = entrance.let_in(
            peer.member(user, layout.rooms_of(user)) for user in range(layout.users)
        )
        # A server may tell the number of very many users a second later.
        crowd.settle(_QUIET if peer.announces else 0.1)
        memory = (server.memory() - empty) / layout.users
        speaking = entrance.let_in(peer.sender(number) for number in range(further))
        speakers = []
        for room, inside in enumerate(members):
            for number in range(senders):
                # In the middle: some servers serve the first connections first, others the last.
                hears = users[inside[len(inside) // 2 + number]]
                marker = b"%b%05d" % (MARKERS[number], room)
                sock = hears if peer.senders_receive else speaking[room * senders + number]
                message = peer.room_message(room, content_of(_CONTENT, marker))
                speakers.append(Speaker(room, Sender(crowd, sock, message, window), hears, marker))
        yield kind(server, crowd, layout, speakers, users, memory)
