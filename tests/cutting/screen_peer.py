"""The real screen client in a pseudo-terminal: it types lines, and is killed and started again."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random

import gevent

from chat.client.state.contents import parse_whole
from tests.cutting.evidence import ROOM, Fate, LineRecord, Message, Observed
from tests.cutting.screen_log import Kind, events_of, read_items
from tests.end_to_end.accounts import password_option
from tests.end_to_end.client_process import ClientProcess

# What the screen says when the client is in the room, and when it has lost the connection.
_INSIDE, _LOST = " in the room as ", "Trying again."
_KILL_LINE = "\x15"  # Control-U
_READING = 0.1  # seconds after which the program has read all keys
_LOOK = 0.05
_SCRIPT = (
    "import sys\n"
    "from chat.client.cli import main\n"
    "from tests.cutting.hasty import hurry\n"
    "hurry()\n"
    "sys.exit(main(sys.argv[1:]))\n"
)


class _HastyClient(ClientProcess):
    command = (sys.executable, "-c", _SCRIPT)


class ScreenPeer:
    """Types into the screen of the account ``observed.account``; ``pause`` is the mean time between two lines.

    Each life of the program has a file of its own for what it shows. A test cannot know which lines reached the program
    before a kill, so each of them may have been said or not.
    """

    def __init__(
        self,
        observed: Observed,
        password: str,
        address: tuple[str, int],
        directory: Path,
        *,
        rng: Random,
        pause: float,
    ) -> None:
        self.observed = observed
        observed.logs = (ROOM,)  # the file has the log of the room
        self.is_quiet = False
        directory.mkdir()
        self._directory = directory
        self._address = f"{address[0]}:{address[1]}"
        self._state = directory / "state"
        self._options = (password_option(directory, password), f"--state={self._state}")
        self._rng = rng
        self._pause = pause
        self._number = 0
        self._logs: list[Path] = []
        self._is_typing = False
        self._client: ClientProcess | None = None
        self._task: gevent.Greenlet[..., None] | None = None

    @property
    def name(self) -> str:
        return self.observed.client

    @property
    def is_alive(self) -> bool:
        """Whether the program runs. It ends by itself if it cannot log in when it starts."""
        return self._client is not None and self._client.process.poll() is None

    @property
    def is_in(self) -> bool:
        """Whether it is in the room, and has shown what was missing: the client shows that before the welcome."""
        shown = self._shown()
        return self.is_alive and shown.rfind(_INSIDE) > shown.rfind(_LOST)

    @property
    def is_settled(self) -> bool:
        """Whether it is in the room, and has told its user what became of each line."""
        return self.is_in and not self._is_typing and not self._waiting()

    @property
    def status(self) -> str:
        """Describe its state, for a report."""
        return f"{'in' if self.is_in else 'not in'} the room, these lines wait: {self._waiting()}"

    def start(self) -> None:
        """Start the program, with the state file that it had before."""
        log = self._directory / f"life-{len(self._logs) + 1}.log"
        self._logs.append(log)
        self._is_typing = False
        home = str(self._directory)
        self._client = _HastyClient(
            self._address,
            self.observed.account,
            *self._options,
            "--tls=off",
            # The file lags behind the screen. After a kill, the next life shows more than what it may lack.
            "--replay=200",
            "--log=on",
            f"--log-file={log}",
            directory=self._directory,
            terminal=True,
            environment={"HOME": home},
        )
        self._task = gevent.spawn(self._type_lines, self._client)

    def kill(self) -> None:
        """Kill the program, whatever it does."""
        task, client = self._task, self._client
        self._task = self._client = None
        if task is not None:
            task.kill()
        if client is not None:
            if client.process.poll() is not None and _INSIDE in self._shown():
                self.observed.complaints.append(f"it ended by itself: {client.output.text[-500:]}")
            client.send_signal(signal.SIGKILL)
            client.process.wait()
            client.__exit__(None, None, None)

    def reconnect(self) -> None:
        """Start the program anew, so that it comes back."""
        self.kill()
        self.start()

    def note_what_was_shown(self, known: Mapping[str, tuple[str, Message]]) -> None:
        """Put what the screen showed into ``observed``; see ``screen_log.events_of`` for ``known``."""
        lives = [read_items(log.read_text()) for log in self._logs if log.exists()]
        self.observed.lives = events_of(lives, known)
        for items in lives:
            for item in items:
                line = self.observed.lines.get(item.body)
                if line is None or item.sender != self.observed.account:
                    continue
                if item.kind is Kind.MESSAGE:
                    line.fate = Fate.ANSWERED
                    # While history is suspended, other clients cannot come back, and a crash takes what they missed.
                    line.has_number = item.body in known
                    if line.has_number:
                        line.epoch, (line.seq, *_) = known[item.body]
                elif line.fate is not Fate.ANSWERED:
                    line.fate = Fate.PERHAPS if item.kind is Kind.PERHAPS else Fate.REFUSED

    def _shown(self) -> str:
        return self._logs[-1].read_text() if self._logs and self._logs[-1].exists() else ""

    def _waiting(self) -> list[str]:
        if not self._state.exists():
            return []
        _, contents = parse_whole(self._state.read_bytes())
        return [line.text for line in contents.lines.values() if not line.is_perhaps]

    def _type_lines(self, client: ClientProcess) -> None:
        while not self.is_in:
            gevent.sleep(_LOOK)
        # What the life before had typed and not sent is still there. A key that changes nothing draws nothing.
        _press(client, "x")
        _press(client, _KILL_LINE)
        while True:
            gevent.sleep(self._rng.expovariate(1 / self._pause))
            if self.is_quiet:
                continue
            self._is_typing = True
            self._number += 1
            body = f"{self.observed.client}-{self._number}"
            self.observed.lines[body] = LineRecord(body, None, Fate.UNKNOWN)
            _press(client, body)
            _press(client, "\r")
            self._is_typing = False


def _press(client: ClientProcess, keys: str) -> None:
    """Press keys, and wait until the program has drawn something: keys that it reads together are a paste."""
    drawn = len(client.output.text)
    client.type(keys)
    while len(client.output.text) == drawn:
        gevent.sleep(_LOOK)
    gevent.sleep(_READING)
