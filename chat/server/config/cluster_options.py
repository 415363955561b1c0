"""Read and check the options of a server that shares its chat with others.

Nothing here needs redis-py, which is an extra.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chat.config.command_line import UsageError
from chat.config.options import Given, read_address, read_path
from chat.files.opening import read_beginning
from chat.net.address import Address, parse_address
from chat.server.peers.peer_secret import LONGEST, SHORTEST
from chat.server.settings import PEER_PORT, Settings

if TYPE_CHECKING:
    from chat.net.engine_url import EngineUrl

_NODE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_ALL_INTERFACES = ("", "0.0.0.0", "::")
# Options that say how a server is one of several.
_NEED_CLUSTER = ("node", "public-address", "peer-listen", "peer-address", "peer-secret-file")


# Bytes. A message and its header are one record of the log.
_LARGEST_TEXT = 4 << 20


def read_engine(text: str, where: str) -> EngineUrl:
    """Parse the URL of the engine, and try to read the files that it names. Raises UsageError."""
    # Imported only here: few servers have an engine.
    from chat.net.engine_url import parse_engine_url

    try:
        url = parse_engine_url(text)
    except ValueError as problem:
        raise UsageError(f"{where}: {problem}") from None
    for path in files_of(url):
        try:
            read_beginning(path, 1)
        except OSError as problem:
            raise UsageError(
                f"{where}: cannot read {path}, which the URL names ({problem.strerror})"
            ) from None
    return url


def files_of(url: EngineUrl) -> tuple[Path, ...]:
    """Return the files that an engine's URL names."""
    files = (url.password_file, url.sentinel_password_file, url.ca_file)
    return tuple(path for path in files if path is not None)


def read_node(text: str, where: str) -> str:
    """Return the name of a server. Raises UsageError."""
    if not _NODE.fullmatch(text):
        raise UsageError(
            f"{where}={text}: expected 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-', such as chat1"
        )
    return text


def read_public_addresses(text: str, where: str) -> tuple[Address, ...]:
    """Return the addresses in a list with commas between them, which clients can connect to. Raises UsageError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise UsageError(f"{where} is empty: expected addresses such as chat1.example.org:8080")
    return tuple(_with_host(read_address(part, where), where) for part in parts)


def read_peer_address(text: str, where: str) -> Address:
    """Return the address at which other servers reach this one. Raises UsageError."""
    return _with_host(read_address(text, where, default_port=PEER_PORT), where)


def read_peer_listen(text: str, where: str) -> Address:
    """Return the address on which a server listens for other servers. Raises UsageError."""
    address = read_address(text, where, default_port=PEER_PORT)
    if address.path is not None:
        raise UsageError(
            f"{where}={address}: other machines cannot reach a file; expected HOST:PORT or :PORT"
        )
    return address


def read_secret_file(text: str, where: str) -> Path:
    """Return the path of a file whose first line is a secret that nobody guesses. Raises UsageError."""
    path = read_path(text, where, "a file whose first line is the secret")
    expected = f"expected at least {SHORTEST} bytes, as from: openssl rand -hex 32"
    try:
        line = read_beginning(path, LONGEST + 1)[0].partition(b"\n")[0].strip()
    except OSError as problem:
        raise UsageError(f"{where}={path}: cannot read it ({problem.strerror})") from None
    if len(line) > LONGEST:
        raise UsageError(
            f"{where}={path}: its first line is too long; expected at most {LONGEST} bytes"
        )
    if len(line) < SHORTEST:
        raise UsageError(f"{where}={path}: its first line is too short; {expected}")
    return path


def missing_extra(where: str) -> str | None:
    """Return a line if redis-py is not installed, which ``where`` needs; None if it is."""
    if find_spec("redis") is not None and find_spec("hiredis") is not None:
        return None
    return f"{where} needs a package that is missing; install it with: pip install '.[cluster]'"


def cluster_problems(values: dict[str, Any], given: Mapping[str, Given]) -> Iterator[str]:
    """Fill in the defaults of a server in a cluster, and yield a line for each mistake.

    Does nothing without ``--cluster``.
    """
    if "cluster" not in values:
        return
    where = given["cluster"].where
    if (missing := missing_extra(where)) is not None:
        yield missing
    if not values.get("history", True):
        yield f"{where} needs history: a server starts again from the messages that it keeps"
    if "peer-secret-file" not in given:
        yield f"{where} needs --peer-secret-file, with one secret for all servers of the cluster"
    if values.get("max_text", 0) > _LARGEST_TEXT:
        where_text = given["max-text"].where
        yield f"{where_text}: a text travels through the log; expected at most 4M with --cluster"
    listen = values.setdefault("peer_listen", Settings().peer_listen)
    for name in ("address", "metrics-address"):
        if values.get(name.replace("-", "_")) == listen and listen.port:
            yield f"--peer-listen={listen}: --{name} uses this address; expected another"
    yield from _defaults(values, given, listen)


def cluster_warnings(settings: Settings, given: Mapping[str, Given]) -> Iterator[str]:
    """Yield a line for each setting of a cluster that is valid but may be a mistake."""
    if settings.cluster is None:
        for name in _NEED_CLUSTER:
            if name in given:
                yield f"{given[name].where} has no effect: there is no --cluster"
        return
    secrets = [settings.peer_secret_file, settings.cluster.password_file]
    for path in (*secrets, settings.cluster.sentinel_password_file):
        if path is not None and path.stat().st_mode & 0o004:
            yield f"{path} can be read by all users of this machine"


def _with_host(address: Address, where: str) -> Address:
    if not address.host:
        raise UsageError(
            f"{where}: no host in {str(address)!r}: expected HOST, HOST:PORT or [IPv6]:PORT"
        )
    return address


def _defaults(values: dict[str, Any], given: Mapping[str, Given], listen: Address) -> Iterator[str]:
    host = socket.gethostname()
    if "node" not in given:
        try:
            values["node"] = read_node(host.partition(".")[0], "--node")
        except UsageError:
            yield f"--node is missing: the host name {host!r} cannot be the name of a server"
    if "peer-address" not in given:
        try:
            # A server on one interface is reached there.
            on_one = listen.host not in _ALL_INTERFACES
            reached = listen.host if on_one else parse_address(f"{host}:{listen.port}").host
            values["peer_address"] = Address(reached, listen.port)
        except ValueError:
            yield f"--peer-address is missing: the host name {host!r} is no address"
