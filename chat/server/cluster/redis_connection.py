"""Connect to Redis or Valkey by redis-py, over gevent's sockets and without patching any module.

redis-py makes and parses commands and logs in. It must not do more:

- A retry of its own would append a message twice, and it sleeps by ``time.sleep``. So retries are off.
- Its ``can_read`` calls ``select.poll``, which stops the event loop. So this module only reads, with a time limit.
- A context of the module ``ssl`` would stop the event loop in the handshake. So the context is gevent's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout
from redis.retry import Retry

from chat.net.address import Address
from chat.net.engine_url import EngineUrl

OLDEST_ENGINE = 7  # has functions, and INFO for several sections

Command = Sequence[str | bytes | int]


class EngineAway(Exception):
    """Report that the engine did not answer, or cannot serve now. The text is one line for the operator.

    A command that was sent may have been carried out, or may be carried out later.
    """


class EngineRefused(EngineAway):
    """Report that the engine answered with an error. The text is the error."""


class _Failures:
    """Count the connections of a dialer that have failed."""

    def __init__(self) -> None:
        self.count = 0


class EngineConnection:
    """An open connection to the primary of an engine. After EngineAway, but not EngineRefused, it is closed.

    ``node`` names the process of the engine: two connections with one node lead to the same process. Each method takes
    at most ``timeout`` seconds.
    """

    def __init__(self, connection: Connection, timeout: float, failures: _Failures) -> None:
        self.node = ""
        self._connection: Connection | None = connection
        self._timeout = timeout
        self._failures = failures
        self._failures_before = failures.count

    @property
    def is_doubtful(self) -> bool:
        """Whether another connection of the same dialer has failed since this one was opened."""
        return self._failures.count != self._failures_before

    def call(self, *command: str | bytes | int) -> Any:
        """Return the answer to ``command``. Raises EngineAway or EngineRefused."""
        with self._talking() as connection:
            connection.send_command(*command)
            return connection.read_response()

    def call_both(self, first: Command, second: Command) -> tuple[Any, Any]:
        """Send two commands at once; return both answers. Raises EngineAway; also if the engine refuses one."""
        try:
            with self._talking() as connection:
                connection.send_packed_command(connection.pack_commands((first, second)))
                return connection.read_response(), connection.read_response()
        except EngineRefused as refused:
            self.close()  # the other answer may be under way
            raise EngineAway(str(refused)) from refused

    def send(self, *command: str | bytes | int) -> None:
        """Send a command whose answer comes by ``receive``. Raises EngineAway."""
        with self._talking() as connection:
            connection.send_command(*command)

    def receive(self, patience: float) -> Any:
        """Return what the engine sent next, or None if nothing came within ``patience`` seconds.

        Raises EngineAway, also if the engine stops in the middle.
        """
        connection = self._connection
        if connection is None:
            raise EngineAway("the connection is closed")
        try:
            return connection.read_response(timeout=patience, disconnect_on_error=False)
        except RedisTimeout:
            return None
        except (RedisError, OSError) as problem:
            self._fail()
            raise EngineAway(_reason(problem)) from problem

    def close(self) -> None:
        """Close the connection. May be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _fail(self) -> None:
        self._failures.count += 1
        self.close()

    @contextmanager
    def _talking(self) -> Iterator[Connection]:
        connection = self._connection
        # redis-py would connect again by itself, perhaps to another engine.
        if connection is None:
            raise EngineAway("the connection is closed")
        late = EngineAway(f"no answer within {self._timeout:g} s")
        try:
            # For the whole call: redis-py limits only each of its reads.
            with gevent.Timeout(self._timeout, late):
                yield connection
        except ResponseError as error:
            raise EngineRefused(_reason(error)) from error
        except (RedisError, OSError) as problem:
            self._fail()
            raise EngineAway(_reason(problem)) from problem
        except BaseException:
            self._fail()
            raise


class Dialer:
    """Open connections to the primary of the engine at ``url``, each within ``timeout`` seconds."""

    def __init__(self, url: EngineUrl, timeout: float) -> None:
        self.url = url
        self._timeout = timeout
        self._failures = _Failures()
        # Made once: to read the certificate authorities of a system takes 20 ms.
        self._context: gevent.ssl.SSLContext | None = None

    def dial(self) -> EngineConnection:
        """Return an open connection. Raises EngineAway."""
        asked = ", ".join(map(str, self.url.addresses))
        late = EngineAway(f"no connection to {asked} within {self._timeout:g} s")
        with gevent.Timeout(self._timeout, late):
            return self._dial()

    def _dial(self) -> EngineConnection:
        address = self._ask_sentinels() if self.url.service is not None else self.url.addresses[0]
        opened = self._open(address, self.url.user, self.url.password_file)
        try:
            facts = _facts(opened.call("INFO", "server", "replication", "memory"))
            _check(address, facts)
        except BaseException:
            opened.close()
            raise
        opened.node = facts["run_id"]
        return opened

    def _ask_sentinels(self) -> Address:
        """Return the address of the primary, from the first Sentinel that tells one."""
        reason = ""
        for sentinel in self.url.addresses:
            try:
                asked = self._open(sentinel, None, self.url.sentinel_password_file)
                try:
                    found = asked.call(
                        "SENTINEL", "get-master-addr-by-name", self.url.service or ""
                    )
                finally:
                    asked.close()
            except EngineAway as away:
                reason = f"{sentinel}: {away}"
                continue
            if found is not None:
                return Address(found[0].decode(), int(found[1]))
            reason = f"{sentinel} does not know {self.url.service!r}"
        raise EngineAway(f"no Sentinel tells the primary ({reason})")

    def _open(
        self, address: Address, user: str | None, password_file: Path | None
    ) -> EngineConnection:
        password = _read_password(password_file)
        if self.url.is_encrypted and self._context is None:
            self._context = _make_context(self.url.ca_file)
        connection: Connection = _GeventConnection(
            self._context,
            host=address.host,
            port=address.port,
            username=user if password is not None else None,
            password=password,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            protocol=2,
            driver_info=None,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            connection.connect()
        except (RedisError, OSError) as problem:
            raise EngineAway(_reason(problem)) from problem
        return EngineConnection(connection, self._timeout, self._failures)


class _GeventConnection(Connection):
    """A connection of redis-py over a socket of gevent, encrypted if there is a ``context``."""

    def __init__(self, context: gevent.ssl.SSLContext | None, **options: Any) -> None:
        self._context = context
        super().__init__(**options)  # type: ignore[no-untyped-call]  # of redis-py

    def _connect(self) -> gevent.socket.socket:
        sock = gevent.socket.create_connection((self.host, self.port), self.socket_connect_timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_hostname=self.host)
            sock.settimeout(self.socket_timeout)
        except BaseException:
            sock.close()
            raise
        return sock


def _make_context(ca_file: Path | None) -> gevent.ssl.SSLContext:
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        else:
            context.load_default_certs()
    except OSError as error:
        raise EngineAway(f"cannot read certificates in {str(ca_file)!r}: {error}") from error
    return context


def _read_password(path: Path | None) -> str | None:
    """Read the password anew for each connection: an operator may change it."""
    if path is None:
        return None
    try:
        password = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise EngineAway(f"cannot read the password in {str(path)!r}: {error}") from error
    if not password:
        raise EngineAway(f"no password in {str(path)!r}: the file is empty")
    return password


def _facts(info: bytes) -> dict[str, str]:
    """Parse the answer to INFO: lines ``name:value``, and titles of sections."""
    lines = info.decode(errors="replace").splitlines()
    return {name: value for name, found, value in (line.partition(":") for line in lines) if found}


def _check(address: Address, facts: dict[str, str]) -> None:
    """Raise EngineAway if the engine with these ``facts`` must not have the log."""
    if facts.get("role") != "master":
        raise EngineAway(f"{address} is a replica")
    major = facts.get("redis_version", "").partition(".")[0]
    if not major.isdecimal() or int(major) < OLDEST_ENGINE:
        raise EngineAway(
            f"{address} is version {major or 'unknown'}: {OLDEST_ENGINE} is the oldest"
        )
    policy = facts.get("maxmemory_policy", "")
    if policy.startswith("allkeys"):
        raise EngineAway(f"{address} may drop the log: set maxmemory-policy {policy} to noeviction")


def _reason(problem: Exception) -> str:
    if isinstance(problem, AuthenticationError):
        return f"the engine refuses the login: {problem}"
    return " ".join(str(problem).split()) or type(problem).__name__
