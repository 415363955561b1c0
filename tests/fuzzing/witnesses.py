"""Clients that behave: a pair that chats all along and must lose nothing, and a host whose session the streams use."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent.event import Event

from chat.protocol.descriptor import ByteOrder
from tests.peers.original_client import FILE, IMAGE, LOGIN, LOGOUT, UTF8, VOICE, OriginalClient
from tests.peers.wire import Address
from tests.peers.wire_client import WireClient, WireFrame

# Errors that may end a witness; any other error is a fault of the fuzzer itself.
_CAUSES = (AssertionError, OSError, EOFError, ValueError, LookupError)
_SAID_TO_MEMBERS = {LOGIN, LOGOUT, IMAGE, UTF8, FILE, VOICE}
_TRANSFERS = 4  # of one session at a time
_PATIENCE = 30.0  # seconds
_PAUSE = 0.005  # seconds between two messages of one of the pair


class Task:
    """Work in a greenlet, whose failure is raised when a caller asks for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.problem: Exception | None = None
        self._work = work
        self._greenlet = gevent.spawn(self._run)

    def check(self) -> None:
        """Raises what the work has died of, if it did."""
        if self.problem is not None:
            raise self.problem

    def wait(self, timeout: float, sentence: str) -> None:
        """Wait until the work is done; raise AssertionError with ``sentence`` if it takes too long."""
        self._greenlet.join(timeout)
        self.check()
        assert self._greenlet.ready(), sentence

    def end(self) -> None:
        self._greenlet.kill()

    def _run(self) -> None:
        try:
            self._work()
        except _CAUSES as problem:
            self.problem = problem


class Witness:
    """One of the pair: say ``NAME 0``, ``NAME 1``, … and record the messages of the pair.

    ``say`` sends a text; ``hear`` waits for a frame and gives sender and content of a public text, None of any other.
    """

    def __init__(
        self,
        name: str,
        say: Callable[[str], None],
        hear: Callable[[], tuple[str, str] | None],
        pair: tuple[str, str],
    ) -> None:
        self.name = name
        self.said = 0
        self.heard: list[str] = []
        self._say = say
        self._pair = pair
        self._hear = hear
        self._stopping = False
        self._tasks = Task(self._speak), Task(self._listen)

    def check(self) -> None:
        """Raises what it died of, if it did."""
        for task in self._tasks:
            task.check()

    def stop_speaking(self) -> None:
        self._stopping = True
        self._tasks[0].wait(_PATIENCE, f"{self.name} could not say the last words")

    def wait_for_the_last_words(self) -> None:
        """Wait until both of the pair have said that they have finished."""
        self._tasks[1].wait(_PATIENCE, f"{self.name} did not hear the last words")

    def end(self) -> None:
        for task in self._tasks:
            task.end()

    def _speak(self) -> None:
        while not self._stopping:
            self._say(f"{self.name} {self.said}")
            self.said += 1
            gevent.sleep(_PAUSE)
        self._say(f"{self.name} end")

    def _listen(self) -> None:
        finished: set[str] = set()
        while len(finished) < len(self._pair):
            spoken = self._hear()
            if spoken is None or spoken[0] not in self._pair:
                continue
            self.heard.append(spoken[1])
            if spoken[1].endswith("end"):
                finished.add(spoken[0])


class Pair:
    """``big``, a JSON client of big-endian words, and ``original``, as strict as the original client."""

    NAMES = ("big", "original")

    def __init__(self, address: Address) -> None:
        self._big = WireClient.joined(address, "big", inline=4096, timeout=_PATIENCE)
        self._original = OriginalClient(address, "original", timeout=_PATIENCE)
        # So that both hear all that either says.
        self._observer = Observer(self._big.welcome["users"])
        self._observer.observe(self._big.expect_joined("original"))
        self._original.expect(LOGIN, "original")
        self._witnesses = (
            Witness("big", self._big.say, self._hear_big, self.NAMES),
            Witness("original", self._original.say, self._hear_original, self.NAMES),
        )

    @property
    def said(self) -> int:
        return sum(witness.said for witness in self._witnesses)

    @property
    def users(self) -> set[str]:
        """Return the users in the room, as one of the pair knows them."""
        return self._observer.users

    def check(self) -> None:
        """Raises what went wrong so far."""
        for witness in self._witnesses:
            witness.check()

    def finish(self) -> None:
        """Stop talking, and raise AssertionError unless both have heard everything, once, in the same order."""
        for witness in self._witnesses:
            witness.stop_speaking()
        for witness in self._witnesses:
            witness.wait_for_the_last_words()
        one, other = self._witnesses
        assert one.heard == other.heard, "the pair heard different things"
        for witness in self._witnesses:
            own = [words for words in one.heard if words.startswith(f"{witness.name} ")]
            numbered = [f"{witness.name} {number}" for number in range(witness.said)]
            assert own == [*numbered, f"{witness.name} end"], f"words of {witness.name} were lost"

    def close(self) -> None:
        for witness in self._witnesses:
            witness.end()
        self._big.close()
        self._original.close()

    def _hear_big(self) -> tuple[str, str] | None:
        frame = self._big.read_frame()
        self._observer.observe(frame)
        if frame.type != UTF8 or "to" in frame.header:
            return None
        return frame.header["from"], frame.text

    def _hear_original(self) -> tuple[str, str] | None:
        heard = self._original.hear()
        return (heard.sender, heard.content.decode()) if heard.type == UTF8 else None


class Observer:
    """Check the events that a JSON client receives, and know from them who is in the room."""

    def __init__(self, users: list[str]) -> None:
        self.users = set(users)
        self._last = ""

    def observe(self, frame: WireFrame) -> None:
        """Raises AssertionError for what must not be."""
        assert frame.type in _SAID_TO_MEMBERS, f"a frame of type {frame.type} to a member"
        timestamp, sender = frame.header["timestamp"], frame.header["from"]
        assert timestamp.endswith("Z"), timestamp
        assert timestamp >= self._last, f"time ran backwards: {self._last} to {timestamp}"
        self._last = timestamp
        if frame.type == LOGIN:
            assert sender not in self.users, f"{sender} came twice"
            self.users.add(sender)
        elif frame.type == LOGOUT:
            assert sender in self.users, f"{sender} left twice"
            self.users.remove(sender)
        else:
            assert sender in self.users | {"server"}, f"{sender} is not here, but speaks"


class Host:
    """A member that is offered contents, and lends its session and the last offer to the streams."""

    # One that is kept in memory, one that goes to a file.
    _SIZES = (60_000, 100_000)

    def __init__(self, address: Address) -> None:
        self._client = WireClient.joined(
            address, "host", inline=4096, order=ByteOrder.LITTLE, timeout=_PATIENCE
        )
        self._address = address
        self.session: str = self._client.welcome["session"]
        self.offer = ""
        self._offers = 0
        self._offered = Event()
        self._listener = Task(self._listen)

    def make_offer(self) -> None:
        """Be offered another content: by oneself, so that nobody else hears of it."""
        content = bytes(self._SIZES[self._offers % 2])
        self._offers += 1
        self._offered.clear()
        self._client.send(FILE, {"nonce": f"offer-{self._offers}", "to": "host"}, content)
        assert self._offered.wait(_PATIENCE), "the host was not offered its own content"

    def fetch_offer(self) -> None:
        """All the transfers that a session may have at a time, each of which gets the content offered last."""
        size = self._SIZES[(self._offers - 1) % 2]
        transfers = [self._client.open_transfer(self._address) for _ in range(_TRANSFERS)]
        for transfer in transfers:
            with transfer:
                transfer.send(FILE, {"fetch": self.offer})
                transfer.expect(FILE, bytes(size), sender="host", id=self.offer)

    def check(self) -> None:
        """Raises what it died of, if it did."""
        self._listener.check()

    def close(self) -> None:
        self._listener.end()
        self._client.close()

    def _listen(self) -> None:
        observer = Observer(self._client.welcome["users"])
        while True:
            frame = self._client.read_frame()
            observer.observe(frame)
            if frame.header.get("nonce") == f"offer-{self._offers}":
                self.offer = frame.header.get("id", self.offer)
                self._offered.set()
