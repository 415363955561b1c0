"""Attachments reach users of the other server: in the log, as an offer, or whole for a raw client."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from tests.server.cluster.engine_process import needs_engine
from tests.server.replication.shared_servers import SharedServers, shared_servers

pytestmark = needs_engine

FILE, UTF8 = MessageType.FILE, MessageType.UTF8
SMALL, LARGE = b"s" * 60_000, bytes(range(256)) * 2_000


@pytest.fixture
def town(tmp_path: Path) -> Iterator[SharedServers]:
    with shared_servers(tmp_path / "town", "north", "south") as started:
        yield started


def test_contents_go_to_everyone_as_they_want_them(town: SharedServers) -> None:
    alice = town.join("north", "alice", inline=100_000)
    raw = town.join("south", "bob", raw=True)
    carol = town.join("south", "carol", inline=100_000)
    for name in ("bob", "carol"):
        alice.expect_joined(name)
    raw.expect_joined("carol")

    for content in (SMALL, LARGE):
        alice.send(FILE, {"filename": "a.bin", "nonce": "n"}, content)
    alice.say("behind")

    for content in (SMALL, LARGE):
        assert raw.expect(FILE, filename="a.bin").content == content
    raw.expect_text("behind", "alice")
    assert carol.expect(FILE, seq=1).content == SMALL
    offer = carol.expect(FILE, b"", seq=2, size=len(LARGE)).header
    assert offer["sha256"] == hashlib.sha256(LARGE).hexdigest()
    carol.expect_text("behind", "alice", seq=3)

    transfer = carol.open_transfer(town.servers["south"].address)
    transfer.send(FILE, {"fetch": offer["id"], "nonce": "f"})
    assert transfer.read_frame().content == LARGE
    transfer.close()


@pytest.mark.thorough("it waits 30 s for a content")
@pytest.mark.timeout(120)
def test_who_cannot_get_a_content_in_time_gets_a_sentence_in_its_place(town: SharedServers) -> None:
    alice = town.join("north", "alice", inline=100_000)
    raw = town.join("south", "bob", raw=True, timeout=60)
    alice.expect_joined("bob")
    processes = children_of(town.servers["north"].pid)
    for process in processes:
        os.kill(process, signal.SIGSTOP)  # the connections to other servers stand still

    try:
        alice.send(FILE, {"filename": "a.bin", "nonce": "n"}, LARGE)
        alice.say("behind")

        notice = raw.expect(UTF8, notice="announcement")
        assert notice.text.startswith("alice sent a.bin. ")
        raw.expect_text("behind", "alice")
    finally:
        for process in processes:
            os.kill(process, signal.SIGKILL)


def children_of(process: int) -> list[int]:
    """The processes that another one has started."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text()
    return list(map(int, children.split()))
