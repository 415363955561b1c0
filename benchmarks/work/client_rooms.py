"""Type in a client that is in many rooms, and go from room to room, while very much is said in all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from benchmarks.clients.chat import ChatClient
from benchmarks.clients.client import Client
from benchmarks.clients.flood import flood
from benchmarks.clients.hosts import ChatHost
from benchmarks.clients.stage import Stage
from benchmarks.plan import BenchmarkError, Plan
from benchmarks.processes import Meter
from benchmarks.results import CLIENT_GENERATOR, Figure, quantile
from benchmarks.work.work import ClientWork

_ROOMS = 40
_RATE = 2000  # messages a second, over all rooms
_TICK = 0.01  # seconds between what is sent of them
_INTERVAL = 0.103  # seconds between two keys: no multiple of the time between two screens
_PATIENCE = 10.0
_SIZES = {"80x24": (80, 24), "200x50": (200, 50)}
_KEYS = 100  # of each kind
# Letters that occur nowhere else in the output, so each is found when it is drawn. No two topics that follow each other
# have the same letter in the same place, so a topic is drawn in one piece.
_FIRST_KEY, _FIRST_TOPIC = 0x0410, 0x0100
_TOPIC_LENGTH = 12
_NEXT_ROOM = b"\x1b[1;3B"  # Alt-Down


class _Key(NamedTuple):
    sent: bytes
    shown: bytes
    is_switch: bool


class ClientRooms(ClientWork):
    name = "client-rooms"
    title = (
        f"a terminal client in {_ROOMS} rooms, which get {_RATE:,} messages of 60 bytes a second in turn, "
        "while somebody types and goes to the next room, by size of the screen"
    )
    figures = (
        Figure("p99", "time until a key shows, p99", "ms", 1e3),
        Figure("worst", "time until a key shows, worst", "ms", 1e3),
        Figure("switch_p50", "time until the next room shows, p50", "ms", 1e3),
        Figure("switch_p99", "time until the next room shows, p99", "ms", 1e3),
        Figure("switch_worst", "time until the next room shows, worst", "ms", 1e3),
        Figure("share", "client CPU a second", "ms", 1e3),
        Figure("drawn", "sent to the terminal a second", "kB", 1e-3),
        CLIENT_GENERATOR,
    )

    def cases(self, plan: Plan) -> Sequence[str]:
        return ["80x24"] if plan.quick else list(_SIZES)

    def suits(self, peer: Client, case: str) -> bool:
        return isinstance(peer, ChatClient)

    def lasts(self, case: str, plan: Plan) -> float:
        return 2 + 2 * _keys(plan) * _INTERVAL

    def measure(self, peer: Client, case: str, plan: Plan) -> dict[str, float]:
        topics = {f"room{number:02}": _topic(number) for number in range(_ROOMS)}
        with peer.running(ChatHost(topics), *_SIZES[case]) as stage:
            stage.wait_for_text(peer.first_words(stage.port))
            peer.enter(stage)
            stage.settle(plan.quiet)
            said = [
                message._replace(room=name)
                for message, name in zip(flood(_RATE), [*topics] * (_RATE // _ROOMS), strict=True)
            ]
            size = int(_RATE * _TICK)
            pieces = [stage.host.encode(said[at : at + size]) for at in range(0, _RATE, size)]
            drawn = stage.drawn
            meter = Meter(stage.process)
            typed, switched = _press(stage, list(_keys_of(_keys(plan))), pieces)
            wall, used, own = meter.elapsed(), meter.used(), meter.own_used()
            return {
                "p99": quantile(typed, 0.99),
                "worst": max(typed),
                "switch_p50": quantile(switched, 0.5),
                "switch_p99": quantile(switched, 0.99),
                "switch_worst": max(switched),
                "share": used / wall,
                "drawn": (stage.drawn - drawn) / wall,
                "generator": own / used,
            }


def _keys(plan: Plan) -> int:
    return 3 if plan.quick else _KEYS


def _topic(number: int) -> str:
    return chr(_FIRST_TOPIC + number % _ROOMS) * _TOPIC_LENGTH


def _keys_of(count: int) -> Iterator[_Key]:
    """Return so many letters, and after each of them the key to the next room."""
    for number in range(count):
        letter = chr(_FIRST_KEY + number).encode()
        yield _Key(letter, letter, is_switch=False)
        # The default room, which has no topic, stands before the first room: it is passed over.
        is_past_last = number and number % _ROOMS == 0
        yield _Key(_NEXT_ROOM * (2 if is_past_last else 1), _topic(number).encode(), is_switch=True)


def _press(
    stage: Stage, keys: Sequence[_Key], pieces: Sequence[bytes]
) -> tuple[list[float], list[float]]:
    """Press ``keys`` while the ``pieces`` arrive again and again; return the seconds until each is shown, by kind.

    Raises BenchmarkError.
    """
    waits: tuple[list[float], list[float]] = ([], [])
    began = time.monotonic()
    feed = _feeder(stage, pieces, began)
    next_key = began + 10 * _TICK
    for key in keys:
        while time.monotonic() < next_key:
            feed()
        stage.look_for(key.shown)
        pressed_at = time.monotonic()
        stage.type(key.sent)
        while stage.seen_at is None:
            feed()
            if time.monotonic() - pressed_at > _PATIENCE:
                raise BenchmarkError(f"key {key.sent!r} was never shown")
        waits[key.is_switch].append(stage.seen_at - pressed_at)
        next_key = max(next_key + _INTERVAL, pressed_at)
    return waits


def _feeder(stage: Stage, pieces: Sequence[bytes], began: float) -> Callable[[], None]:
    sent = 0

    def feed() -> None:
        nonlocal sent
        if time.monotonic() >= began + sent * _TICK:
            stage.say(pieces[sent % len(pieces)])
            sent += 1
        stage.turn(0.001)

    return feed
