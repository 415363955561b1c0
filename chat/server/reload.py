"""Apply settings that the operator has changed while the server runs: all of them, or none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from chat.config.command_line import UsageError
from chat.process.offload import run_in
from chat.server.config.options import OPTIONS, Config
from chat.server.net.certificates import CertificateFault, Certificates
from chat.server.process import systemd
from chat.server.settings import Settings, TlsMode

log = logging.getLogger("chat.server")

# A running server cannot change where it listens, where it keeps files, and what users were told at their login.
_FIXED = (
    *("address", "data_directory", "spool_directory", "metrics_address"),
    *("durable", "search", "default_room"),
    *("cluster", "node", "public_addresses", "peer_listen", "peer_address", "peer_secret_file"),
)
_NAMES = {option.field: option.name for option in OPTIONS}


class CannotReload(Exception):
    """The settings were not used. The text is a sentence for the operator."""


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

    def use(self, new: Settings) -> list[str]:
        """Read the certificate again, and use what can change of ``new``; log both, and what needs a restart.

        Return the lines about the settings. Raises CertificateFault: then nothing has changed.
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
        told = [
            f"read the settings again: {f'changed {_join(changed)}' if changed else 'no change'}"
        ]
        log.info("%s", told[0])
        if fixed:
            told.append(f"needs a restart: {_join(fixed)}")
            log.warning("%s", told[1])
        return told


class Reloading:
    """Read the options of a running server again, and tell the service manager: when a signal or a command asks for it.

    ``read_again`` may wait, and raises UsageError. ``use`` is ``Reload.use``. ``status`` returns the line for the
    service manager. Nothing is read any more when ``stop`` is set.
    """

    def __init__(
        self,
        read_again: Callable[[], Config],
        use: Callable[[Settings], list[str]],
        stop: Event,
        status: Callable[[], str],
    ) -> None:
        self._read_again = read_again
        self._use = use
        self._stop = stop
        self._status = status
        self._one_at_a_time = BoundedSemaphore(1)

    def run(self) -> list[str]:
        """Reload, and return what has changed in lines. Raises CannotReload: then nothing has changed."""
        # With each request, the operator may have changed the file again.
        with self._one_at_a_time:
            if self._stop.is_set():
                raise CannotReload("The server is stopping.")
            systemd.reloading()
            try:
                return self._reload()
            finally:
                # The server may have been told to stop meanwhile, and has no addresses any more.
                if not self._stop.is_set():
                    systemd.ready(self._status())

    def _reload(self) -> list[str]:
        try:
            # In a thread: a disk, or a FIFO in place of a file, may make the reader wait.
            config = run_in(gevent.get_hub().threadpool, self._read_again)
            told = self._use(config.settings)
        except (UsageError, CertificateFault) as problem:
            log.error("cannot read the settings again; nothing was changed: %s", problem)
            raise CannotReload(f"Nothing was changed: {problem}.") from None
        for warning in config.warnings:
            log.warning(warning)
        root, level = logging.getLogger(), config.log_level.upper()
        if level and logging.getLevelName(root.level) != level:
            # A warning, so that the line is there at both levels, unless one of them is error.
            log.warning("the log level is %s now", config.log_level)
            root.setLevel(level)
            told.append(f"the log level is {config.log_level} now")
        return [*told, *config.warnings]


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
