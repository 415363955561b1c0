"""Follow the time zone of the system, which may change while the client runs: on a journey, or with new rules.

The C library reads the rules only once. It reads a file of the same name again only after another zone was set.
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
# Any other zone will do: setting it makes the C library forget the file.
_OTHER = "<other>0"


class TimeZone:
    """The time zone of the process; remembers the file with the rules as it was at the last look."""

    def __init__(self, system_zone: str = _SYSTEM_ZONE) -> None:
        self._system_zone = system_zone
        self._seen = self._look()

    def follow(self) -> bool:
        """Read the rules again if their file has changed; return whether it has."""
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
        """Return values that differ between files, and between versions of a file; None if there is no file."""
        zone = os.environ.get("TZ")
        path = self._system_zone if zone is None else zone.removeprefix(":")
        try:
            status = Path(os.environ.get("TZDIR") or _ZONES, path).stat()
        except (OSError, ValueError):  # TZ holds the rules themselves: "CET-1CEST"
            return None
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def follow_time_zone(changed: Callable[[], object] = lambda: None) -> None:
    """Look once a minute, for ever, and call ``changed`` after a change."""
    zone = TimeZone()
    while True:
        gevent.sleep(CHECK)
        if zone.follow():
            changed()
