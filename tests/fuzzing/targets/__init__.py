"""Targets of the fuzzer without a server: each takes any bytes, and raises an exception if a rule is broken.

A target finds more than undocumented exceptions: it checks what must hold for every input, where possible with an
implementation that shares no code with the tested one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.fuzzing.targets import frames, headers, hostile, login, names, proxies


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
    "login": Target(login.check, "login"),
    "client": Target(hostile.check_client, "stream"),
    "screen": Target(hostile.check_screen, "stream"),
}
