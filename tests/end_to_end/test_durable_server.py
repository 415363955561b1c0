"""A durable server that is killed again and again keeps each message that it has answered, once and in one order."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.server.history.pages import PageSize
from chat.server.history.reader import Reader
from chat.server.history.stored import DEFAULT_ROOM
from tests.end_to_end.server_process import ServerProcess
from tests.peers.wire_client import WireClient
from tests.tiers import quick_first

UTF8 = MessageType.UTF8


class Speaker:
    """A user who says numbered texts until the connection ends. ``heard`` has the seq of each text that they heard."""

    def __init__(self, server: ServerProcess, name: str, life: int) -> None:
        self._client = WireClient.joined(server.address, name)
        self._prefix = f"{name}-{life}"
        self.heard: dict[int, str] = {}
        self._tasks = [gevent.spawn(self._speak), gevent.spawn(self._listen)]

    def _speak(self) -> None:
        number = 0
        try:
            while True:
                self._client.say(f"{self._prefix}-{number}", nonce=f"{number}")
                number += 1
                gevent.sleep(0.001)
        except OSError:
            return

    def _listen(self) -> None:
        try:
            while True:
                frame = self._client.read_frame()
                if frame.type == UTF8 and "seq" in frame.header:
                    self.heard[frame.header["seq"]] = frame.text
        except (OSError, EOFError):
            return

    def end(self) -> None:
        self._client.close()
        gevent.killall(self._tasks)


@pytest.mark.parametrize("crashes", quick_first([4, 20], "endurance"))
def test_what_was_heard_is_there_after_each_crash(tmp_path: Path, crashes: int) -> None:
    rng = random.Random(7)
    data = tmp_path / "data"
    heard: dict[int, str] = {}
    for life in range(crashes):
        server = ServerProcess("--durable", "--history=on", "--rate=0", f"--data-directory={data}")
        try:
            speakers = [Speaker(server, name, life) for name in ("alice", "bob", "carol")]
            gevent.sleep(0.05 + rng.random() * 0.15)
            server.send_signal(signal.SIGKILL)
            gevent.sleep(0.02)
            for speaker in speakers:
                speaker.end()
                for seq, text in speaker.heard.items():
                    assert heard.setdefault(seq, text) == text, (
                        f"two messages have the number {seq}"
                    )
        finally:
            server.end()
    reader = Reader(data)
    state = reader.logs()[DEFAULT_ROOM]
    kept = {
        message.first: message.contents[0].decode()
        for run in reader.after(DEFAULT_ROOM, 0, state.head + 1, PageSize(1 << 20, 1 << 30)).runs
        for message in run.messages()
    }
    reader.close()
    assert len(heard) > crashes
    assert {seq: kept.get(seq) for seq in heard} == heard
    assert sorted(kept) == list(range(1, state.head + 1))
    assert len(set(kept.values())) == len(kept)
    assert state.lost == ()
