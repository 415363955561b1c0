"""What is fuzzed without a server: each target takes any bytes, and raises for what must not be.

Raising is not only "an exception nobody documented": a target says what holds of every input, by another hand than
the code under test where that is possible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.fuzzing.targets import entrance, frames, headers, hostile, names, proxies


class Target(NamedTuple):
    """``check`` raises for an input that shows a fault; ``kind`` says what makes inputs that mean something."""

    check: Callable[[bytes], None]
    kind: str  # "stream", "header", "text", "proxy", "login"


TARGETS = {
    "frames": Target(frames.check, "stream"),
    "headers": Target(headers.check, "header"),
    "names": Target(names.check_name, "text"),
    "filenames": Target(names.check_filename, "text"),
    "proxy": Target(proxies.check, "proxy"),
    "login": Target(entrance.check, "login"),
    "client": Target(hostile.check_client, "stream"),
    "screen": Target(hostile.check_screen, "stream"),
}
