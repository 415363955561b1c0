"""The reader's time zone, which may change while the client runs: a journey, or new rules for summer time.

The C library reads the rules once. It looks again when it is told to, but not at a file with the same name as before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import gevent

# Seconds between looks at the file.
CHECK = 60.0

_SYSTEM_ZONE = "/etc/localtime"
_ZONES = "/usr/share/zoneinfo"
# Any zone but the reader's: the C library forgets the file when it is given another.
_OTHER = "<other>0"


class TimeZone:
    """Knows the file with the rules as it was when it was looked at last."""

    def __init__(self, system_zone: str = _SYSTEM_ZONE) -> None:
        self._system_zone = system_zone
        self._seen = self._look()

    def follow(self) -> bool:
        """Read the rules again if their file has changed; tell whether it has."""
        found = self._look()
        if found == self._seen:
            return False
        self._seen = found
        zone = os.environ.get("TZ")
        os.environ["TZ"] = _OTHER
        time.tzset()
        if zone is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = zone
        time.tzset()
        return True

    def _look(self) -> tuple[int, ...] | None:
        """What tells one file from another; None if there is none."""
        zone = os.environ.get("TZ")
        path = self._system_zone if zone is None else zone.removeprefix(":")
        try:
            status = Path(os.environ.get("TZDIR") or _ZONES, path).stat()
        except (OSError, ValueError):  # the zone is no file but rules by themselves: "CET-1CEST"
            return None
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def follow_time_zone(changed: Callable[[], object] = lambda: None) -> None:
    """Look once a minute, for ever, and call ``changed`` after a change."""
    zone = TimeZone()
    while True:
        gevent.sleep(CHECK)
        if zone.follow():
            changed()
