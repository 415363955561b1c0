"""The real screen client in a pseudo-terminal: it types lines, and is killed and started again."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random

import gevent

from tests.cutting.evidence import Fate, LineRecord, Observed
from tests.end_to_end.accounts import password_option
from tests.end_to_end.client_process import ClientProcess

_INSIDE = "in the room as"
_READING = 0.1  # seconds after which the program has read all keys
_LOOK = 0.05


class ScreenPeer:
    """Types into the screen of the account ``observed.account``; ``pause`` is the mean time between two lines.

    A test cannot know which lines reached the server before a kill, so each of them may have been said or not.
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
        self.is_quiet = False
        directory.mkdir()
        self._directory = directory
        self._address = f"{address[0]}:{address[1]}"
        self._option = password_option(directory, password)
        self._rng = rng
        self._pause = pause
        self._number = 0
        self._client: ClientProcess | None = None
        self._task: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Start the program, with the home that it had before."""
        home = str(self._directory)
        self._client = ClientProcess(
            self._address,
            self.observed.account,
            self._option,
            "--tls=off",
            directory=self._directory,
            terminal=True,
            environment={"HOME": home, "XDG_STATE_HOME": f"{home}/state"},
        )
        self._task = gevent.spawn(self._type_lines, self._client)

    def kill(self) -> None:
        """Kill the program, whatever it does."""
        task, client = self._task, self._client
        self._task = self._client = None
        if task is not None:
            task.kill()
        if client is not None:
            client.send_signal(signal.SIGKILL)
            client.process.wait()
            client.__exit__(None, None, None)

    def _type_lines(self, client: ClientProcess) -> None:
        while _INSIDE not in client.output.text:
            gevent.sleep(_LOOK)
        while True:
            gevent.sleep(self._rng.expovariate(1 / self._pause))
            if self.is_quiet:
                continue
            self._number += 1
            body = f"{self.observed.client}-{self._number}"
            self.observed.lines[body] = LineRecord(body, None, Fate.UNKNOWN)
            _press(client, body)
            _press(client, "\r")


def _press(client: ClientProcess, keys: str) -> None:
    """Press keys, and wait until the program has drawn something: keys that it reads together are a paste."""
    drawn = len(client.output.text)
    client.type(keys)
    while len(client.output.text) == drawn:
        gevent.sleep(_LOOK)
    gevent.sleep(_READING)
