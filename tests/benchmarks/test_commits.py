"""Servers of other commits: found by git, kept in a cache, started with what they need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from threading import Thread

import pytest

from benchmarks import commits
from benchmarks.commits import Commit, prepare, requirements
from benchmarks.peers.chat import Chat
from benchmarks.peers.encrypted import ChatTls
from chat.config.command_line import UsageError

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
    pytest.mark.thorough("takes commits out of git, and starts their servers"),
]

SETUP = "from setuptools import setup\n\nsetup(name='chat', install_requires={!r})\n"
SERVER = '''"""Usage: server [--address=<address>] [--rate=<n>] [--data-directory=<path>]"""
import sys
{}
if __name__ == "__main__" and "--help" in sys.argv:
    print(__doc__)
'''
LISTENS = """
if __name__ == "__main__" and "--help" not in sys.argv:
    import socket
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1].rpartition(":")[2])))
    print(__file__, flush=True)
    while True:
        listener.accept()
"""


class Checkout:
    """A repository with a small server of its own in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self.path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, version: str, wanted: object = ("gevent",), server: str = "") -> str:
        """Make a commit; its hash."""
        package = self.path / "chat" / "server"
        package.mkdir(parents=True, exist_ok=True)
        (self.path / "setup.py").write_text(SETUP.format(list(wanted)))  # type: ignore[call-overload]
        (self.path / "chat" / "__init__.py").write_text(f'__version__ = "{version}"\n')
        (package / "__init__.py").write_text("")
        (package / "cli.py").write_text(SERVER.format(server))
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", version)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that pip may write into: to tell its server of the machine, it starts compilers, and these have settings."""
    path = tmp_path / "home"
    path.mkdir()
    monkeypatch.setenv("HOME", str(path))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "checkout")
    made.commit("1.0")
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def what_runs(commit: Commit) -> str:
    """The version of the server that would start."""
    command = [str(commit.python), "-c", "import chat.server.cli; print(chat.__version__)"]
    environment = {**os.environ, "PYTHONPATH": str(commit.source)}
    said = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def test_any_revision_is_resolved_to_its_commit(checkout: Checkout, cache: Path) -> None:
    old = checkout.git("rev-parse", "HEAD")
    checkout.git("tag", "--annotate", "--message=x", "old")
    new = checkout.commit("2.0")
    # A change that is not committed is not part of the measured commit.
    (checkout.path / "chat" / "__init__.py").write_text('__version__ = "3.0"\n')

    for revision, hash, version in [
        ("HEAD", new, "2.0"),
        ("main", new, "2.0"),
        ("HEAD~1", old, "1.0"),
        ("old", old, "1.0"),
        (old[:10], old, "1.0"),
    ]:
        commit = prepare(revision, checkout.path, cache)
        assert (commit.hash, commit.version) == (hash, version)
        assert hash.startswith(commit.short)
        assert what_runs(commit) == version
        assert commit.source.is_relative_to(cache / hash)
        assert commit.options == {"--address", "--rate", "--data-directory"}


def test_a_commit_is_taken_out_once(
    checkout: Checkout, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare("HEAD", checkout.path, cache)
    monkeypatch.delattr(commits, "_take_out")

    again = prepare("main", checkout.path, cache)

    assert again == first._replace(revision="main")
    assert list(cache.iterdir()) == [cache / first.hash]


def test_a_commit_is_compiled_before_it_is_measured(
    checkout: Checkout, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # which the server would follow

    source = prepare("HEAD", checkout.path, cache).source

    assert list(source.glob("chat/server/__pycache__/cli.*.pyc"))


def test_the_server_that_runs_is_the_commits(checkout: Checkout, cache: Path) -> None:
    checkout.commit("2.0", server=LISTENS)
    commit = prepare("HEAD", checkout.path, cache)

    with Chat(commit).running() as server:
        assert Path(server.last_words()) == commit.source / "chat" / "server" / "cli.py"


def test_no_other_server_is_measured_in_its_place(
    checkout: Checkout, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = {**os.environ, "PYTHONPATH": str(checkout.path)}
    monkeypatch.setattr(commits, "python_environment", lambda source: elsewhere)

    with pytest.raises(UsageError, match="not the commit's") as problem:
        prepare("HEAD", checkout.path, cache)

    assert str(checkout.path / "chat") in str(problem.value)


def test_two_who_prepare_the_same_both_get_it(checkout: Checkout, cache: Path) -> None:
    got: list[Commit] = []
    threads = [
        Thread(target=lambda: got.append(prepare("HEAD", checkout.path, cache))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == 3
    assert {what_runs(commit) for commit in got} == {"1.0"}
    assert [path.name for path in cache.iterdir()] == [got[0].hash]


def test_the_commits_used_longest_ago_are_forgotten(
    checkout: Checkout, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "MOST_CACHED", 2)
    hashes = []
    for number in range(3):
        hashes.append(checkout.commit(f"2.{number}"))
        home = prepare("HEAD", checkout.path, cache).source.parent
        os.utime(home, (number, number))
        if number == 1:
            prepare(hashes[0], checkout.path, cache)  # used again

    assert {path.name for path in cache.iterdir()} == {hashes[0], hashes[2]}


@pytest.mark.parametrize(
    "revision", ["nosuch", "HEAD~99", "HEAD^{tree}", "HEAD:setup.py", "0" * 40]
)
def test_a_wrong_revision_is_told(checkout: Checkout, cache: Path, revision: str) -> None:
    with pytest.raises(UsageError) as problem:
        prepare(revision, checkout.path, cache)

    assert "git knows no such commit" in str(problem.value)
    assert revision in str(problem.value)
    assert not cache.exists()


@pytest.mark.parametrize("revision", ["", "-h", "--all", "--output=x"])
def test_what_is_no_revision_is_no_option_of_git_either(
    checkout: Checkout, cache: Path, revision: str
) -> None:
    with pytest.raises(UsageError, match="expected a git revision after the @"):
        prepare(revision, checkout.path, cache)


def test_without_a_repository_there_is_nothing_to_compare_with(
    tmp_path: Path, cache: Path, checkout: Checkout
) -> None:
    with pytest.raises(UsageError, match="is no git checkout"):
        prepare("HEAD", tmp_path, cache)
    # A copy that somebody unpacked within another repository.
    unpacked = checkout.path / "unpacked"
    unpacked.mkdir()
    with pytest.raises(UsageError, match="another repository around it"):
        prepare("HEAD", unpacked, cache)


def test_without_git_there_is_nothing_to_compare_with(
    checkout: Checkout, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(cache))

    with pytest.raises(UsageError, match="git is not installed"):
        prepare("HEAD", checkout.path, cache)


def test_a_hook_of_git_leads_to_no_other_repository(
    tmp_path: Path, checkout: Checkout, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Checkout(tmp_path / "other")
    other.commit("9.0")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))

    assert prepare("HEAD", checkout.path, cache).version == "1.0"


def test_a_cache_that_can_not_be_written_is_told(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="Not a directory"):
        prepare("HEAD", checkout.path, tmp_path / "file" / "cache")


@pytest.mark.parametrize(("server", "why"), [
    ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
    ("def (", "SyntaxError"),
])  # fmt: skip
def test_a_server_that_does_not_start_is_told(
    checkout: Checkout, cache: Path, server: str, why: str
) -> None:
    checkout.commit("2.0", server=server)

    with pytest.raises(UsageError, match="its server does not start") as problem:
        prepare("HEAD", checkout.path, cache)

    assert why in str(problem.value)


def test_a_commit_without_a_server_is_told(checkout: Checkout, cache: Path) -> None:
    checkout.git("rm", "-r", "--quiet", "chat")
    checkout.git("commit", "--quiet", "--message=gone")

    with pytest.raises(UsageError, match="it has no server to measure"):
        prepare("HEAD", checkout.path, cache)


def test_the_same_libraries_are_shared(checkout: Checkout, cache: Path) -> None:
    checkout.commit("2.0")

    assert prepare("HEAD~1", checkout.path, cache).python == Path(sys.executable)


def wheel_of(directory: Path, name: str, version: str) -> str:
    """A library to install without a network; how to ask for it."""
    path = directory / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", f"version = {version!r}\n")
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        wheel.writestr(f"{info}/METADATA", metadata)
        tags = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", tags)
        wheel.writestr(f"{info}/RECORD", "")
    return f"{name} @ {path.as_uri()}"


def test_other_libraries_are_laid_over_todays(
    tmp_path: Path, checkout: Checkout, cache: Path
) -> None:
    wanted = ["gevent", wheel_of(tmp_path, "library_of_old", "1")]
    checkout.commit("2.0", wanted, server="import gevent, library_of_old")
    checkout.commit("3.0")

    commit = prepare("HEAD~1", checkout.path, cache)

    assert commit.python != Path(sys.executable)
    assert what_runs(commit) == "2.0"
    (tmp_path / "library_of_old-1-py3-none-any.whl").unlink()
    assert prepare("HEAD~1", checkout.path, cache) == commit  # is not installed again


def test_libraries_that_can_not_be_installed_are_told(
    tmp_path: Path, checkout: Checkout, cache: Path
) -> None:
    gone = wheel_of(tmp_path, "library_of_old", "1")
    (tmp_path / "library_of_old-1-py3-none-any.whl").unlink()
    hash = checkout.commit("2.0", [gone])
    checkout.commit("3.0")

    with pytest.raises(UsageError, match="could not be installed") as problem:
        prepare("HEAD~1", checkout.path, cache)

    assert "\n" not in str(problem.value)
    assert not list((cache / hash).glob("venv-*"))  # the next time it is tried again


@pytest.mark.parametrize(("setup", "found"), [
    (SETUP.format(["a>=1", "b"]), ["a>=1", "b"]),
    ("setup(install_requires=[])", []),
    ("WANTED = ['a']\nsetup(install_requires=WANTED)", None),
    ("setup(install_requires=[1])", None),
    ("setup()", None),
    ("setup(", None),
])  # fmt: skip
def test_requirements_are_read_without_running_anything(
    setup: str, found: list[str] | None
) -> None:
    assert requirements(setup) == found


def test_a_setup_that_can_not_be_read_is_told(checkout: Checkout, cache: Path) -> None:
    (checkout.path / "setup.py").write_text("WANTED = ['a']\nsetup(install_requires=WANTED)")
    checkout.git("commit", "--quiet", "--all", "--message=x")

    with pytest.raises(UsageError, match="does not list install_requires"):
        prepare("HEAD", checkout.path, cache)


def test_an_old_server_is_given_the_options_that_it_knows(
    tmp_path: Path, checkout: Checkout, cache: Path
) -> None:
    commit = prepare("HEAD", checkout.path, cache)
    old = Chat(commit)

    command = old.command(4711, tmp_path)

    assert command == [
        *(str(commit.python), "-m", "chat.server.cli", "--address=127.0.0.1:4711"),
        *("--rate=0", f"--data-directory={tmp_path}"),
    ]
    assert "--tls=off" in Chat().command(4711, tmp_path)
    assert old.source == commit.source
    assert (old.name, ChatTls(commit).name) == (f"chat@{commit.short}", f"chat-tls@{commit.short}")
    assert commit.hash in old.version()
