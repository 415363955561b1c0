"""Let all servers decide by the same settings: those that began last count, by an operation in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chat.server.log.log import Change, LogFull
from chat.server.log.operations import Operations
from chat.server.settings import CreateRooms, Settings

log = logging.getLogger("chat.server")

SETTINGS = "settings"
_PLAIN = ("max_users", "max_sessions", "max_rooms", "announce_up_to", "members_only", "motd")
_SHARED = (*_PLAIN, "create_rooms")


class SharedSettings:
    """Keep ``settings`` as the log has them, where it does. ``adapt`` is called when they have changed."""

    def __init__(
        self, operations: Operations, settings: Settings, adapt: Callable[[], object]
    ) -> None:
        self._operations = operations
        self._settings = settings
        self._adapt = adapt
        operations.add(SETTINGS, self._use)

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Use the settings as the database has them."""
        self._take(stored)

    def stored(self) -> dict[str, Any]:
        """Return the shared settings as JSON can hold them."""
        return encode(self._settings)

    def tell(self, settings: Settings) -> None:
        """Let all servers use what is shared of ``settings``."""
        self._operations.perform(SETTINGS, encode(settings))

    def ask(self, wanted: Settings) -> Settings:
        """Have the log change what is shared of the settings. Does not wait.

        Return ``wanted`` with the shared values that count until the log has the others.
        """
        if encode(wanted) != self.stored():
            try:
                self._operations.post(SETTINGS, encode(wanted))
            except LogFull:
                log.error(
                    "the settings that all servers share were not changed: the engine is away; reload again later"
                )
        return replace(wanted, **{name: getattr(self._settings, name) for name in _SHARED})

    def _use(self, change: Change) -> None:
        before = self.stored()
        self._take(change.fields)
        differing = [name for name, value in self.stored().items() if before[name] != value]
        if differing:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in differing)
            log.warning("all servers of the cluster use other settings now: %s", names)

    def _take(self, fields: Mapping[str, Any]) -> None:
        self._settings.take_over(replace(self._settings, **_decode(fields)))
        self._adapt()


def encode(settings: Settings) -> dict[str, Any]:
    """Return what servers share of ``settings``, as JSON can hold it."""
    values: dict[str, Any] = {name: getattr(settings, name) for name in _PLAIN}
    values["create_rooms"] = settings.create_rooms.value
    return values


def _decode(fields: Mapping[str, Any]) -> dict[str, Any]:
    # Another version may share further settings.
    values: dict[str, Any] = {name: fields[name] for name in _PLAIN if name in fields}
    if "create_rooms" in fields:
        values["create_rooms"] = CreateRooms(fields["create_rooms"])
    return values
