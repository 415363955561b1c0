"""The guards of exactly-once, each of which can be taken out to show that the checker finds its absence."""

from __future__ import annotations

from enum import Enum


class Guard(str, Enum):
    """List the guards, by the names that ``--without`` takes."""

    DEVICE = (
        "device"  # the device in the login ends the device's former session, and so its late frames
    )
    LOOK_UP = "look-up"  # nonces are looked up behind the login, when nothing late counts any more
    ONE_WRITE = "one-write"  # places and unanswered lines change in one write
    JUMP = "jump"  # after a crash, numbers go on behind those that may have been given
