"""Password hashes that take no time. A real hash takes up to a second of CPU time and 64 MiB.

``tests/server/accounts/test_passwords.py`` checks the real parameters. Nothing else that the server does depends on
them.
"""

from __future__ import annotations

from argon2 import PasswordHasher

HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def hash_cheaply(password: str) -> str:
    """A hash of an ASCII password, in the form that the server keeps."""
    return HASHER.hash(password)
