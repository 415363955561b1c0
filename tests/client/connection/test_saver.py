"""Save contents beside the reader. ``test_incoming`` tests how the reader itself notices the saver."""

from __future__ import annotations

import threading
from pathlib import Path

import gevent
import pytest

from chat.client.connection import saver
from chat.client.connection.saver import SaveDirectory, Saver, Saving
from chat.client.connection.saving import PartialFile
from chat.client.errors import SaveFailed
from chat.client.runtime.gevent_runtime import GeventRuntime
from chat.client.runtime.runtime import Runtime
from tests.client.runtimes import with_both_runtimes

pytestmark = with_both_runtimes

PATIENCE = 20  # seconds


class Gate:
    """A directory that lets nothing in before ``open_gate`` is set. ``begun``: somebody waits for that."""

    def __init__(self, directory: Path) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self._directory = directory

    def open(self, filename: str, size: int) -> PartialFile:
        self.begun.set()
        assert self.gate.wait(PATIENCE)
        return PartialFile(self._directory, filename)


def test_contents_are_saved_in_their_order(runtime: Runtime, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    at_work = Saver(runtime, gate, 100)
    savings = [at_work.save("same", b"%d" % number) for number in range(5)]
    assert not any(saving.is_over for saving in savings)
    gate.gate.set()
    assert [saving.wait(PATIENCE).read_bytes() for saving in savings] == [
        b"%d" % number for number in range(5)
    ]
    assert [saving.wait().name for saving in savings] == [
        "same",
        *(f"same ({n})" for n in range(1, 5)),
    ]


def test_nobody_waits_longer_than_they_want(runtime: Runtime, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    at_work = Saver(runtime, gate, 100)
    saving = at_work.save("a", b"x")
    with pytest.raises(TimeoutError):
        saving.wait(0.001)
    assert not at_work.wait(0.001)
    assert repr(saving) == "<Saving under way>"
    gate.gate.set()
    assert at_work.wait(PATIENCE)
    assert saving.wait(PATIENCE) == tmp_path / "a"
    assert repr(saving) == f"<Saving {tmp_path / 'a'}>"


def test_a_listener_is_told_before_and_after(runtime: Runtime, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    saving = Saver(runtime, gate, 100).save("a", b"x")
    told: list[Saving] = []
    is_told = runtime.event()
    saving.then(told.append)
    saving.then(lambda saving: is_told.set())
    assert not told
    gate.gate.set()
    is_told.wait(PATIENCE)
    saving.then(told.append)
    assert told == [saving, saving]


def test_a_large_content_comes_by_pieces(runtime: Runtime, tmp_path: Path) -> None:
    inflow = Saver(runtime, SaveDirectory(tmp_path), 100).begin("a", 6)
    for piece in (b"one", memoryview(b"two")):
        assert inflow.write(piece)
    assert not inflow.saving.is_over
    inflow.finish()
    assert inflow.saving.wait(PATIENCE).read_bytes() == b"onetwo"


def test_one_that_does_not_come_whole_leaves_nothing(runtime: Runtime, tmp_path: Path) -> None:
    at_work = Saver(runtime, SaveDirectory(tmp_path), 100)
    inflow = at_work.begin("a", 6)
    assert inflow.write(b"one")
    inflow.abandon("It broke.")
    with pytest.raises(SaveFailed, match="It broke"):
        inflow.saving.wait(PATIENCE)
    assert at_work.wait(PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_one_that_fails_tells_its_reader_to_stop(runtime: Runtime, tmp_path: Path) -> None:
    at_work = Saver(runtime, SaveDirectory(tmp_path / "gone"), 100)
    inflow = at_work.begin("a", 6)
    inflow.write(b"one")
    with pytest.raises(SaveFailed, match="No such file"):
        inflow.saving.wait(PATIENCE)
    assert not inflow.write(b"two")
    inflow.finish()
    assert at_work.wait(PATIENCE)


def test_too_much_is_not_saved_and_what_comes_later_is(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver, "MAX_WAITING", 10_000)
    gate = Gate(tmp_path)
    at_work = Saver(runtime, gate, 10_000)
    savings = [at_work.save("a", bytes(1000)) for _ in range(20)]
    lost = [saving for saving in savings if saving.is_over]
    assert len(lost) == 20 - 4  # each counts for a little more than it has
    for saving in lost:
        with pytest.raises(SaveFailed, match="the disk is too slow"):
            saving.wait()
    gate.gate.set()
    assert at_work.wait(PATIENCE)
    assert at_work.save("a", b"x").wait(PATIENCE).name == "a (4)"


def test_a_large_one_waits_for_room_if_there_soon_is_some(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver, "MAX_WAITING", 10_000)
    monkeypatch.setattr(saver, "PATIENCE", PATIENCE)
    inflow = Saver(runtime, SaveDirectory(tmp_path), 1_000_000).begin("a", 1_000_000)
    for _ in range(100):
        assert inflow.write(bytes(10_000))
    inflow.finish()
    assert inflow.saving.wait(PATIENCE).stat().st_size == 1_000_000


def test_an_errand_is_done_after_what_was_saved_before(runtime: Runtime, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    at_work = Saver(runtime, gate, 100)
    saving = at_work.save("a", b"x")
    at_work.run((tmp_path / "a").unlink)
    gate.gate.set()
    assert at_work.wait(PATIENCE)
    assert saving.path == tmp_path / "a"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_costs_one_content(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(directory: Path, filename: str) -> PartialFile:
        raise MemoryError

    at_work = Saver(runtime, SaveDirectory(tmp_path), 100)
    with monkeypatch.context() as patch:
        patch.setattr(saver, "PartialFile", fail)
        saving = at_work.save("a", b"x")
        with pytest.raises(SaveFailed, match="It was not saved: MemoryError"):
            saving.wait(PATIENCE)
    assert at_work.save("b", b"x").wait(PATIENCE) == tmp_path / "b"


def test_a_callback_that_fails_ends_nothing_else(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is theirs to see whose callback it is; here nobody wants to.
    ended = threading.Semaphore(0)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: ended.release())
    monkeypatch.setattr(gevent.get_hub(), "exception_stream", None)
    told: list[Saving] = []
    is_told = runtime.event()

    def fail(saving: Saving) -> None:
        told.append(saving)
        raise ZeroDivisionError

    gate = Gate(tmp_path)
    at_work = Saver(runtime, gate, 100)
    savings = [at_work.save("a", b"x") for _ in range(3)]
    for saving in savings:
        saving.then(fail)
    savings[-1].then(lambda saving: is_told.set())
    gate.gate.set()
    is_told.wait(PATIENCE)
    assert told == savings
    assert at_work.save("b", b"x").wait(PATIENCE) == tmp_path / "b"
    if not isinstance(runtime, GeventRuntime):
        # While this hook is there.
        assert all(ended.acquire(timeout=PATIENCE) for _ in savings)


def test_where_no_thread_can_be_begun_it_is_said(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    at_work = Saver(runtime, SaveDirectory(tmp_path), 100)
    with monkeypatch.context() as patch:
        patch.setattr(type(runtime), "offload", refuse)
        with pytest.raises(SaveFailed, match="It was not saved: RuntimeError"):
            at_work.save("a", b"x").wait(PATIENCE)
    assert at_work.save("b", b"x").wait(PATIENCE) == tmp_path / "b"


def test_an_errand_that_fails_ends_nothing_else(runtime: Runtime, tmp_path: Path) -> None:
    at_work = Saver(runtime, SaveDirectory(tmp_path), 100)
    at_work.run((tmp_path / "gone").unlink)
    assert at_work.save("a", b"x").wait(PATIENCE) == tmp_path / "a"
