"""Apply settings that the operator has changed while the server runs: all of them, or none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

from chat.server.config.options import OPTIONS
from chat.server.net.certificates import Certificates
from chat.server.settings import Settings, TlsMode

log = logging.getLogger("chat.server")

# A running server cannot change where it listens, where it keeps files, and what users were told at their login.
_FIXED = (
    *("address", "data_directory", "spool_directory", "metrics_address"),
    *("durable", "search", "default_room"),
    *("cluster", "node", "public_addresses", "peer_listen", "peer_address", "peer_secret_file"),
)
_NAMES = {option.field: option.name for option in OPTIONS}


class Reload:
    """Change the settings of a running server.

    ``settings`` is the object that all parts share. ``adapt`` has the functions of the parts that keep a copy of a
    value. ``certificates`` is None for a server without TLS. ``share`` has other servers change what they share of the
    settings, and returns what counts until then.
    """

    def __init__(
        self,
        settings: Settings,
        certificates: Certificates | None,
        adapt: Sequence[Callable[[], object]],
        share: Callable[[Settings], Settings] = lambda settings: settings,
    ) -> None:
        self._share = share
        self._settings = settings
        self._certificates = certificates
        self._adapt = adapt

    def use(self, new: Settings) -> None:
        """Read the certificate again, and use what can change of ``new``; log both, and what needs a restart.

        Raises CertificateFault: then nothing has changed.
        """
        fixed = _needs_restart(self._settings, new)
        usable = replace(new, **{name: getattr(self._settings, name) for name in fixed})
        # First, since this alone can fail.
        if self._certificates is not None:
            self._certificates.load(usable)
            log.info("read the certificate again: %s", self._certificates.fingerprint)
        changed = _differences(self._settings, usable)
        self._settings.take_over(self._share(usable))
        for adapt in self._adapt:
            adapt()
        # Names only: a value may be the password of the room.
        log.info(
            "read the settings again: %s", f"changed {_join(changed)}" if changed else "no change"
        )
        if fixed:
            log.warning("needs a restart: %s", _join(fixed))


def _needs_restart(old: Settings, new: Settings) -> list[str]:
    """Return the fields that differ, and that a running server cannot change."""
    fixed = [name for name in _FIXED if getattr(old, name) != getattr(new, name)]
    # A server that began without TLS has no certificate.
    if (old.tls is TlsMode.OFF) != (new.tls is TlsMode.OFF):
        fixed.append("tls")
    return fixed


def _differences(old: Settings, new: Settings) -> list[str]:
    names = (each.name for each in fields(old))
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def _join(names: Sequence[str]) -> str:
    """Return the options of some fields, as the operator spells them."""
    return ", ".join(_NAMES[name] for name in names)
