"""Read and check the options of the server, and find all mistakes before the server does anything.

Options come from the command line and from a settings file. ``OPTIONS`` is the one table for both. The docstring of
``chat.server.cli`` documents the options.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import partial
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple

from chat.config.command_line import UsageError, parse_count, parse_duration, parse_size
from chat.config.config_file import read_config_file
from chat.config.options import (
    SHELLS,
    Given,
    Kind,
    Option,
    given_on_command_line,
    read_address,
    read_choice,
    read_given,
    read_path,
    read_switch,
)
from chat.files.opening import read_beginning
from chat.protocol.errors import UserNameError
from chat.protocol.names import UserName, parse_user_name
from chat.server.config.check import (
    taken_room,
    unusable_addresses,
    unusable_certificate,
    unusable_data,
)
from chat.server.config.cluster_options import (
    cluster_problems,
    cluster_warnings,
    read_engine,
    read_node,
    read_peer_address,
    read_peer_listen,
    read_public_addresses,
    read_secret_file,
)
from chat.server.settings import CreateRooms, Network, Rate, Settings, TlsMode
from chat.server.storage.data_directory import default_data_directory, read_data_directory
from chat.sizes import byte_count

_MAX_MOTD = 16 * 1024  # bytes
_MAX_PASSWORD = 1024  # bytes
_EXAMPLE = 'address = ":8080"'


class Config(NamedTuple):
    """Checked options. ``warnings``: a line for each setting that is valid but may be a mistake."""

    settings: Settings
    log_level: str
    warnings: tuple[str, ...]


class ConfigErrors(UsageError):
    """The options have mistakes: ``problems`` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def read_config(command_line: Mapping[str, Any]) -> Config:
    """Read the options: the command line overrides the settings file, and the file overrides the defaults.

    ``command_line`` is the result of docopt. With ``--check``, also check what the options refer to. Raises
    ConfigErrors.
    """
    problems: list[str] = []
    typed = given_on_command_line(command_line)
    flags = read_given(OPTIONS, typed, problems)
    given: dict[str, Given] = {}
    if "config" in flags:
        try:
            given = read_config_file(flags["config"], OPTIONS, _EXAMPLE, problems)
        except UsageError as problem:
            problems.append(str(problem))
    # A mistake in the file does not matter where the command line overrides the value.
    values = read_given(OPTIONS, given, problems, unless=flags) | flags
    given = {**given, **typed}
    if "data-directory" not in given:
        try:
            default = Given(str(default_data_directory()), "--data-directory")
            values |= read_given(OPTIONS, {"data-directory": default}, problems)
        except UsageError as problem:
            problems.append(str(problem))
    problems += _contradictions(values, given)
    problems += cluster_problems(values, given)
    if "check" in values:
        problems += unusable_addresses(
            {
                given[name].where: values[at]
                for name in ("address", "metrics-address", "peer-listen")
                if (at := name.replace("-", "_")) in values and name in given
            }
        )
        if "data_directory" in values:
            problems += unusable_data(values["data_directory"])
            if "default_room" in values:
                problems += taken_room(values["data_directory"], values["default_room"])
    if problems:
        raise ConfigErrors(problems)
    # No limit for messages means no limit for their bytes either, as --help says.
    if values.get("rate", True) is None:
        values["byte_rate"] = None
    settings = Settings(**_DEFAULTS | {name: values[name] for name in _FIELDS & values.keys()})
    return Config(settings, values.get("log_level", "info"), tuple(_warnings(settings, given)))


def _contradictions(values: Mapping[str, Any], given: Mapping[str, Given]) -> list[str]:
    """Return the mistakes in combinations of values that are each valid."""
    problems = []
    for one, other in (("tls-cert", "tls-key"), ("tls-key", "tls-cert")):
        if one in given and other not in given:
            problems.append(f"{given[one].where} without {other}: give both, or neither")
    if "tls_cert" in values and "tls_key" in values:
        cert, key = values["tls_cert"], values["tls_key"]
        reason = unusable_certificate(cert, key)
        if reason is not None:
            both = f"{given['tls-cert'].where} and {given['tls-key'].where}"
            problems.append(f"{both}: {reason}")
    if values.get("durable") and not values.get("history", True):
        where = given["durable"].where
        problems.append(f"{where} needs history: messages that are not kept cannot be durable")
    metrics = values.get("metrics_address")
    if metrics is not None:
        address = values.get("address", Settings().address)
        # With port 0 the system chooses two different ports.
        if metrics == address and metrics.port != 0:
            problems.append(
                f"{given['metrics-address'].where}={metrics}: the chat uses this address; expected another"
            )
        if find_spec("prometheus_client") is None:
            problems.append(
                f"{given['metrics-address'].where} needs a package that is missing; install it with: "
                "pip install '.[metrics]'"
            )
    return problems


def _warnings(settings: Settings, given: Mapping[str, Given]) -> list[str]:
    warnings = []
    for name in ("password-file", "tls-key"):
        if name in given and Path(given[name].text).expanduser().stat().st_mode & 0o004:
            warnings.append(
                f"{given[name].where}={given[name].text} can be read by all users of this machine"
            )
    if settings.tls is TlsMode.OFF and settings.tls_cert is not None:
        warnings.append(f"{given['tls-cert'].where} has no effect: tls is off")
    return [*warnings, *cluster_warnings(settings, given)]


def _count(text: str, where: str) -> int:
    return parse_count(text, where, minimum=1)


def _size(text: str, where: str) -> int:
    size = parse_size(text, where)
    if not size:
        raise UsageError(f"{where}={text}: expected a size of at least one byte")
    return size


def _rate(text: str, where: str) -> Rate | None:
    """Parse a rate. ``50/200`` is 50 a second after a burst of 200, ``50`` has a burst of 50, and ``0`` is no limit."""
    per_second, slash, burst = text.partition("/")
    expected = f"{where}={text}: expected 0, RATE or RATE/BURST such as 50, 50/200 or 256K/1M"
    try:
        rate = Rate(
            parse_size(per_second, where), parse_size(burst if slash else per_second, where)
        )
    except UsageError:
        raise UsageError(expected) from None
    if not rate.per_second:
        return None
    if not rate.burst:
        raise UsageError(expected)
    return rate


def _networks(text: str, where: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(
            f"{where}={text}: expected networks such as 10.0.0.0/8,::1, separated by commas"
        ) from None


def _spool_directory(text: str, where: str) -> Path:
    """Return the path of a directory in which the server can create temporary files."""
    path = read_path(text, where, "a directory to write to")
    try:
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as problem:
        raise UsageError(
            f"{where}={text}: expected a directory to write to ({problem.strerror})"
        ) from None


def _read_file(path: Path, where: str, limit: int) -> bytes:
    """Read at most ``limit`` + 1 bytes: one more, so that the caller notices a larger file. Raises UsageError."""
    try:
        return read_beginning(path, limit + 1)[0]
    except OSError as problem:
        raise UsageError(f"{where}={path}: cannot read it ({problem.strerror})") from None


def _motd(text: str, where: str) -> str | None:
    path = read_path(text, where, "a file with the welcome text")
    data = _read_file(path, where, _MAX_MOTD)
    if len(data) > _MAX_MOTD:
        raise UsageError(
            f"{where}={path}: the file is too large; expected at most {byte_count(_MAX_MOTD)}"
        )
    return _text(data, f"{where}={path}").strip() or None


def _password(text: str, where: str) -> str:
    """Return the first line of a file, without the end of the line."""
    path = read_path(text, where, "a file whose first line is the password")
    line = _read_file(path, where, _MAX_PASSWORD + 2).partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise UsageError(f"{where}={path}: its first line is empty; expected the password")
    if len(line) > _MAX_PASSWORD:
        raise UsageError(
            f"{where}={path}: the password is too long; expected at most {_MAX_PASSWORD} bytes"
        )
    return _text(line, f"{where}={path}")


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{what}: expected a text in UTF-8") from None


def _file(text: str, where: str) -> Path:
    path = read_path(text, where, "a file")
    _read_file(path, where, 1)
    return path


def _tls(text: str, where: str, *, values: Collection[str]) -> TlsMode:
    return TlsMode(read_choice(text, where, values=values))


def _create_rooms(text: str, where: str, *, values: Collection[str]) -> CreateRooms:
    return CreateRooms(read_choice(text, where, values=values))


def read_room_name(text: str, where: str) -> UserName:
    """Read the name of a room, which was given at ``where``. Raises UsageError."""
    try:
        return parse_user_name(text)
    except UserNameError as problem:
        raise UsageError(f"{where}={text}: {problem}") from None


def _keep(text: str, where: str) -> float | None:
    """Return how many seconds messages are kept; None for ever."""
    return None if text == "forever" else float(parse_duration(text, where))


def _not_switch(text: str, where: str) -> bool:
    return not read_switch(text, where)


OPTIONS: tuple[Option, ...] = (
    Option("address", Kind.TEXT, read_address),
    Option("data-directory", Kind.TEXT, read_data_directory),
    Option("spool-directory", Kind.TEXT, _spool_directory),
    Option("tls", Kind.TEXT, partial(_tls, values=tuple(mode.value for mode in TlsMode))),
    Option("tls-cert", Kind.TEXT, _file),
    Option("tls-key", Kind.TEXT, _file),
    Option("members-only", Kind.SWITCH, read_switch),
    Option("password-file", Kind.TEXT, _password, sets="password"),
    Option("no-register", Kind.SWITCH, _not_switch, sets="register"),
    Option("max-users", Kind.COUNT, _count),
    Option("max-sessions", Kind.COUNT, _count),
    Option("max-per-address", Kind.COUNT, _count),
    Option("max-connects", Kind.COUNT, _count),
    Option("max-logins", Kind.COUNT, _count),
    Option("exempt", Kind.NETWORKS, _networks),
    Option("proxy", Kind.NETWORKS, _networks, sets="proxies"),
    Option("login-timeout", Kind.COUNT, _count),
    Option("motd", Kind.TEXT, _motd),
    Option("default-room", Kind.TEXT, read_room_name),
    Option(
        "create-rooms",
        Kind.TEXT,
        partial(_create_rooms, values=tuple(who.value for who in CreateRooms)),
    ),
    Option("max-rooms", Kind.COUNT, parse_count),
    Option("announce-up-to", Kind.COUNT, _count),
    Option("max-text", Kind.SIZE, _size),
    Option("max-file", Kind.SIZE, _size),
    Option("max-spool", Kind.SIZE, _size),
    Option("max-backlog", Kind.SIZE, _size),
    Option("max-backlog-total", Kind.SIZE, _size),
    Option("rate", Kind.RATE, _rate),
    Option("byte-rate", Kind.RATE, _rate),
    Option("history", Kind.SWITCH, read_switch),
    Option("durable", Kind.SWITCH, read_switch),
    Option("keep", Kind.TEXT, _keep),
    Option("keep-size", Kind.SIZE, _size),
    Option("keep-files", Kind.SIZE, parse_size),
    Option("replay", Kind.COUNT, parse_count),
    Option("search", Kind.SWITCH, read_switch),
    Option("cluster", Kind.TEXT, read_engine),
    Option("node", Kind.TEXT, read_node),
    Option("public-address", Kind.ADDRESSES, read_public_addresses, sets="public_addresses"),
    Option("peer-listen", Kind.TEXT, read_peer_listen),
    Option("peer-address", Kind.TEXT, read_peer_address),
    Option("peer-secret-file", Kind.TEXT, read_secret_file),
    # A port of its own: the port of the chat is no default here.
    Option("metrics-address", Kind.TEXT, partial(read_address, default_port=None)),
    Option(
        "log-level",
        Kind.TEXT,
        partial(read_choice, values=("debug", "info", "warning", "error")),
    ),
    Option("config", Kind.TEXT, partial(read_path, expected="a file of settings"), in_file=False),
    Option("check", Kind.SWITCH, read_switch, in_file=False),
    Option("completion", Kind.TEXT, partial(read_choice, values=SHELLS), in_file=False),
)
_FIELDS = frozenset(field.name for field in fields(Settings))
# The program offers TLS by default. ``Settings`` alone does not: the server's own certificate needs a data directory.
_DEFAULTS: dict[str, Any] = {"tls": TlsMode.OPTIONAL}
