"""Hash and compare passwords with argon2id (RFC 9106) in threads: never on the event loop, and never many at once.

Passwords are prepared by the OpaqueString profile (RFC 8265, section 4.2) before they are hashed. So a password
matches whether a keyboard sends ``é`` as one character or as two.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from gevent.lock import BoundedSemaphore
from gevent.threadpool import ThreadPool
from precis_i18n import get_profile

from chat.process.offload import run_in
from chat.protocol.passwords import MAX_PASSWORD, length_problem
from chat.server.process.priority import lower_thread_priority

if TYPE_CHECKING:
    from argon2 import PasswordHasher

Result = TypeVar("Result")

AT_ONCE = 2  # each hash takes 64 MiB, and all processors for a moment
MAX_WAITING = 512  # passwords that wait for a thread or have one, in all
MAX_WAITING_PER_ADDRESS = 16  # passwords that wait for their turn
_NICENESS = 5  # of the threads, so that the event loop, which serves the users inside, goes first

_OPAQUE = get_profile("OpaqueString")


class UnusablePassword(Exception):
    """The password breaks a rule; the text is a sentence for the user who chose it."""


class TooManyWaiting(Exception):
    """Too many passwords wait for their turn already, so this one is not checked."""


def check_rules(password: str) -> None:
    """Raise UnusablePassword if ``password`` can't be chosen as a password."""
    problem = length_problem(password)
    if problem is not None:
        raise UnusablePassword(problem)
    try:
        _OPAQUE.enforce(password)
    except UnicodeError:
        raise UnusablePassword("A password must not contain control characters.") from None


def is_same(password: str, expected: str) -> bool:
    """Compare two passwords in constant time: the time does not tell where they differ."""
    return hmac.compare_digest(_prepare(password), _prepare(expected))


def hash_password(password: str) -> str:
    """Return the parameters, a salt and a digest in PHC format, as they are stored. Takes about 0.1 s."""
    return _hasher().hash(_prepare(password))


def matches(password: str, hash: str | None) -> bool:
    """Return whether ``password`` matches ``hash``. None never matches, but takes as long as a hash does."""
    from argon2.exceptions import InvalidHashError, VerificationError

    # Made even if it is not needed: if only an unknown name made it, its first check would take twice as long.
    dummy = _dummy()
    try:
        _hasher().verify(dummy if hash is None else hash, _prepare(password))
    except (VerificationError, InvalidHashError):
        return False
    return hash is not None


def is_outdated(hash: str) -> bool:
    """Return whether ``hash`` was made with other parameters than those of new hashes."""
    return _hasher().check_needs_rehash(hash)


class Passwords:
    """Hash and compare for the server: ``AT_ONCE`` passwords at a time, and one at a time per address.

    ``address`` is the key by which a peer is counted; None for a peer that has no limit.
    """

    def __init__(self) -> None:
        self.hashed = 0  # since the start
        self._pool: ThreadPool | None = None
        self._waiting = 0
        self._lines: dict[Hashable, _Line] = {}

    @property
    def waiting(self) -> int:
        """The number of passwords that wait for a thread, or have one."""
        return self._waiting

    @contextlib.contextmanager
    def turn(self, address: Hashable | None) -> Iterator[None]:
        """Wait until no other peer with this ``address`` has a turn, and take the turn. Raises TooManyWaiting."""
        if address is None:
            yield
            return
        line = self._lines.setdefault(address, _Line())
        if line.length >= MAX_WAITING_PER_ADDRESS:
            raise TooManyWaiting
        line.length += 1
        try:
            with line.head:
                yield
        finally:
            line.length -= 1
            # Addresses come and go: without this, the table would grow for ever.
            if not line.length:
                del self._lines[address]

    def matches(self, password: str, hash: str | None) -> bool:
        """Call :func:`matches` in a thread, while other greenlets run. Call it within ``turn``.

        Raises TooManyWaiting.
        """
        return self._run(lambda: matches(password, hash))

    def hash(self, password: str) -> str:
        """Call :func:`hash_password` in a thread, while other greenlets run. Call it within ``turn``.

        Raises TooManyWaiting.
        """
        return self._run(lambda: hash_password(password))

    def close(self) -> None:
        """End the threads once their present work is done."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.kill()

    def _run(self, work: Callable[[], Result]) -> Result:
        # ``turn`` lets at most one peer of each address come here, so one address cannot fill these places.
        if self._waiting >= MAX_WAITING:
            raise TooManyWaiting
        if self._pool is None:
            self._pool = ThreadPool(AT_ONCE)
        self.hashed += 1
        self._waiting += 1
        try:
            result: Result = run_in(self._pool, _run_nicely, work)
            return result
        finally:
            self._waiting -= 1


class _Line:
    """The peers of one address that wait. The peer that holds ``head`` has the turn."""

    def __init__(self) -> None:
        self.length = 0
        self.head = BoundedSemaphore(1)


def _run_nicely(work: Callable[[], Result]) -> Result:
    """Run ``work`` with a lower priority. The threads that argon2 starts inherit the priority."""
    lower_thread_priority(_NICENESS)
    return work()


def _prepare(password: str) -> bytes:
    """Return the bytes that are hashed.

    A password that nobody could have chosen gets a prefix that no prepared password has, so it never matches one.
    """
    with contextlib.suppress(UnicodeError):
        # The profile is slow on long texts, and no chosen password is longer than this.
        if len(password) <= MAX_PASSWORD:
            return _OPAQUE.enforce(password).encode()
    return b"\0" + password.encode()


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    # Imported here, because a server without accounts never needs argon2.
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@lru_cache(maxsize=1)
def _dummy() -> str:
    """Return the hash of a random password, with the parameters of all new hashes."""
    return _hasher().hash(secrets.token_bytes(32))
