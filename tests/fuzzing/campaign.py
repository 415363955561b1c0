"""One server, many streams, and the conditions that must hold during and after them."""

from __future__ import annotations

import re
import signal
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import gevent
from gevent.pool import Pool

from tests.end_to_end.server_process import ServerProcess
from tests.fuzzing.streams import End, Stream
from tests.fuzzing.witnesses import Host, Pair
from tests.peers.wire import Wire
from tests.peers.wire_client import WireClient

# Small limits are met often. The code for the rates runs, but they delay nobody.
OPTIONS = (
    *("--max-text=4K", "--max-file=4M", "--max-spool=8M", "--max-backlog=2M"),
    *("--login-timeout=10", "--rate=100000/100000", "--byte-rate=1G/1G", "--max-users=60"),
    "--tls=optional",
)
_SHARE = 2 * 1024**2  # bytes of the spool that one user may hold: a quarter
_AT_ONCE = 12  # streams
_PATIENCE = 20.0  # seconds in which the server must close a connection whose client has finished
_READ_AT_MOST = 8 * 1024**2  # bytes of one connection
_OFFER_EVERY = 100  # streams


class FuzzFailure(Exception):
    """Something that must hold did not; ``suspects`` are the streams that were on their way shortly before."""

    def __init__(self, sentence: str, suspects: Iterable[Stream]) -> None:
        super().__init__(sentence)
        self.suspects = list(suspects)


class Footprint(NamedTuple):
    """The resources of a server while the same few members are in the room and nothing else happens."""

    greenlets: int
    descriptors: int
    temporary_files: int


class FuzzedServer(ServerProcess):
    """The real server, which can tell how many greenlets it has. With ``options``, or those of the fuzzer."""

    module = "tests.fuzzing.watched_server"

    def __init__(self, *options: str) -> None:
        super().__init__(*(options or OPTIONS))
        self._looked_at = 0

    def footprint(self) -> Footprint:
        """Return the present footprint."""
        return Footprint(self._greenlets(), len(self.open_files()), self.temporary_files())

    def look_at_log(self) -> None:
        """Raises AssertionError for what must not be in it, in the lines that are new since the last look."""
        new = self.lines[self._looked_at :]
        self._looked_at += len(new)
        for line in new:
            assert "Traceback" not in line, self.log[-5000:]
            assert not re.search(r" (ERROR|CRITICAL) ", line), line
            controls = [c for c in line.rstrip("\n") if unicodedata.category(c) in ("Cc", "Cf")]
            assert not controls, f"a control character of a peer in the log: {line!r}"

    def _greenlets(self) -> int:
        before = len(self._told())
        self.send_signal(signal.SIGUSR1)
        while len(told := self._told()) == before:
            gevent.sleep(0.01)
        return told[-1]

    def _told(self) -> list[int]:
        return [int(line.split(": ")[1]) for line in self.lines if line.startswith("greenlets")]


class Campaign:
    """Throw streams at a server while a pair chats. A context manager, for one run."""

    def __init__(self) -> None:
        self.server = FuzzedServer()
        try:
            self._pair = Pair(self.server.address)
            self._host = Host(self.server.address)
        except BaseException:
            self.server.end()
            raise
        self._suspects: deque[Stream] = deque(maxlen=4 * _AT_ONCE)
        self._problems: list[str] = []
        self._pool = Pool(_AT_ONCE)

    @property
    def messages(self) -> int:
        """Count the messages that the pair has said."""
        return self._pair.said

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.kill()
        self._host.close()
        self._pair.close()
        self.server.end()

    def run(self, streams: Iterable[Stream], told: Callable[[int], object] = id) -> Footprint:
        """Throw all of ``streams``, calling ``told`` with how many were so far; the server's footprint at the end.

        Raises FuzzFailure.
        """
        try:
            self._fill_spool()
            before = self._settled_footprint(None)
            self._throw_all(streams, told)
            self._fill_spool()
            after = self._settled_footprint(before)
            self._host.make_offer()
            self._host.fetch_offer()
            self._pair.finish()
            assert self._pair.users == {"big", "original", "host"}, (
                f"who is here: {self._pair.users}"
            )
            self._check()
            self._host.close()
            self._pair.close()
            status = self.server.stop()
            self.server.look_at_log()
            assert status == 0, f"the server ended with status {status}"
        except (AssertionError, OSError, EOFError) as problem:
            sentence = f"{type(problem).__name__}: {problem}"
            raise FuzzFailure(sentence, self._suspects) from problem
        return after

    def _throw_all(self, streams: Iterable[Stream], told: Callable[[int], object]) -> None:
        for count, stream in enumerate(streams, 1):
            if count % _OFFER_EVERY == 1:
                self._host.make_offer()
            self._suspects.append(stream)
            self._pool.spawn(self._throw, stream, self._host.session, self._host.offer)
            told(count)
            self._check()
        self._pool.join()
        self._check()

    def _throw(self, stream: Stream, session: str, offer: str) -> None:
        try:
            with Wire(self.server.address, timeout=_PATIENCE) as wire:
                problem = _send(wire, stream, session, offer)
        except OSError as error:
            problem = f"connecting: {error}"
        if problem is not None:
            self._problems.append(f"stream {stream.index}: {problem}")

    def _check(self) -> None:
        self._pair.check()
        self._host.check()
        self.server.look_at_log()
        assert not self._problems, self._problems[0]

    def _fill_spool(self) -> None:
        """Store as much as four members may, so that the server drops all other offers.

        If the server had lost space, the rest would not suffice for the four.
        """
        for number in range(4):
            with WireClient.joined(self.server.address, f"holder{number}", inline=0) as holder:
                holder.send(8, {"to": holder.name, "nonce": "kept"}, bytes(_SHARE))
                answer = holder.read_frame()
                while answer.header.get("nonce") != "kept":
                    answer = holder.read_frame()
                assert answer.header.get("size") == _SHARE, f"space was lost: {answer}"

    def _settled_footprint(self, expected: Footprint | None) -> Footprint:
        """Wait until the footprint is as ``expected``, or, with None, until it does not change any more."""
        deadline = gevent.get_hub().loop.now() + _PATIENCE
        found = self.server.footprint()
        while found != expected:
            assert gevent.get_hub().loop.now() < deadline, f"{expected} became {found}"
            gevent.sleep(0.2)
            last, found = found, self.server.footprint()
            if expected is None and found == last:
                break
        assert found.temporary_files == 4, f"the four holders' files and no other: {found}"
        return found


def _send(wire: Wire, stream: Stream, session: str, offer: str) -> str | None:
    """Send ``stream`` and end it as it says; return a description of the server's fault, or None."""
    reader = gevent.spawn(_read_out, wire) if stream.end is End.READ_OUT else None
    try:
        whole = _send_pieces(wire, stream.pieces(session, offer))
    except TimeoutError:
        return f"the server took nothing for {_PATIENCE} s"
    if reader is not None:
        if whole:
            wire.finish()
        return reader.get()
    if stream.end is End.RESET:
        wire.reset()
    return None


def _send_pieces(wire: Wire, pieces: Iterable[bytes]) -> bool:
    """Send the pieces; return False if the server closed before it had read all of them."""
    for piece in pieces:
        try:
            wire.send_bytes(piece)
        except ConnectionError:
            return False
        gevent.sleep(0)
    return True


def _read_out(wire: Wire) -> str | None:
    """Read to the end, at most ``_READ_AT_MOST`` bytes; return a description of the server's fault, or None."""
    read = 0
    try:
        while read < _READ_AT_MOST:
            data = wire.receive_some(65_536)
            if not data:
                return None
            read += len(data)
    except TimeoutError:
        return f"the server kept the connection open for {_PATIENCE} s after its end"
    except OSError:
        return None  # reset, since the server had not heard all that was sent
    return None


def narrow(failure: FuzzFailure) -> Stream | None:
    """The one of its suspects that alone brings about a failure, if there is such a one."""
    if _fails([]):
        return None  # no stream is needed for it
    return next((stream for stream in reversed(failure.suspects) if _fails([stream])), None)


def _fails(streams: Iterable[Stream]) -> bool:
    with Campaign() as campaign:
        try:
            campaign.run(streams)
        except FuzzFailure:
            return True
        return False
