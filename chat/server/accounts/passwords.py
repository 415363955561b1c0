"""Passwords by argon2id (RFC 9106), in threads of their own: never on the event loop, and never many at once.

What is hashed is the password as RFC 8265's OpaqueString makes it, so that it does not matter whose keyboard composes
an ``é`` how.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import threading
from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from gevent.lock import BoundedSemaphore
from gevent.threadpool import ThreadPool
from precis_i18n import get_profile

from chat.process.offload import run_in

if TYPE_CHECKING:
    from argon2 import PasswordHasher

Result = TypeVar("Result")

MIN_PASSWORD, MAX_PASSWORD = 8, 1024  # bytes of UTF-8

AT_ONCE = 2  # each takes 64 MiB, and all processors for a moment
MAX_WAITING = 512  # for a thread, in all
MAX_WAITING_PER_ADDRESS = 16  # for their turn
_NICENESS = 5  # of the threads: whoever is in the room goes first

_OPAQUE = get_profile("OpaqueString")


class UnusablePassword(Exception):
    """Not to be had as a password; the text is a sentence for who chose it."""


class TooManyWaiting(Exception):
    """So many passwords wait for their turn that this one is not looked at."""


def check_rules(password: str) -> None:
    """Raises UnusablePassword."""
    if not MIN_PASSWORD <= len(password.encode()) <= MAX_PASSWORD:
        raise UnusablePassword(f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} bytes.")
    try:
        _OPAQUE.enforce(password)
    except UnicodeError:
        raise UnusablePassword("A password has no control characters in it.") from None


def is_same(password: str, expected: str) -> bool:
    """Whether they are the same password, without telling by time where they differ."""
    return hmac.compare_digest(_prepare(password), _prepare(expected))


def hash_password(password: str) -> str:
    """What is kept of it: the parameters, a salt and a digest, in PHC's format. Takes a tenth of a second."""
    return _hasher().hash(_prepare(password))


def matches(password: str, hash: str | None) -> bool:
    """Whether ``password`` is what ``hash`` was made of; takes as long for None, which nothing matches."""
    from argon2.exceptions import InvalidHashError, VerificationError

    dummy = _dummy()
    try:
        _hasher().verify(dummy if hash is None else hash, _prepare(password))
    except (VerificationError, InvalidHashError):
        return False
    return hash is not None


def is_outdated(hash: str) -> bool:
    """Whether it was made with other parameters than are used now."""
    return _hasher().check_needs_rehash(hash)


class Passwords:
    """How the server hashes and compares: ``AT_ONCE`` at a time, and one at a time of one address.

    ``address`` is under what the one who asks is counted, None for who is not limited.
    """

    def __init__(self) -> None:
        self.hashed = 0  # since the start
        self._pool: ThreadPool | None = None
        self._waiting = 0
        self._lines: dict[Hashable, _Line] = {}

    @property
    def waiting(self) -> int:
        """How many wait for a thread, or have one."""
        return self._waiting

    @contextlib.contextmanager
    def turn(self, address: Hashable | None) -> Iterator[None]:
        """Wait until nobody else of the ``address`` has his turn. Raises TooManyWaiting."""
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
            if not line.length:
                del self._lines[address]

    def matches(self, password: str, hash: str | None) -> bool:
        """:func:`matches` for one who has his turn; others run meanwhile. Raises TooManyWaiting."""
        return self._run(lambda: matches(password, hash))

    def hash(self, password: str) -> str:
        """:func:`hash_password`, the same way."""
        return self._run(lambda: hash_password(password))

    def close(self) -> None:
        """Give the threads back, when what they are doing is done."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.kill()

    def _run(self, work: Callable[[], Result]) -> Result:
        # Of one address there is one here at most: the rest of its line does not keep others out.
        if self._waiting >= MAX_WAITING:
            raise TooManyWaiting
        if self._pool is None:
            self._pool = ThreadPool(AT_ONCE)
        self.hashed += 1
        self._waiting += 1
        try:
            result: Result = run_in(self._pool, _step_back_and, work)
            return result
        finally:
            self._waiting -= 1


class _Line:
    """Those of one address: who is at the ``head`` has his turn."""

    def __init__(self) -> None:
        self.length = 0
        self.head = BoundedSemaphore(1)


def _step_back_and(work: Callable[[], Result]) -> Result:
    """Do it in a thread that lets others go first; so do those that the hash itself starts."""
    # On Linux a thread has a niceness of its own. Elsewhere this would be the whole process's.
    if os.uname().sysname == "Linux":
        thread = threading.get_native_id()
        nice = max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, nice)
    return work()


def _prepare(password: str) -> bytes:
    """The bytes that are hashed. One that could never have been chosen is no other's equal, whatever it is."""
    with contextlib.suppress(UnicodeError):
        if len(password) <= MAX_PASSWORD:  # longer ones are not worth the profile's time
            return _OPAQUE.enforce(password).encode()
    return b"\0" + password.encode()


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    # Imported here: a server without accounts never needs it.
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@lru_cache(maxsize=1)
def _dummy() -> str:
    """The hash of what nobody knows, made as those of known names are."""
    return _hasher().hash(secrets.token_bytes(32))
