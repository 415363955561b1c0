"""Define the work that servers and clients are given, each piece in some cases."""

from __future__ import annotations

from benchmarks.work.client_key import ClientKey
from benchmarks.work.client_log import ClientLog
from benchmarks.work.client_rooms import ClientRooms
from benchmarks.work.client_start import ClientStart
from benchmarks.work.cluster import Cluster
from benchmarks.work.crowd import Crowd
from benchmarks.work.fan_out import FAN_OUT, GROWTH_BY_RECEIVERS, GROWTH_BY_SIZE, ONE_BY_ONE
from benchmarks.work.file import SendFile
from benchmarks.work.idle import Idle
from benchmarks.work.paced import Paced
from benchmarks.work.private import Private
from benchmarks.work.rooms import BusyInRooms, IdleInRooms, QuietInRooms
from benchmarks.work.work import Work

WORK: tuple[Work, ...] = (
    FAN_OUT,
    Paced(),
    ONE_BY_ONE,
    Idle(),
    SendFile(),
    Private(),
    QuietInRooms(),
    BusyInRooms(),
    IdleInRooms(),
    Crowd(),
    Cluster(),
    GROWTH_BY_RECEIVERS,
    GROWTH_BY_SIZE,
    ClientLog(),
    ClientKey(),
    ClientRooms(),
    ClientStart(),
)
