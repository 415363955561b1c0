"""Speak in many rooms: in each now and then, or in all at once as fast as possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.peers.peer import Peer
from benchmarks.plan import Plan
from benchmarks.results import CPU_PER_DELIVERY, GENERATOR, SERVER_CPU, THROUGHPUT
from benchmarks.rooms import BusyRooms, Layout, QuietRooms, Rooms, rooms
from benchmarks.work.idle import MEMORY
from benchmarks.work.work import ServerWork

_WINDOW = 64
_SECONDS_PER_MEMBER = 1e-3  # to join, about


class _InRooms(ServerWork):
    """Cases are numbers of rooms; ``layouts`` has the users of each."""

    layouts: Mapping[str, Layout]
    quick: Mapping[str, Layout]

    def cases(self, plan: Plan) -> Sequence[str]:
        return list(self.quick if plan.quick else self.layouts)

    def suits(self, peer: Peer, case: str) -> bool:
        return peer.has_rooms and not peer.encrypted

    def lasts(self, case: str, plan: Plan) -> float:
        layout = self.layout(case)
        return super().lasts(case, plan) + 2 + layout.rooms * layout.size * _SECONDS_PER_MEMBER

    def layout(self, case: str) -> Layout:
        return {**self.layouts, **self.quick}[case]


class QuietInRooms(_InRooms):
    name = "rooms-quiet"
    title = "one message of 100 bytes at a time, each in another room of 10, by number of rooms"
    figures = (CPU_PER_DELIVERY, THROUGHPUT, SERVER_CPU, GENERATOR)
    layouts: Mapping[str, Layout] = {"1": Layout(1, 10), "2000": Layout(2000, 10, 10)}
    quick: Mapping[str, Layout] = {"20": Layout(20, 10, 10)}

    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        with rooms(peer, self.layout(case), QuietRooms, senders=1, window=1) as them:
            return them.run(plan)


class IdleInRooms(_InRooms):
    name = "rooms-idle"
    title = "users who are in ten rooms of 100 each, by number of rooms"
    figures = (MEMORY._replace(title="memory of a user in ten rooms"),)
    layouts: Mapping[str, Layout] = {"200": Layout(200, 100, 10)}
    quick: Mapping[str, Layout] = {"20": Layout(20, 10, 10)}

    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        with rooms(peer, self.layout(case), Rooms, senders=1, window=1) as them:
            return {"memory": them.memory}


class BusyInRooms(_InRooms):
    name = "rooms-busy"
    title = (
        "2 senders in each room of 100, 64 messages of 100 bytes under way each, by number of rooms"
    )
    figures = (CPU_PER_DELIVERY, THROUGHPUT, SERVER_CPU, GENERATOR)
    layouts: Mapping[str, Layout] = {"1": Layout(1, 100), "100": Layout(100, 100)}
    quick: Mapping[str, Layout] = {"3": Layout(3, 10)}

    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        with rooms(peer, self.layout(case), BusyRooms, senders=2, window=_WINDOW) as them:
            return them.run(plan)
