"""A soak: many clients of all kinds in one room for a long time, and what must be so at the end of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

import gevent

from chat.protocol.descriptor import ByteOrder
from chat.server.attachments.offers import MAX_MEMORY
from tests.fuzzing.campaign import Footprint, FuzzedServer
from tests.peers.wire_client import WireClient
from tests.soaking.chronicle import LAST_WORDS, entry_of_frame
from tests.soaking.members import (
    ENDS,
    FILE,
    IMAGE,
    PATIENCE,
    VOICE,
    Member,
    WireMember,
    stranger,
)
from tests.soaking.programs import LibraryMember, ProgramMember
from tests.soaking.soak_state import SoakState

SPOOL = (
    16 * 1024**2
)  # bytes; small, so that the spool is full soon and the oldest offers must be dropped
_SHARE = SPOOL // 4  # what one user may hold
# Memory may grow after the first fifth of the time by so much, for a heap is never quite the same twice.
MEMORY_FACTOR, MEMORY_SLACK = 1.1, 8 * 1024**2
# Small offers are kept in memory, up to a limit of their own that an hour's talk would take a while to reach.
_SMALL = 60_000  # bytes
_WORTH_FILLING = 60.0  # seconds; in a longer soak, the offers are filled before
_SETTLED = 30.0  # seconds in which all must be given back once everyone has left
_WITNESSES = 2
# Deeds, how often of a hundred.
_DEEDS = {"say": 63, "whisper": 15, "share": 13, "large": 2, "fetch": 4, "stall": 3}
_STRANGERS = 0.1  # before so many of the lives


class Sample(NamedTuple):
    """A sample of the server: bytes of memory and of the spool, and how many descriptors; ``at`` is in seconds."""

    at: float
    memory: int
    descriptors: int
    spool: int


class Soak:
    """``clients`` at a time for ``seconds``; ``programs`` of them are real chat-clients. For one ``run``."""

    def __init__(
        self,
        *,
        seconds: float,
        clients: int,
        programs: int,
        seed: int,
        directory: Path,
        tls: bool,
        pause: float,
        life: float,
    ) -> None:
        spool = directory / "spool"
        spool.mkdir()
        self._seconds = seconds
        self._clients = clients
        self._programs = programs
        self.seed = seed
        self.server = FuzzedServer(
            *(f"--tls={'optional' if tls else 'off'}", "--max-per-address=2000"),
            *(f"--spool-directory={spool}", f"--max-spool={SPOOL}"),
            # The code for the rates runs, but the members who fill the spool are not delayed.
            *("--rate=1000/10000", "--byte-rate=100M/1G"),
        )
        self.soak_state = SoakState(self.server.address, directory, pause, life, tls=tls)
        self.samples: list[Sample] = []
        self.before = self.after = Footprint(0, 0, 0)
        self._started = time.monotonic()
        self._tasks: list[gevent.Greenlet] = []

    def __enter__(self) -> Soak:
        return self

    def __exit__(self, *_: object) -> None:
        gevent.killall(self._tasks)
        self.server.end()

    def run(self, told: Callable[[str], object]) -> list[str]:
        """Run the whole soak, and report progress to ``told``; return the problems."""
        soak_state = self.soak_state
        with WireClient.joined(
            soak_state.address, "witness", inline=4096, timeout=PATIENCE
        ) as witness:
            soak_state.chronicle.add(("+", "witness"))
            self._spawn(self._watch, witness)
            other = self._other_witness()
            self._fill_spool()
            if self._seconds >= _WORTH_FILLING:
                self._fill_offers()
            self.before = self._settled(None)
            told(f"before: {self.before}")
            lives = [self._spawn(self._live_on, slot) for slot in range(self._clients)]
            self._sample_until_end(told)
            soak_state.is_closing = True
            witness.say(LAST_WORDS)
            gevent.joinall(lives, timeout=3 * PATIENCE)
            if not all(life.ready() for life in lives):
                soak_state.complain("some members never came to their end")
            self._check_resident(other)
            self._check_end(told)
            other.close()
        status = self.server.stop()
        if status:
            soak_state.complain(f"the server ended with status {status}")
        self._look_at_log()
        return soak_state.problems

    # Those who are there all along

    def _watch(self, witness: WireClient) -> None:
        while True:
            try:
                type, header, size = witness.read_opening()
                content = witness.receive_exactly(size)
                entry = entry_of_frame(type, header, size, content)
                if entry is not None:
                    self.soak_state.chronicle.add(entry)
            except (*ENDS, AssertionError, ValueError, KeyError) as problem:
                if not self.soak_state.is_closing:
                    self.soak_state.complain(f"the witness: {type_name(problem)}: {problem}")
                return

    def _other_witness(self) -> Member:
        """A raw one, in the other byte order."""
        rng = Random(0)
        other = WireMember(
            self.soak_state, "original", rng, raw=True, order=ByteOrder.LITTLE, tls=False
        )
        other.enter()
        self._spawn(self._listen, other)
        return other

    def _check_resident(self, member: Member) -> None:
        """Check that a member who is still there heard everything up to the last words."""
        if not member.heard_last_words.wait(PATIENCE):
            self.soak_state.complain(f"{member.name} did not hear the last words")
            return
        chronicle = self.soak_state.chronicle
        assert chronicle.closed_at is not None
        record = member.record[: member.record.index(("text", "witness", LAST_WORDS)) + 1]
        self.soak_state.complain(
            chronicle.problem(member.name, record, True, chronicle.closed_at + 1)
        )

    # Those who come and go

    def _live_on(self, slot: int) -> None:
        """Live one life after the other, each under a new name."""
        number = 0
        while not self.soak_state.is_closing:
            rng = Random(f"{self.seed}/{slot}/{number}")
            if rng.random() < _STRANGERS:
                self._try(partial(stranger, self.soak_state, rng))
            member = self._make(slot, number, rng)
            try:
                self._live(member)
            except ENDS as problem:
                self.soak_state.complain(f"{member.name}: {type_name(problem)}: {problem}")
            finally:
                member.close()
            number += 1

    def _make(self, slot: int, number: int, rng: Random) -> Member:
        name = f"u{slot}.{number}"
        if slot < self._programs:
            return ProgramMember(
                self.soak_state, name, rng, f"--tls={'off' if slot % 2 else 'auto'}"
            )
        if slot % 4 == 3:
            return LibraryMember(self.soak_state, name, rng, tls="off" if slot % 8 == 3 else "auto")
        order = ByteOrder.LITTLE if slot % 2 else ByteOrder.BIG
        tls = self.soak_state.tls and slot % 8 >= 4
        return WireMember(self.soak_state, name, rng, raw=slot % 3 == 0, order=order, tls=tls)

    def _live(self, member: Member) -> None:
        soak_state, rng = self.soak_state, member.rng
        member.enter()
        soak_state.counts["lives"] += 1
        listener = self._spawn(self._listen, member)
        end = time.monotonic() + rng.expovariate(1 / soak_state.life)
        while time.monotonic() < end and not soak_state.is_closing:
            gevent.sleep(min(rng.expovariate(1 / soak_state.pause), max(end - time.monotonic(), 0)))
            if member.ended:
                break
            if not soak_state.is_closing:
                self._act(member)
        if member.ended:
            soak_state.complain(f"{member.name} was cut off")
            return
        if soak_state.is_closing and soak_state.chronicle.wait_until_closed(
            member.name, PATIENCE / 4
        ):
            self._check_resident(member)
        self._die(member, listener)

    def _die(self, member: Member, listener: gevent.Greenlet) -> None:
        soak_state = self.soak_state
        how = member.rng.choice(member.endings)
        soak_state.counts[how] += 1
        whole = member.end(how)
        listener.join(PATIENCE)
        if not listener.ready():
            soak_state.complain(f"{member.name} ({how}) is not let go")
            return
        if not member.record:
            return  # a program that ended before it had come in
        if not soak_state.chronicle.wait_until_left(member.name, PATIENCE):
            soak_state.complain(f"{member.name} ({how}) is still there")
            return
        soak_state.complain(soak_state.chronicle.problem(member.name, member.record, whole))
        if whole:
            soak_state.heard_all.add(member.name)
            member.check_end()

    def _act(self, member: Member) -> None:
        soak_state, rng = self.soak_state, member.rng
        deed = rng.choices(list(_DEEDS), list(_DEEDS.values()))[0]
        kind = rng.choice((FILE, IMAGE, VOICE))
        deeds: dict[str, Callable[[], object]] = {
            "say": lambda: member.say(member.next_text()),
            "whisper": lambda: member.say(member.next_text(), self._somebody(member)),
            "share": lambda: member.share(kind, rng.randrange(1, 30_000)),
            "large": lambda: member.share(FILE, rng.randrange(66_000, 200_000)),
            "fetch": member.fetch,
            "stall": lambda: member.stall(rng.uniform(0, min(3.0, soak_state.pause))),
        }
        self._try(deeds[deed])

    def _somebody(self, member: Member) -> str | None:
        there = [name for name in self.soak_state.chronicle.present if name[0] == "u"]
        others = [name for name in there if name != member.name]
        return member.rng.choice(others) if others else None

    def _listen(self, member: Member) -> None:
        try:
            member.listen()
        except ENDS:
            pass  # the way most connections end here
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is to be told at the end
            self.soak_state.complain(f"{member.name}: {type_name(problem)}: {problem}")
        finally:
            member.ended = True

    def _try(self, deed: Callable[[], object]) -> None:
        """Do ``deed``. If it fails because the connection is gone, the listener of that connection reports it."""
        try:
            deed()
        except ENDS:
            self.soak_state.counts["deeds that failed"] += 1

    # The server

    def _sample_until_end(self, told: Callable[[str], object]) -> None:
        self._started = time.monotonic()
        every = max(0.5, min(60.0, self._seconds / 10))
        while (left := self._started + self._seconds - time.monotonic()) > 0:
            gevent.sleep(min(every, left))
            self.samples.append(sample := self._sample())
            told(
                f"{sample.at:6.0f} s: {describe(sample)}, {len(self.soak_state.chronicle.present)} here"
            )
            if self.soak_state.problems:
                told(self.soak_state.problems[0])
                return

    def _sample(self) -> Sample:
        files = 0
        for descriptor in Path(f"/proc/{self.server.pid}/fd").iterdir():
            try:
                if str(descriptor.readlink()).endswith("(deleted)"):
                    files += descriptor.stat().st_blocks * 512
            except FileNotFoundError:
                continue  # closed since it was listed
        at = time.monotonic() - self._started
        return Sample(at, self.server.resident_memory(), len(self.server.open_files()), files)

    def _check_end(self, told: Callable[[str], object]) -> None:
        soak_state = self.soak_state
        soak_state.check_whispers()
        for entry in soak_state.chronicle.repeated():
            if entry[0] not in ("+", "-"):
                soak_state.complain(f"it came twice: {entry}")
        self._fill_spool()
        self.after = self._settled(self.before)
        told(f"after:  {self.after}")
        if self.after != self.before:
            soak_state.complain(f"{self.before} became {self.after}")
        self.samples.append(self._sample())
        for sample in self.samples:
            if sample.spool > SPOOL * 1.1:
                soak_state.complain(f"{sample.spool} bytes in the spool, which may have {SPOOL}")
        if not self.memory_is_flat:
            soak_state.complain(f"memory grew: {[sample.memory for sample in self.samples]}")

    @property
    def memory_is_flat(self) -> bool:
        """Tell whether memory has not grown since the first fifth of the time, within the limits above."""
        settled = self.samples[len(self.samples) // 5].memory
        return self.samples[-1].memory <= settled * MEMORY_FACTOR + MEMORY_SLACK

    def _fill_spool(self) -> None:
        """Fill the whole spool: all offers are dropped, and if space had been lost, the rest would not suffice."""
        for number in range(4):
            name = f"holder{number}{'a' if self.samples else 'b'}"
            with WireClient.joined(
                self.soak_state.address, name, inline=0, timeout=PATIENCE
            ) as holder:
                holder.send(8, {"to": name, "nonce": "kept"}, bytes(_SHARE))
                answer = holder.read_frame()
                while answer.header.get("nonce") != "kept":
                    answer = holder.read_frame()
                if answer.header.get("size") != _SHARE:
                    self.soak_state.complain(f"space was lost: {answer}")

    def _fill_offers(self) -> None:
        """Fill the memory for offers: each later offer replaces an older one, and takes no more memory."""
        with WireClient.joined(
            self.soak_state.address, "filler", inline=0, timeout=PATIENCE
        ) as filler:
            for number in range(MAX_MEMORY // _SMALL + 1):
                filler.send(8, {"to": "filler", "nonce": str(number)}, bytes(_SMALL))
                while filler.read_frame().header.get("nonce") != str(number):
                    continue

    def _settled(self, expected: Footprint | None) -> Footprint:
        """Wait until the footprint is as ``expected`` or does not change any more, or until the patience is over."""
        deadline = time.monotonic() + _SETTLED
        found = self.server.footprint()
        while found != expected and time.monotonic() < deadline:
            gevent.sleep(0.3)
            last, found = found, self.server.footprint()
            if expected is None and found == last:
                break
        return found

    def _look_at_log(self) -> None:
        try:
            self.server.look_at_log()
        except AssertionError as problem:
            self.soak_state.complain(str(problem))

    def _spawn(self, function: Callable[..., None], *arguments: object) -> gevent.Greenlet:
        task = gevent.spawn(function, *arguments)
        self._tasks.append(task)
        task.link(self._forget)
        return task

    def _forget(self, task: gevent.Greenlet) -> None:
        self._tasks.remove(task)
        if task.exception is not None:
            self.soak_state.complain(f"a fault of the soak itself: {task.exception!r}")


def describe(sample: Sample) -> str:
    megabytes = 1024**2
    return (
        f"{sample.memory / megabytes:.1f} MiB, {sample.descriptors} descriptors, "
        f"{sample.spool / megabytes:.1f} MiB in the spool"
    )


def type_name(problem: BaseException) -> str:
    return type(problem).__name__
