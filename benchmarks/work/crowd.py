"""Fill one room with very many users, and let some of them come and go."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from benchmarks.audience import SPARE_DESCRIPTORS
from benchmarks.load import Crowd as Connections
from benchmarks.load import Entrance, raise_descriptor_limit
from benchmarks.peers.chat import Chat
from benchmarks.peers.peer import Peer
from benchmarks.plan import Plan
from benchmarks.processes import Meter
from benchmarks.results import GENERATOR, SERVER_CPU, Better, Figure
from benchmarks.work.work import ServerWork

_RATE = 300  # users who come or go in a second
_COMING = 200  # users who come and go, in turn
_SECONDS_PER_LOGIN = 1e-3  # about
_AT_LEAST = 5.0  # seconds: counts are told once a second
_SERVER_NEEDS = 1200  # descriptors that our server keeps for files, and some more
SHARE = Figure("share", "server CPU", "% of a core", 100)
ANSWER = Figure("answer", "the answer to a user who comes", "KiB", 1 / 1024)


class Crowd(ServerWork):
    """Cases are what the users come to: the server, and so the default room, or another room."""

    name = "crowd"
    title = "20,000 users in one room, or as many as descriptors allow; 300 a second come or go"
    figures = (
        SHARE,
        ANSWER,
        Figure("rate", "users who come or go a second", "", better=Better.NEITHER),
        Figure("users", "users", "thousands", 1e-3, better=Better.NEITHER),
        SERVER_CPU,
        GENERATOR,
    )

    def cases(self, plan: Plan) -> Sequence[str]:
        return ["default", "room"]

    def suits(self, peer: Peer, case: str) -> bool:
        # Other servers tell everyone of each who comes, or nobody.
        return isinstance(peer, Chat) and not peer.encrypted

    def lasts(self, case: str, plan: Plan) -> float:
        return 1 + _users(plan) * _SECONDS_PER_LOGIN + max(plan.seconds, _AT_LEAST)

    def measure(self, peer: Peer, case: str, plan: Plan) -> dict[str, float]:
        users = _users(plan)
        raise_descriptor_limit(users + SPARE_DESCRIPTORS)
        rooms = [0] if case == "room" else []
        with peer.running() as server, closing(Connections()) as crowd:
            entrance = Entrance(crowd, server.address, peer.at_a_time)
            stay = users - _COMING
            entrance.let_in(peer.member(number, rooms) for number in range(stay))
            crowd.settle(1.3)
            guests = entrance.let_in(peer.member(stay + number, rooms) for number in range(1))
            answer = crowd.received[guests[0].fileno()]
            guests += entrance.let_in(
                peer.member(stay + number, rooms) for number in range(1, _COMING)
            )
            crowd.settle(1.3)
            meter = Meter(server)
            act = (
                _visit(peer, guests) if rooms else _come_and_go(peer, crowd, entrance, guests, stay)
            )
            count = _keep_pace(crowd, act, max(plan.seconds, _AT_LEAST))
            took, used = meter.elapsed(), meter.used()
            return {
                "share": used / took,
                "rate": count / took,
                "answer": answer,
                "users": users,
                "server_cpu": used,
                "generator": meter.own_used() / used,
            }


def _visit(peer: Peer, guests: Sequence[socket.socket]) -> Callable[[int], None]:
    """Return what lets a user leave the room and join it again."""
    visit = peer.visit(0)
    return lambda count: guests[count // 2 % len(guests)].sendall(visit)


def _come_and_go(
    peer: Peer, crowd: Connections, entrance: Entrance, guests: list[socket.socket], stay: int
) -> Callable[[int], None]:
    """Return what lets a user leave the server, and another one log in."""

    def replace(count: int) -> None:
        place = count // 2 % len(guests)
        crowd.forget(guests[place])
        # Another name: the server may not have noticed yet that the former user has left.
        guests[place] = entrance.begin(peer.member(stay + _COMING + count, []))

    return replace


def _keep_pace(crowd: Connections, act: Callable[[int], None], seconds: float) -> int:
    """Let a user leave and one come by ``act``, again and again at the pace; return how many came and left.

    ``act`` gets how many did so before.
    """
    began, count = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        while count < now * _RATE:
            act(count)
            count += 2
        crowd.turn()
    return count


def _users(plan: Plan) -> int:
    if plan.quick:
        return _COMING + 100
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 20_000 if hard == resource.RLIM_INFINITY else hard - SPARE_DESCRIPTORS - _SERVER_NEEDS
    return min(20_000, most)
