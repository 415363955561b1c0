"""A server that is killed while files are said: no message without its content, no content without a message."""

from __future__ import annotations

import hashlib
import random
import signal
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.reader import Reader
from tests.end_to_end.server_process import ServerProcess, eventually
from tests.peers.wire_client import WireClient
from tests.tiers import quick_first

FILE = MessageType.FILE
SIZE = 80 * 1024


def say_files(server: ServerProcess, name: str, rng: random.Random) -> None:
    """Say files until the connection breaks."""
    with suppress(OSError, EOFError), WireClient.joined(server.address, name, inline=0) as client:
        while True:
            client.send(FILE, {"filename": "f.bin"}, rng.randbytes(32) * (SIZE // 32))
            while client.read_frame().sender != name:
                continue


def shown_offers(client: WireClient) -> dict[int, str]:
    """Return the SHA-256 of each file in the history, by the number of its message."""
    found: dict[int, str] = {}
    after: int = 0
    while True:
        client.send(
            MessageType.UTF8,
            {"command": "history", "after": after, "limit": 200, "nonce": "q"},
        )
        while (frame := client.read_frame()).header.get("notice") != "done":
            if frame.type == FILE and frame.header.get("for") == "q":
                after = frame.header["seq"]
                found[after] = frame.header["sha256"]
        if not frame.header.get("more"):
            return found


def messages_in(data: Path) -> int:
    reader = Reader(data)
    try:
        return reader.totals().messages
    finally:
        reader.close()


@pytest.mark.parametrize("crashes", quick_first([1, 3], "endurance"))
def test_a_killed_server_has_a_content_for_each_message_and_a_message_for_each_content(
    crashes: int,
) -> None:
    rng = random.Random(5)
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        options = ("--history=on", "--rate=0", f"--data-directory={data}")
        directory = FileDirectory(data)
        server = ServerProcess(*options)
        try:
            for _ in range(crashes):
                talking = [
                    threading.Thread(target=say_files, args=(server, name, random.Random(name)))
                    for name in ("alice", "bob")
                ]
                for thread in talking:
                    thread.start()
                enough = messages_in(data) + rng.randint(5, 100)
                eventually(lambda: messages_in(data) >= enough)  # noqa: B023
                server.send_signal(signal.SIGKILL)
                server.wait()
                for thread in talking:
                    thread.join()
                server = ServerProcess(*options)
                with WireClient.joined(server.address, "carol", inline=0) as carol:
                    offers = shown_offers(carol)
                    kept = {digest.hex() for digest in directory.sizes()}
                    assert set(offers.values()) == kept
                    assert not list(directory.incoming.iterdir())
                    with carol.open_transfer(server.address) as transfer:
                        for seq, digest in rng.sample(sorted(offers.items()), min(5, len(offers))):
                            transfer.send(FILE, {"fetch": seq})
                            content = transfer.read_frame().content
                            assert hashlib.sha256(content).hexdigest() == digest
            assert server.stop() == 0
        finally:
            server.end()
