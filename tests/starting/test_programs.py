"""A program that is forked from a stem is as one that was executed."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import homes
from tests.starting import programs
from tests.starting.programs import CHECKOUT, Program, ignoring, run_program, take_terminal

pytestmark = pytest.mark.thorough("for changes to tests/starting; all tests of programs are forked")

PATIENCE = 30.0  # seconds


@pytest.fixture(autouse=True, scope="module")
def _new_stems() -> None:
    """Fork from new processes: an earlier test may have raised a limit, and a stem from before then starts nothing."""
    programs._stem.cache_clear()


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[Any]:
    return run_program(command, **{"env": homes.environment(), **options})


SIDES = ["chat.client", "chat.server"]

# A program's view of how it was started. Each comment names the side.
LOOK = """
# {side}
import os, sys
names = set(sys.modules)
if {side!r}.endswith("server"):
    from chat.process import fairness  # its event loop is there from the start
held = os.listdir("/proc/self/fd")
import ctypes, gc, json, locale, resource, signal, threading, time
import gevent._hub_local as hubs
from pathlib import Path

def stream(of):
    return [of.name, of.mode, of.encoding, of.errors, of.line_buffering, of.isatty(), of.newlines]

environ = ctypes.CDLL(None).getenv
environ.restype = ctypes.c_char_p
status = Path("/proc/self/status").read_text().splitlines()
print(json.dumps({{
    "argv": sys.argv,
    "original": sys.orig_argv,
    "path": sys.path,
    "flags": str(sys.flags),
    "environment": dict(os.environ),
    "C": [str(environ(name)) for name in (b"HOME", b"TZ", b"ODD", b"CHAT_NEVER")],
    "directory": os.getcwd(),
    "descriptors": len(held),
    "streams": [stream(sys.stdin), stream(sys.stdout), stream(sys.stderr)],
    "same": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
    "terminal": os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp(),
    "leader": os.getsid(0) == os.getpid(),
    "session": "own" if os.getsid(0) == os.getpid() else os.getsid(0),
    "group": "own" if os.getpgrp() == os.getpid() else os.getpgrp(),
    "parent": os.getppid(),
    "signals": [str(signal.getsignal(number)).split(" at ")[0] for number in signal.valid_signals()],
    "status": [line for line in status if line.startswith(("SigI", "SigB", "SigC", "Umask", "Threads", "CapEff"))],
    "limits": Path("/proc/self/limits").read_text(),
    "locale": [locale.setlocale(locale.LC_ALL), locale.getpreferredencoding(False)],
    "zone": [time.tzname, time.timezone],
    "main": sorted(set(globals()) - {{"__cached__"}}),
    "threads": threading.active_count(),
    "hub": hubs.get_hub_if_exists() is None,
    "umask": os.umask(0),
    "priority": os.nice(0),
    "collection": [gc.isenabled(), gc.get_threshold()],
    "file": sys.modules["__main__"].__dict__.get("__file__"),
    "loads itself": "{side}.cli" in names,
}}))
"""


def seen(side: str, *arguments: str, on_terminal: bool = False, **options: Any) -> dict[str, Any]:
    """Return the output of the program."""
    command = [sys.executable, "-c", LOOK.format(side=side), *arguments]
    options = {"env": dict(os.environ), **options}
    if not on_terminal:
        with Program[bytes](
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
        ) as process:
            said = process.communicate(b"", PATIENCE)[0]
        assert process.returncode == 0
    else:
        near, far = pty.openpty()
        with Program[bytes](
            command,
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            preexec_fn=take_terminal,
            **options,
        ) as process:
            os.close(far)
            said = read_all(near)
            assert process.wait(PATIENCE) == 0
        os.close(near)
    return {"forked": process.was_forked, **json.loads(said)}


def read_all(near: int) -> bytes:
    data = b""
    while True:
        try:
            data += os.read(near, 65536)
        except OSError:
            return data  # nobody has the terminal open any more


def differences(side: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """Between a program that was forked and the same that was executed."""
    forked = seen(side, **options)
    monkeypatch.setenv("CHAT_TESTS_EXEC", "1")
    executed = seen(side, **options)
    assert (forked.pop("forked"), executed.pop("forked")) == (True, False)
    assert forked.keys() == executed.keys()
    for each in (forked, executed):
        each["environment"].pop("CHAT_TESTS_EXEC", None)
    return {
        name: (forked[name], value) for name, value in executed.items() if forked[name] != value
    }


@pytest.mark.parametrize("side", SIDES)
class TestAsExecuted:
    def test_with_pipes(self, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert differences(side, monkeypatch) == {}

    def test_elsewhere(self, side: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        odd = {"TZ": "Asia/Kolkata", "ODD": "\udcff ü", "PYTHONPATH": f"{CHECKOUT}:/nowhere"}
        environment = homes.environment(**odd)
        assert differences(side, monkeypatch, cwd=tmp_path, env=environment) == {}

    def test_on_a_terminal(self, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
        environment = homes.environment(TERM="xterm", COLUMNS="100")
        assert differences(side, monkeypatch, on_terminal=True, env=environment) == {}

    def test_with_a_signal_ignored(self, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            assert differences(side, monkeypatch, preexec_fn=ignoring(number)) == {}
            monkeypatch.delenv("CHAT_TESTS_EXEC")

    def test_a_module(self, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
        command = [sys.executable, "-m", f"{side}.cli", "--no-such-option"]
        forked = run(command)
        monkeypatch.setenv("CHAT_TESTS_EXEC", "1")
        executed = run(command)
        assert vars(forked) == vars(executed)
        assert forked.returncode == 2
        assert forked.stderr

    def test_it_is_a_child_of_ours(self, side: str) -> None:
        command = [sys.executable, "-c", f"# {side}\ninput()"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = homes.environment()
        with Program[bytes](command, stdin=subprocess.PIPE, env=environment) as process:
            assert process.was_forked
            assert process.poll() is None
            parent = Path(f"/proc/{process.pid}/status").read_text()
            assert f"\nPPid:\t{os.getpid()}\n" in parent
            process.communicate(b"\n")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_minflt > before.ru_minflt

    def test_nobody_else_is_a_child_of_ours_afterwards(self, side: str) -> None:
        """A process that ends before its child, as a daemon's parent does, leaves the child to the first process."""
        run([sys.executable, "-c", f"# {side}"])
        orphan = subprocess.run(["sh", "-c", "sleep 30 >&- & echo $!"], stdout=subprocess.PIPE)
        status = Path(f"/proc/{int(orphan.stdout)}/status").read_text()
        os.kill(int(orphan.stdout), signal.SIGKILL)
        assert f"\nPPid:\t{os.getpid()}\n" not in status


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("", 0),
        ("raise SystemExit", 0),
        ("raise SystemExit(7)", 7),
        ("raise SystemExit('why')", 1),
        ("1 / 0", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import os; os._exit(5)", 5),
        ("import os; os.abort()", -signal.SIGABRT),
        ("import os, signal; os.kill(os.getpid(), signal.SIGPIPE)", 0),  # Python ignores it
        ("import atexit; atexit.register(print, 'at the end')", 0),
        ("print('not flushed', end='')", 0),
        (
            "import threading, time\n"
            "threading.Thread(target=lambda: (time.sleep(0.1), print('waited for'))).start()",
            0,
        ),
    ],
)
def test_the_end(script: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", f"# chat.client\n{script}"]
    forked = run(command)
    monkeypatch.setenv("CHAT_TESTS_EXEC", "1")
    executed = run(command)
    assert forked.returncode == executed.returncode == status
    assert forked.stdout == executed.stdout
    assert forked.stderr.splitlines()[-1:] == executed.stderr.splitlines()[-1:]


def test_each_has_an_event_loop_and_random_numbers_of_its_own() -> None:
    script = """
# chat.server
import gevent, os, random, ssl, uuid
import chat.process.fairness
loop = gevent.get_hub().loop
assert all(each is loop for each in vars(chat.process.fairness._next_look).values() if type(each) is type(loop))
gevent.spawn(gevent.sleep, 0.001).get()
assert gevent.get_hub().threadpool.apply(os.getpid) == os.getpid()
print(random.random(), ssl.RAND_bytes(8), uuid.uuid4())
"""
    said = [run([sys.executable, "-c", script]) for _ in range(2)]
    assert [each.stderr for each in said] == [b"", b""]
    assert not set(said[0].stdout.split()) & set(said[1].stdout.split())


def test_nothing_of_one_is_seen_by_the_next() -> None:
    load = "# chat.client\nimport os; from chat.client.program import program\n"
    change = load + "program.NO_ANSWER = os.environ['A'] = 'b'"
    look = load + "print(program.NO_ANSWER, os.environ.get('A'))"
    run([sys.executable, "-c", change])
    assert run([sys.executable, "-c", look], text=True).stdout == "120.0 None\n"


@pytest.fixture
def blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


class TestWhatIsExecuted:
    """Starts that a stem would do differently."""

    def was_forked(self, *words: str, what: str = "pass # chat.client", **options: Any) -> bool:
        options = {"env": homes.environment(), **options}
        with Program[bytes]([sys.executable, *words, "-c", what], **options) as process:
            assert process.wait(PATIENCE) == 0
        return process.was_forked

    def test_the_usual_is_not(self) -> None:
        assert self.was_forked()

    @pytest.mark.parametrize(
        "name", ["LC_ALL", "LANG", "PYTHONUTF8", "GEVENT_LOOP", "PYTHONHASHSEED"]
    )
    def test_with_what_is_read_but_once(self, name: str) -> None:
        value = {"GEVENT_LOOP": "libev-cext", "PYTHONUTF8": "1", "PYTHONHASHSEED": "3"}.get(
            name, "C"
        )
        assert not self.was_forked(env=homes.environment(**{name: value}))

    def test_with_options_of_python(self) -> None:
        assert not self.was_forked("-I")

    def test_another_program(self) -> None:
        assert not self.was_forked(what="pass")

    def test_with_the_environment_of_the_tests(self) -> None:
        assert not self.was_forked(env=None)

    def test_with_a_mask_of_signals(self, blocked: None) -> None:
        assert not self.was_forked()

    def test_with_a_umask(self) -> None:
        assert not self.was_forked(umask=0o27)
        before = os.umask(0o27)
        try:
            assert not self.was_forked()
        finally:
            os.umask(before)

    def test_with_another_limit(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (1 if soft == 0 else 0, hard))
        try:
            assert not self.was_forked()
        finally:
            resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))

    def test_with_something_to_do_before(self) -> None:
        assert not self.was_forked(preexec_fn=lambda: None)

    def test_with_a_descriptor(self) -> None:
        reader, writer = os.pipe()
        assert not self.was_forked(pass_fds=(reader,))
        os.close(reader)
        os.close(writer)


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run([sys.executable, "-c", "# chat.client"], cwd=tmp_path / "missing")


def test_a_stem_ends_with_whoever_made_it() -> None:
    script = (
        "import sys, tests.starting.programs as programs\n"
        "programs.run_program([sys.executable, '-c', '# chat.client'], env=dict(programs.os.environ))\n"
        "print(programs._stem('chat.client', programs.os.getpid())._process.pid, flush=True)\n"
        "programs.os._exit(0)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, stdout=subprocess.PIPE, check=True
    )
    status = Path(f"/proc/{int(said.stdout)}/status")
    deadline = time.monotonic() + PATIENCE
    while status.exists() and "\nState:\tZ" not in status.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
