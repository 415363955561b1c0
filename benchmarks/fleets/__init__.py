"""Run several servers that share one chat over an engine: ours, and the least that any such servers must do."""

from __future__ import annotations

from benchmarks.fleets.chat import ChatFleet
from benchmarks.fleets.fleet import Fleet
from benchmarks.fleets.relays import NatsRelays, RedisRelays

FLEETS: tuple[Fleet, ...] = (ChatFleet(), RedisRelays(), NatsRelays())
