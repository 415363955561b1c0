"""Can a stranger tell by the time of the answer whether a name is a member's?"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.end_to_end.server_process import ServerProcess
from tests.measuring.accounts import register
from tests.measuring.statistic import Comparison, compare
from tests.peers.wire_client import WireClient

_MEMBERS = 20
_PATIENCE = 60.0


def measure(
    tries: int, seed: int, directory: Path, password: str | None, told: Callable[[int], object]
) -> Comparison:
    """Refused logins, ``tries`` with names that are registered and as many with others, in random order.

    ``password``: the wrong one that is sent; without one, none is. From an address whose failures cost no time, for
    that depends on the address and not on the name.
    """
    rng = Random(seed)
    pool = [_name(rng) for _ in range(2 * _MEMBERS)]
    known, unknown = pool[:_MEMBERS], pool[_MEMBERS:]
    register(directory, known)
    order = [True] * tries + [False] * tries
    rng.shuffle(order)
    times: dict[bool, list[float]] = {True: [], False: []}
    server = ServerProcess("--members-only", f"--data-directory={directory}")
    try:
        for _ in range(10):  # what is only done once
            _time(server, rng.choice(known), password)
            _time(server, rng.choice(unknown), password)
        for number, is_known in enumerate(order, 1):
            name = rng.choice(known if is_known else unknown)
            times[is_known].append(_time(server, name, password))
            told(number)
        assert server.stop() == 0, server.log
    finally:
        server.end()
    return compare(times[True], times[False])


def _time(server: ServerProcess, name: str, password: str | None) -> float:
    """Seconds from the login to its refusal, on a connection that is there already."""
    header: dict[str, Any] = {"to": name}
    if password is not None:
        header["password"] = password
    with WireClient(server.address, timeout=_PATIENCE) as client:
        login = client.encode(1, header)
        started = time.perf_counter()
        client.send_bytes(login)
        answer = client.read_frame()
        taken = time.perf_counter() - started
    expected = "password-needed" if password is None else "wrong-password"
    assert answer.header.get("error") == expected, answer
    return taken


def _name(rng: Random) -> str:
    """All look alike, so that nothing but being registered tells them apart."""
    return "".join(rng.choice("abcdefghijkmnopqrstuvwxyz") for _ in range(10))
