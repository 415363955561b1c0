"""Parse the URL that names an engine: Redis or Valkey, alone or behind Sentinel.

    redis://[USER@]HOST[:PORT][/PREFIX][?OPTION=VALUE&...]
    redis+sentinel://[USER@]HOST[:PORT][,HOST[:PORT]...]/SERVICE[/PREFIX][?OPTION=VALUE&...]

``rediss`` in place of ``redis`` encrypts every connection, also those to Sentinel.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from chat.net.address import Address, parse_address

ENGINE_PORT, SENTINEL_PORT = 6379, 26379
DEFAULT_PREFIX = "chat"
MAX_REPLICAS = 16
_SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
_FILES = ("password-file", "sentinel-password-file", "ca-file")
_OPTIONS = (*_FILES, "replicas")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class EngineUrl(NamedTuple):
    """Say where the engine is, and how to log in there.

    ``addresses`` are those of Sentinel if ``service`` is set, and else the one of the engine. ``replicas`` is the
    number of replicas that must have an entry before any server applies it.
    """

    addresses: tuple[Address, ...]
    service: str | None = None
    is_encrypted: bool = False
    user: str | None = None
    password_file: Path | None = None
    sentinel_password_file: Path | None = None
    ca_file: Path | None = None
    prefix: str = DEFAULT_PREFIX
    replicas: int = 0


def parse_engine_url(text: str) -> EngineUrl:
    """Parse ``text``. Raises ValueError with one line that says what is wrong and what is expected.

    A password is refused: command lines are visible to all users of a machine. The line never repeats a password.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ValueError(
            f"invalid engine {_without_password(text)!r}: expected redis://, rediss://, redis+sentinel:// or "
            "rediss+sentinel://"
        )
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    user, hosts = _user_and_hosts(authority)
    has_sentinel = scheme.endswith("+sentinel")
    addresses = _addresses(hosts, SENTINEL_PORT if has_sentinel else ENGINE_PORT)
    if len(addresses) > 1 and not has_sentinel:
        raise ValueError(f"several hosts in {hosts!r}: expected one, or redis+sentinel://")
    service, prefix = _service_and_prefix(path, has_sentinel)
    options = _parse_options(query)
    if user is not None and "password-file" not in options:
        raise ValueError(f"no password for the user {user!r} in the URL: add ?password-file=PATH")
    password_file, sentinel_password_file, ca_file = (
        Path(options[name]) if name in options else None for name in _FILES
    )
    return EngineUrl(
        addresses,
        service,
        scheme.startswith("rediss"),
        user,
        password_file,
        sentinel_password_file,
        ca_file,
        prefix,
        _parse_replicas(options.get("replicas", "0")),
    )


def _user_and_hosts(authority: str) -> tuple[str | None, str]:
    login, separator, hosts = authority.rpartition("@")
    if ":" in login:
        raise ValueError("a password in the URL is visible to others: use ?password-file=PATH")
    if separator and not login:
        raise ValueError("no user before the @ in the URL: expected USER@HOST, or HOST alone")
    return unquote(login) or None, hosts


def _addresses(hosts: str, default_port: int) -> tuple[Address, ...]:
    if not hosts:
        raise ValueError("no host in the URL: expected one such as redis://127.0.0.1:6379")
    named = hosts.split(",")
    if any(host.startswith("unix:") for host in named):
        raise ValueError(
            f"invalid host {hosts!r} in the URL: expected HOST, HOST:PORT or [IPv6]:PORT"
        )
    addresses = tuple(parse_address(host, default_port) for host in named)
    if any(not address.host for address in addresses):
        raise ValueError(f"no host in {hosts!r}: expected HOST, HOST:PORT or [IPv6]:PORT")
    return addresses


def _service_and_prefix(path: str, has_sentinel: bool) -> tuple[str | None, str]:
    names = path.split("/") if path else []
    service = names.pop(0) if has_sentinel and names else None
    if has_sentinel and not service:
        raise ValueError("no name of a service in the URL: expected redis+sentinel://HOST/SERVICE")
    if len(names) > 1:
        raise ValueError(f"invalid path {'/' + path!r} in the URL: expected one prefix of keys")
    prefix = names[0] if names and names[0] else DEFAULT_PREFIX
    for name in (service or DEFAULT_PREFIX, prefix):
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"invalid name {name!r} in the URL: expected 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-'"
            )
    return service, prefix


def _parse_options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if name not in _OPTIONS:
            raise ValueError(
                f"unknown option {name!r} in the URL: expected one of {', '.join(_OPTIONS)}"
            )
        if not value or name in options:
            raise ValueError(f"option {name!r} in the URL: expected one value")
        options[name] = unquote(value)
    return options


def _parse_replicas(text: str) -> int:
    if not re.fullmatch("[0-9]{1,2}", text, re.ASCII) or int(text) > MAX_REPLICAS:
        raise ValueError(f"invalid number of replicas {text!r}: expected 0 to {MAX_REPLICAS}")
    return int(text)


def _without_password(text: str) -> str:
    return re.sub(r":[^@/]*@", ":...@", text)
