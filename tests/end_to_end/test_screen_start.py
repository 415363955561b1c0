"""Modules that a client loads until it waits in the room: each takes time at the start, and memory to the end."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from tests.end_to_end.screens import PyteScreen
from tests.end_to_end.server_process import ServerProcess

# What a client in a room needs only later, or never. Most of them load many others.
_FOR_LATER = """
    argon2 asyncio concurrent.futures cryptography dataclasses difflib email gevent.subprocess gevent.threadpool
    getpass hashlib hmac http importlib.metadata inspect multiprocessing PIL platformdirs pprint precis_i18n pygments
    random secrets shutil sqlite3 subprocess tarfile tempfile tomllib tqdm unittest uuid wcwidth webbrowser
    chat.client.desktop.opening chat.client.frontends.json_lines chat.client.frontends.plain
    chat.client.screen.pictures.pictures chat.config.completion chat.config.completion_scripts chat.config.mistakes
    chat.config.usage chat.server
"""
FOR_LATER = set(_FOR_LATER.split())
# OpenSSL, which is several megabytes, and IDNA, by which ``ssl`` writes the name of a server.
FOR_TLS = {"ssl", "stringprep", "chat.client.trust.tls", "chat.net.tls_core"}


def loaded(address: str, home: Path, tls: str) -> set[str]:
    """Return the modules that a client loads until it is in the room and has shown a text."""
    command = [sys.executable, "-X", "importtime", "-m", "chat.client.cli", address]
    log = home / "imports"
    options = ["--username=bob", f"--tls={tls}"]
    # The terminal is left to the screen.
    redirected = f"exec {shlex.join([*command, *options])} 2>{shlex.quote(str(log))}"
    with PyteScreen(["sh", "-c", redirected], home) as bob:
        bob.wait_for("you are in the room as bob")
        bob.press("naïve café →", "<enter>")
        bob.wait_for(r"\[bob\]: naïve café →")
        names = set(re.findall(r"^import time:.*\| +(\S+)$", log.read_text(), re.MULTILINE))
        bob.press("<ctrl-d>")
        assert bob.wait() == 0
    assert {"chat.client.screen.app", "gevent"} <= names
    return names


def within(names: set[str], parts: set[str]) -> set[str]:
    """Return the ``parts`` of which something is in ``names``."""
    return {part for part in parts if any(f"{name}.".startswith(f"{part}.") for name in names)}


def test_a_client_loads_nothing_before_it_is_needed(address: str, home: Path) -> None:
    assert not within(loaded(address, home, "off"), FOR_LATER | FOR_TLS)


def test_a_client_of_a_server_with_tls_loads_tls_alone(home: Path) -> None:
    server = ServerProcess("--tls=required")
    try:
        names = loaded("{}:{}".format(*server.address), home, "required")
    finally:
        server.end()
    assert within(names, FOR_LATER | FOR_TLS) == FOR_TLS
